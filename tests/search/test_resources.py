import os

import pytest
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.search import resources
from keras_rnn.search.resources import THREAD_VARIABLES, available_cores, slot_environments, visible_gpus


@pytest.fixture
def machine(monkeypatch):
    """`machine(core_count, gpus)`: one that has so many, the GPUs by the names that CUDA_VISIBLE_DEVICES takes."""

    def machine(core_count, gpus):
        monkeypatch.setattr(resources, "available_cores", lambda: core_count)
        monkeypatch.setattr(resources, "visible_gpus", lambda: gpus)

    return machine


def visible_devices(environments):
    return [environment["CUDA_VISIBLE_DEVICES"] for environment in environments]


@pytest.mark.parametrize(
    ("core_count", "workers", "threads"), [(8, None, 8), (8, 1, 8), (8, 3, 2), (2, 2, 1), (2, 5, 1)]
)
def test_workers_share_the_cores(core_count, workers, threads, machine):
    machine(core_count, [])
    environments, threads_each = slot_environments(workers, None)
    assert threads_each == threads
    assert len(environments) == (workers or 1)
    for environment in environments:
        assert environment == {**dict.fromkeys(THREAD_VARIABLES, str(threads)), "CUDA_VISIBLE_DEVICES": "-1"}


@pytest.mark.parametrize(
    ("workers", "gpus", "names"),
    [
        (None, None, ["0", "3", "GPU-a"]),
        (2, None, ["0", "3"]),
        (None, 2, ["0", "3"]),
        (1, 2, ["0"]),
        (None, 0, ["-1"]),
        (5, 0, ["-1"] * 5),
    ],
)
def test_each_worker_has_a_gpu_of_its_own(workers, gpus, names, machine):
    machine(6, ["0", "3", "GPU-a"])
    environments, threads = slot_environments(workers, gpus)
    assert visible_devices(environments) == names
    assert threads == max(1, 6 // len(names))


@pytest.mark.parametrize(
    ("workers", "gpus", "message"),
    [
        (None, 4, "gpus takes at most the 3 that TensorFlow sees, got 4"),
        (4, None, "workers takes at most one a GPU, of which there are 3, got 4; gpus=0 trains on the processor"),
        (3, 2, "workers takes at most one a GPU, of which there are 2, got 3"),
        (0, None, "workers takes a whole number of at least 1, got 0"),
        (None, -1, "gpus takes a whole number of at least 0, got -1"),
    ],
)
def test_more_than_there_is_is_refused(workers, gpus, message, machine):
    machine(6, ["0", "1", "2"])
    with pytest.raises(UsageError, match=message):
        slot_environments(workers, gpus)


@pytest.mark.parametrize(
    ("named", "count", "names"),
    [(None, 2, ["0", "1"]), ("3, 5", 2, ["3", "5"]), ("3,5", 1, ["3"]), ("-1", 0, []), ("", 0, [])],
)
def test_gpus_have_the_names_that_the_environment_gives_them(named, count, names, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * count)
    assert visible_gpus() == names


def test_cores_are_those_this_process_may_use():
    assert 1 <= available_cores() <= os.cpu_count()
