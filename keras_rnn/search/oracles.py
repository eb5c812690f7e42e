"""keras-tuner's oracles, changed where a sweep with several workers or a small space needs it."""

import math

import numpy as np
from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle


class ParallelGridSearchOracle(GridSearchOracle):
    """Walks the grid without waiting for the trials under way.

    keras-tuner's own makes the successor of a trial only when that trial has ended, since it may have declared new
    hyperparameters; so that whatever the number of workers, it has hardly more than one at work. Those that a trial
    declares are still taken up when it ends.
    """

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "RUNNING":
            self._populate_next.append(trial_id)
        return response


class DistinctBayesianOptimizationOracle(BayesianOptimizationOracle):
    """Proposes no combination twice: where the acquisition function's best was tried, a random one is.

    It also stays within the ranges: keras-tuner makes 129 of the upper end of a range of whole numbers to 128.
    """

    def _vector_to_values(self, vector):
        return super()._vector_to_values(np.minimum(vector, 1 - 1e-9))

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "RUNNING" and self._duplicate(response["values"]):
            return self._random_populate_space()
        return response


class ThoroughHyperbandOracle(HyperbandOracle):
    """Runs its brackets on spaces smaller than they are.

    keras-tuner's own ends the sweep, nothing promoted, once no combination is left that no bracket has tried. Here each
    bracket draws from the whole space; where that holds fewer combinations than the bracket's first round, the round
    has those, and the later ones shrink with it. A trial that failed counts as the worst of its round, where
    keras-tuner's would promote one fewer for it, or none.
    """

    def __init__(self, **options):
        self._exhausted_sizes: dict[int, int] = {}  # the size of first rounds that hold the whole space, by bracket
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
