"""`keras_rnn.search` is a package and a function, in whatever order modules are imported."""

import subprocess
import sys

import pytest

import keras_rnn

# A sweep that trains nothing, and loads nothing.
STUB = """
import sys, types
sweep = types.ModuleType("keras_rnn.search.sweep")
sweep.search = lambda *arguments, **options: (arguments, options)
sys.modules[sweep.__name__] = sweep
"""
USE = """
assert search("imdb", epochs=2) == (("imdb",), {"epochs": 2})
assert keras_rnn.search("imdb") == (("imdb",), {})
import keras_rnn.search.trial as trial
from keras_rnn.search.trial import Job
assert keras_rnn.search.trial is trial and trial.Job is Job
assert "tensorflow" not in sys.modules
"""
ORDERS = {
    "function first": "import keras_rnn; from keras_rnn import search",
    "attribute first": "import keras_rnn; search = keras_rnn.search",
    "submodule first": "import keras_rnn.search.space; from keras_rnn import search",
    "from a submodule": "from keras_rnn.search.executor import Ended; import keras_rnn; search = keras_rnn.search",
    "everything": "import keras_rnn.search; from keras_rnn import Range, search",
}


@pytest.mark.parametrize("order", ORDERS)
def test_it_can_be_called(order):
    subprocess.run([sys.executable, "-c", STUB + ORDERS[order] + USE], check=True)


def test_it_can_be_pickled_with_a_function_that_names_it():
    cloudpickle = pytest.importorskip("cloudpickle")
    assert cloudpickle.loads(cloudpickle.dumps(keras_rnn.search)) is keras_rnn.search
