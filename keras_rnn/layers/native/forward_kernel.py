"""The forward kernel of a cell. README.md of this folder has its arguments and its loops."""

from llvmlite import ir

from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.function_builder import POINTER, FunctionBuilder
from keras_rnn.layers.native.machine import this_machine
from keras_rnn.layers.native.products import add_panel, blocks, row_addresses
from keras_rnn.layers.native.steps import MAX_ROWS, SCALAR_ARGS, FirstSteps, RowRange, Step, panel_vectors, panels


def add_forward(module: ir.Module, cell: Cell, units: int) -> None:
    states = range(cell.states)
    arrays = [*(f"states_{n}" for n in states), *(f"last_state_{n}" for n in states), "outputs", "workspace"]
    pointers = ["inputs", "indices", "mask", "kernel", "recurrent_kernel", "bias", *arrays]
    code = FunctionBuilder(module, "forward", pointers, SCALAR_ARGS, this_machine().lanes)
    args, rows_of_call, first_steps = code.args, RowRange(code), FirstSteps(code, units)
    vectors = panel_vectors(units, cell.sums)
    width = vectors * code.lanes
    panel_sums = code.allocate_vectors(MAX_ROWS * cell.sums * vectors)
    product_pointers = code.entry.alloca(POINTER, MAX_ROWS)

    def set_product_pointers(step):
        """Stores for each row a pointer to the products of the step's input with the kernel."""
        with code.loop(args["begin"], args["end"]) as row, code.builder.if_else(indexed) as (distinct, own):
            with distinct:
                index = code.load_index(args["indices"], step.index(row))
                product = code.address(args["inputs"], code.mul(index, cell.gates * units))
                code.builder.store(product, product_pointer(row))
            with own:
                code.builder.store(workspace(step, row), product_pointer(row))

    def product_pointer(row):
        return code.builder.gep(product_pointers, [code.builder.sub(row, args["begin"])], source_etype=POINTER)

    def workspace(step, row):
        return code.address(args["workspace"], code.mul(step.index(row), cell.workspace * units))

    def row_sums(row):
        """A pointer to the sums of a row in `panel_sums`."""
        return code.address(panel_sums, code.mul(code.builder.sub(row, args["begin"]), cell.sums * width))

    def add_up(step, first_unit, counts, row, rows):
        """Computes the sums of one step of `rows` rows, for the units of one panel."""
        sums = [[[code.variable(code.vector_type) for _ in counts] for _ in range(cell.sums)] for _ in range(rows)]
        products = [code.builder.load(product_pointer(code.add(row, m)), typ=POINTER) for m in range(rows)]
        for number in range(cell.sums):
            for v, count in enumerate(counts):
                unit = code.add(first_unit, v * code.lanes)
                bias = code.load(code.address(args["bias"], number * units, unit), count)
                for m in range(rows):
                    value = bias
                    if number in cell.from_inputs:
                        gate_offset = cell.from_inputs.index(number) * units
                        value = code.fadd(bias, code.load(code.address(products[m], gate_offset, unit), count))
                    code.builder.store(value, sums[m][number][v])
        gate_sums = [[variable for number in cell.from_state for variable in sums[m][number]] for m in range(rows)]
        panel = code.address(args["recurrent_kernel"], code.mul(first_unit, cell.gates * units))
        h_before = row_addresses(code, step.state_before(0, row), code.mul(step.time, units))
        add_panel(code, gate_sums, units, h_before, panel, cell.gates, width)
        for m in range(rows):
            for number in range(cell.sums):
                for v, variable in enumerate(sums[m][number]):
                    pointer = code.address(row_sums(row), ((m * cell.sums + number) * vectors + v) * code.lanes)
                    code.store(code.read(variable), pointer)

    def update(step, first_unit, counts, row):
        """Computes the states and outputs of one step of a row from its sums."""
        for v, count in enumerate(counts):
            unit = code.add(first_unit, v * code.lanes)
            before = [code.load(code.address(step.state_before(n, row), unit), count) for n in states]
            after = [code.variable(code.vector_type, state) for state in before]
            output = code.variable(code.vector_type, before[0])
            with code.builder.if_else(step.is_unmasked(row)) as (unmasked, masked):
                with unmasked:
                    sums = [
                        code.load(code.address(row_sums(row), (number * vectors + v) * code.lanes))
                        for number in range(cell.sums)
                    ]
                    new_states, activations = cell.forward(code, sums, before)
                    for state, variable in zip(new_states, after, strict=True):
                        code.builder.store(state, variable)
                    code.builder.store(new_states[0], output)
                    for number, value in enumerate(activations):
                        code.store(value, code.address(workspace(step, row), number * units, unit), count)
                with masked:
                    with code.builder.if_then(code.builder.not_(step.repeats_output(row, first_steps))):
                        code.builder.store(code.constant(0), output)
                    # `backward` does not read them, but TensorFlow may look at all numbers of a tensor.
                    for number in range(cell.activations):
                        code.store(code.constant(0), code.address(workspace(step, row), number * units, unit), count)
            for n, variable in enumerate(after):
                code.store(code.read(variable), code.address(step.state_after(n, row), unit), count)
            with code.builder.if_then(code.is_nonzero(args["return_sequences"])):
                code.store(code.read(output), step.output("outputs", row, unit), count)

    columns, workspace_size = code.as_int(cell.gates * units), code.as_int(cell.workspace * units)
    inputs = rows_of_call.address("inputs", args["features"])
    products = rows_of_call.address("workspace", workspace_size)
    sizes = rows_of_call.steps, args["features"], columns, workspace_size
    indexed = code.is_nonzero(args["indexed"])
    with code.builder.if_then(code.builder.not_(indexed)):
        code.call("matmul", inputs, args["kernel"], products, *sizes, code.as_int(0))
    with code.loop(0, args["time"]) as t:
        step = Step(code, t, units)
        set_product_pointers(step)
        for first_unit, counts in panels(code, units, width):
            for row, rows in blocks(code, args["begin"], args["end"]):
                add_up(step, first_unit, counts, row, rows)
            # A loop of its own, so that this code, which is slow to compile, stands once and not for each block size.
            with code.loop(args["begin"], args["end"]) as row:
                update(step, first_unit, counts, row)
    code.finish()
