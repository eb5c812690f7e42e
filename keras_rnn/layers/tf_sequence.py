"""From Keras' sequences, batch first and with any mask, to sequences that run without a mask, and back.

A masked step changes no state of a recurrent layer. So the unmasked steps of a row, moved to its front, give the same
states, and no step has to choose between two states. The results of the steps behind them are not used.
"""

from collections.abc import Sequence

import tensorflow as tf


def same_rows(sequences, states: Sequence, mask, go_backwards: bool, *, zero_states: bool = False):
    """Sequences, states and mask with equally many rows, as Keras' loop broadcasts them, and the mask as bool.

    Args:
        sequences: float32 `(batch or 1, time, features)`.
        states: each float32 `(batch or 1, units)`.
        mask: None, or any number type, `(batch or 1, at least time)` or with a last axis of 1. Of a longer mask the
            first steps count, or with `go_backwards` the last.
        zero_states: the states were made for the sequences, and have as many rows.

    Returns:
        The sequences, the states, and the mask, bool `(batch, time)` or None.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, the mask has too few steps, or the rows do not fit.
    """
    other_tensors = [] if zero_states else list(states)
    if mask is not None:
        other_tensors.append(_bool_mask(mask, sequences, go_backwards))
    rows = {tensor.shape[0] for tensor in (sequences, *other_tensors)}
    if other_tensors and (len(rows) > 1 or None in rows):
        shape = tf.shape(sequences)[:1]
        for tensor in other_tensors:
            shape = tf.raw_ops.BroadcastArgs(s0=shape, s1=tf.shape(tensor)[:1])
        static_rows = next(iter(rows - {1, None}), None)
        sequences, *other_tensors = (_with_rows(tensor, shape, static_rows) for tensor in (sequences, *other_tensors))
    mask = other_tensors.pop() if mask is not None else None
    return sequences, (list(states) if zero_states else other_tensors), mask


def _with_rows(tensor, shape, static_rows: int | None):
    broadcast = tf.broadcast_to(tensor, tf.concat([shape, tf.shape(tensor)[1:]], 0))
    broadcast.set_shape([static_rows, *tensor.shape[1:]])
    return broadcast


def _bool_mask(mask, sequences, go_backwards: bool):
    mask = tf.cast(mask, tf.bool)
    if mask.shape.rank == 3:
        mask = mask[:, :, 0]
    if mask.shape[1] is not None and mask.shape[1] == sequences.shape[1]:
        return mask
    time = tf.shape(sequences)[1]
    steps = tf.range(time) + (tf.shape(mask)[1] - time if go_backwards else 0)
    return tf.gather(mask, steps, axis=1)  # fails for a mask with too few steps


class Sequences:
    """The steps of `(batch, time, features)` in the order in which a layer runs over them.

    Args:
        sequences: float32 `(batch, time, features)`.
        mask: bool `(batch, time)`, False for masked steps; or None.
        go_backwards: the last step comes first.

    Attributes:
        steps: `(time, batch, features)`, the steps to run over, unmasked ones first.
    """

    def __init__(self, sequences, mask, go_backwards: bool):
        if mask is None:
            self.mask = None
            steps = tf.transpose(sequences, [1, 0, 2])
            self.steps = tf.reverse(steps, [0]) if go_backwards else steps
            return
        # `rank` is the time that a step moves to, and `source` its inverse: the step that moves to a time.
        self.mask = mask = tf.reverse(mask, [1]) if go_backwards else mask
        self.batch, self.time = batch, time = tf.unstack(tf.shape(mask))
        unmasked = tf.cast(mask, tf.int32)
        self.unmasked_counts = tf.cumsum(unmasked, axis=1)
        self.count = tf.reduce_sum(unmasked, axis=1)
        rank = tf.where(mask, self.unmasked_counts - 1, self.count[:, tf.newaxis] + tf.cumsum(1 - unmasked, axis=1) - 1)
        self.rows = tf.range(batch)[:, tf.newaxis]
        times = tf.broadcast_to(tf.range(time), [batch, time])
        indices = tf.stack([rank, tf.broadcast_to(self.rows, [batch, time])], 2)
        source = tf.scatter_nd(indices, times, [time, batch])
        self.to_time_first = source + tf.transpose(self.rows) * time  # indices of (batch * time) steps
        self.to_batch_first = rank * batch + self.rows  # indices of (time * batch) steps

        order, inverse_order = self.to_time_first, self.to_batch_first
        if go_backwards:
            order = order + time - 1 - 2 * source
            inverse_order = tf.reverse(inverse_order, [1])
        # Results of masked steps are not used, but a NaN in their inputs would reach the gradients.
        is_unmasked = tf.range(time)[:, tf.newaxis] < self.count
        self.steps = tf.where(is_unmasked[:, :, tf.newaxis], _permuted(sequences, order, inverse_order), 0.0)

    def outputs(self, states, zero_output_for_mask: bool):
        """Outputs `(batch, time, units)` from the states after every step, in the order of the loop, as in Keras.

        The output of a masked step is zeros, or the output of the step before.
        """
        if self.mask is None:
            return tf.transpose(states, [1, 0, 2])
        if not zero_output_for_mask:
            return self._gather_states(states, self.unmasked_counts - 1, self.rows)
        outputs = _permuted(states, self.to_batch_first, self.to_time_first)
        return tf.where(self.mask[:, :, tf.newaxis], outputs, 0.0)  # a product with 0 would keep a NaN

    def last_output(self, states, zero_output_for_mask: bool):
        """The last of `outputs`, `(batch, units)`; zeros without any step."""
        if self.mask is None:
            return _one_step_or_more(states)[-1]
        last_states = self._last_states(states)
        if not zero_output_for_mask:
            return last_states
        return tf.where(tf.reduce_any(self.mask[:, -1:], axis=1, keepdims=True), last_states, 0.0)

    def last_state(self, states, initial):
        """The state after the last unmasked step, `(batch, units)`; `initial` for rows without any."""
        if self.mask is not None:
            return tf.where(self.count[:, tf.newaxis] > 0, self._last_states(states), initial)
        final_state = _one_step_or_more(states)[-1]
        return final_state if states.shape[0] else tf.where(tf.shape(states)[0] > 0, final_state, initial)

    def _last_states(self, states):
        """The states after the last unmasked step of each row; zeros for rows without any."""
        return self._gather_states(states, self.count - 1, self.rows[:, 0])

    def _gather_states(self, states, step, row):
        """The states after these steps of these rows; zeros for step -1."""
        flat = tf.reshape(_one_step_or_more(states), [-1, states.shape[2]])
        states = tf.gather(flat, tf.maximum(step, 0) * self.batch + row)
        return tf.where(step[..., tf.newaxis] >= 0, states, 0.0)


def _one_step_or_more(states):
    """`(time, batch, units)`, or one step of zeros where there is no step to gather from."""
    if states.shape[0]:
        return states
    missing = tf.maximum(1 - tf.shape(states)[0], 0)
    return tf.pad(states, [[0, missing], [0, 0], [0, 0]])  # copies nothing if nothing is missing


@tf.custom_gradient
def _permuted(values, order, inverse_order):
    """The vectors of `values` `(a, b, units)` at the indices `order` `(b, a)`, whose inverse is `(a, b)`."""

    def gather(values, indices):
        vectors = tf.reshape(values, [-1, values.shape[2]])
        return tf.gather(vectors, indices)

    return gather(values, order), lambda d: (gather(d, inverse_order), None, None)
