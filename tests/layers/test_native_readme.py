"""The README of machine code names the arguments of every compiled function in their order."""

import re
from pathlib import Path

import pytest

import keras_rnn
from keras_rnn.layers.native import adam_kernels, distinct, kernels, products, rows
from keras_rnn.layers.native.cells import CELLS

README = Path(keras_rnn.__file__).parent / "layers" / "native" / "README.md"


def documented() -> dict[str, list[str]]:
    """For each function its arguments, from the tables."""
    sections = re.findall(r"^### (\w+)\n(.*?)(?=^##)", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for name, text in sections}


@pytest.fixture
def functions(monkeypatch):
    """For each module and function its arguments. Nothing is compiled."""
    products.products()  # which is compiled, since kernels take it from a cache
    modules = []
    for file in (adam_kernels, distinct, kernels, products, rows):
        monkeypatch.setattr(file, "Compiled", modules.append)
    for write in (adam_kernels.adam_code, distinct.distinct_code, products.products, rows.row_code):
        write.__wrapped__()
    for cell in CELLS.values():
        kernels.kernels.__wrapped__(cell, 3)
    return {
        (module.name, function.name): [argument.name for argument in function.args]
        for module in modules
        for function in module.functions
        if function.blocks
    }


def test_every_function_and_its_arguments_are_documented(functions):
    tables = documented()
    assert {name for _, name in functions} == set(tables)
    for (module, name), arguments in functions.items():
        cell = CELLS.get(module.removesuffix("_3"))
        expected = []
        for argument in tables[name]:
            if cell and argument.endswith("_n"):
                expected += [f"{argument[:-2]}_{n}" for n in range(cell.states)]
            elif not cell or argument != "d_state_sums" or cell.has_separate_sums:
                expected.append(argument)
        assert arguments == expected, f"{module}: {name}"


def test_every_file_is_named():
    text = README.read_text(encoding="utf-8")
    files = {path.name for path in README.parent.glob("*.py")} - {"__init__.py"}
    assert {name for name in files if f"`{name}`" not in text} == set()
