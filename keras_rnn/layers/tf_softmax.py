"""Cross-entropy of a softmax layer in TensorFlow's operations, with a gradient derived by hand.

TensorFlow's own op goes through the logits, of which there are the more the larger the vocabulary, half a dozen times,
and its gradient once more. Here e = exp(logits - their maximum) is what is kept. With z = sum e and y the target's
row of the identity, d logits = d nats (e / z - y) = (d nats / z) (e - z y), and so the gradients of the layer are
products with e - z y, whose other sides are scaled instead: they are narrow.
"""

import tensorflow as tf

from keras_rnn.layers.tf_gradients import differentiable


def softmax_nats(inputs, kernel, bias, targets, *, transposed: bool, again: bool = True):
    """-log softmax(inputs @ kernel + bias) at the targets.

    Args:
        inputs: float32 `(rows, width)`.
        kernel: float32 `(width, tokens)`, or `(tokens, width)` with `transposed`.
        bias: float32 `(tokens,)`.
        targets: int32 `(rows,)`.
        again: whether the gradient has a gradient, see `differentiable`.

    Returns:
        Float32 `(rows,)`.

    Raises:
        tf.errors.InvalidArgumentError: on a CPU, a target is not in `[0, tokens)`.
    """

    def logits(inputs, kernel, bias):
        return tf.nn.bias_add(tf.matmul(inputs, kernel, transpose_b=transposed), bias)

    def forward(constants, inputs, kernel, bias):
        (targets,) = constants
        scores = logits(inputs, kernel, bias)
        highest = tf.reduce_max(scores, 1)
        target_scores = tf.gather(scores, targets, batch_dims=1)
        powers = tf.exp(scores - highest[:, tf.newaxis])
        sums = tf.reduce_sum(powers, 1)
        indices = tf.stack([tf.range(tf.size(targets)), targets], 1)
        differences = tf.tensor_scatter_nd_sub(powers, indices, sums)  # in place, since the powers have no other use

        def backward(d_nats):
            scales = (d_nats / sums)[:, tf.newaxis]
            d_inputs = tf.matmul(differences, kernel, transpose_b=not transposed) * scales
            sides = (differences, inputs * scales) if transposed else (inputs * scales, differences)
            return [
                d_inputs,
                tf.matmul(*sides, transpose_a=True),
                tf.linalg.matvec(differences, scales[:, 0], transpose_a=True),
            ]

        return [tf.math.log(sums) + highest - target_scores], backward

    def plain(constants, *args):
        return [tf.nn.sparse_softmax_cross_entropy_with_logits(*constants, logits(*args))]

    (nats,) = differentiable(forward, plain, [targets], again=again)(inputs, kernel, bias)
    return nats
