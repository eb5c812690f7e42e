"""How much of the score's variance each hyperparameter explains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from keras_rnn.search.axis import INACTIVE, distinct
from keras_rnn.search.scores import outer_fence
from keras_rnn.search.trial import TrialRecord

MIN_TRIALS = 4
TREES = 256
MAX_LEVELS = 24  # values of a hyperparameter at which its effect is computed


@dataclass(frozen=True)
class Importance:
    """How much of the variance of the score each hyperparameter explains.

    Args:
        shares: of the variance, from 0 to 1, by hyperparameter, the largest first.
        interactions: the share that no hyperparameter explains alone.
        fit: out-of-bag R² of the forest: 1 is perfect, 0 no better than the mean.
        refusal: why there are no shares; "" where there are.
    """

    shares: dict[str, float]
    interactions: float = 0.0
    fit: float = 0.0
    refusal: str = ""


def importance(records: Sequence[TrialRecord], direction: str) -> Importance:
    """The main effects of the hyperparameters on the score of completed trials, by functional analysis of variance.

    A random forest is fitted to the trials. A hyperparameter's main effect is the forest's mean prediction over all
    trials as a function of that hyperparameter alone; its share is the variance of this effect over the values
    tried, divided by the variance of the predictions that it is the mean of. The rest, 1 minus the sum of the shares,
    is due to interactions of hyperparameters. (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing
    Hyperparameter Importance", ICML 2014; here with the values that were tried in place of the whole space.)

    An inactive hyperparameter counts as the median, or the most frequent, of its active values: the effect of its
    being active belongs to the hyperparameter that decides it. Hyperparameters with one value are left out; "epochs" is
    among them where trials were given different numbers of epochs. A score far worse than the others counts as the
    worst of the others; else it would make up nearly all of the variance.
    """
    if len(records) < MIN_TRIALS:
        return Importance({}, refusal=f"too few trials: {len(records)} completed, it takes {MIN_TRIALS}")
    scores = np.array([record.score for record in records])
    scores = scores.clip(*outer_fence(scores, direction))
    if np.ptp(scores) == 0:
        return Importance({}, refusal=f"all {len(records)} trials have the same score")
    features, groups = _encode(records)
    if not groups:
        return Importance({}, refusal="no hyperparameter takes more than one value")
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=0).fit(features, scores)
    if forest.oob_score_ <= 0:
        return Importance(
            {},
            fit=forest.oob_score_,
            refusal=f"{len(records)} trials show no pattern\n(out-of-bag R² {forest.oob_score_:.2f})",
        )
    shares = {name: _main_effect(forest, features, columns) for name, columns in groups.items()}
    shares = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return Importance(shares, interactions=max(0.0, 1 - sum(shares.values())), fit=forest.oob_score_)


def _encode(records: Sequence[TrialRecord]) -> tuple[np.ndarray, dict[str, slice]]:
    """A row for each trial, and the columns of each hyperparameter: one for a number, else one a category."""
    blocks, groups, width = [], {}, 0
    settings = [{"epochs": record.job.epochs, **record.job.values} for record in records]
    for name in dict.fromkeys(name for setting in settings for name in setting):
        values = [setting.get(name, INACTIVE) for setting in settings]
        active = distinct(values)
        if len(active) < 2:
            continue
        if all(isinstance(value, int | float) for value in active):
            numbers = np.array([np.nan if value is INACTIVE else float(value) for value in values])
            block = np.where(np.isnan(numbers), np.nanmedian(numbers), numbers)[:, None]
        else:
            codes = np.array([-1 if value is INACTIVE else active.index(value) for value in values])
            codes[codes < 0] = np.bincount(codes[codes >= 0]).argmax()
            block = np.eye(len(active))[codes]
        groups[name] = slice(width, width := width + block.shape[1])
        blocks.append(block)
    return (np.hstack(blocks) if blocks else np.empty((len(records), 0))), groups


def _main_effect(forest: RandomForestRegressor, features: np.ndarray, columns: slice) -> float:
    levels, counts = np.unique(features[:, columns], axis=0, return_counts=True)
    if len(levels) > MAX_LEVELS:
        sorted_values = features[np.lexsort(features[:, columns].T), columns]  # equal steps give quantiles
        levels = sorted_values[np.linspace(0, len(sorted_values) - 1, MAX_LEVELS).round().astype(int)]
        counts = np.ones(MAX_LEVELS)
    varied_features = np.repeat(features[None], len(levels), axis=0)
    varied_features[:, :, columns] = levels[:, None]
    predictions = forest.predict(varied_features.reshape(-1, features.shape[1])).reshape(len(levels), len(features))
    total = _variance(predictions.ravel(), np.repeat(counts, len(features)))
    return _variance(predictions.mean(axis=1), counts) / total if total > 0 else 0.0


def _variance(values: np.ndarray, weights: np.ndarray) -> float:
    mean = np.average(values, weights=weights)
    return float(np.average((values - mean) ** 2, weights=weights))
