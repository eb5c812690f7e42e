"""keras-tuner's oracles, changed for sweeps with several workers and for small spaces.

They override private methods as keras-tuner 1.4 has them; setup.cfg has the bound."""

import math

import numpy as np
from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle


class ParallelGridSearchOracle(GridSearchOracle):
    """Walks the grid without waiting for running trials.

    keras-tuner's own oracle makes the successor of a trial only when that trial has ended, since the trial may declare
    new hyperparameters. So it hardly ever keeps more than one worker busy. Here hyperparameters that a trial declares
    are still added when it ends.
    """

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "RUNNING":
            self._populate_next.append(trial_id)
        return response


class DistinctBayesianOptimizationOracle(BayesianOptimizationOracle):
    """Proposes no combination twice: a random one replaces an optimum of the acquisition function that was tried.

    It also stays within the ranges: keras-tuner's own oracle can propose 129 for a range of whole numbers up to 128.
    """

    def _vector_to_values(self, vector):
        return super()._vector_to_values(np.minimum(vector, 1 - 1e-9))

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "RUNNING" and self._duplicate(response["values"]):
            return self._random_populate_space()
        return response


class ThoroughHyperbandOracle(HyperbandOracle):
    """Runs all brackets on a space with fewer combinations than a bracket has trials.

    keras-tuner's own oracle ends the sweep without a promotion once the brackets have tried every combination. Here
    each bracket draws from the whole space. Where the space has fewer combinations than the bracket's first round, the
    round has those, and the later rounds shrink in proportion. A failed trial counts as the worst of its round; in
    keras-tuner's own oracle each one costs a promotion.
    """

    def __init__(self, **options):
        self._exhausted_sizes: dict[int, int] = {}  # sizes of first rounds that hold the whole space, by bracket
        super().__init__(**options)

    def end_trial(self, trial):
        if trial.status == "FAILED":
            worst = -math.inf if self.objective.direction == "max" else math.inf
            self.update_trial(trial.trial_id, {self.objective.name: worst})
            trial.status = "COMPLETED"
        super().end_trial(trial)

    def _random_values(self):
        bracket = next(
            candidate
            for candidate in self._brackets
            if len(candidate["rounds"][0]) < self._get_size(candidate["bracket_num"], 0)
        )
        tried_in_all = self._tried_so_far
        self._tried_so_far = {self._id_to_hash[trial["id"]] for trial in bracket["rounds"][0]}
        try:
            return super()._random_values()
        finally:
            self._tried_so_far = tried_in_all

    def _random_trial(self, trial_id, bracket):
        response = super()._random_trial(trial_id, bracket)
        if response["status"] == "RUNNING":
            return response
        self._exhausted_sizes[bracket["bracket_num"]] = len(bracket["rounds"][0])
        return self.populate_space(trial_id)

    def _get_size(self, bracket_num, round_num):
        if bracket_num in self._exhausted_sizes:
            return math.ceil(self._exhausted_sizes[bracket_num] / self.factor**round_num)
        return super()._get_size(bracket_num, round_num)
