"""`keras_rnn.tune` is the function and `keras_rnn.search` a package whose old call still works."""

import subprocess
import sys

import cloudpickle
import pytest

import keras_rnn

# `tune` is replaced by a function that trains nothing and loads nothing.
STUB = """
import sys, types, warnings
stub = types.ModuleType("keras_rnn.search.tune")
stub.tune = lambda *arguments, **options: (arguments, options)
sys.modules[stub.__name__] = stub
"""
USE = """
assert tune("imdb", epochs=2) == (("imdb",), {"epochs": 2})
import keras_rnn.search.trial as trial
from keras_rnn.search.trial import Job
assert keras_rnn.search.trial is trial and trial.Job is Job
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert keras_rnn.search("imdb", epochs=2) == (("imdb",), {"epochs": 2})
(warning,) = caught
assert warning.category is DeprecationWarning and warning.filename == "<string>", warning
assert "keras_rnn.tune" in str(warning.message)
assert "tensorflow" not in sys.modules
"""
ORDERS = {
    "function first": "import keras_rnn; from keras_rnn import tune, search",
    "attribute first": "import keras_rnn; search = keras_rnn.search; tune = keras_rnn.tune",
    "submodule first": "import keras_rnn.search.trial; from keras_rnn import tune",
    "from a submodule": "from keras_rnn.search.executor import TrialEnded; import keras_rnn; tune = keras_rnn.tune",
    "everything": "import keras_rnn.search; from keras_rnn import Range, tune",
}


@pytest.mark.parametrize("order", ORDERS)
def test_both_can_be_called_in_whatever_order_modules_are_imported(order):
    subprocess.run([sys.executable, "-c", STUB + ORDERS[order] + USE], check=True)


def test_the_package_can_be_pickled_with_a_function_that_names_it():
    assert cloudpickle.loads(cloudpickle.dumps(keras_rnn.search)) is keras_rnn.search
