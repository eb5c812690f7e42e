import warnings

import keras_tuner
import pytest

from keras_rnn.search import proposals as proposals_module
from keras_rnn.search.algorithms import create_oracle
from keras_rnn.search.proposals import Proposals, job, trial_count
from keras_rnn.search.ranges import Range
from keras_rnn.search.space import search_space
from keras_rnn.search.trial import NAN_LOSS, Job, Result
from tests.support.sweeps import OBJECTIVE, proposals_of


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def space_of(options, **further):
    return search_space(options, **further)[1]


PLAIN = {"cell": ["lstm", "gru"], "num_layers": [1, 2, 3], "hidden_size": [8, 16]}


def test_a_job_is_what_was_proposed_without_what_hyperband_says_beside():
    assert job("0001", {"cell": "gru"}, epochs=5) == Job("0001", {"cell": "gru"}, epochs=5)
    told = {"tuner/epochs": 3, "tuner/initial_epoch": 1, "tuner/bracket": 1, "tuner/round": 1, "tuner/trial_id": "0000"}
    assert job("0001", {"cell": "gru", **told}, epochs=5) == Job("0001", {"cell": "gru"}, 3, 1, "0000")


@pytest.mark.parametrize(
    ("algorithm", "most", "count"),
    [
        ("grid", None, 12),
        ("grid", 5, 5),
        ("grid", 99, 12),
        ("hyperband", None, 6),
        ("hyperband", 4, 4),
        ("random", 7, 7),
        ("random", None, None),
        ("bayesian", 7, 7),
    ],
)
def test_how_many_trials_there_will_be(algorithm, most, count):
    assert trial_count(create_oracle(algorithm, OBJECTIVE, space_of(PLAIN), seed=0, epochs=3), most) == count


def test_a_grid_too_large_to_be_counted_has_no_count(monkeypatch):
    monkeypatch.setattr(proposals_module, "MOST_COUNTED", 100)
    space = space_of({"hidden_size": Range(1, 200), "embedding_size": Range(1, 200)})
    assert trial_count(create_oracle("grid", OBJECTIVE, space, seed=0, epochs=1), None) is None


def test_a_journal_of_another_sweep_shows():
    proposals = proposals_of("random", space_of(PLAIN))()
    with pytest.raises(RuntimeError, match="the journal has trial 0003 where the oracle makes 0000"):
        proposals.repropose("0003", {"cell": "gru", "num_layers": 1, "hidden_size": 8})


def test_trials_that_fail_one_after_another_do_not_stop_the_oracle():
    proposals = proposals_of("random", space_of(PLAIN))()
    for _ in range(6):
        trial_id, _ = proposals.propose()
        proposals.end(trial_id, Result(NAN_LOSS, "nan"))
    assert proposals.propose() is not None
    assert not proposals.stopped


def test_an_objective_may_be_low(tmp_path):
    oracle = create_oracle("random", keras_tuner.Objective("val_loss", "min"), space_of(PLAIN), seed=0, epochs=3)
    proposals = Proposals(oracle, 3)
    for loss in (0.5, 0.2, 0.9):
        trial_id, _ = proposals.propose()
        proposals.end(trial_id, Result(history=[{"epoch": 1, "seconds": 1.0, "val_loss": loss}]))
    assert oracle.get_best_trials(1)[0].trial_id == "0001"
