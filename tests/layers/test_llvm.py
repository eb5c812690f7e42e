"""What a user is told of llvmlite, if it is missing or broken, and that training goes on without machine code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_rnn.layers import forms, native
from keras_rnn.layers.native import llvm

ROOT = Path(__file__).parents[2]
TRAIN = """
import keras
import numpy as np
import keras_rnn
from keras_rnn.layers import forms

inputs = keras.Input((None,), dtype="int32")
outputs = keras_rnn.LSTM(3)(keras_rnn.TokenEmbedding(5, 2, mask_zero=True)(inputs))
model = keras.Model(inputs, keras_rnn.GRU(2)(outputs[:, None]))
model.compile("sgd", "mse", jit_compile=False)
losses = model.fit(np.ones((4, 3), "int32"), np.ones((4, 2)), epochs=2, verbose=0).history["loss"]
assert losses[1] < losses[0]
print(forms.why_no_machine_code())
"""
MISSING = 'raise ModuleNotFoundError("No module named \'llvmlite\'", name="llvmlite")'
WITHOUT_A_LIBRARY = 'raise OSError("Could not find/load shared object file:\\n  libllvmlite.so")'


LOAD_ERROR = "OSError: Could not find/load shared object file: libllvmlite.so"


def write_package(files: dict[str, str], folder: Path) -> None:
    (folder / "llvmlite").mkdir()
    for name, text in files.items():
        (folder / "llvmlite" / name).write_text(text)


def train_with(files: dict[str, str], folder: Path) -> tuple[str, list[str]]:
    """Why there is no machine code with an llvmlite of these files, and the lines on stderr that name llvmlite."""
    write_package(files, folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("KERAS_RNN_NATIVE", None)
    process = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, cwd=folder)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip(), [line for line in process.stderr.splitlines() if "llvmlite" in line]


@pytest.mark.slow
def test_a_missing_llvmlite_is_told_once(tmp_path):
    reason, lines = train_with({"__init__.py": MISSING}, tmp_path)
    assert reason == "llvmlite is not installed"
    assert len(lines) == 1
    assert lines[0].endswith(
        "llvmlite is not installed: layers train without machine code, slower (pip install llvmlite)"
    )


@pytest.mark.slow
def test_a_broken_llvmlite_is_told_once_with_its_error(tmp_path):
    reason, lines = train_with({"__init__.py": WITHOUT_A_LIBRARY}, tmp_path)
    assert reason == f"llvmlite cannot be used: {LOAD_ERROR}"
    assert len(lines) == 1
    assert "llvmlite is installed, but cannot be used: layers train without machine code" in lines[0]
    assert lines[0].endswith(LOAD_ERROR)


@pytest.fixture
def fake_llvmlite(tmp_path, monkeypatch):
    """Writes an llvmlite of these files that an import finds first; the real one is back afterwards."""

    def write(files):
        write_package(files, tmp_path)
        for name in [name for name in sys.modules if name.partition(".")[0] == "llvmlite"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "llvmlite"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"__init__.py": "", "binding.py": f"def get_host_cpu_features():\n    {WITHOUT_A_LIBRARY}"}, LOAD_ERROR),
        ({"__init__.py": "import llvmlite.x"}, "ModuleNotFoundError: No module named 'llvmlite.x'"),
    ],
    ids=["library", "module"],
)
def test_every_other_failure_is_one_of_a_broken_llvmlite(files, error, fake_llvmlite, caplog):
    fake_llvmlite(files)
    assert llvm.llvm_problem.__wrapped__() == f"llvmlite cannot be used: {error}"
    assert [record.name for record in caplog.records] == ["keras_rnn"]
    assert caplog.messages[0].endswith(error)
    assert "\n" not in caplog.messages[0]


def test_an_llvmlite_that_works_is_no_problem(caplog):
    assert llvm.llvm_problem.__wrapped__() is None
    assert not caplog.records


def test_llvmlite_is_not_looked_for_where_machine_code_is_switched_off(monkeypatch):
    monkeypatch.setattr(native, "_enabled", False)
    monkeypatch.setattr(forms, "llvm_problem", lambda: pytest.fail("llvmlite was looked for"))
    assert forms.why_no_machine_code() == "keras_rnn.layers.native is switched off"
