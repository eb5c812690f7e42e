"""Vectors of float32, loops and functions of whole vectors, written as instructions for LLVM."""

from contextlib import contextmanager

import numpy as np
from llvmlite import ir

SYMBOL = "keras_rnn_{}"  # what modules know a compiled function by

FLOAT, INT, BYTE, POINTER = ir.FloatType(), ir.IntType(64), ir.IntType(8), ir.PointerType()
PLACE = ir.IntType(32)  # TensorFlow's, of a row

# exp x = P(x) for |x| <= log(2) / 2, of degree 6, highest power first: the Taylor series, whose last omitted term is
# 1.2e-7 / 7! there. Between the limits its exponent is that of a float32 that is not denormal.
EXP = (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0)
EXP_LEAST, EXP_MOST = -87.0, 88.0
ROUNDING = 1.5 * 2**23  # added to a number, leaves its nearest whole number in the last bits
LOG_2_HIGH, LOG_2_LOW = 0.693145751953125, 1.428606765330187e-06  # the first times a whole number is exact

# tanh x = x P(x^2) / Q(x^2) for |x| < TANH_LIMIT, from which on it is 1: the minimax form of degrees 13 and
# 6 that Eigen computes, and so TensorFlow. Highest powers first.
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


class Code:
    """One function under construction: `void name(pointers to float32..., whole numbers...)`.

    Numbers may be Python's or `i64` values; vectors hold `lanes` float32.
    """

    def __init__(self, module: ir.Module, name: str, pointers: list[str], numbers: list[str], lanes: int):
        kinds = [POINTER] * len(pointers) + [INT] * len(numbers)
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        self.module, self.lanes = module, lanes
        self.vector = ir.VectorType(FLOAT, lanes)
        self.arguments = dict(zip([*pointers, *numbers], function.args, strict=True))
        self.entry = ir.IRBuilder(function.append_basic_block("entry"))  # variables stand here, outside of all loops
        self.build = ir.IRBuilder(function.append_basic_block("body"))
        self.body = self.build.block
        self._constants = {}

    def finish(self) -> None:
        self.entry.branch(self.body)
        self.build.ret_void()

    def call(self, name: str, *arguments) -> None:
        """Calls a function that another module has compiled."""
        name = SYMBOL.format(name)
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        self.build.call(self.module.globals.get(name) or ir.Function(self.module, kind, name), arguments)

    # Whole numbers

    def number(self, value):
        return value if isinstance(value, ir.Value) else ir.Constant(INT, value)

    def add(self, a, b):
        return a + b if isinstance(a, int) and isinstance(b, int) else self.build.add(self.number(a), self.number(b))

    def mul(self, a, b):
        return a * b if isinstance(a, int) and isinstance(b, int) else self.build.mul(self.number(a), self.number(b))

    def flag(self, number):
        """Whether a whole number is not 0."""
        return self.build.icmp_signed("!=", number, ir.Constant(number.type, 0))

    def byte(self, pointer, offset):
        return self.build.load(self.build.gep(pointer, [offset], source_etype=BYTE), typ=BYTE)

    def place(self, pointer, offset):
        """A whole number of those at `pointer`, which are int32."""
        place = self.build.load(self.build.gep(pointer, [self.number(offset)], source_etype=PLACE), typ=PLACE)
        return self.build.sext(place, INT)

    def variable(self, kind, value=None):
        place = self.entry.alloca(kind)
        if value is not None:
            self.build.store(value, place)
        return place

    def array(self, vectors: int):
        """Memory for so many vectors."""
        return self.entry.bitcast(self.entry.alloca(self.vector, vectors), POINTER)

    @contextmanager
    def loop(self, start, stop, step: int = 1):
        """Runs its body for start, start + step, ... as long as a whole step is left before `stop`."""
        with self.steps(self.variable(INT, self.number(start)), stop, step) as index:
            yield index

    @contextmanager
    def steps(self, place, stop, step: int):
        """As `loop`, from where the variable `place` stands, which is left where the loop ended."""
        function = self.build.function
        check, body, after = (function.append_basic_block() for _ in range(3))
        self.build.branch(check)
        self.build.position_at_end(check)
        index = self.build.load(place, typ=INT)
        more = self.build.icmp_signed("<=", self.add(index, step), self.number(stop))
        self.build.cbranch(more, body, after)
        self.build.position_at_end(body)
        yield index
        self.build.store(self.add(index, step), place)
        self.build.branch(check)
        self.build.position_at_end(after)

    @contextmanager
    def vectors(self, size):
        """Runs its body for every vector of so many numbers: its first one, and how many are left from there on."""
        with self.loop(0, self.add(size, self.lanes - 1), self.lanes) as first:
            yield first, self.build.sub(size, first)

    # Vectors in memory

    def at(self, pointer, *offsets):
        """Where the float32 stands that is so many further than `pointer`."""
        offset = 0
        for further in offsets:
            offset = self.add(offset, further)
        return self.build.gep(pointer, [self.number(offset)], source_etype=FLOAT)

    def load(self, pointer, count=None):
        """The vector at `pointer`; only its first `count` elements are read, zeros stand for the rest.

        A `count` that is an `i64` value may be more than there are lanes.
        """
        if count is None or count == self.lanes:
            return self.build.load(pointer, typ=self.vector, align=4)
        masked = self._intrinsic(
            "llvm.masked.load.{}.p0", self.vector, POINTER, ir.IntType(32), self._mask, self.vector
        )
        return self.build.call(masked, [pointer, ir.Constant(ir.IntType(32), 4), self._first(count), self.constant(0)])

    def store(self, value, pointer, count=None) -> None:
        """Writes a vector, or its first `count` elements, as `load` reads them."""
        if count is None or count == self.lanes:
            self.build.store(value, pointer, align=4)
            return
        masked = self._intrinsic(
            "llvm.masked.store.{}.p0", ir.VoidType(), self.vector, POINTER, ir.IntType(32), self._mask
        )
        self.build.call(masked, [value, pointer, ir.Constant(ir.IntType(32), 4), self._first(count)])

    def broadcast(self, pointer):
        """A vector that is the float32 at `pointer` throughout."""
        return self._throughout(self.build, self.build.load(pointer, typ=FLOAT))

    # Arithmetic

    def constant(self, value: float):
        if value not in self._constants:
            number = ir.Constant(FLOAT, float(np.float32(value)))
            self._constants[value] = self._throughout(self.entry, number)
        return self._constants[value]

    def plus(self, a, b):
        return self.build.fadd(a, b)

    def minus(self, a, b):
        return self.build.fsub(a, b)

    def times(self, *factors):
        product, *rest = factors
        for factor in rest:
            product = self.build.fmul(product, factor)
        return product

    def times_plus(self, a, b, c):
        """a b + c, rounded once."""
        return self.build.call(
            self._intrinsic("llvm.fma.{}", self.vector, self.vector, self.vector, self.vector), [a, b, c]
        )

    def sqrt(self, a):
        return self.build.call(self._intrinsic("llvm.sqrt.{}", self.vector, self.vector), [a])

    def one_minus(self, a):
        return self.minus(self.constant(1), a)

    def tanh(self, x):
        square = self.times(x, x)
        tanh = self.build.fdiv(self.times(x, self._polynomial(TANH_P, square)), self._polynomial(TANH_Q, square))
        # Beyond the limits it is exactly 1, so that the slope of a saturated unit is 0. A NaN is beyond neither.
        for limit, beyond in ((-TANH_LIMIT, "<="), (TANH_LIMIT, ">=")):
            is_beyond = self.build.fcmp_ordered(beyond, x, self.constant(limit))
            tanh = self.build.select(is_beyond, self.constant(np.sign(limit)), tanh)
        return tanh

    def sigmoid(self, x):
        """1 / (1 + exp(-x)), whose small values have as many digits as others: the slope of a closed gate is one."""
        return self.build.fdiv(self.constant(1), self.plus(self.constant(1), self.exp(self.build.fneg(x))))

    def exp(self, x):
        """2^n exp(r) with x = n log 2 + r, n whole and |r| <= log(2) / 2."""
        given = x
        for limit, beyond in ((EXP_LEAST, "<"), (EXP_MOST, ">")):
            is_beyond = self.build.fcmp_ordered(beyond, x, self.constant(limit))
            x = self.build.select(is_beyond, self.constant(limit), x)
        rounded = self.times_plus(x, self.constant(1 / np.log(2)), self.constant(ROUNDING))
        n = self.minus(rounded, self.constant(ROUNDING))
        r = self.times_plus(n, self.constant(-LOG_2_HIGH), x)
        r = self.times_plus(n, self.constant(-LOG_2_LOW), r)
        power = self._polynomial(EXP, r)
        # The last bits of `rounded` are n, which is added to the exponent.
        whole = ir.VectorType(ir.IntType(32), self.lanes)
        exponent = self.build.shl(self.build.bitcast(rounded, whole), ir.Constant(whole, [23] * self.lanes))
        power = self.build.bitcast(self.build.add(self.build.bitcast(power, whole), exponent), self.vector)
        return self.build.select(self.build.fcmp_unordered("uno", given, given), given, power)  # a NaN stays one

    def _polynomial(self, coefficients, x):
        first, *rest = (self.constant(coefficient) for coefficient in coefficients)
        for coefficient in rest:
            first = self.times_plus(first, x, coefficient)
        return first

    def _throughout(self, builder, number):
        unknown = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        one = builder.insert_element(unknown, number, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, unknown, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None))

    @property
    def _mask(self):
        return ir.VectorType(ir.IntType(1), self.lanes)

    def _first(self, count):
        if isinstance(count, int):
            return ir.Constant(self._mask, [lane < count for lane in range(self.lanes)])
        lanes = ir.Constant(ir.VectorType(INT, self.lanes), list(range(self.lanes)))
        return self.build.icmp_signed("<", lanes, self._throughout(self.build, count))

    def _intrinsic(self, name: str, returned, *taken):
        name = name.format(f"v{self.lanes}f32")
        return self.module.globals.get(name) or ir.Function(self.module, ir.FunctionType(returned, taken), name)
