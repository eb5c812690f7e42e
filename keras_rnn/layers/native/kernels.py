"""The loops of a cell over a whole sequence, either way, and back again, for rows `begin` to `end` of a batch.

Arrays are float32 in C order, batch first, and a step's values stand where its input stands in a row, from whichever
end the loop begins. A masked step leaves the states as they are. Its output is that of the step before, zeros where
there was none that was not masked, or zeros anyway.
"""

from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.code import INT, POINTER, Code
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.products import REGISTERS, add_panel, blocks, in_rows, products

MOST_ROWS = 128  # of a call
HOW = ["features", "outputs_stride", "time", "backwards", "sequences", "zeros", "placed", "begin", "end"]


@compiled_once
def kernels(cell: Cell, units: int) -> Compiled:
    """`forward` and `backward` of a cell, compiled.

    forward(inputs `(batch, time, features)`, places, mask `(batch, time)`, bytes, 0 where a step is masked, kernel,
    packed as of one gate, recurrent_kernel, packed, bias `(sums, units)`, for each state those before each step
    `(batch, time, units)`, with those before the first in place, and those after the last step `(batch, units)`,
    outputs `(batch, time, outputs_stride)`, of which the first units are written, kept `(batch, time, cell.kept *
    units)`, HOW). Of placed inputs it takes the products with the kernel `(distinct inputs, gates * units)`, and in
    int32 `(batch, time)` which of them is each step's.

    backward(inputs, gradients of outputs, mask, the transposed kernel and recurrent_kernel, packed, the states before
    each step and after the last, kept, memory for d_sums of the kernel's gates `(batch, time, gates * units)`, which
    needs to be there for the rows alone, and for those of the recurrent kernel's where they differ, the gradients of
    the inputs, and of the states `(batch, units)`, of those after the last step to begin with and before the first in
    the end, d_kernel, d_recurrent_kernel and d_bias `(sums, units)`, which are added to, 1 where the gradients of the
    inputs are to be added, too, HOW). Of placed inputs it makes the d_sums of the kernel's gates, in memory for the
    whole batch, and leaves the gradients of inputs and kernel.

    HOW: features; numbers between the outputs of two steps; steps of a row; 1 where the loop begins with the last step;
    1 where there are outputs; 1 where those of masked steps are zeros anyway; 1 where inputs are placed; the rows'
    begin and end, at most MOST_ROWS further.
    """
    products()  # which they call
    module = ir.Module()
    _forward(module, cell, units)
    _backward(module, cell, units)
    return Compiled(module)


def panel_vectors(units: int, sums: int) -> int:
    """Vectors of units in a panel, where each unit has so many sums."""
    return max(1, min(REGISTERS // sums, -(-units // this_machine().lanes)))


class _Rows:
    """The steps of the rows of a call, one row after the other."""

    def __init__(self, code: Code):
        given = code.arguments
        self.code = code
        self.before = code.mul(given["begin"], given["time"])
        self.steps = code.mul(code.build.sub(given["end"], given["begin"]), given["time"])

    def of(self, name: str, size):
        """Where the first one stands in an array that has so many numbers of each."""
        return self.code.at(self.code.arguments[name], self.code.mul(self.before, size))


class _Steps:
    """Where a step's values stand; `t` counts steps in the order of the loop."""

    def __init__(self, code: Code, t, units: int):
        given, build = code.arguments, code.build
        self.code, self.t, self.units, self.time = code, t, units, given["time"]
        last = code.add(self.time, -1)
        backwards = code.flag(given["backwards"])
        self.place = build.select(backwards, build.sub(last, t), t)
        following = build.select(backwards, code.add(self.place, -1), code.add(self.place, 1))
        self.more = build.icmp_signed("<", t, last)
        self.following = code.mul(following, units)

    def index(self, row):
        """Of a row's step among those of all rows."""
        return self.code.add(self.code.mul(row, self.time), self.place)

    def outputs(self, name: str, row, unit):
        given = self.code.arguments
        return self.code.at(given[name], self.code.mul(self.index(row), given["outputs_stride"]), unit)

    def before(self, n: int, row):
        return self.code.at(self.code.arguments[f"before_{n}"], self.code.mul(self.index(row), self.units))

    def after(self, n: int, row):
        """The states after the step, which are those before the next."""
        code, build = self.code, self.code.build
        base = code.at(code.arguments[f"before_{n}"], self.following)
        base = build.select(self.more, base, code.arguments[f"last_{n}"])
        stride = build.select(self.more, code.mul(self.time, self.units), code.number(self.units))
        return code.at(base, code.mul(row, stride))

    def is_real(self, row):
        return self.code.flag(self.code.byte(self.code.arguments["mask"], self.index(row)))

    def repeats(self, row, first):
        """Whether the output, if the step is masked, is that of the step before."""
        code, build = self.code, self.code.build
        begun = build.icmp_signed(">", self.t, first.of(row))
        return build.and_(begun, build.not_(code.flag(code.arguments["zeros"])))


class _FirstSteps:
    """The first step of each row that is not masked, in the order of the loop; after the last where all are."""

    def __init__(self, code: Code, units: int):
        given = code.arguments
        self.code = code
        self.places = code.entry.alloca(INT, MOST_ROWS)
        with code.loop(given["begin"], given["end"]) as row:
            code.build.store(given["time"], self._place(row))
            with code.loop(0, given["time"]) as gone:
                step = _Steps(code, code.build.sub(code.add(given["time"], -1), gone), units)
                with code.build.if_then(step.is_real(row)):
                    code.build.store(step.t, self._place(row))

    def _place(self, row):
        return self.code.build.gep(
            self.places, [self.code.build.sub(row, self.code.arguments["begin"])], source_etype=INT
        )

    def of(self, row):
        return self.code.build.load(self._place(row), typ=INT)


def _forward(module: ir.Module, cell: Cell, units: int) -> None:
    states = range(cell.states)
    arrays = [*(f"before_{n}" for n in states), *(f"last_{n}" for n in states), "outputs", "kept"]
    pointers = ["inputs", "places", "mask", "kernel", "recurrent_kernel", "bias", *arrays]
    code = Code(module, "forward", pointers, HOW, this_machine().lanes)
    given, whole, first = code.arguments, _Rows(code), _FirstSteps(code, units)
    vectors = panel_vectors(units, cell.sums)
    width = vectors * code.lanes
    finished = code.array(MOST_ROWS * cell.sums * vectors)
    products_at = code.entry.alloca(POINTER, MOST_ROWS)

    def find_products(step):
        """Where those of the inputs of a step stand, of each row."""
        with code.loop(given["begin"], given["end"]) as row, code.build.if_else(placed) as (elsewhere, in_place):
            with elsewhere:
                place = code.place(given["places"], step.index(row))
                code.build.store(code.at(given["inputs"], code.mul(place, cell.gates * units)), product_at(row))
            with in_place:
                code.build.store(kept_at(step, row), product_at(row))

    def product_at(row):
        return code.build.gep(products_at, [code.build.sub(row, given["begin"])], source_etype=POINTER)

    def block(step, unit, counts, row, rows):
        """The sums of one step of `rows` rows, for the units of one panel."""
        sums = [[[code.variable(code.vector) for _ in counts] for _ in range(cell.sums)] for _ in range(rows)]
        of_inputs = [code.build.load(product_at(code.add(row, m)), typ=POINTER) for m in range(rows)]
        for number in range(cell.sums):
            for v, count in enumerate(counts):
                in_row = code.add(unit, v * code.lanes)
                bias = code.load(code.at(given["bias"], number * units, in_row), count)
                for m in range(rows):
                    value = bias
                    if number in cell.from_inputs:
                        of_gate = cell.from_inputs.index(number) * units
                        value = code.plus(bias, code.load(code.at(of_inputs[m], of_gate, in_row), count))
                    code.build.store(value, sums[m][number][v])
        columns = [[place for number in cell.from_state for place in sums[m][number]] for m in range(rows)]
        panel = code.at(given["recurrent_kernel"], code.mul(unit, cell.gates * units))
        before = in_rows(code, step.before(0, row), code.mul(step.time, units))
        add_panel(code, columns, units, before, panel, cell.gates, width)
        for m in range(rows):
            for number in range(cell.sums):
                for v, place in enumerate(sums[m][number]):
                    at = code.at(of_row(row), ((m * cell.sums + number) * vectors + v) * code.lanes)
                    code.store(code.build.load(place, typ=code.vector), at)

    def kept_at(step, row):
        return code.at(given["kept"], code.mul(step.index(row), cell.kept * units))

    def of_row(row):
        """Where the finished sums of a row stand."""
        return code.at(finished, code.mul(code.build.sub(row, given["begin"]), cell.sums * width))

    def finish(step, unit, counts, row):
        """The states after one step of a row."""
        for v, count in enumerate(counts):
            in_row = code.add(unit, v * code.lanes)
            before = [code.load(code.at(step.before(n, row), in_row), count) for n in states]
            after = [code.variable(code.vector, state) for state in before]
            output = code.variable(code.vector, before[0])
            with code.build.if_else(step.is_real(row)) as (real, masked):
                with real:
                    of_vector = [
                        code.load(code.at(of_row(row), (number * vectors + v) * code.lanes))
                        for number in range(cell.sums)
                    ]
                    made, kept = cell.forward(code, of_vector, before)
                    for state, place in zip(made, after, strict=True):
                        code.build.store(state, place)
                    code.build.store(made[0], output)
                    for number, value in enumerate(kept):
                        code.store(value, code.at(kept_at(step, row), number * units, in_row), count)
                with masked:
                    with code.build.if_then(code.build.not_(step.repeats(row, first))):
                        code.build.store(code.constant(0), output)
                    for number in range(cell.saved):  # not read again, but TensorFlow may look at all there is
                        code.store(code.constant(0), code.at(kept_at(step, row), number * units, in_row), count)
            for n, place in enumerate(after):
                code.store(code.build.load(place, typ=code.vector), code.at(step.after(n, row), in_row), count)
            with code.build.if_then(code.flag(given["sequences"])):
                code.store(code.build.load(output, typ=code.vector), step.outputs("outputs", row, in_row), count)

    columns, width_kept = code.number(cell.gates * units), code.number(cell.kept * units)
    inputs, kept = whole.of("inputs", given["features"]), whole.of("kept", width_kept)
    sizes = whole.steps, given["features"], columns, width_kept
    placed = code.flag(given["placed"])
    with code.build.if_then(code.build.not_(placed)):
        code.call("times", inputs, given["kernel"], kept, *sizes, code.number(0))
    with code.loop(0, given["time"]) as t:
        step = _Steps(code, t, units)
        find_products(step)
        for unit, counts in _panels(code, units, width):
            for row, rows in blocks(code, given["begin"], given["end"]):
                block(step, unit, counts, row, rows)
            # Once for blocks of any size: it takes long to compile.
            with code.loop(given["begin"], given["end"]) as row:
                finish(step, unit, counts, row)
    code.finish()


def _backward(module: ir.Module, cell: Cell, units: int) -> None:
    states = range(cell.states)
    gradients = ["d_sums", "d_sums_of_state"] if cell.apart else ["d_sums"]
    arrays = [*(f"before_{n}" for n in states), *(f"last_{n}" for n in states), "kept", *gradients]
    made = ["d_inputs", *(f"d_state_{n}" for n in states), "d_kernel", "d_recurrent_kernel", "d_bias"]
    pointers = ["inputs", "d_outputs", "mask", "kernel", "recurrent_kernel", *arrays, *made]
    code = Code(module, "backward", pointers, ["add_d_inputs", *HOW], this_machine().lanes)
    given, gates, first = code.arguments, cell.gates, _FirstSteps(code, units)
    vectors = panel_vectors(units, 1)
    width = vectors * code.lanes

    def elementwise(step, row, unit, count):
        """The gradients of the sums of one row, for a vector of units."""
        in_row = code.add(code.mul(row, units), unit)
        places = [code.at(given[f"d_state_{n}"], in_row) for n in states]
        d_h = code.variable(code.vector, code.load(places[0], count))
        of_state = code.build.or_(step.is_real(row), step.repeats(row, first))
        with code.build.if_then(code.build.and_(code.flag(given["sequences"]), of_state)):
            d_output = code.load(step.outputs("d_outputs", row, unit), count)
            code.build.store(code.plus(code.build.load(d_h, typ=code.vector), d_output), d_h)
        d_h = code.build.load(d_h, typ=code.vector)
        d_sums_at = code.add(code.mul(step.index(row), gates * units), unit)

        def keep(name, numbers_and_values):
            for gate, value in numbers_and_values:
                code.store(value, code.at(given[name], d_sums_at, gate * units), count)

        with code.build.if_else(step.is_real(row)) as (real, masked):
            with real:
                kept_at = code.add(code.mul(step.index(row), cell.kept * units), unit)
                kept = [code.load(code.at(given["kept"], kept_at, n * units), count) for n in range(cell.saved)]
                before, after = (
                    [code.load(code.at(of(n, row), unit), count) for n in states] for of in (step.before, step.after)
                )
                d_states = [d_h, *(code.load(place, count) for place in places[1:])]
                d_sums, d_before = cell.backward(code, d_states, kept, before, after)
                for name, to in zip(gradients, (cell.from_inputs, cell.from_state), strict=False):
                    keep(name, ((gate, d_sums[number]) for gate, number in enumerate(to)))
                for d, place in zip(d_before, places, strict=True):
                    code.store(code.constant(0) if d is None else d, place, count)
                for number, d in enumerate(d_sums):
                    place = code.at(given["d_bias"], number * units, unit)
                    code.store(code.plus(code.load(place, count), d), place, count)
            with masked:
                code.store(d_h, places[0], count)
                for name in gradients:
                    keep(name, ((gate, code.constant(0)) for gate in range(gates)))

    def block(step, unit, counts, row, rows):
        """Adds to d_h what goes through the sums, of `rows` rows, for the units of one panel."""
        d_sums = code.at(given[gradients[-1]], code.mul(step.index(row), gates * units))
        place = code.add(code.mul(row, units), unit)
        at = [
            [code.at(given["d_state_0"], place, m * units + v * code.lanes) for v in range(len(counts))]
            for m in range(rows)
        ]
        sums = [
            [code.variable(code.vector, code.load(place, count)) for place, count in zip(of_row, counts, strict=True)]
            for of_row in at
        ]
        panel = code.at(given["recurrent_kernel"], code.mul(unit, gates * units))
        left = in_rows(code, d_sums, code.mul(step.time, gates * units))
        add_panel(code, sums, gates * units, left, panel, 1, width)
        for m in range(rows):
            for v, count in enumerate(counts):
                code.store(code.build.load(sums[m][v], typ=code.vector), at[m][v], count)

    with code.loop(0, given["time"]) as gone:
        t = code.build.sub(code.build.sub(given["time"], code.number(1)), gone)
        step = _Steps(code, t, units)
        with code.loop(given["begin"], given["end"]) as row:
            for unit, (count,) in _panels(code, units, code.lanes):
                elementwise(step, row, unit, count)
        for unit, counts in _panels(code, units, width):
            for row, rows in blocks(code, given["begin"], given["end"]):
                block(step, unit, counts, row, rows)
    whole, features, columns = _Rows(code), given["features"], code.number(gates * units)
    inputs, d_inputs = whole.of("inputs", features), whole.of("d_inputs", features)
    d_sums, d_sums_of_state = (whole.of(gradients[n], columns) for n in (0, -1))
    sizes = whole.steps, columns, features, features
    add = "add_transposed_times"
    with code.build.if_then(code.build.not_(code.flag(given["placed"]))):
        code.call("times", d_sums, given["kernel"], d_inputs, *sizes, given["add_d_inputs"])
        code.call(add, inputs, d_sums, given["d_kernel"], whole.steps, features, columns)
    size = code.number(units)
    before = whole.of("before_0", size)
    code.call(add, before, d_sums_of_state, given["d_recurrent_kernel"], whole.steps, size, columns)
    code.finish()


def _panels(code: Code, units: int, width: int):
    """Code for every panel of `width` units: its first unit, and how many units each of its vectors has."""
    if units >= width:
        with code.loop(0, units, width) as unit:
            yield unit, [code.lanes] * (width // code.lanes)
    rest = units % width
    if rest:
        yield units - rest, [min(code.lanes, rest - at) for at in range(0, rest, code.lanes)]
