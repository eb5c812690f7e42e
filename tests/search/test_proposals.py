import keras_tuner
import pytest

from keras_rnn.search import proposals as proposals_module
from keras_rnn.search.algorithms import create_oracle
from keras_rnn.search.proposals import Proposals, make_job, trial_count
from keras_rnn.search.ranges import Range
from keras_rnn.search.trial import NAN_LOSS, Job, Result
from tests.support.spaces import PLAIN, make_space
from tests.support.sweeps import OBJECTIVE, proposals_maker

pytestmark = pytest.mark.usefixtures("without_warnings")


def test_a_job_is_what_was_proposed_without_what_hyperband_says_beside():
    assert make_job("0001", {"cell": "gru"}, epochs=5) == Job("0001", {"cell": "gru"}, epochs=5)
    tuner_values = {
        "tuner/epochs": 3,
        "tuner/initial_epoch": 1,
        "tuner/bracket": 1,
        "tuner/round": 1,
        "tuner/trial_id": "0000",
    }
    assert make_job("0001", {"cell": "gru", **tuner_values}, epochs=5) == Job("0001", {"cell": "gru"}, 3, 1, "0000")


@pytest.mark.parametrize(
    ("algorithm", "max_trials", "count"),
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
def test_how_many_trials_there_will_be(algorithm, max_trials, count):
    assert trial_count(create_oracle(algorithm, OBJECTIVE, make_space(PLAIN), seed=0, epochs=3), max_trials) == count


def test_a_grid_too_large_to_be_counted_has_no_count(monkeypatch):
    monkeypatch.setattr(proposals_module, "MAX_COUNTED", 100)
    space = make_space({"hidden_size": Range(1, 200), "embedding_size": Range(1, 200)})
    assert trial_count(create_oracle("grid", OBJECTIVE, space, seed=0, epochs=1), None) is None


def test_a_journal_of_another_sweep_shows():
    proposals = proposals_maker("random", make_space(PLAIN))()
    with pytest.raises(RuntimeError, match="the journal has trial 0003 where the oracle makes 0000"):
        proposals.repropose("0003", {"cell": "gru", "num_layers": 1, "hidden_size": 8})


def test_trials_that_fail_one_after_another_do_not_stop_the_oracle():
    proposals = proposals_maker("random", make_space(PLAIN))()
    for _ in range(6):
        trial_id, _ = proposals.propose()
        proposals.end(trial_id, Result(NAN_LOSS, "nan"))
    assert proposals.propose() is not None
    assert not proposals.stopped


def test_an_objective_may_be_low(tmp_path):
    oracle = create_oracle("random", keras_tuner.Objective("val_loss", "min"), make_space(PLAIN), seed=0, epochs=3)
    proposals = Proposals(oracle, 3)
    for loss in (0.5, 0.2, 0.9):
        trial_id, _ = proposals.propose()
        proposals.end(trial_id, Result(history=[{"epoch": 1, "seconds": 1.0, "val_loss": loss}]))
    assert oracle.get_best_trials(1)[0].trial_id == "0001"
