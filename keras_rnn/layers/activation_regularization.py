"""Regularisation of the hidden vectors of a recurrent network: Merity et al. 2017, arXiv 1708.01009."""

from keras import ops


def activation_penalty(dropped_hidden, rate: float, is_real=None):
    """AR: `rate` times the mean square of the hidden vectors after dropout, a float32 scalar.

    Args:
        dropped_hidden: float `(batch, time, units)`.
        rate: called alpha in the paper, which takes 2.
        is_real: bool `(batch, time)`, True at the steps that count; None: all do.
    """
    return rate * _mean_square(dropped_hidden, is_real)


def temporal_activation_penalty(raw_hidden, rate: float, is_real=None):
    """TAR: `rate` times the mean square of the difference of each hidden vector and the one before, a float32 scalar.

    Args:
        raw_hidden: float `(batch, time, units)`, before dropout. 0 comes of less than two steps.
        rate: called beta in the paper, which takes 1.
        is_real: bool `(batch, time)`; a difference counts where both of its steps do; None: all do.
    """
    if is_real is not None:
        is_real = ops.logical_and(is_real[:, 1:], is_real[:, :-1])
    return rate * _mean_square(raw_hidden[:, 1:] - raw_hidden[:, :-1], is_real)


def _mean_square(vectors, is_real):
    squares = ops.mean(ops.square(ops.cast(vectors, "float32")), axis=-1)
    if is_real is None:
        is_real = ops.ones_like(squares)
    weights = ops.cast(is_real, "float32")
    return ops.sum(squares * weights) / ops.maximum(ops.sum(weights), 1.0)
