import subprocess
import sys

import pytest

from keras_rnn.imports import imports_without


def test_what_is_hidden_is_not_found_within_and_is_there_after():
    assert "wave" not in sys.modules
    with imports_without("wave"), pytest.raises(ImportError):
        import wave
    import wave

    assert wave.open


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
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) == {"tensorflow", "keras"}
