"""mypy over the public functions and what they need, as setup.cfg says."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

import keras_rnn

ROOT = Path(__file__).parents[1]


def mypy(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.slow
def test_mypy_has_nothing_to_say(tmp_path):
    result = mypy("--cache-dir", tmp_path)
    assert result.returncode == 0, result.stdout


def test_a_wrong_call_of_a_public_function_is_an_error(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from keras_rnn.layers import list_cells\n\nlist_cells(1)\nnumber: int = list_cells()\n")
    result = mypy("--cache-dir", tmp_path / "cache", script)
    assert result.returncode == 1
    assert 'Argument 1 to "list_cells" has incompatible type' in result.stdout
    assert "Incompatible types in assignment" in result.stdout


def test_no_public_name_stands_in_a_module_that_is_left_out():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    sections = [name.removeprefix("mypy-") for name in setup.sections() if name.startswith("mypy-")]
    skipped_modules = {module.removesuffix(".*") for section in sections for module in section.split(",")}
    for name in keras_rnn.__all__:
        module = getattr(getattr(keras_rnn, name), "__module__", keras_rnn._HOME[name])
        assert not any(module == other or module.startswith(f"{other}.") for other in skipped_modules), name
    for module in skipped_modules:
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), module
