import dataclasses
import json
import random
import warnings
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pytest
import scipy.optimize
import sklearn.gaussian_process

from keras_rnn.files import write_json
from keras_rnn.search import driver, layout
from keras_rnn.search.journal import read_journal
from keras_rnn.search.ranges import Range
from keras_rnn.search.records import records_from_events
from keras_rnn.search.scores import best_record
from keras_rnn.search.trial import COMPLETED, DIED, ERROR, FAILED, NAN_LOSS, NO_SPACE, OUT_OF_MEMORY, TIME_OUT, Result
from tests.support.spaces import make_space
from tests.support.sweeps import (
    OBJECTIVE,
    Killed,
    created_ids,
    ended_ids,
    good_result,
    mixed_result,
    proposals_maker,
    run_driver,
    summary,
)

CELLS = ["lstm", "gru"]


def plain():
    return make_space({"cell": CELLS, "num_layers": [1, 2, 3], "hidden_size": [8, 16]})


def small():
    return make_space({"cell": CELLS, "num_layers": [1, 2, 3]})


def conditional():
    return make_space({"num_layers": [1, 2], "hidden_size": [8, 16]}, hidden_size_per_layer=True)


def ranged():
    return make_space({"learning_rate": Range(1e-4, 1e-2, log=True)})


# Algorithm, space, most trials, and how many there will be; the Bayesian model is asked from the fourth trial on.
SWEEPS = {
    "random": ("random", plain, 6, 6),
    "random, to the last": ("random", lambda: make_space({"cell": CELLS, "num_layers": [1, 2]}), 9, 4),
    "grid": ("grid", small, None, 6),
    "grid, a size a layer": ("grid", conditional, None, 6),
    "hyperband": ("hyperband", plain, None, 6),
    "hyperband, cut short": ("hyperband", plain, 5, 5),
    "bayesian": ("bayesian", ranged, 6, 6),
}
# keras-tuner's Hyperband promotes one trial less for each that has failed, and its Bayesian model needs three that have
# completed.
RESULTS = {name: good_result if name in ("hyperband", "bayesian") else mixed_result for name in SWEEPS}


class Nearest:
    """Stands for the Gaussian process, which takes seconds: what is near to a trial is like it."""

    def __init__(self, **options):
        self.x, self.y = np.full((1, 1), 0.5), np.zeros(1)

    def fit(self, x, y):
        self.x, self.y = np.asarray(x), np.asarray(y)

    def predict(self, x, return_std):
        distances = np.abs(self.x - x).sum(axis=1)
        return self.y[[distances.argmin()]], distances[[distances.argmin()]]


@pytest.fixture(autouse=True)
def quick_bayesian_search(monkeypatch):
    """It has another model, and takes the best of the places where it would begin to climb."""
    monkeypatch.setattr(sklearn.gaussian_process, "GaussianProcessRegressor", Nearest)
    stay = lambda function, x0, **options: SimpleNamespace(fun=function(x0), x=x0)  # noqa: E731
    monkeypatch.setattr(scipy.optimize, "minimize", stay)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a Gaussian process on few points
        yield


def check_whole(directory, trials, count):
    """Every trial was made once and ended once, and the journal tells of the same ones."""
    assert [trial.job.trial_id for trial in trials] == [f"{number:04}" for number in range(count)]
    assert created_ids(directory) == sorted(ended_ids(directory)) == [trial.job.trial_id for trial in trials]
    assert all(trial.status in (COMPLETED, FAILED) for trial in trials)
    assert summary(records_from_events(read_journal(directory / layout.JOURNAL), OBJECTIVE, 3)) == summary(trials)


def run_until_done(directory, *sweep, deaths, **options):
    """Goes on after each death; `deaths` are the moments of the lives' ends, and the life after them is whole."""
    for kill_at in [*deaths, None]:
        try:
            return run_driver(directory, *sweep, kill_at=kill_at, **options)[0]
        except Killed:
            pass
    return None


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_killed_at_any_moment_is_the_unbroken_one(name, tmp_path, monkeypatch):
    algorithm, space, max_trials, count = SWEEPS[name]
    sweep = proposals_maker(algorithm, space()), RESULTS[name], monkeypatch
    unbroken, executor = run_driver(tmp_path / make_folder(tmp_path, "unbroken"), *sweep, max_trials=max_trials)
    check_whole(tmp_path / "unbroken", unbroken, count)
    for kill_at in range(1, executor.moments + 1):
        directory = tmp_path / make_folder(tmp_path, str(kill_at))
        with pytest.raises(Killed):
            run_driver(directory, *sweep, max_trials=max_trials, kill_at=kill_at)
        trials, _ = run_driver(directory, *sweep, max_trials=max_trials)
        assert summary(trials) == summary(unbroken), f"killed at moment {kill_at}"
        check_whole(directory, trials, count)
        assert best_record(trials, "max") == best_record(unbroken, "max")


def make_folder(folder, name):
    (folder / name).mkdir()
    return name


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_killed_again_and_again_is_the_unbroken_one(name, tmp_path, monkeypatch):
    algorithm, space, max_trials, count = SWEEPS[name]
    sweep = proposals_maker(algorithm, space()), good_result, monkeypatch
    unbroken, _ = run_driver(tmp_path / make_folder(tmp_path, "unbroken"), *sweep, max_trials=max_trials)
    rng = random.Random(0)
    deaths = [rng.randrange(1, 40) for _ in range(20)]
    directory = tmp_path / make_folder(tmp_path, "killed")
    trials = run_until_done(directory, *sweep, deaths=deaths, max_trials=max_trials)
    assert summary(trials) == summary(unbroken)
    check_whole(directory, trials, count)


@pytest.mark.parametrize("name", [name for name in SWEEPS if name.startswith(("random", "grid"))])
def test_with_several_workers_too(name, tmp_path, monkeypatch):
    algorithm, space, max_trials, count = SWEEPS[name]
    sweep = proposals_maker(algorithm, space()), RESULTS[name], monkeypatch
    single_worker_trials, _ = run_driver(tmp_path / make_folder(tmp_path, "alone"), *sweep, max_trials=max_trials)
    unbroken, executor = run_driver(
        tmp_path / make_folder(tmp_path, "unbroken"), *sweep, max_trials=max_trials, capacity=3
    )
    assert summary(unbroken) == summary(single_worker_trials)
    for kill_at in range(1, executor.moments + 1, 3):
        directory = tmp_path / make_folder(tmp_path, str(kill_at))
        trials = run_until_done(directory, *sweep, deaths=[kill_at], max_trials=max_trials, capacity=3)
        assert summary(trials) == summary(unbroken), f"killed at moment {kill_at}"
        check_whole(directory, trials, count)


@pytest.mark.parametrize("name", ["hyperband", "bayesian"])
def test_what_hangs_on_the_order_of_ends_loses_and_repeats_nothing_with_several_workers(name, tmp_path, monkeypatch):
    algorithm, space, max_trials, count = SWEEPS[name]
    sweep = proposals_maker(algorithm, space()), good_result, monkeypatch
    _, executor = run_driver(tmp_path / make_folder(tmp_path, "unbroken"), *sweep, max_trials=max_trials, capacity=3)
    for kill_at in range(1, executor.moments + 1, 3):
        directory = tmp_path / make_folder(tmp_path, str(kill_at))
        with pytest.raises(Killed):
            run_driver(directory, *sweep, max_trials=max_trials, capacity=3, kill_at=kill_at)
        previous = records_from_events(read_journal(directory / layout.JOURNAL), OBJECTIVE, 3)
        trials, executor = run_driver(directory, *sweep, max_trials=max_trials, capacity=3)
        check_whole(directory, trials, count)
        assert [trial.job for trial in trials][: len(previous)] == [trial.job for trial in previous]
        first_round_values = [tuple(trial.job.values.items()) for trial in trials if trial.job.source is None]
        assert len(first_round_values) == len(set(first_round_values))


def test_a_grid_of_what_building_declares_is_walked_whole_and_gone_on_with(tmp_path, monkeypatch):
    """The hyperparameter b shows only once a trial with a = 2 has been built."""
    space = keras_tuner.HyperParameters()
    space.Choice("a", [1, 2])

    def declares(job):
        hp = space.copy()
        hp.values = dict(job.values)
        if hp.get("a") == 2:
            with hp.conditional_scope("a", [2]):
                hp.Choice("b", [5, 6, 7])
        return good_result(job, space=hp.get_config() if len(hp.space) > 1 else None)

    sweep = proposals_maker("grid", space), declares, monkeypatch
    unbroken, executor = run_driver(tmp_path / make_folder(tmp_path, "unbroken"), *sweep)
    assert [dict(trial.job.values) for trial in unbroken] == [
        {"a": 1},
        {"a": 2, "b": 5},
        {"a": 2, "b": 6},
        {"a": 2, "b": 7},
    ]
    for kill_at in range(1, executor.moments + 1):
        directory = tmp_path / make_folder(tmp_path, str(kill_at))
        assert summary(run_until_done(directory, *sweep, deaths=[kill_at])) == summary(unbroken)


def test_more_trials_are_those_that_a_longer_sweep_would_have_had(tmp_path, monkeypatch):
    sweep = proposals_maker("random", plain()), good_result, monkeypatch
    longer_trials, _ = run_driver(tmp_path / make_folder(tmp_path, "longer"), *sweep, max_trials=8)
    directory = tmp_path / make_folder(tmp_path, "raised")
    run_driver(directory, *sweep, max_trials=3)
    trials, executor = run_driver(directory, *sweep, max_trials=8)
    assert summary(trials) == summary(longer_trials)
    assert [job.trial_id for job in executor.started] == ["0003", "0004", "0005", "0006", "0007"]
    trials, executor = run_driver(directory, *sweep, max_trials=8)
    assert executor.started == []
    assert summary(trials) == summary(longer_trials)


def attempts_at(failures):
    """The n-th attempt fails as the n-th of `failures` says, or is good."""
    attempts = iter(failures)

    def result(job):
        failure = next(attempts, None)
        return Result(failure, "went wrong", f"Traceback of {failure}") if failure else good_result(job)

    return result


@pytest.mark.parametrize(
    ("failures", "retries", "status", "attempts"),
    [
        ([ERROR], 1, COMPLETED, 2),
        ([DIED], 1, COMPLETED, 2),
        ([DIED, ERROR], 2, COMPLETED, 3),
        ([DIED, ERROR], 1, FAILED, 2),
        ([ERROR], 0, FAILED, 1),
        ([ERROR, NAN_LOSS], 5, FAILED, 2),
        ([NAN_LOSS], 5, FAILED, 1),
        ([OUT_OF_MEMORY], 5, FAILED, 1),
        ([TIME_OUT], 5, FAILED, 1),
    ],
)
def test_exceptions_and_deaths_are_tried_again(failures, retries, status, attempts, tmp_path, monkeypatch):
    sweep = proposals_maker("random", plain()), attempts_at(failures), monkeypatch
    (trial,), executor = run_driver(tmp_path, *sweep, max_trials=1, retries=retries)
    assert (trial.status, trial.attempts, len(executor.started)) == (status, attempts, attempts)
    assert trial.result.failure == (failures[-1] if status == FAILED else None)
    text = (layout.trial_folder(tmp_path, "0000") / layout.ERROR_TEXT).read_text()
    assert text == "".join(
        f"attempt {number}: {failure}: went wrong\nTraceback of {failure}\n"
        for number, failure in enumerate(failures, 1)
    )
    assert (layout.trial_folder(tmp_path, "0000") / layout.CHECKPOINT).exists() == (status == COMPLETED)


def test_a_retried_trial_comes_before_a_new_one(tmp_path, monkeypatch):
    sweep = proposals_maker("random", plain()), attempts_at([None, DIED]), monkeypatch
    _, executor = run_driver(tmp_path, *sweep, max_trials=3)
    assert [job.trial_id for job in executor.started] == ["0000", "0001", "0001", "0002"]


@pytest.mark.parametrize(("failure", "starts"), [(DIED, 1), (ERROR, 3)])
def test_deaths_that_the_executor_has_tried_again_are_left(failure, starts, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.sweeps.FakeExecutor.retries_deaths", True)
    sweep = proposals_maker("random", plain()), attempts_at([failure] * 9), monkeypatch
    (trial,), executor = run_driver(tmp_path, *sweep, max_trials=1, retries=2)
    assert (trial.status, len(executor.started)) == (FAILED, starts)


def test_an_attempt_that_the_drivers_death_broke_off_is_not_counted(tmp_path, monkeypatch):
    sweep = proposals_maker("random", plain()), attempts_at([]), monkeypatch
    directory = tmp_path / make_folder(tmp_path, "killed")
    (trial,) = run_until_done(directory, *sweep, deaths=[6, 6, 6], max_trials=1, retries=0)
    assert (trial.status, trial.attempts) == (COMPLETED, 1)


def test_a_full_disk_stops_the_sweep_and_the_trial_stays_to_be_run(tmp_path, monkeypatch):
    sweep = proposals_maker("random", plain()), attempts_at([None, NO_SPACE]), monkeypatch
    with pytest.raises(OSError, match="trial 0001 found no space: went wrong"):
        run_driver(tmp_path, *sweep, max_trials=3)
    trials, executor = run_driver(tmp_path, *sweep, max_trials=3)
    assert [job.trial_id for job in executor.started] == ["0001", "0002"]
    assert [(trial.status, trial.attempts) for trial in trials] == [(COMPLETED, 1)] * 3


def test_a_trial_that_dies_with_its_work_done_has_done_it(tmp_path, monkeypatch):
    def result(job):
        folder = layout.trial_folder(tmp_path, job.trial_id)
        folder.mkdir(parents=True)
        write_json(folder / layout.RESULT, dataclasses.asdict(good_result(job)))
        return Result(DIED, "killed")

    (trial,), executor = run_driver(tmp_path, proposals_maker("random", plain()), result, monkeypatch, max_trials=1)
    assert (trial.status, trial.attempts, len(executor.started)) == (COMPLETED, 1, 1)


def test_what_happens_is_shown(tmp_path, monkeypatch):
    updates = []
    drive = driver.drive

    def watched(*arguments, show, **options):
        def record(trials, epochs):
            updates.append(([trial.status for trial in trials], {name: row["epoch"] for name, row in epochs.items()}))

        return drive(*arguments, show=record, **options)

    monkeypatch.setattr("tests.support.sweeps.drive", watched)
    run_driver(tmp_path, proposals_maker("random", plain()), good_result, monkeypatch, max_trials=2)
    assert updates == [(["running"], {}), (["completed", "running"], {}), (["completed", "completed"], {})]


@pytest.mark.parametrize(
    ("direction", "rows", "best"),
    [
        ("max", [{"val_loss": 2.0, "m": 0.5}, {"val_loss": 1.0, "m": 0.9}, {"val_loss": 1.5, "m": 0.8}], 2),
        ("max", [{"val_loss": 2.0, "m": 0.9}, {"val_loss": 1.0, "m": 0.9}, {"val_loss": 1.0, "m": 0.9}], 2),
        ("min", [{"m": 0.5}, {"m": 0.2}, {"m": 0.2}], 2),
    ],
)
def test_the_best_epoch_is_that_of_train(direction, rows, best):
    history = [{"epoch": number, "seconds": 1.0, **row} for number, row in enumerate(rows, 1)]
    events = [
        {"event": "created", "trial": "0000", "values": {"a": 1}},
        {"event": "ended", "trial": "0000", "status": COMPLETED, "result": dataclasses.asdict(Result(history=history))},
    ]
    (trial,) = records_from_events(json.loads(json.dumps(events)), keras_tuner.Objective("m", direction), 3)
    assert (trial.best_epoch, trial.score, trial.metrics) == (best, rows[best - 1]["m"], rows[best - 1])
