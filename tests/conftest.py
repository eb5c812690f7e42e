import gc
import os

import pytest

from keras_rnn.imports import imports_without_gc

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the same results on every machine

# Folders whose files share what takes long to make: a run and its export, a server.
TOGETHER = ("tests/serving/server", "tests/serving")
# What takes longest, first: pytest-xdist hands the tests out in this order, and the last files should be short.
LONGEST = (
    "tests/search/test_ray_executor.py",
    "tests/search/test_tune_processes.py",
    "tests/search/test_tune_function.py",
    "tests/search/test_ray_driver.py",
    "tests/search/test_sweep.py",
    "tests/serving",
    "tests/test_benchmarks.py",
    "tests/cli/test_cli.py",
    "tests/models/test_every_model.py",
    "tests/training/test_train.py",
    "tests/serving/server",
    "tests/layers/test_recurrent.py",
    "tests/search/test_run_trial.py",
    "tests/search/test_driver.py",
)


def on_one_worker(nodeid: str) -> str:
    """The file or folder of a test, all of whose tests run in one process."""
    path = nodeid.split("::", 1)[0]
    return next((folder for folder in TOGETHER if path.startswith(f"{folder}/")), path)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    with imports_without_gc():
        return (yield)


def pytest_collection_modifyitems(items):
    def rank(item):
        tests = on_one_worker(item.nodeid)
        return LONGEST.index(tests) if tests in LONGEST else len(LONGEST)

    items.sort(key=rank)


def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return on_one_worker(nodeid)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="module", autouse=True)
def frozen_heap():
    """Garbage is collected at every trial's start and more, and need not be looked for among what lived before."""
    gc.collect()
    gc.freeze()
