"""Writes LLVM functions: loops, loads and stores of float32 vectors, and arithmetic on them."""

from contextlib import contextmanager

import numpy as np
from llvmlite import ir

SYMBOL = "keras_rnn_{}"  # the name under which other modules call a compiled function

FLOAT, INT, BYTE, POINTER = ir.FloatType(), ir.IntType(64), ir.IntType(8), ir.PointerType()
INDEX = ir.IntType(32)  # of rows, as TensorFlow has them

# exp x = P(x) for |x| <= log(2) / 2. P is the Taylor polynomial of degree 6, highest power first. The first omitted
# term is at most 1.2e-7. For x between EXP_LEAST and EXP_MOST the result is a normal float32.
EXP = (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0)
EXP_LEAST, EXP_MOST = -87.0, 88.0
ROUNDING = 1.5 * 2**23  # the last bits of x + ROUNDING are the whole number nearest to x
LOG_2_HIGH, LOG_2_LOW = 0.693145751953125, 1.428606765330187e-06  # n * LOG_2_HIGH is exact for every n here

# tanh x = x P(x^2) / Q(x^2) for |x| < TANH_LIMIT, and 1 from there on. It is the minimax form of degrees 13 and 6 that
# Eigen computes, and so TensorFlow. Highest powers first.
TANH_LIMIT = 7.90531110763549805
TANH_P = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
TANH_Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)


class FunctionBuilder:
    """Builds one function, `void name(pointers..., integers...)`.

    Integers are Python's or `i64` values. Vectors hold `lanes` float32.

    Attributes:
        args: the function's arguments by name.
        builder: the llvmlite builder that stands where the next instruction goes.
        entry: the builder of the entry block, outside of all loops, which holds variables and constants.
        vector_type: the type of a vector.
    """

    def __init__(self, module: ir.Module, name: str, pointers: list[str], integers: list[str], lanes: int):
        types = [POINTER] * len(pointers) + [INT] * len(integers)
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), types), name)
        self.module, self.lanes = module, lanes
        self.vector_type = ir.VectorType(FLOAT, lanes)
        self.args = dict(zip([*pointers, *integers], function.args, strict=True))
        for argument_name, argument in self.args.items():
            argument.name = argument_name  # for readers of the IR
        self.entry = ir.IRBuilder(function.append_basic_block("entry"))
        self.builder = ir.IRBuilder(function.append_basic_block("body"))
        self.body = self.builder.block
        self._constants = {}

    def finish(self) -> None:
        self.entry.branch(self.body)
        self.builder.ret_void()

    def call(self, name: str, *arguments) -> None:
        """Calls a function of another module, which must be compiled before this one is."""
        name = SYMBOL.format(name)
        function_type = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        self.builder.call(self.module.globals.get(name) or ir.Function(self.module, function_type, name), arguments)

    # Integers

    def as_int(self, value):
        return value if isinstance(value, ir.Value) else ir.Constant(INT, value)

    def add(self, a, b):
        return a + b if isinstance(a, int) and isinstance(b, int) else self.builder.add(self.as_int(a), self.as_int(b))

    def mul(self, a, b):
        return a * b if isinstance(a, int) and isinstance(b, int) else self.builder.mul(self.as_int(a), self.as_int(b))

    def is_nonzero(self, value):
        return self.builder.icmp_signed("!=", value, ir.Constant(value.type, 0))

    def load_byte(self, pointer, offset):
        return self.builder.load(self.builder.gep(pointer, [offset], source_etype=BYTE), typ=BYTE)

    def load_index(self, pointer, offset):
        """The element `offset` of the int32 array at `pointer`, as an `i64`."""
        index = self.builder.load(self.builder.gep(pointer, [self.as_int(offset)], source_etype=INDEX), typ=INDEX)
        return self.builder.sext(index, INT)

    def variable(self, value_type, value=None):
        """A pointer to a variable of this type, which `value` is stored in."""
        pointer = self.entry.alloca(value_type)
        if value is not None:
            self.builder.store(value, pointer)
        return pointer

    def read(self, variable):
        """The value of a variable that holds a vector."""
        return self.builder.load(variable, typ=self.vector_type)

    def allocate_vectors(self, vectors: int):
        """A pointer to memory for this many vectors, which lives as long as the call."""
        return self.entry.bitcast(self.entry.alloca(self.vector_type, vectors), POINTER)

    @contextmanager
    def loop(self, start, stop, step: int = 1):
        """Runs its body for start, start + step, ... while index + step <= stop."""
        with self.loop_from(self.variable(INT, self.as_int(start)), stop, step) as index:
            yield index

    @contextmanager
    def loop_from(self, variable, stop, step: int):
        """Like `loop`, but starts at the value of `variable` and leaves the first index that did not run in it."""
        function = self.builder.function
        check, body, after = (function.append_basic_block() for _ in range(3))
        self.builder.branch(check)
        self.builder.position_at_end(check)
        index = self.builder.load(variable, typ=INT)
        has_next = self.builder.icmp_signed("<=", self.add(index, step), self.as_int(stop))
        self.builder.cbranch(has_next, body, after)
        self.builder.position_at_end(body)
        yield index
        self.builder.store(self.add(index, step), variable)
        self.builder.branch(check)
        self.builder.position_at_end(after)

    @contextmanager
    def vector_loop(self, size):
        """Runs its body for every vector of `size` float32; yields its offset and the number of elements left."""
        with self.loop(0, self.add(size, self.lanes - 1), self.lanes) as first:
            yield first, self.builder.sub(size, first)

    # Vectors in memory

    def address(self, pointer, *offsets):
        """A pointer to the float32 that is the sum of `offsets` elements after `pointer`."""
        total = 0
        for offset in offsets:
            total = self.add(total, offset)
        return self.builder.gep(pointer, [self.as_int(total)], source_etype=FLOAT)

    def load(self, pointer, count=None):
        """The vector at `pointer`. With `count` only its first `count` elements are read, and the others are 0.

        `count` is an int from 1 to `lanes`, or an `i64` value that may exceed `lanes`.
        """
        if count is None or count == self.lanes:
            return self.builder.load(pointer, typ=self.vector_type, align=4)
        masked = self._intrinsic(
            "llvm.masked.load.{}.p0", self.vector_type, POINTER, ir.IntType(32), self._mask_type, self.vector_type
        )
        alignment = ir.Constant(ir.IntType(32), 4)
        return self.builder.call(masked, [pointer, alignment, self.lane_mask(count), self.constant(0)])

    def store(self, value, pointer, count=None) -> None:
        """Writes a vector, or with `count`, as `load` takes it, its first `count` elements alone."""
        if count is None or count == self.lanes:
            self.builder.store(value, pointer, align=4)
            return
        masked = self._intrinsic(
            "llvm.masked.store.{}.p0", ir.VoidType(), self.vector_type, POINTER, ir.IntType(32), self._mask_type
        )
        self.builder.call(masked, [value, pointer, ir.Constant(ir.IntType(32), 4), self.lane_mask(count)])

    def load_splat(self, pointer):
        """A vector whose elements are all the float32 at `pointer`."""
        return self.splat(self.builder, self.builder.load(pointer, typ=FLOAT))

    # Arithmetic

    def constant(self, value: float):
        if value not in self._constants:
            scalar = ir.Constant(FLOAT, float(np.float32(value)))
            self._constants[value] = self.splat(self.entry, scalar)
        return self._constants[value]

    def fadd(self, a, b):
        return self.builder.fadd(a, b)

    def fsub(self, a, b):
        return self.builder.fsub(a, b)

    def fmul(self, *factors):
        product, *rest = factors
        for factor in rest:
            product = self.builder.fmul(product, factor)
        return product

    def fma(self, a, b, c):
        """a * b + c, rounded once."""
        return self.builder.call(self._intrinsic("llvm.fma.{}", *[self.vector_type] * 4), [a, b, c])

    def sqrt(self, a):
        return self.builder.call(self._intrinsic("llvm.sqrt.{}", self.vector_type, self.vector_type), [a])

    def one_minus(self, a):
        return self.fsub(self.constant(1), a)

    def tanh(self, x):
        square = self.fmul(x, x)
        tanh = self.builder.fdiv(self.fmul(x, self._polynomial(TANH_P, square)), self._polynomial(TANH_Q, square))
        # Exactly 1 beyond the limits, so that the gradient of a saturated unit is 0. A NaN passes neither comparison.
        for limit, comparison in ((-TANH_LIMIT, "<="), (TANH_LIMIT, ">=")):
            is_beyond = self.builder.fcmp_ordered(comparison, x, self.constant(limit))
            tanh = self.builder.select(is_beyond, self.constant(np.sign(limit)), tanh)
        return tanh

    def sigmoid(self, x):
        """1 / (1 + exp(-x)). Small values keep their relative precision, and so do the gradients of closed gates."""
        return self.builder.fdiv(self.constant(1), self.fadd(self.constant(1), self.exp(self.builder.fneg(x))))

    def exp(self, x):
        """2^n exp(r) with x = n log 2 + r, n whole and |r| <= log(2) / 2."""
        argument = x
        for limit, comparison in ((EXP_LEAST, "<"), (EXP_MOST, ">")):
            is_beyond = self.builder.fcmp_ordered(comparison, x, self.constant(limit))
            x = self.builder.select(is_beyond, self.constant(limit), x)
        rounded = self.fma(x, self.constant(1 / np.log(2)), self.constant(ROUNDING))
        n = self.fsub(rounded, self.constant(ROUNDING))
        r = self.fma(n, self.constant(-LOG_2_HIGH), x)
        r = self.fma(n, self.constant(-LOG_2_LOW), r)
        power = self._polynomial(EXP, r)
        # The last bits of `rounded` are n, which is added to the exponent.
        whole = ir.VectorType(ir.IntType(32), self.lanes)
        exponent = self.builder.shl(self.builder.bitcast(rounded, whole), ir.Constant(whole, [23] * self.lanes))
        power = self.builder.bitcast(self.builder.add(self.builder.bitcast(power, whole), exponent), self.vector_type)
        is_nan = self.builder.fcmp_unordered("uno", argument, argument)
        return self.builder.select(is_nan, argument, power)

    def _polynomial(self, coefficients, x):
        value, *rest = (self.constant(coefficient) for coefficient in coefficients)
        for coefficient in rest:
            value = self.fma(value, x, coefficient)
        return value

    def splat(self, builder, scalar):
        """A vector whose elements are all `scalar`, made where `builder` stands."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        vector = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(vector, undefined, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None))

    @property
    def _mask_type(self):
        return ir.VectorType(ir.IntType(1), self.lanes)

    def lane_mask(self, count):
        """A vector of `i1` that is 1 in the first `count` lanes."""
        if isinstance(count, int):
            return ir.Constant(self._mask_type, [lane < count for lane in range(self.lanes)])
        lanes = ir.Constant(ir.VectorType(INT, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", lanes, self.splat(self.builder, count))

    def _intrinsic(self, name: str, return_type, *argument_types):
        name = name.format(f"v{self.lanes}f32")
        function_type = ir.FunctionType(return_type, argument_types)
        return self.module.globals.get(name) or ir.Function(self.module, function_type, name)
