"""The loops of a cell over a whole sequence, forwards and backwards, for rows `begin` to `end` of a batch.

Arrays are float32 in C order, time first. A matrix that is multiplied by is packed by `packed`: panels of as many
columns as fit into the registers, each panel's rows one after the other.
"""

from functools import cache

import numpy as np
from llvmlite import ir

from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.code import Code
from keras_rnn.layers.native.machine import Compiled, this_machine

REGISTERS = 4  # vectors of a row in a product


@cache
def kernels(cell: Cell, units: int, returned: int) -> Compiled:
    """`forward` and `backward` of a cell, compiled; gradients come for its first `returned` states.

    forward(inputs `(time, batch, features)`, kernel and recurrent_kernel, packed, bias `(sums, units)`, states
    `(time + 1, batch, units)` with those before the first step in place, kept `(time, batch, saved * units)`).

    backward(gradients of the returned states after each step `(time, batch, units)`, the transposed recurrent_kernel,
    packed, states and kept of `forward`, d_sums of the kernel's gates `(time, batch, gates * units)`, those of the
    recurrent kernel's, the gradients of all states `(batch, units)`, zeros to begin with and those of the states before
    the first step in the end, d_bias `(sums, units)`, added to).
    """
    module = ir.Module()
    _forward(module, cell, units)
    _backward(module, cell, units, returned)
    return Compiled(module)


def packed(matrix: np.ndarray, gates: int, vectors: int) -> np.ndarray:
    """`(rows, gates * units)` as `(panels, rows, gates, vectors * lanes)`, with zeros for units that there are not."""
    rows, width = matrix.shape[0], vectors * this_machine().lanes
    units = matrix.shape[1] // gates
    panels = -(-units // width)
    whole = np.zeros((rows, gates, panels * width), np.float32)
    whole[:, :, :units] = matrix.reshape(rows, gates, units)
    return np.ascontiguousarray(whole.reshape(rows, gates, panels, width).transpose(2, 0, 1, 3))


def panel_vectors(units: int, sums: int) -> int:
    """Vectors of units in a panel, where each unit has so many sums."""
    return max(1, min(REGISTERS // sums, -(-units // this_machine().lanes)))


def _forward(module: ir.Module, cell: Cell, units: int) -> None:
    states = [f"state_{n}" for n in range(cell.states)]
    pointers = ["inputs", "kernel", "recurrent_kernel", "bias", *states, "kept"]
    code = Code(module, "forward", pointers, ["time", "batch", "features", "begin", "end"], this_machine().lanes)
    given = code.arguments
    features, batch = given["features"], given["batch"]
    vectors = panel_vectors(units, cell.sums)
    width = vectors * code.lanes
    finished = code.array(max(this_machine().rows) * cell.sums * vectors)

    def block(t, unit, counts, row, rows):
        """One step of `rows` rows, for the units of one panel."""
        now = code.add(code.mul(t, batch), row)  # of all rows of all steps
        before, after = code.mul(now, units), code.mul(code.add(now, batch), units)
        sums = [[[code.variable(code.vector) for _ in counts] for _ in range(cell.sums)] for _ in range(rows)]
        for number in range(cell.sums):
            for v, count in enumerate(counts):
                bias = code.load(code.at(given["bias"], number * units, unit, v * code.lanes), count)
                for m in range(rows):
                    code.build.store(bias, sums[m][number][v])
        panel = code.mul(unit, cell.gates)  # times the rows of a matrix: where the panel stands in it
        for left, size, matrix, to in (
            (code.at(given["inputs"], code.mul(now, features)), features, given["kernel"], cell.from_inputs),
            (code.at(given["state_0"], before), units, given["recurrent_kernel"], cell.from_state),
        ):
            columns = [[sums[m][number] for number in to] for m in range(rows)]
            _add_product(code, columns, left, size, code.at(matrix, code.mul(panel, size)), width)
        for m in range(rows):
            for number in range(cell.sums):
                for v, place in enumerate(sums[m][number]):
                    at = ((m * cell.sums + number) * vectors + v) * code.lanes
                    code.store(code.build.load(place, typ=code.vector), code.at(finished, at))
        with code.loop(0, rows) as m:  # not unrolled: a row has many instructions, and each of them is to be compiled
            for v, count in enumerate(counts):
                of_row = code.at(finished, code.mul(m, cell.sums * vectors * code.lanes), v * code.lanes)
                in_row = code.add(unit, v * code.lanes)
                place = code.add(code.mul(m, units), in_row)
                made, kept = cell.forward(
                    code,
                    [code.load(code.at(of_row, number * vectors * code.lanes)) for number in range(cell.sums)],
                    [code.load(code.at(given[name], before, place), count) for name in states],
                )
                for name, state in zip(states, made, strict=True):
                    code.store(state, code.at(given[name], after, place), count)
                kept_at = code.add(code.mul(code.add(now, m), cell.saved * units), in_row)
                for number, value in enumerate(kept):
                    code.store(value, code.at(given["kept"], kept_at, number * units), count)

    with code.loop(0, given["time"]) as t:
        for unit, counts in _panels(code, units, width):
            for row, rows in _blocks(code, given["begin"], given["end"]):
                block(t, unit, counts, row, rows)
    code.finish()


def _backward(module: ir.Module, cell: Cell, units: int, returned: int) -> None:
    states, d_states = ([f"{name}_{n}" for n in range(cell.states)] for name in ("state", "d_state"))
    d_outputs = [f"d_output_{n}" for n in range(returned)]
    shared = cell.from_inputs == cell.from_state
    gradients = ["d_inputs"] if shared else ["d_inputs", "d_recurrent"]
    pointers = [*d_outputs, "recurrent_kernel", *states, "kept", *gradients, *d_states, "d_bias"]
    code = Code(module, "backward", pointers, ["time", "batch", "begin", "end"], this_machine().lanes)
    given = code.arguments
    batch, gates = given["batch"], cell.gates
    vectors = panel_vectors(units, 1)
    width = vectors * code.lanes

    def elementwise(t, row, unit, count):
        """The gradients of the sums of one row, for a vector of units."""
        now = code.add(code.mul(t, batch), row)
        here, next_step = (code.add(code.mul(at, units), unit) for at in (now, code.add(now, batch)))
        state = code.add(code.mul(row, units), unit)
        d_made = []
        for n, name in enumerate(d_states):
            d = code.load(code.at(given[name], state), count)
            d_made.append(code.plus(d, code.load(code.at(given[d_outputs[n]], here), count)) if n < returned else d)
        kept_at = code.add(code.mul(now, cell.saved * units), unit)
        kept = [code.load(code.at(given["kept"], kept_at, n * units), count) for n in range(cell.saved)]
        before, after = ([code.load(code.at(given[name], at), count) for name in states] for at in (here, next_step))
        d_sums, d_before = cell.backward(code, d_made, kept, before, after)
        at = code.add(code.mul(now, gates * units), unit)
        for name, to in zip(gradients, (cell.from_inputs, cell.from_state), strict=False):
            for gate, number in enumerate(to):
                code.store(d_sums[number], code.at(given[name], at, gate * units), count)
        for name, d in zip(d_states, d_before, strict=True):
            if d is not None:
                code.store(d, code.at(given[name], state), count)
        for number, d in enumerate(d_sums):
            place = code.at(given["d_bias"], number * units, unit)
            code.store(code.plus(code.load(place, count), d), place, count)
        return d_before[0] is not None

    def block(t, unit, counts, row, rows, more):
        """d_h of the step before, of `rows` rows, for the units of one panel."""
        d_sums = code.at(given[gradients[-1]], code.mul(code.add(code.mul(t, batch), row), gates * units))
        place = code.add(code.mul(row, units), unit)
        sums = [[[code.variable(code.vector) for _ in counts]] for _ in range(rows)]
        at = [
            [code.at(given["d_state_0"], place, m * units + v * code.lanes) for v in range(len(counts))]
            for m in range(rows)
        ]
        for m in range(rows):
            for v, count in enumerate(counts):
                code.build.store(code.load(at[m][v], count) if more else code.constant(0), sums[m][0][v])
        panel = code.at(given["recurrent_kernel"], code.mul(unit, gates * units))
        _add_product(code, sums, d_sums, gates * units, panel, width)
        for m in range(rows):
            for v, count in enumerate(counts):
                code.store(code.build.load(sums[m][0][v], typ=code.vector), at[m][v], count)

    with code.loop(0, given["time"]) as gone:
        t = code.build.sub(code.build.sub(given["time"], code.number(1)), gone)
        with code.loop(given["begin"], given["end"]) as row:
            for unit, (count,) in _panels(code, units, code.lanes):
                more = elementwise(t, row, unit, count)
        for unit, counts in _panels(code, units, width):
            for row, rows in _blocks(code, given["begin"], given["end"]):
                block(t, unit, counts, row, rows, more)
    code.finish()


def _panels(code: Code, units: int, width: int):
    """Code for every panel of `width` units: its first unit, and how many units each of its vectors has."""
    if units >= width:
        with code.loop(0, units, width) as unit:
            yield unit, [code.lanes] * (width // code.lanes)
    rest = units % width
    if rest:
        yield units - rest, [min(code.lanes, rest - at) for at in range(0, rest, code.lanes)]


def _blocks(code: Code, begin, end):
    """Code for the rows from `begin` to `end`, in blocks: the first row of a block, and how many rows it has."""
    row = code.variable(ir.IntType(64), begin)
    for rows in this_machine().rows:
        with code.steps(row, end, rows) as first:
            yield first, rows


def _add_product(code: Code, sums, left, size, panel, width: int) -> None:
    """Adds left[m] @ panel to the variables sums[m][gate][vector].

    The rows of `left`, of `size` each, and those of `panel`, of `width` a gate, follow each other.
    """
    gates = len(sums[0])
    with code.loop(0, size) as k:
        row = code.mul(k, gates * width)
        right = [
            [code.load(code.at(panel, row, gate * width + v * code.lanes)) for v in range(len(sums[0][gate]))]
            for gate in range(gates)
        ]
        for m, of_row in enumerate(sums):
            factor = code.broadcast(code.at(left, code.mul(size, m), k))
            for gate, of_gate in enumerate(of_row):
                for v, place in enumerate(of_gate):
                    code.build.store(
                        code.times_plus(factor, right[gate][v], code.build.load(place, typ=code.vector)), place
                    )
