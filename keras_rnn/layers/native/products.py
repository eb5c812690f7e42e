"""Matrix products whose sums stay in the registers: as parts of kernels, and as kernels of their own.

A matrix that is multiplied by is packed by `packed`: panels of as many columns as fit into the registers, each panel's
rows one after the other.
"""

from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.code import FLOAT, INT, Code
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, allocate

REGISTERS = 4  # vectors of a row in a product
CACHED_ROWS = 128  # of a panel, which then stay in the nearest cache


@compiled_once
def products() -> Compiled:
    """Functions of matrices of float32 of any size, in C order, compiled.

    pack(matrix `(rows, gates * units)`, packed `(panels, rows, gates, width)`, rows, gates, units, width, row_step,
    column_step): copies a matrix, whose elements are so far from those of the next row and the next column, and fills
    it up with zeros. `packed` calls it.

    times(left `(rows, size)`, right `(size, columns)`, packed as of one gate, product `(rows, columns)`, whose rows
    begin every `stride`, rows, size, columns, stride, 1 where the product is to be added to what stands there).

    add_transposed_times(left `(rows, size)`, right `(rows, columns)`, sum `(size, columns)`, rows, size, columns): adds
    the product of the transposed left matrix.
    """
    module = ir.Module()
    _pack(module)
    _times(module)
    _add_transposed_times(module)
    return Compiled(module)


def packed(matrix, gates: int = 1, vectors: int = REGISTERS, transposed: bool = False):
    """An array of a matrix `(rows, gates * units)`, or of one that is to be transposed, for products with it."""
    (rows, columns), steps = matrix.shape, (matrix.shape[1], 1)
    if transposed:
        (rows, columns), steps = (columns, rows), (1, columns)
    units, width = columns // gates, vectors * this_machine().lanes
    (made,) = allocate((-(-units // width), rows, gates, width))
    products().pack(*addresses([matrix, made]), rows, gates, units, width, *steps)
    return made


def _pack(module: ir.Module) -> None:
    names = ["matrix", "packed"], ["rows", "gates", "units", "width", "row_step", "column_step"]
    code = Code(module, "pack", *names, this_machine().lanes)
    given, build = code.arguments, code.build
    gates, units, width = given["gates"], given["units"], given["width"]
    of_row = code.mul(gates, width)
    with code.loop(0, code.add(units, code.add(width, code.number(-1))), width) as unit:
        panel = code.mul(code.mul(unit, gates), given["rows"])
        with code.loop(0, gates) as gate, code.loop(0, width, code.lanes) as first:
            column = code.add(code.add(code.mul(gate, units), unit), first)
            left_over = build.sub(units, code.add(unit, first))
            # Few columns at a time, so that where they come from stays in the nearest cache if it is far apart.
            with code.loop(0, given["rows"]) as row:
                from_ = code.add(code.mul(row, given["row_step"]), code.mul(column, given["column_step"]))
                to = code.at(given["packed"], panel, code.mul(row, of_row), code.mul(gate, width), first)
                for lane in range(code.lanes):
                    place = code.at(given["matrix"], from_, code.mul(given["column_step"], lane))
                    value = code.variable(FLOAT, ir.Constant(FLOAT, 0))
                    with build.if_then(build.icmp_signed(">", left_over, code.number(lane)), likely=True):
                        build.store(build.load(place, typ=FLOAT), value)
                    build.store(build.load(value, typ=FLOAT), code.at(to, lane))
    code.finish()


def blocks(code: Code, begin, end):
    """Code for the rows from `begin` to `end`, in blocks: the first row of a block, and how many rows it has."""
    row = code.variable(INT, begin)
    for rows in this_machine().rows:
        with code.steps(row, end, rows) as first:
            yield first, rows


def add_panel(code: Code, sums, size, left, panel, gates: int, width: int) -> None:
    """Adds left @ panel to the variables sums[m], which are the vectors of one gate after the other.

    `left(m, k)` says where an element stands, of `size` in a row; the rows of `panel`, of `width` a gate, follow each
    other.
    """
    vectors = len(sums[0]) // gates
    with code.loop(0, size) as k:
        row = code.mul(k, gates * width)
        right = [
            code.load(code.at(panel, row, gate * width + v * code.lanes))
            for gate in range(gates)
            for v in range(vectors)
        ]
        for m, of_row in enumerate(sums):
            factor = code.broadcast(left(m, k))
            for vector, place in zip(right, of_row, strict=True):
                code.build.store(code.times_plus(factor, vector, code.build.load(place, typ=code.vector)), place)


def in_rows(code: Code, first, stride):
    """Where the elements of a matrix stand whose rows begin every `stride`, as `add_panel` takes it."""
    return lambda m, k: code.at(first, code.mul(stride, m), k)


def _times(module: ir.Module) -> None:
    names = ["left", "right", "product"], ["rows", "size", "columns", "stride", "add"]
    code = Code(module, "times", *names, this_machine().lanes)
    given = code.arguments
    size = given["size"]
    for column, counts in _panels(code):
        panel = code.at(given["right"], code.mul(column, size))
        for row, rows in blocks(code, code.number(0), given["rows"]):
            sums = [[code.variable(code.vector) for _ in counts] for _ in range(rows)]
            places = _places(code, given["product"], row, given["stride"], column, sums)
            with code.build.if_else(code.flag(given["add"])) as (more, nothing):
                with more:
                    _load(code, sums, places, counts)
                with nothing:
                    for place in (place for of_row in sums for place in of_row):
                        code.build.store(code.constant(0), place)
            first = code.at(given["left"], code.mul(row, size))
            add_panel(code, sums, size, in_rows(code, first, size), panel, 1, REGISTERS * code.lanes)
            _store(code, sums, places, counts)
    code.finish()


def _add_transposed_times(module: ir.Module) -> None:
    names = ["left", "right", "sum"], ["rows", "size", "columns"]
    code = Code(module, "add_transposed_times", *names, this_machine().lanes)
    given, build, width = code.arguments, code.build, REGISTERS * code.lanes
    panel = code.array(CACHED_ROWS * REGISTERS)
    with code.loop(0, code.add(given["rows"], CACHED_ROWS - 1), CACHED_ROWS) as begin:
        left_over = build.sub(given["rows"], begin)
        rows = build.select(
            build.icmp_signed("<", left_over, code.number(CACHED_ROWS)), left_over, code.number(CACHED_ROWS)
        )
        for column, counts in _panels(code):
            with code.loop(0, rows) as row:
                of_row = code.mul(code.add(begin, row), given["columns"])
                for v, count in enumerate(counts):
                    vector = code.load(code.at(given["right"], of_row, column, v * code.lanes), count)
                    code.store(vector, code.at(panel, code.mul(row, width), v * code.lanes))
            for first, features in blocks(code, code.number(0), given["size"]):
                sums = [[code.variable(code.vector) for _ in counts] for _ in range(features)]
                places = _places(code, given["sum"], first, given["columns"], column, sums)
                _load(code, sums, places, counts)

                def factor(feature, row, begin=begin, first=first):
                    return code.at(given["left"], code.mul(code.add(begin, row), given["size"]), first, feature)

                add_panel(code, sums, rows, factor, panel, 1, width)
                _store(code, sums, places, counts)
    code.finish()


def _panels(code: Code):
    """Code for every panel of columns: its first column, and how many columns are left from each of its vectors on."""
    columns, width = code.arguments["columns"], REGISTERS * code.lanes
    with code.loop(0, code.add(columns, width - 1), width) as column:
        yield column, [code.build.sub(columns, code.add(column, v * code.lanes)) for v in range(REGISTERS)]


def _places(code: Code, matrix, row, stride, column, sums):
    """Where the vectors of a block stand in a matrix, whose first one is at `row` and `column`."""
    return [
        [code.at(matrix, code.mul(code.add(row, m), stride), column, v * code.lanes) for v in range(len(of_row))]
        for m, of_row in enumerate(sums)
    ]


def _load(code: Code, sums, places, counts) -> None:
    for of_row, at in zip(sums, places, strict=True):
        for place, where, count in zip(of_row, at, counts, strict=True):
            code.build.store(code.load(where, count), place)


def _store(code: Code, sums, places, counts) -> None:
    for of_row, at in zip(sums, places, strict=True):
        for place, where, count in zip(of_row, at, counts, strict=True):
            code.store(code.build.load(place, typ=code.vector), where, count)
