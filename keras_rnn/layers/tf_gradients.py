"""Gradients derived by hand that can be differentiated again."""

from collections.abc import Callable, Sequence

import tensorflow as tf


def differentiable(forward: Callable, plain: Callable, constants: Sequence = (), *, again: bool = True) -> Callable:
    """A function of tensors whose first gradient is derived by hand; its further gradients are those of `plain`.

    Args:
        forward(constants, *tensors): returns the outputs, and a function from the gradients of the outputs to those of
            the tensors. Other tensors that this function uses belong to the graph of `forward`, and have no gradient.
        plain(constants, *tensors): returns the same outputs from operations that TensorFlow can differentiate. It is
            traced only where a gradient of the gradient is asked for, as by nested tapes or a forward accumulator.
        constants: tensors that have no gradient.
        again: whether the gradient has a gradient. A SavedModel keeps first gradients alone.
    """

    def identities(tensors):
        # A gradient may be traced in another graph, and the gradient's gradient in a third. Each can take tensors of
        # the graph before it only if they were made there.
        return [tf.identity(tf.convert_to_tensor(tensor)) for tensor in tensors]

    def function(*args):
        own_constants = identities(constants)

        @tf.custom_gradient
        def hand_derived(*args):
            outputs, backward = forward(own_constants, *args)

            @tf.custom_gradient
            def gradients(*tensors):
                def second_gradient(*d_gradients):
                    return _second_gradients(plain, len(own_constants), len(args), tensors, d_gradients)

                return backward(*tensors[len(own_constants) + len(args) :]), second_gradient

            def first_gradient(*d_outputs):
                if not again:
                    return backward(*map(tf.convert_to_tensor, d_outputs))
                return gradients(*identities((*own_constants, *args, *d_outputs)))

            return outputs, first_gradient

        return hand_derived(*identities(args))

    return function


def _second_gradients(plain: Callable, constants: int, args: int, tensors: Sequence, d_gradients: Sequence) -> list:
    # `tf.gradients`, since tapes inside a forward accumulator lose the dependence on `d_gradients`.
    tensors = [tf.identity(tensor) for tensor in tensors]
    own_constants, variables = tensors[:constants], tensors[constants:]
    outputs = plain(own_constants, *variables[:args])
    gradients = tf.gradients(outputs, variables[:args], variables[args:], unconnected_gradients="zero")
    seconds = tf.gradients(gradients, variables, d_gradients, unconnected_gradients="zero")
    return [*[None] * constants, *seconds]


def sum_to_shape(gradient: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """The gradient of a tensor that was broadcast, from the gradient of the broadcast tensor."""
    if gradient.shape.is_fully_defined() and gradient.shape == tensor.shape:
        return gradient
    shape = tf.shape(tensor)
    _, axes = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(gradient), s1=shape)
    gradient_sum = tf.reshape(tf.reduce_sum(gradient, axes), shape)
    gradient_sum.set_shape(tensor.shape)
    return gradient_sum
