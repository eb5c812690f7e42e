import subprocess
import sys

import pytest

from keras_rnn.imports import imports_without


def test_what_is_hidden_is_not_found_within_and_is_there_after(tmp_path, monkeypatch):
    (tmp_path / "imported_by_this_test.py").write_text("there = True")
    monkeypatch.syspath_prepend(tmp_path)
    with imports_without("imported_by_this_test"), pytest.raises(ImportError):
        import imported_by_this_test
    import imported_by_this_test

    assert imported_by_this_test.there


def test_what_was_imported_before_stays():
    import json

    with imports_without("json"):
        import json as again
    assert again is json


def test_commands_do_without_what_keras_alone_would_import():
    script = """
import sys
from keras_rnn.cli.quiet import import_tensorflow
import_tensorflow()
print(*({"tensorflow", "keras", "sklearn", "matplotlib"} & sys.modules.keys()))
import sklearn.metrics, matplotlib.figure
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(process.stdout.split()) == {"tensorflow", "keras"}
