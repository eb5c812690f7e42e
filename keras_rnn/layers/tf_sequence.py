"""From Keras' sequences, batch first and with any mask, to sequences that run without a mask, and back.

A recurrent layer passes over a masked step: its state stays. So the unmasked steps of a row, moved together, give the
same states; and what runs over the rest of the row, after them, does not matter. No step chooses between two states.
"""

from collections.abc import Sequence

import tensorflow as tf


def same_rows(sequences, states: Sequence, mask, go_backwards: bool, *, zero_states: bool = False):
    """Sequences, states and a mask of as many rows, where one may stand for all, and the mask as `Sequences` has it.

    Keras' loop broadcasts what it meets in each step. A mask may be of any number type, have a last axis of 1, and
    more steps than the sequences, of which then the first count, or backwards the last.

    Args:
        sequences: float32 `(batch, time, features)`.
        states: each float32 `(batch, units)`.
        mask: `(batch, at least time)`, or None.
        zero_states: the states were made for the sequences, and have as many rows.

    Returns:
        sequences, states, mask, or None for no mask.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, of a mask that has too few steps, or of rows that differ.
    """
    others = [] if zero_states else list(states)
    if mask is not None:
        others.append(_bool_mask(mask, sequences, go_backwards))
    rows = {tensor.shape[0] for tensor in (sequences, *others)}
    if others and (len(rows) > 1 or None in rows):
        shape = tf.shape(sequences)[:1]
        for tensor in others:
            shape = tf.raw_ops.BroadcastArgs(s0=shape, s1=tf.shape(tensor)[:1])
        static_rows = next(iter(rows - {1, None}), None)
        sequences, *others = (_with_rows(tensor, shape, static_rows) for tensor in (sequences, *others))
    mask = others.pop() if mask is not None else None
    return sequences, (list(states) if zero_states else others), mask


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
    return tf.gather(mask, steps, axis=1)  # which fails where the mask has too few


class Sequences:
    """`(batch, time, features)` as a layer goes through it, from either end.

    Args:
        sequences: float32 `(batch, time, features)`.
        mask: bool `(batch, time)`, False where a step is passed over; or None.
        go_backwards: the last step comes first.

    Attributes:
        steps: `(time, batch, features)`, those to run over.
    """

    def __init__(self, sequences, mask, go_backwards: bool):
        if mask is None:
            self.mask = None
            steps = tf.transpose(sequences, [1, 0, 2])
            self.steps = tf.reverse(steps, [0]) if go_backwards else steps
            return
        # In the order in which steps are gone through: `rank` is where a step goes, and `at` what comes to a place.
        self.mask = mask = tf.reverse(mask, [1]) if go_backwards else mask
        self.batch, self.time = batch, time = tf.unstack(tf.shape(mask))
        real = tf.cast(mask, tf.int32)
        self.seen = tf.cumsum(real, axis=1)
        self.count = tf.reduce_sum(real, axis=1)
        rank = tf.where(mask, self.seen - 1, self.count[:, tf.newaxis] + tf.cumsum(1 - real, axis=1) - 1)
        self.rows = tf.range(batch)[:, tf.newaxis]
        places = tf.broadcast_to(tf.range(time), [batch, time])
        indices = tf.stack([rank, tf.broadcast_to(self.rows, [batch, time])], 2)
        at = tf.scatter_nd(indices, places, [time, batch])
        self.to_time_first = at + tf.transpose(self.rows) * time  # of (batch * time) rows, in that order
        self.to_batch_first = rank * batch + self.rows  # of (time * batch) rows

        to, back = self.to_time_first, self.to_batch_first
        if go_backwards:
            to = to + time - 1 - 2 * at
            back = tf.reverse(back, [1])
        # What runs over masked steps is not used, but a NaN there would come back in the gradients.
        is_real = tf.range(time)[:, tf.newaxis] < self.count
        self.steps = tf.where(is_real[:, :, tf.newaxis], _permuted(sequences, to, back), 0.0)

    def outputs(self, states, zero_output_for_mask: bool):
        """`(batch, time, units)` from the states after every step, at masked steps zeros or those of the step before.

        In the order in which the steps were gone through, as Keras has it.
        """
        if self.mask is None:
            return tf.transpose(states, [1, 0, 2])
        if not zero_output_for_mask:
            return self._taken(states, self.seen - 1, self.rows)
        outputs = _permuted(states, self.to_batch_first, self.to_time_first)
        return tf.where(self.mask[:, :, tf.newaxis], outputs, 0.0)  # a product with 0 would leave a NaN one

    def last_output(self, states, zero_output_for_mask: bool):
        """The last of `outputs`, `(batch, units)`, zeros where there is no step."""
        if self.mask is None:
            return _one_step_or_more(states)[-1]
        last = self._last(states)
        if not zero_output_for_mask:
            return last
        return tf.where(tf.reduce_any(self.mask[:, -1:], axis=1, keepdims=True), last, 0.0)

    def last_state(self, states, initial):
        """The state after the last unmasked step, `(batch, units)`; `initial` where there is none."""
        if self.mask is not None:
            return tf.where(self.count[:, tf.newaxis] > 0, self._last(states), initial)
        last = _one_step_or_more(states)[-1]
        return last if states.shape[0] else tf.where(tf.shape(states)[0] > 0, last, initial)

    def _last(self, states):
        """The states after the last unmasked step of each row, zeros where there is none."""
        return self._taken(states, self.count - 1, self.rows[:, 0])

    def _taken(self, states, step, row):
        """The states after these steps of these rows, zeros for step -1."""
        flat = tf.reshape(_one_step_or_more(states), [-1, states.shape[2]])
        taken = tf.gather(flat, tf.maximum(step, 0) * self.batch + row)
        return tf.where(step[..., tf.newaxis] >= 0, taken, 0.0)


def _one_step_or_more(states):
    """`(time, batch, units)`, with a step of zeros where there was none: something to gather from."""
    if states.shape[0]:
        return states
    missing = tf.maximum(1 - tf.shape(states)[0], 0)
    return tf.pad(states, [[0, missing], [0, 0], [0, 0]])  # which copies nothing where nothing is missing


@tf.custom_gradient
def _permuted(values, to, back):
    """The vectors of `values` `(a, b, units)` in the order `to` `(b, a)`; `back` `(a, b)` undoes it."""

    def gathered(values, order):
        vectors = tf.reshape(values, [-1, values.shape[2]])
        return tf.gather(vectors, order)

    return gathered(values, to), lambda d: (gathered(d, back), None, None)
