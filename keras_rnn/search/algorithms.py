"""The search algorithms by name. An algorithm is a function that makes the keras-tuner oracle that proposes trials.

The functions import keras-tuner when they are called: it loads TensorFlow, which reading a command line does without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_rnn.registry import Registry

if TYPE_CHECKING:
    import keras_tuner

HYPERBAND_FACTOR = 3  # keras-tuner's default


@dataclass(frozen=True)
class Algorithm:
    """`make(epochs=..., objective=..., hyperparameters=..., seed=...)` returns a keras_tuner.Oracle.

    Args:
        make: `epochs` are the most that a trial trains; the others are arguments of keras_tuner.Oracle.
        default_trials: how many trials a sweep has by default; None where the oracle ends by itself.
        continues_trials: whether trials start from the last state of others, whose checkpoints then stay.
    """

    make: Callable[..., "keras_tuner.Oracle"]
    default_trials: int | None = None
    continues_trials: bool = False


_ALGORITHMS: Registry[Algorithm] = Registry("algorithm")


def register_algorithm(name: str, /, **entry):
    """Decorator that registers a function of `Algorithm.make`'s signature; `entry` holds the other fields.

    Raises:
        UsageError: the name is taken.
    """
    return _ALGORITHMS.register(name, lambda make: Algorithm(make, **entry))


def list_algorithms(pattern: str = "*") -> list[str]:
    """The registered names that match a shell pattern, sorted."""
    return _ALGORITHMS.names(pattern)


def get_algorithm(name: str) -> Algorithm:
    """The algorithm of this name; UsageError with near misses where there is none."""
    return _ALGORITHMS.get(name)


def create_oracle(
    name: str,
    objective: "keras_tuner.Objective",
    hyperparameters: "keras_tuner.HyperParameters",
    *,
    seed: int,
    epochs: int,
) -> "keras_tuner.Oracle":
    """The oracle of a registered algorithm; UsageError for an unknown name."""
    return get_algorithm(name).make(
        epochs=epochs,
        objective=objective,
        hyperparameters=hyperparameters,
        seed=seed + 1,  # keras-tuner takes 0 for a seed of its own choice
    )


@register_algorithm("random", default_trials=10)
def random_search(epochs: int, **options: Any) -> "keras_tuner.Oracle":
    from keras_tuner.oracles import RandomSearchOracle

    return RandomSearchOracle(**options)


@register_algorithm("grid")
def grid_search(epochs: int, **options: Any) -> "keras_tuner.Oracle":
    from keras_rnn.search.oracles import ParallelGridSearchOracle

    return ParallelGridSearchOracle(**options)


@register_algorithm("hyperband", continues_trials=True)
def hyperband(epochs: int, **options: Any) -> "keras_tuner.Oracle":
    from keras_rnn.search.oracles import ThoroughHyperbandOracle

    return ThoroughHyperbandOracle(max_epochs=epochs, factor=HYPERBAND_FACTOR, **options)


@register_algorithm("bayesian", default_trials=10)
def bayesian_optimization(epochs: int, **options: Any) -> "keras_tuner.Oracle":
    from keras_rnn.search.oracles import DistinctBayesianOptimizationOracle

    return DistinctBayesianOptimizationOracle(**options)
