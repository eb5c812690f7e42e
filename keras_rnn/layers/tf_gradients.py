"""Gradients by hand that can be differentiated again."""

from collections.abc import Callable, Sequence

import tensorflow as tf


def differentiable(forward: Callable, plain: Callable, constants: Sequence = (), *, again: bool = True) -> Callable:
    """A function of tensors whose first gradient is by hand, and whose further ones are those of `plain`.

    Args:
        forward: of `constants` and tensors, returns its outputs, and a function from the gradients of these to those of
            the tensors. What that function takes besides both is without a gradient, and of the graph of `forward`.
        plain: makes the same outputs, of `constants` and the same tensors, by operations that TensorFlow can
            differentiate. It is traced only where a gradient of the gradient is asked for, as by nested tapes or a
            forward accumulator.
        constants: tensors that have no gradient.
        again: whether the gradient has one; a SavedModel keeps the first alone.
    """

    def of_this_graph(tensors):
        # A gradient may be traced in another graph, and that of the gradient in a third: each finds in the one before
        # only what is its own.
        return [tf.identity(tf.convert_to_tensor(tensor)) for tensor in tensors]

    def function(*args):
        fixed = of_this_graph(constants)

        @tf.custom_gradient
        def by_hand(*args):
            outputs, backward = forward(fixed, *args)

            @tf.custom_gradient
            def gradients(*tensors):
                def second(*d_gradients):
                    return _second_gradients(plain, len(fixed), len(args), tensors, d_gradients)

                return backward(*tensors[len(fixed) + len(args) :]), second

            def first(*d_outputs):
                if not again:
                    return backward(*map(tf.convert_to_tensor, d_outputs))
                return gradients(*of_this_graph((*fixed, *args, *d_outputs)))

            return outputs, first

        return by_hand(*of_this_graph(args))

    return function


def _second_gradients(plain: Callable, constants: int, args: int, tensors: Sequence, d_gradients: Sequence) -> list:
    # `tf.gradients`, since tapes that a forward accumulator looks at lose what depends on `d_gradients`.
    tensors = [tf.identity(tensor) for tensor in tensors]
    fixed, varied = tensors[:constants], tensors[constants:]
    outputs = plain(fixed, *varied[:args])
    gradients = tf.gradients(outputs, varied[:args], varied[args:], unconnected_gradients="zero")
    seconds = tf.gradients(gradients, varied, d_gradients, unconnected_gradients="zero")
    return [*[None] * constants, *seconds]


def sum_to_shape(gradient: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """The gradient of a tensor that was broadcast, from that of what it was broadcast to."""
    if gradient.shape.is_fully_defined() and gradient.shape == tensor.shape:
        return gradient
    shape = tf.shape(tensor)
    _, axes = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(gradient), s1=shape)
    summed = tf.reshape(tf.reduce_sum(gradient, axes), shape)
    summed.set_shape(tensor.shape)
    return summed
