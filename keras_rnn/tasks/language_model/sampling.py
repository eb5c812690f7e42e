"""The choice of the next token from logits, in the graph, by numbers that a seed alone decides.

Each row of a batch has its own options and its own random numbers, so that its text is the same beside any others.
"""

import tensorflow as tf

from keras_rnn.tasks.language_model.contract import BLOCK
from keras_rnn.text.piece_tokenizer import PADDING_ID, UNKNOWN_ID

WIDTH = 64  # of the blocks of `_first_beyond`
BINS, BINS_PER_NAT = 512, 16.0  # of `_in_top_p`
BELOW_ONE = 1 - 1e-6
LOWEST_TEMPERATURE = 1e-30  # what is divided by it overflows to nothing but minus infinity


def uniform_numbers(seeds, first_block, blocks):
    """Random numbers for the tokens of each row.

    Args:
        seeds: int32 `(batch,)`.
        first_block, blocks: scalars; block i holds the numbers of the tokens from 64 i on.

    Returns:
        float32 `(batch, 64 * blocks)` in [0, 1), from `tf.random.stateless_uniform` with the seed (seed, block).
    """
    numbers = tf.range(first_block, first_block + blocks)
    pairs = tf.stack(tf.meshgrid(seeds, numbers, indexing="ij"), axis=-1)
    draw = tf.map_fn(
        lambda pair: tf.random.stateless_uniform([BLOCK], seed=pair, alg="philox"),
        tf.reshape(pairs, [-1, 2]),
        fn_output_signature=tf.TensorSpec([BLOCK], tf.float32),
    )
    return tf.reshape(draw, [tf.shape(seeds)[0], BLOCK * blocks])


def sample(logits, uniforms, temperature, top_k, top_p):
    """The next token of each row.

    The padding and the unknown token are never chosen. With `temperature` 0 the most probable token is. Otherwise the
    logits are divided by it; then the `top_k` most probable tokens stay, and of these the fewest whose probabilities
    together reach `top_p` (Holtzman et al. 2020, arXiv 1904.09751), one at least. Of equally probable tokens those of
    lower ids come first. The token is where the cumulated probabilities, in the order of the ids, pass the uniform
    number.

    Args:
        logits: float32 `(batch, vocabulary_size)`.
        uniforms: float32 `(batch,)` in [0, 1).
        temperature: float32 `(batch,)`, 0 or more.
        top_k: int32 `(batch,)`; 0 keeps all.
        top_p: float32 `(batch,)`; 1 keeps all.

    Returns:
        int32 `(batch,)` ids, and float32 `(batch,)` logarithms of the probabilities that the network gives them.

    Raises:
        tf.errors.InvalidArgumentError: a logit is NaN or infinite, or the sum of a row is.
    """
    # A sum is finite if all numbers are, and takes a pass through them that makes no copy.
    total = tf.debugging.assert_all_finite(tf.reduce_sum(logits, axis=-1), "the network's logits are not finite")
    ids = tf.range(tf.shape(logits)[1])
    may_follow = (ids != PADDING_ID) & (ids != UNKNOWN_ID)
    allowed = tf.where(may_follow, logits, -float("inf"))
    greedy = tf.argmax(allowed, axis=-1, output_type=tf.int32)
    highest = tf.reduce_max(allowed, axis=-1, keepdims=True)
    scaled = (logits - highest) / tf.maximum(temperature, LOWEST_TEMPERATURE)[:, tf.newaxis]
    scaled = tf.where(may_follow, scaled, -float("inf"))
    scaled = tf.cond(tf.reduce_any(top_k > 0), lambda: _only(_in_top_k(scaled, top_k), scaled), lambda: scaled)
    scaled = tf.cond(tf.reduce_any(top_p < 1), lambda: _only(_in_top_p(scaled, top_p), scaled), lambda: scaled)
    drawn = _first_beyond(tf.exp(scaled), uniforms * BELOW_ONE)
    with tf.control_dependencies([total]):
        chosen = tf.where(temperature > 0, drawn, greedy)
    return chosen, tf.gather(logits, chosen, batch_dims=1) - tf.reduce_logsumexp(logits, axis=-1)


def _first_beyond(weights, fractions):
    """The index in each row of weights at which their cumulated sum exceeds a fraction of the whole sum.

    First the block of weights is sought, and then the index in it: a cumulated sum is not vectorized, and sums are.

    Args:
        weights: float32 `(batch, size)`, none negative, some positive.
        fractions: float32 `(batch,)` in [0, `BELOW_ONE`].

    Returns:
        int32 `(batch,)`, indices of positive weights.
    """
    rows, size = tf.unstack(tf.shape(weights))
    blocks = tf.reshape(tf.pad(weights, [[0, 0], [0, -size % WIDTH]]), [rows, -1, WIDTH])
    sums = tf.cumsum(tf.reduce_sum(blocks, axis=-1), axis=-1)
    limit = fractions * sums[:, -1]
    block = _count(sums <= limit[:, tf.newaxis])
    before = tf.gather(tf.pad(sums, [[0, 0], [1, 0]]), block, batch_dims=1)
    cumulated = tf.cumsum(tf.gather(blocks, block, batch_dims=1), axis=-1)
    # Rounded, the sum of the block may be below what is sought in it.
    limit = tf.minimum(limit - before, cumulated[:, -1] * BELOW_ONE)
    return block * WIDTH + _count(cumulated <= limit[:, tf.newaxis])


def _count(flags):
    """How many flags of each row are set, int32 `(batch,)`."""
    return tf.reduce_sum(tf.cast(flags, tf.int32), axis=-1)


def _only(is_kept, logits):
    return tf.where(is_kept, logits, -float("inf"))


def _in_top_k(logits, top_k):
    """Which tokens are among the `top_k` most probable ones of each row, bool `(batch, vocabulary_size)`."""
    size = tf.shape(logits)[1]
    ordered, ids = tf.math.top_k(logits, tf.minimum(tf.reduce_max(top_k), size))
    last = tf.clip_by_value(top_k, 1, size) - 1
    return _up_to(logits, ordered, ids, last) | (top_k <= 0)[:, tf.newaxis]


def _in_top_p(logits, top_p):
    """Which tokens are the fewest of each row that reach `top_p`, bool `(batch, vocabulary_size)`.

    The tokens are divided by their logits into narrow bins, whose probabilities are added up. Only the tokens of the
    bin in which `top_p` is reached are sorted.

    Args:
        logits: float32 `(batch, vocabulary_size)`, the highest of each row 0.
    """
    weights = tf.exp(logits)
    bins = tf.cast(tf.minimum(logits * -BINS_PER_NAT, BINS - 1.0), tf.int32)
    sums = tf.cumsum(tf.raw_ops.DenseBincount(input=bins, size=BINS, weights=weights), axis=-1)
    enough = top_p * sums[:, -1]
    bin_ = tf.minimum(_count(sums < enough[:, tf.newaxis]), BINS - 1)
    is_filtered = (top_p < 1)[:, tf.newaxis]
    is_inside = (bins == bin_[:, tf.newaxis]) & (weights > 0) & is_filtered
    inside = _count(is_inside)
    ordered, ids = tf.math.top_k(_only(is_inside, logits), tf.reduce_max(inside))
    before = tf.gather(tf.pad(sums, [[0, 0], [1, 0]]), bin_, batch_dims=1)
    cumulated = before[:, tf.newaxis] + tf.cumsum(tf.exp(ordered), axis=-1)
    last = tf.clip_by_value(_count(cumulated < enough[:, tf.newaxis]), 0, tf.maximum(inside, 1) - 1)
    return _up_to(logits, ordered, ids, last) | ~is_filtered


def _up_to(logits, ordered, ids, last):
    """Which tokens come up to the one at `last` `(batch,)` of those in order, with their `ids`; equal ones by id."""
    lowest, last_id = (tf.gather(values, last, batch_dims=1)[:, tf.newaxis] for values in (ordered, ids))
    return (logits > lowest) | ((logits == lowest) & (tf.range(tf.shape(logits)[1]) <= last_id))
