from dataclasses import replace

import pytest

from keras_rnn.search.scores import best_record, outer_fence, scored_records
from tests.support.trial_records import completed, failed, running


def test_only_completed_trials_with_a_finite_score_count():
    nan = completed(3, float("nan"), {})
    records = [running(4, {}), nan, replace(failed(2, {}), score=0.9), completed(1, 0.5, {}), completed(0, 0.4, {})]
    assert [record.job.trial_id for record in scored_records(records)] == ["0000", "0001"]


@pytest.mark.parametrize(("direction", "best"), [("max", "0001"), ("min", "0000")])
def test_the_best_is_the_earliest_of_equals(direction, best):
    records = [completed(number, score, {}) for number, score in ((3, 0.1), (2, 0.9), (1, 0.9), (0, 0.1))]
    assert best_record(records, direction).job.trial_id == best
    assert best_record([running(0, {})], direction) is None


def test_the_fence_keeps_out_only_what_is_far_worse():
    losses = [0.3, 0.31, 0.32, 0.33, 0.34, 900.0]
    assert outer_fence(losses, "min") == (0.3, 0.34)
    assert outer_fence(losses, "max") == (0.3, 900.0)
    assert outer_fence([0.5], "max") == (0.5, 0.5)
