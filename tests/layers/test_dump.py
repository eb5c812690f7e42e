"""The switch that writes LLVM IR."""

import numpy as np
import pytest

from keras_rnn import UsageError
from keras_rnn.layers.native import rows
from keras_rnn.layers.native.memory import addresses


@pytest.fixture
def compile_rows():
    """Compiles `rows` anew, and once more afterwards, so that the module has code that was compiled as usual."""
    rows.row_code.cache_clear()
    yield rows.row_code
    rows.row_code.cache_clear()


def test_the_ir_of_what_is_compiled_is_written(compile_rows, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_RNN_NATIVE_IR", str(tmp_path / "new" / "ir"))
    code = compile_rows()
    texts = {path.name: path.read_text() for path in (tmp_path / "new" / "ir").iterdir()}
    assert set(texts) == {"rows.ll", "rows.optimized.ll"}
    for text in texts.values():
        assert "define void @" in text
        assert "add_rows" in text
    assert texts["rows.optimized.ll"].count("alloca") < texts["rows.ll"].count("alloca")
    values, indices, sums = np.ones((2, 3), np.float32), np.array([1, 1], np.int32), np.zeros((2, 3), np.float32)
    code.add_rows(*addresses([values, indices, sums]), 2, 3)
    np.testing.assert_array_equal(sums, [[0, 0, 0], [2, 2, 2]])


def test_nothing_is_written_without_the_switch(compile_rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_RNN_NATIVE_IR", raising=False)
    compile_rows()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_a_file_is_named(compile_rows, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("")
    monkeypatch.setenv("KERAS_RNN_NATIVE_IR", str(path))
    with pytest.raises(
        UsageError, match=r"KERAS_RNN_NATIVE_IR takes a directory to write to, got '.*file': File exists"
    ):
        compile_rows()
