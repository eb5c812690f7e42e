"""What the forward and the backward kernel share: scalar arguments, addresses of rows and steps, panels of units."""

from keras_rnn.layers.native.function_builder import INT, FunctionBuilder
from keras_rnn.layers.native.machine import this_machine
from keras_rnn.layers.native.products import REGISTERS

MAX_ROWS = 128  # of a call
SCALAR_ARGS = [
    "features",
    "outputs_stride",
    "time",
    "go_backwards",
    "return_sequences",
    "zero_masked_outputs",
    "indexed",
    "begin",
    "end",
]


def panel_vectors(units: int, sums: int) -> int:
    """How many vectors of units a panel has, where each unit has this many sums."""
    return max(1, min(REGISTERS // sums, -(-units // this_machine().lanes)))


def panels(code: FunctionBuilder, units: int, width: int):
    """Code for every panel of `width` units: yields its first unit, and how many units each of its vectors has."""
    if units >= width:
        with code.loop(0, units, width) as unit:
            yield unit, [code.lanes] * (width // code.lanes)
    rest = units % width
    if rest:
        yield units - rest, [min(code.lanes, rest - first) for first in range(0, rest, code.lanes)]


class RowRange:
    """All steps of the rows `begin` to `end`, which follow each other in memory."""

    def __init__(self, code: FunctionBuilder):
        args = code.args
        self.code = code
        self.first_step = code.mul(args["begin"], args["time"])
        self.steps = code.mul(code.builder.sub(args["end"], args["begin"]), args["time"])

    def address(self, name: str, size):
        """A pointer to the first step in the array argument `name`, which has `size` float32 a step."""
        return self.code.address(self.code.args[name], self.code.mul(self.first_step, size))


class Step:
    """Addresses of the values of one step. `t` counts the steps in the order of the loop."""

    def __init__(self, code: FunctionBuilder, t, units: int):
        args, builder = code.args, code.builder
        self.code, self.t, self.units, self.time = code, t, units, args["time"]
        last = code.add(self.time, -1)
        go_backwards = code.is_nonzero(args["go_backwards"])
        self.time_index = builder.select(go_backwards, builder.sub(last, t), t)
        next_index = builder.select(go_backwards, code.add(self.time_index, -1), code.add(self.time_index, 1))
        self.has_next = builder.icmp_signed("<", t, last)
        self.next_offset = code.mul(next_index, units)

    def index(self, row):
        """The step's index among the steps of all rows."""
        return self.code.add(self.code.mul(row, self.time), self.time_index)

    def output(self, name: str, row, unit):
        args = self.code.args
        return self.code.address(args[name], self.code.mul(self.index(row), args["outputs_stride"]), unit)

    def state_before(self, n: int, row):
        return self.code.address(self.code.args[f"states_{n}"], self.code.mul(self.index(row), self.units))

    def state_after(self, n: int, row):
        """A pointer to the state after the step, which is the one before the next step, or the last state."""
        code, builder = self.code, self.code.builder
        base = code.address(code.args[f"states_{n}"], self.next_offset)
        base = builder.select(self.has_next, base, code.args[f"last_state_{n}"])
        stride = builder.select(self.has_next, code.mul(self.time, self.units), code.as_int(self.units))
        return code.address(base, code.mul(row, stride))

    def is_unmasked(self, row):
        return self.code.is_nonzero(self.code.load_byte(self.code.args["mask"], self.index(row)))

    def repeats_output(self, row, first_steps: "FirstSteps"):
        """Whether the step's output, if the step is masked, is that of the step before."""
        code, builder = self.code, self.code.builder
        has_output_before = builder.icmp_signed(">", self.t, first_steps.load(row))
        return builder.and_(has_output_before, builder.not_(code.is_nonzero(code.args["zero_masked_outputs"])))


class FirstSteps:
    """For each row the first unmasked step in the order of the loop, or `time` where all steps are masked."""

    def __init__(self, code: FunctionBuilder, units: int):
        args = code.args
        self.code = code
        self.slots = code.entry.alloca(INT, MAX_ROWS)
        with code.loop(args["begin"], args["end"]) as row:
            code.builder.store(args["time"], self._slot(row))
            with code.loop(0, args["time"]) as steps_done:
                step = Step(code, code.builder.sub(code.add(args["time"], -1), steps_done), units)
                with code.builder.if_then(step.is_unmasked(row)):
                    code.builder.store(step.t, self._slot(row))

    def _slot(self, row):
        return self.code.builder.gep(
            self.slots, [self.code.builder.sub(row, self.code.args["begin"])], source_etype=INT
        )

    def load(self, row):
        return self.code.builder.load(self._slot(row), typ=INT)
