import subprocess
import sys

import keras_tuner
import pytest

from keras_rnn import list_algorithms, register_algorithm
from keras_rnn.errors import UsageError
from keras_rnn.registry import Registry
from keras_rnn.search import algorithms
from keras_rnn.search.algorithms import create_oracle, get_algorithm
from keras_rnn.search.plan import make_plan
from tests.support.sweeps import OBJECTIVE, good_result, proposals_maker, run_driver


@pytest.fixture
def own_algorithm(monkeypatch):
    """An algorithm "last" that a user registers; the registry is the old one again after the test."""
    registry = Registry("algorithm")
    for name in list_algorithms():
        registry.add(name, get_algorithm(name))
    monkeypatch.setattr(algorithms, "_ALGORITHMS", registry)

    class LastOracle(keras_tuner.Oracle):
        def populate_space(self, trial_id):
            values = {hp.name: list(hp.values)[-1] for hp in self.hyperparameters.space}
            return {"status": "RUNNING" if int(trial_id) < 2 else "STOPPED", "values": values}

    @register_algorithm("last", default_trials=7)
    def last(epochs, **options):
        return LastOracle(**options)


def space():
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.Choice("units", [1, 2, 3])
    return hyperparameters


def test_the_algorithms_that_come_with_the_package():
    assert list_algorithms() == ["bayesian", "grid", "hyperband", "random"]
    assert list_algorithms("*an*") == ["bayesian", "hyperband", "random"]
    assert {name: get_algorithm(name).default_trials for name in list_algorithms()} == {
        "bayesian": 10,
        "grid": None,
        "hyperband": None,
        "random": 10,
    }
    assert [name for name in list_algorithms() if get_algorithm(name).continues_trials] == ["hyperband"]


def test_a_registered_algorithm_runs_a_sweep(own_algorithm, tmp_path, monkeypatch):
    assert "last" in list_algorithms()
    options = {"dataset": "negated_reviews", "cell": ["lstm", "gru"]}
    plan = make_plan(
        options,
        dataset=None,
        hypermodel=None,
        hyperparameters=None,
        objective="val_accuracy",
        algorithm="last",
        hidden_size_per_layer=False,
    )
    assert plan.algorithm == "last"
    trials, _ = run_driver(tmp_path, proposals_maker("last", space()), good_result, monkeypatch)
    assert [dict(trial.job.values) for trial in trials] == [{"units": 3}, {"units": 3}]


def test_a_name_is_registered_once():
    with pytest.raises(UsageError, match="the algorithm 'grid' is registered already"):
        register_algorithm("grid")(lambda epochs, **options: None)


def test_an_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown algorithm 'gird'; did you mean 'grid'"):
        create_oracle("gird", OBJECTIVE, space(), seed=0, epochs=1)


def test_the_command_lists_the_registered_names_without_tensorflow():
    script = """
import sys
from keras_rnn.cli.main import main
assert "tensorflow" not in sys.modules
sys.argv[1:] = ["tune", "--help"]
main()
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "bayesian, grid, hyperband, random" in " ".join(output.replace("│", " ").split())
