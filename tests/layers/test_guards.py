"""Arrays in front of protected pages."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_rnn.layers.native import guards

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "KERAS_RNN_NATIVE_GUARDS": "1", "PYTHONFAULTHANDLER": "0"}
SUMS_OF_ROWS = """
import sys
import numpy as np
from keras_rnn.layers.native.memory import addresses, allocate
from keras_rnn.layers.native.rows import row_code

rows = int(sys.argv[1])
values, sums = allocate((4, 3), (2, 3))
indices = np.zeros(100, np.int32)
row_code().add_rows(*addresses([values, indices, sums]), rows, 3)
"""
# Tests of machine code, which run once more with guards.
TESTS = [
    "layers/test_native_distinct.py",
    "layers/test_native_memory.py",
    "layers/test_native_numbers.py",
    "layers/test_native_reference.py",
    "layers/test_native_sequence.py",
    "layers/test_native_threads.py",
    "layers/test_products.py",
    "layers/test_embedding.py",
    "training/test_native_adam.py",
]


@pytest.mark.parametrize(("rows", "status"), [(4, 0), (5, -11)])
def test_a_read_past_an_array_ends_the_process(rows, status):
    process = subprocess.run([sys.executable, "-c", SUMS_OF_ROWS, str(rows)], env=ENVIRONMENT, capture_output=True)
    assert process.returncode == status, process.stderr


def test_a_write_in_front_of_an_array_ends_the_process():
    script = """
import mmap
import numpy as np
from keras_rnn.layers.native.guards import guarded
array = guarded((3, 4), np.float32)
memory = np.frombuffer(array.base.base, np.uint8)
memory[len(memory) - mmap.PAGESIZE - array.nbytes - 1] = 0
del array
"""
    process = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True)
    assert process.returncode == -6
    assert b"wrote in front of an array" in process.stderr


def test_a_guarded_array_is_an_array():
    copy = guards.guarded_copy(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(copy, [[0, 1, 2], [3, 4, 5]])
    assert guards.guarded((0, 3), np.float32).shape == (0, 3)


@pytest.mark.slow
def test_machine_code_accesses_its_arrays_alone():
    tests = [ROOT / "tests" / path for path in TESTS]
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *tests],
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-4000:]
