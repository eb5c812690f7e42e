"""Matrix products whose sums stay in registers, as parts of kernels and as functions of their own.

The right matrix of a product is packed by `pack_matrix`: in panels of as many columns as fit into the registers. The
rows of a panel follow each other.
"""

from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.function_builder import FLOAT, INT, FunctionBuilder
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, allocate

REGISTERS = 4  # vectors of a row in a product
CACHED_ROWS = 128  # of a panel, which then stay in the nearest cache


@compiled_once
def products() -> Compiled:
    """`pack`, `matmul` and `add_transposed_matmul`, compiled, for float32 matrices of any size in C order.

    README.md of this folder has tables of their arguments.
    """
    module = ir.Module("products")
    _add_pack(module)
    _add_matmul(module)
    _add_transposed_matmul(module)
    return Compiled(module)


def pack_matrix(matrix, gates: int = 1, vectors: int = REGISTERS, transposed: bool = False):
    """The matrix `(rows, gates * units)`, packed: float32 `(panels, rows, gates, width)`, padded with zeros.

    Args:
        vectors: of a panel, for each gate; its width is this many vectors.
        transposed: `matrix` is the transpose of the matrix to be packed.
    """
    (rows, columns), strides = matrix.shape, (matrix.shape[1], 1)
    if transposed:
        (rows, columns), strides = (columns, rows), (1, columns)
    units, width = columns // gates, vectors * this_machine().lanes
    (panels,) = allocate((-(-units // width), rows, gates, width))
    products().pack(*addresses([matrix, panels]), rows, gates, units, width, *strides)
    return panels


def blocks(code: FunctionBuilder, begin, end):
    """Code for the rows `begin` to `end` in blocks: yields a block's first row, and how many rows it has."""
    row = code.variable(INT, begin)
    for rows in this_machine().rows:
        with code.loop_from(row, end, rows) as first:
            yield first, rows


def add_panel(code: FunctionBuilder, sums, size, left, panel, gates: int, width: int) -> None:
    """Adds left @ panel to the variables sums[m], which are the vectors of one gate after the other.

    Args:
        size: columns of `left`, and rows of `panel`.
        left(m, k): returns a pointer to an element.
        panel: a pointer to its rows, which have `width` columns a gate and follow each other.
    """
    vectors = len(sums[0]) // gates
    with code.loop(0, size) as k:
        panel_row = code.mul(k, gates * width)
        right = [
            code.load(code.address(panel, panel_row, gate * width + v * code.lanes))
            for gate in range(gates)
            for v in range(vectors)
        ]
        for m, row_sums in enumerate(sums):
            factor = code.load_splat(left(m, k))
            for vector, variable in zip(right, row_sums, strict=True):
                code.builder.store(code.fma(factor, vector, code.read(variable)), variable)


def row_addresses(code: FunctionBuilder, first, stride):
    """`left` of `add_panel`, for a matrix at the pointer `first` whose rows are `stride` apart."""
    return lambda m, k: code.address(first, code.mul(stride, m), k)


def _add_pack(module: ir.Module) -> None:
    names = ["matrix", "packed"], ["rows", "gates", "units", "width", "row_stride", "column_stride"]
    code = FunctionBuilder(module, "pack", *names, this_machine().lanes)
    args, builder = code.args, code.builder
    gates, units, width = args["gates"], args["units"], args["width"]
    row_size = code.mul(gates, width)
    with code.loop(0, code.add(units, code.add(width, code.as_int(-1))), width) as unit:
        panel = code.mul(code.mul(unit, gates), args["rows"])
        with code.loop(0, gates) as gate, code.loop(0, width, code.lanes) as first:
            column = code.add(code.add(code.mul(gate, units), unit), first)
            units_left = builder.sub(units, code.add(unit, first))
            # Few columns at a time, so that what is read stays in the nearest cache if columns are far apart.
            with code.loop(0, args["rows"]) as row:
                offset = code.add(code.mul(row, args["row_stride"]), code.mul(column, args["column_stride"]))
                target = code.address(args["packed"], panel, code.mul(row, row_size), code.mul(gate, width), first)
                for lane in range(code.lanes):
                    source = code.address(args["matrix"], offset, code.mul(args["column_stride"], lane))
                    value = code.variable(FLOAT, ir.Constant(FLOAT, 0))
                    with builder.if_then(builder.icmp_signed(">", units_left, code.as_int(lane)), likely=True):
                        builder.store(builder.load(source, typ=FLOAT), value)
                    builder.store(builder.load(value, typ=FLOAT), code.address(target, lane))
    code.finish()


def _add_matmul(module: ir.Module) -> None:
    names = ["left", "right", "product"], ["rows", "size", "columns", "stride", "add"]
    code = FunctionBuilder(module, "matmul", *names, this_machine().lanes)
    args = code.args
    size = args["size"]
    for column, counts in _panels(code):
        panel = code.address(args["right"], code.mul(column, size))
        for row, rows in blocks(code, code.as_int(0), args["rows"]):
            sums = [[code.variable(code.vector_type) for _ in counts] for _ in range(rows)]
            pointers = _block_addresses(code, args["product"], row, args["stride"], column, sums)
            with code.builder.if_else(code.is_nonzero(args["add"])) as (add, overwrite):
                with add:
                    _load(code, sums, pointers, counts)
                with overwrite:
                    for variable in (variable for row_sums in sums for variable in row_sums):
                        code.builder.store(code.constant(0), variable)
            first = code.address(args["left"], code.mul(row, size))
            add_panel(code, sums, size, row_addresses(code, first, size), panel, 1, REGISTERS * code.lanes)
            _store(code, sums, pointers, counts)
    code.finish()


def _add_transposed_matmul(module: ir.Module) -> None:
    names = ["left", "right", "sum"], ["rows", "size", "columns"]
    code = FunctionBuilder(module, "add_transposed_matmul", *names, this_machine().lanes)
    args, builder, width = code.args, code.builder, REGISTERS * code.lanes
    panel = code.allocate_vectors(CACHED_ROWS * REGISTERS)
    with code.loop(0, code.add(args["rows"], CACHED_ROWS - 1), CACHED_ROWS) as begin:
        rows_left = builder.sub(args["rows"], begin)
        rows = builder.select(
            builder.icmp_signed("<", rows_left, code.as_int(CACHED_ROWS)), rows_left, code.as_int(CACHED_ROWS)
        )
        for column, counts in _panels(code):
            with code.loop(0, rows) as row:
                offset = code.mul(code.add(begin, row), args["columns"])
                for v, count in enumerate(counts):
                    vector = code.load(code.address(args["right"], offset, column, v * code.lanes), count)
                    code.store(vector, code.address(panel, code.mul(row, width), v * code.lanes))
            for first, features in blocks(code, code.as_int(0), args["size"]):
                sums = [[code.variable(code.vector_type) for _ in counts] for _ in range(features)]
                pointers = _block_addresses(code, args["sum"], first, args["columns"], column, sums)
                _load(code, sums, pointers, counts)

                def transposed(feature, row, begin=begin, first=first):
                    return code.address(args["left"], code.mul(code.add(begin, row), args["size"]), first, feature)

                add_panel(code, sums, rows, transposed, panel, 1, width)
                _store(code, sums, pointers, counts)
    code.finish()


def _panels(code: FunctionBuilder):
    """Code for every panel of columns: yields its first column, and for each vector how many columns are left."""
    columns, width = code.args["columns"], REGISTERS * code.lanes
    with code.loop(0, code.add(columns, width - 1), width) as column:
        yield column, [code.builder.sub(columns, code.add(column, v * code.lanes)) for v in range(REGISTERS)]


def _block_addresses(code: FunctionBuilder, matrix, row, stride, column, sums):
    """Pointers to the vectors of a block of a matrix, for each row; the first one is at `row` and `column`."""
    return [
        [code.address(matrix, code.mul(code.add(row, m), stride), column, v * code.lanes) for v in range(len(row_sums))]
        for m, row_sums in enumerate(sums)
    ]


def _load(code: FunctionBuilder, sums, pointers, counts) -> None:
    for row_sums, row_pointers in zip(sums, pointers, strict=True):
        for variable, pointer, count in zip(row_sums, row_pointers, counts, strict=True):
            code.builder.store(code.load(pointer, count), variable)


def _store(code: FunctionBuilder, sums, pointers, counts) -> None:
    for row_sums, row_pointers in zip(sums, pointers, strict=True):
        for variable, pointer, count in zip(row_sums, row_pointers, counts, strict=True):
            code.store(code.read(variable), pointer, count)
