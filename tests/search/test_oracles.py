from itertools import product

import pytest

from keras_rnn.search.algorithms import create_oracle, list_algorithms
from keras_rnn.search.proposals import Proposals
from keras_rnn.search.ranges import Range
from keras_rnn.search.trial import NAN_LOSS, Result
from tests.support.spaces import PLAIN, make_space
from tests.support.sweeps import OBJECTIVE, good_result, proposals_maker, run_driver

pytestmark = pytest.mark.usefixtures("without_warnings")


def run(algorithm, space, tmp_path, monkeypatch, *, result=good_result, epochs=3, **options):
    return run_driver(tmp_path, proposals_maker(algorithm, space, epochs), result, monkeypatch, **options)


def trial_values(trials):
    return [dict(trial.job.values) for trial in trials]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_grid_is_covered_once_and_keeps_the_workers_busy(workers, tmp_path, monkeypatch):
    trials, executor = run("grid", make_space(PLAIN), tmp_path, monkeypatch, capacity=workers)
    expected = [dict(zip(("num_layers", "cell", "hidden_size"), row, strict=True)) for row in product(
        PLAIN["num_layers"], PLAIN["cell"], PLAIN["hidden_size"]
    )]  # fmt: skip
    assert trial_values(trials) == expected
    # While there are trials to begin none is idle; the last ones end one after another.
    assert executor.idle == workers * (workers - 1) // 2


def test_a_grid_of_sizes_a_layer_has_the_active_ones_alone(tmp_path, monkeypatch):
    space = make_space({"num_layers": [1, 2, 3], "hidden_size": [8, 16]}, hidden_size_per_layer=True)
    trials, _ = run("grid", space, tmp_path, monkeypatch, capacity=2)
    sizes = ("hidden_size_1", "hidden_size_2", "hidden_size_3")
    assert trial_values(trials) == [
        {"num_layers": layers, **dict(zip(sizes, row, strict=False))}
        for layers in (1, 2, 3)
        for row in product((8, 16), repeat=layers)
    ]


def test_a_failed_trial_does_not_end_the_grid(tmp_path, monkeypatch):
    trials, _ = run("grid", make_space(PLAIN), tmp_path, monkeypatch, result=lambda job: Result(NAN_LOSS, "nan"))
    assert len(trials) == 12


def test_random_search_takes_each_combination_once_until_there_are_no_more(tmp_path, monkeypatch):
    trials, _ = run("random", make_space(PLAIN), tmp_path, monkeypatch, max_trials=50)
    combinations = {tuple(sorted(values.items())) for values in trial_values(trials)}
    assert len(combinations) == len(trials) == 12


def test_a_range_is_kept_to(tmp_path, monkeypatch):
    space = make_space({"hidden_size": Range(100, 103), "learning_rate": Range(1e-4, 1e-2, log=True)})
    trials, _ = run("random", space, tmp_path, monkeypatch, max_trials=30)
    for values in trial_values(trials):
        assert values["hidden_size"] in (100, 101, 102, 103)
        assert type(values["hidden_size"]) is int
        assert 1e-4 <= values["learning_rate"] <= 1e-2
    assert {values["hidden_size"] for values in trial_values(trials)} == {100, 101, 102, 103}


@pytest.mark.parametrize("rising", [True, False])
def test_bayesian_search_proposes_nothing_twice_and_stays_within_the_ranges(rising, tmp_path, monkeypatch):
    """Its model says that the best lies at one end, where it asks again and again."""

    def result(job):
        better = job.values["hidden_size"] / 100 * (1 if rising else -1)
        return Result(history=[{"epoch": 1, "seconds": 1.0, "val_accuracy": better}])

    space = make_space({"hidden_size": Range(8, 13)})
    trials, _ = run("bayesian", space, tmp_path, monkeypatch, result=result, max_trials=7)
    sizes = [values["hidden_size"] for values in trial_values(trials)]
    assert sorted(sizes) == list(range(8, 14))


def test_bayesian_search_learns(tmp_path, monkeypatch):
    """Of the trials that its model proposes after three at random, some lie close to the best."""

    def result(job):
        distance = abs(job.values["dropout"] - 0.3)
        return Result(history=[{"epoch": 1, "seconds": 1.0, "val_accuracy": 1 - distance}])

    space = make_space({"dropout": Range(0.0, 0.9)})
    trials, _ = run("bayesian", space, tmp_path, monkeypatch, result=result, max_trials=5)
    assert min(abs(values["dropout"] - 0.3) for values in trial_values(trials)[3:]) < 0.1


def test_hyperband_promotes_the_best_from_where_they_stopped(tmp_path, monkeypatch):
    """Nine epochs at most: of nine trials of one epoch the best three go on to three, and the best of them to nine."""
    space = make_space({**PLAIN, "hidden_size": [8, 16, 24, 32], "dropout": [0.0, 0.1, 0.2, 0.3]})
    trials, _ = run("hyperband", space, tmp_path, monkeypatch, epochs=9)
    jobs = {trial.job.trial_id: trial.job for trial in trials}
    initial = [job for job in jobs.values() if job.source is None]
    promoted = [job for job in jobs.values() if job.source is not None]
    assert [(job.epochs, job.initial_epoch) for job in initial] == [(1, 0)] * 9 + [(3, 0)] * 5 + [(9, 0)] * 3
    assert sorted((job.epochs, job.initial_epoch) for job in promoted) == [(3, 1)] * 3 + [(9, 3)] * (1 + 2)
    for later in promoted:
        assert later.values == jobs[later.source].values
        assert later.initial_epoch == jobs[later.source].epochs
    scores = {trial.job.trial_id: trial.score for trial in trials}
    best_three = sorted((job.trial_id for job in initial if job.epochs == 1), key=scores.get)[-3:]
    assert sorted(job.source for job in promoted if job.epochs == 3) == sorted(best_three)


def test_hyperband_runs_its_brackets_on_a_space_smaller_than_they_are(tmp_path, monkeypatch):
    """Four combinations: of each bracket's nine, five and three first trials there are four, four and three."""
    trials, _ = run("hyperband", make_space({"num_layers": [1, 2, 3, 4]}), tmp_path, monkeypatch, epochs=9)
    jobs = [trial.job for trial in trials]
    initial = [job for job in jobs if job.source is None]
    assert [(job.epochs, job.initial_epoch) for job in initial] == [(1, 0)] * 4 + [(3, 0)] * 4 + [(9, 0)] * 3
    for epochs in (1, 3, 9):
        layers = [job.values["num_layers"] for job in initial if job.epochs == epochs]
        assert len(layers) == len(set(layers))
    assert [(job.epochs, job.initial_epoch) for job in jobs if job.source is not None].count((9, 3)) >= 2


def test_hyperband_promotes_as_many_where_trials_fail(tmp_path, monkeypatch):
    """Five of the nine first trials fail: the best three of the other four go on, and the best of them to the end."""

    def result(job):
        return Result(NAN_LOSS, "nan") if int(job.trial_id) < 5 else good_result(job)

    space = make_space({**PLAIN, "hidden_size": [8, 16, 24, 32], "dropout": [0.0, 0.1, 0.2, 0.3]})
    trials, _ = run("hyperband", space, tmp_path, monkeypatch, result=result, epochs=9, max_trials=13)
    promoted = [trial.job for trial in trials if trial.job.source is not None]
    assert [(job.epochs, job.initial_epoch) for job in promoted] == [(3, 1)] * 3 + [(9, 3)]
    assert all(int(job.source) >= 5 for job in promoted)


@pytest.mark.parametrize("algorithm", list_algorithms())
def test_the_seed_decides_and_any_seed_will_do(algorithm):
    space = make_space({"learning_rate": Range(1e-4, 1e-2, log=True), "dropout": [0.0, 0.1, 0.2, 0.3]})

    def proposed(seed):
        proposals = Proposals(create_oracle(algorithm, OBJECTIVE, space.copy(), seed=seed, epochs=9), 9)
        return [proposals.propose() for _ in range(5)]

    assert proposed(0) == proposed(0)
    assert [trial_id for trial_id, _ in proposed(0)] == ["0000", "0001", "0002", "0003", "0004"]
    if algorithm != "grid":
        assert proposed(0) != proposed(1)


def test_an_oracle_keeps_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("hyperband", make_space(PLAIN), tmp_path, monkeypatch)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal.jsonl", "trials"]
