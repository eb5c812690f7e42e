"""The scores of trials: which are finite, which is best, which are outliers."""

import math
from collections.abc import Iterable, Sequence
from operator import attrgetter

import numpy as np

from keras_rnn.search.trial import COMPLETED, RUNNING, TrialRecord


def ended_records(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials that completed or failed, in the order of their creation."""
    return sorted((record for record in records if record.status != RUNNING), key=lambda r: int(r.job.trial_id))


def scored_records(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The completed trials with a finite score, in the order of their creation."""
    return [record for record in ended_records(records) if record.status == COMPLETED and is_score(record.score)]


def best_record(records: Iterable[TrialRecord], direction: str) -> TrialRecord | None:
    """The completed trial with the best score, the earliest among equals; None if no trial completed."""
    best = max if direction == "max" else min
    return best(scored_records(records), key=attrgetter("score"), default=None)


def is_score(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


def outer_fence(scores: Sequence[float], direction: str) -> tuple[float, float]:
    """The lowest and the highest score without bad outliers, by Tukey's outer fence.

    A bad outlier lies more than three interquartile ranges beyond the quartile on the bad side. Next to a loss of a
    thousand all other losses would look equal.
    """
    lower_quartile, upper_quartile = np.quantile(scores, (0.25, 0.75))
    margin = 3 * (upper_quartile - lower_quartile)
    inliers = [
        score
        for score in scores
        if (score >= lower_quartile - margin if direction == "max" else score <= upper_quartile + margin)
    ]
    return min(inliers), max(inliers)
