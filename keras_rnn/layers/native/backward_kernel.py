"""The backward kernel of a cell. README.md of this folder has its arguments and its loops."""

from llvmlite import ir

from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.function_builder import FunctionBuilder
from keras_rnn.layers.native.machine import this_machine
from keras_rnn.layers.native.products import add_panel, blocks, row_addresses
from keras_rnn.layers.native.steps import SCALAR_ARGS, FirstSteps, RowRange, Step, panel_vectors, panels


def add_backward(module: ir.Module, cell: Cell, units: int) -> None:
    states = range(cell.states)
    d_sums_names = ["d_sums", "d_state_sums"] if cell.has_separate_sums else ["d_sums"]
    saved = [*(f"states_{n}" for n in states), *(f"last_state_{n}" for n in states), "workspace"]
    results = ["d_inputs", *(f"d_state_{n}" for n in states), "d_kernel", "d_recurrent_kernel", "d_bias"]
    pointers = ["inputs", "d_outputs", "mask", "kernel", "recurrent_kernel", *saved, *d_sums_names, *results]
    code = FunctionBuilder(module, "backward", pointers, ["add_d_inputs", *SCALAR_ARGS], this_machine().lanes)
    args, gates, first_steps = code.args, cell.gates, FirstSteps(code, units)
    vectors = panel_vectors(units, 1)
    width = vectors * code.lanes

    def differentiate(step, row, unit, count):
        """Computes the gradients of the sums of one step of a row, for a vector of units."""
        offset = code.add(code.mul(row, units), unit)
        d_state_pointers = [code.address(args[f"d_state_{n}"], offset) for n in states]
        d_h = code.variable(code.vector_type, code.load(d_state_pointers[0], count))
        is_output_of_state = code.builder.or_(step.is_unmasked(row), step.repeats_output(row, first_steps))
        with code.builder.if_then(code.builder.and_(code.is_nonzero(args["return_sequences"]), is_output_of_state)):
            d_output = code.load(step.output("d_outputs", row, unit), count)
            code.builder.store(code.fadd(code.read(d_h), d_output), d_h)
        d_h = code.read(d_h)
        d_sums_offset = code.add(code.mul(step.index(row), gates * units), unit)

        def store_gates(name, values):
            for gate, value in values:
                code.store(value, code.address(args[name], d_sums_offset, gate * units), count)

        with code.builder.if_else(step.is_unmasked(row)) as (unmasked, masked):
            with unmasked:
                workspace = code.add(code.mul(step.index(row), cell.workspace * units), unit)
                activations = [
                    code.load(code.address(args["workspace"], workspace, n * units), count)
                    for n in range(cell.activations)
                ]
                before, after = (
                    [code.load(code.address(state(n, row), unit), count) for n in states]
                    for state in (step.state_before, step.state_after)
                )
                d_states = [d_h, *(code.load(pointer, count) for pointer in d_state_pointers[1:])]
                d_sums, d_before = cell.backward(code, d_states, activations, before, after)
                for name, numbers in zip(d_sums_names, (cell.from_inputs, cell.from_state), strict=False):
                    store_gates(name, ((gate, d_sums[number]) for gate, number in enumerate(numbers)))
                for d, pointer in zip(d_before, d_state_pointers, strict=True):
                    code.store(code.constant(0) if d is None else d, pointer, count)
                for number, d in enumerate(d_sums):
                    pointer = code.address(args["d_bias"], number * units, unit)
                    code.store(code.fadd(code.load(pointer, count), d), pointer, count)
            with masked:
                code.store(d_h, d_state_pointers[0], count)
                for name in d_sums_names:
                    store_gates(name, ((gate, code.constant(0)) for gate in range(gates)))

    def add_through_sums(step, first_unit, counts, row, rows):
        """Adds to d_h what passes through the sums, of `rows` rows, for the units of one panel."""
        d_sums = code.address(args[d_sums_names[-1]], code.mul(step.index(row), gates * units))
        offset = code.add(code.mul(row, units), first_unit)
        pointers = [
            [code.address(args["d_state_0"], offset, m * units + v * code.lanes) for v in range(len(counts))]
            for m in range(rows)
        ]
        sums = [
            [
                code.variable(code.vector_type, code.load(pointer, count))
                for pointer, count in zip(row_pointers, counts, strict=True)
            ]
            for row_pointers in pointers
        ]
        panel = code.address(args["recurrent_kernel"], code.mul(first_unit, gates * units))
        left = row_addresses(code, d_sums, code.mul(step.time, gates * units))
        add_panel(code, sums, gates * units, left, panel, 1, width)
        for m in range(rows):
            for v, count in enumerate(counts):
                code.store(code.read(sums[m][v]), pointers[m][v], count)

    with code.loop(0, args["time"]) as steps_done:
        t = code.builder.sub(code.builder.sub(args["time"], code.as_int(1)), steps_done)
        step = Step(code, t, units)
        with code.loop(args["begin"], args["end"]) as row:
            for unit, (count,) in panels(code, units, code.lanes):
                differentiate(step, row, unit, count)
        for first_unit, counts in panels(code, units, width):
            for row, rows in blocks(code, args["begin"], args["end"]):
                add_through_sums(step, first_unit, counts, row, rows)
    rows_of_call, features, columns = RowRange(code), args["features"], code.as_int(gates * units)
    inputs, d_inputs = rows_of_call.address("inputs", features), rows_of_call.address("d_inputs", features)
    d_sums, d_state_sums = (rows_of_call.address(d_sums_names[n], columns) for n in (0, -1))
    steps = rows_of_call.steps
    add = "add_transposed_matmul"
    with code.builder.if_then(code.builder.not_(code.is_nonzero(args["indexed"]))):
        sizes = steps, columns, features, features
        code.call("matmul", d_sums, args["kernel"], d_inputs, *sizes, args["add_d_inputs"])
        code.call(add, inputs, d_sums, args["d_kernel"], steps, features, columns)
    size = code.as_int(units)
    h_before = rows_of_call.address("states_0", size)
    code.call(add, h_before, d_state_sums, args["d_recurrent_kernel"], steps, size, columns)
    code.finish()
