"""The numbers that Keras' tests of its recurrent layers expect of constant weights, expected of ours.

Sequences count up from zero. Units whose weights are the same have the same number, which is written once for all.
"""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import layers

TWO_GAPS = [[True, True, False, True], [True, False, False, True]]
RIGHT_PADDING = [[True, True, True, False], [True, True, False, False]]
LEFT_PADDING = [[False, True, True, True], [False, False, True, True]]
BACKWARDS = {"go_backwards": True}
SEQUENCES = {"return_sequences": True}
ZEROS = {"return_sequences": True, "zero_output_for_mask": True}


def counted(*shape):
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


@dataclass(frozen=True)
class Known:
    """A layer with weights 0.01 (kernel), 0.02 (recurrent kernel) and 0.03 (bias), and the outputs of its last call.

    `expected` has the numbers of each output, without an axis of units where these are the same. `merge_mode` is that
    of a Bidirectional layer, and `backward` the three weights of its backward layer where they are others.
    """

    kind: str
    units: int
    shape: tuple[int, int, int]
    expected: list
    options: dict = field(default_factory=dict)
    mask: list | None = None
    initial_state: tuple = ()
    calls: int = 1
    merge_mode: Any = "not bidirectional"
    backward: tuple | None = None

    def layer(self):
        layer = constant_layer(self.kind, self.units, (0.01, 0.02, 0.03), **self.options)
        if self.merge_mode == "not bidirectional":
            return layer
        keywords = {"merge_mode": self.merge_mode}
        if self.backward:
            keywords["backward_layer"] = constant_layer(self.kind, self.units, self.backward, go_backwards=True)
        return layers.Bidirectional(layer, **keywords)

    def call(self, layer, training):
        keywords = {"training": training}
        if self.mask is not None:
            keywords["mask"] = tf.constant(self.mask)
        if self.initial_state:
            keywords["initial_state"] = [tf.constant(state) for state in self.initial_state]
        return tf.nest.flatten(layer(tf.constant(counted(*self.shape)), **keywords))


def constant_layer(kind, units, weights, **options):
    names = "kernel_initializer", "recurrent_initializer", "bias_initializer"
    initializers = {name: keras.initializers.Constant(weight) for name, weight in zip(names, weights, strict=True)}
    return getattr(layers, kind)(units, **initializers, **options)


PASSED = counted(2, 2)
LONG, SHORT, MASKED = (3, 6, 4), (2, 3, 4), (2, 4, 3)

KNOWN = {
    "SimpleRNN": Known("SimpleRNN", 4, SHORT, [[0.405432, 0.73605347]]),
    "SimpleRNN unrolled": Known("SimpleRNN", 4, SHORT, [[0.405432, 0.73605347]], {"unroll": True}),
    "SimpleRNN backwards": Known("SimpleRNN", 4, SHORT, [[0.11144729, 0.5528889]], BACKWARDS),
    "SimpleRNN backwards, unrolled": Known(
        "SimpleRNN", 4, SHORT, [[0.11144729, 0.5528889]], {**BACKWARDS, "unroll": True}
    ),
    "SimpleRNN stateful": Known("SimpleRNN", 4, SHORT, [[0.40559256, 0.7361247]], {"stateful": True}, calls=2),
    "SimpleRNN with a state": Known("SimpleRNN", 4, MASKED, [[0.33621645, 0.6262637]], initial_state=(counted(2, 4),)),
    "SimpleRNN backwards with a state": Known(
        "SimpleRNN", 4, MASKED, [[0.07344437, 0.43043602]], BACKWARDS, initial_state=(counted(2, 4),)
    ),
    "SimpleRNN masked, unrolled": Known("SimpleRNN", 4, MASKED, [[0.32951632, 0.61799484]], {"unroll": True}, TWO_GAPS),
    "SimpleRNN masked": Known("SimpleRNN", 4, MASKED, [[0.32951632, 0.61799484]], {}, TWO_GAPS),
    "SimpleRNN masked, all steps": Known(
        "SimpleRNN",
        2,
        MASKED,
        [[[0.0599281, 0.15122814, 0.15122814, 0.32394567], [0.3969304, 0.3969304, 0.3969304, 0.608085]]],
        SEQUENCES,
        TWO_GAPS,
    ),
    "SimpleRNN masked, zeros": Known(
        "SimpleRNN", 2, MASKED, [[[0.0599281, 0.15122814, 0, 0.32394567], [0.3969304, 0, 0, 0.608085]]], ZEROS, TWO_GAPS
    ),
    "SimpleRNN masked, backwards": Known("SimpleRNN", 4, MASKED, [[0.07376196, 0.43645123]], BACKWARDS, TWO_GAPS),
    "LSTM": Known("LSTM", 3, LONG, [[0.6288687, 0.86899155, 0.9460773]]),
    "LSTM, implementation 1": Known("LSTM", 3, LONG, [[0.6288687, 0.86899155, 0.9460773]], {"implementation": 1}),
    "LSTM backwards": Known("LSTM", 3, LONG, [[0.35622165, 0.74789524, 0.8872726]], BACKWARDS),
    "LSTM unrolled": Known("LSTM", 3, LONG, [[0.6288687, 0.86899155, 0.9460773]], {"unroll": True}),
    "LSTM without a forget bias": Known(
        "LSTM", 3, LONG, [[0.57019705, 0.8661914, 0.9459622]], {"unit_forget_bias": False}
    ),
    "LSTM without bias": Known("LSTM", 3, LONG, [[0.54986924, 0.86226785, 0.9443936]], {"use_bias": False}),
    "LSTM stateful": Known("LSTM", 4, SHORT, [[0.3124785, 0.6863672]], {"stateful": True}, calls=2),
    "LSTM with states": Known(
        "LSTM", 2, MASKED, [[[0.20574439, 0.3558822], [0.64930826, 0.66276]]], initial_state=(PASSED, PASSED)
    ),
    "LSTM backwards with states": Known(
        "LSTM",
        2,
        MASKED,
        [[[0.13281618, 0.2790356], [0.5839337, 0.5992567]]],
        BACKWARDS,
        initial_state=(PASSED, PASSED),
    ),
    "LSTM masked, unrolled": Known("LSTM", 2, MASKED, [[0.11755939, 0.28556206]], {"unroll": True}, RIGHT_PADDING),
    "LSTM masked": Known("LSTM", 2, MASKED, [[0.11755939, 0.28556206]], {}, RIGHT_PADDING),
    "LSTM masked, all steps": Known(
        "LSTM",
        2,
        MASKED,
        [[[0.0158891, 0.05552048, 0.11755939, 0.11755939], [0.14185596, 0.28556206, 0.28556206, 0.28556206]]],
        SEQUENCES,
        RIGHT_PADDING,
    ),
    "LSTM masked, zeros": Known(
        "LSTM",
        2,
        MASKED,
        [[[0.0158891, 0.05552048, 0.11755939, 0], [0.14185596, 0.28556206, 0, 0]]],
        ZEROS,
        RIGHT_PADDING,
    ),
    "LSTM masked, backwards": Known("LSTM", 2, MASKED, [[0.15341201, 0.3844719]], BACKWARDS, LEFT_PADDING),
    "GRU": Known("GRU", 3, LONG, [[0.5217289, 0.6371659, 0.39384964]]),
    "GRU backwards": Known("GRU", 3, LONG, [[0.24406259, 0.611516, 0.3928808]], BACKWARDS),
    "GRU unrolled": Known("GRU", 3, LONG, [[0.5217289, 0.6371659, 0.39384964]], {"unroll": True}),
    "GRU, reset before": Known("GRU", 3, LONG, [[0.51447755, 0.6426879, 0.40208298]], {"reset_after": False}),
    "GRU without bias": Known("GRU", 3, LONG, [[0.49988455, 0.64701194, 0.4103359]], {"use_bias": False}),
    "GRU stateful": Known("GRU", 4, SHORT, [[0.29542392, 0.5885018]], {"stateful": True}, calls=2),
    "GRU with a state": Known(
        "GRU", 2, MASKED, [[[0.23774096, 0.33508456], [0.83659905, 1.0227708]]], initial_state=(PASSED,)
    ),
    "GRU backwards with a state": Known(
        "GRU", 2, MASKED, [[[0.13486053, 0.23261218], [0.78257304, 0.9691353]]], BACKWARDS, initial_state=(PASSED,)
    ),
    "GRU with a state, and returning it": Known(
        "GRU",
        2,
        MASKED,
        [[[0.23774096, 0.33508456], [0.83659905, 1.0227708]]] * 2,
        {"return_state": True},
        initial_state=(PASSED,),
    ),
    "GRU backwards with a state, and returning it": Known(
        "GRU",
        2,
        MASKED,
        [[[0.13486053, 0.23261218], [0.78257304, 0.9691353]]] * 2,
        {**BACKWARDS, "return_state": True},
        initial_state=(PASSED,),
    ),
    "GRU masked, unrolled": Known("GRU", 2, MASKED, [[0.19393763, 0.30818558]], {"unroll": True}, TWO_GAPS),
    "GRU masked": Known("GRU", 2, MASKED, [[0.19393763, 0.30818558]], {}, TWO_GAPS),
    "GRU masked, all steps": Known(
        "GRU",
        2,
        MASKED,
        [[[0.03606692, 0.09497581, 0.09497581, 0.19393763], [0.16051409, 0.16051409, 0.16051409, 0.30818558]]],
        SEQUENCES,
        TWO_GAPS,
    ),
    "GRU masked, zeros": Known(
        "GRU", 2, MASKED, [[[0.03606692, 0.09497581, 0, 0.19393763], [0.16051409, 0, 0, 0.30818558]]], ZEROS, TWO_GAPS
    ),
    "GRU masked, backwards": Known("GRU", 2, MASKED, [[0.11669192, 0.28380975]], BACKWARDS, TWO_GAPS),
    "both directions": Known(
        "SimpleRNN",
        2,
        SHORT,
        [[[0.39687276, 0.39687276, 0.10004295, 0.10004295], [0.7237238, 0.7237238, 0.53391594, 0.53391594]]],
        merge_mode="concat",
    ),
    "both directions, their average": Known("SimpleRNN", 2, SHORT, [[0.24845785, 0.6288199]], merge_mode="ave"),
    "both directions, apart": Known(
        "SimpleRNN", 2, SHORT, [[0.39687276, 0.7237238], [0.10004295, 0.53391594]], merge_mode=None
    ),
    "both directions, their product, with another backward layer": Known(
        "SimpleRNN", 2, SHORT, [[0.08374989, 0.6740834]], merge_mode="mul", backward=(0.03, 0.02, 0.01)
    ),
    "both directions, the sum of all steps": Known(
        "GRU",
        2,
        SHORT,
        [[[0.20937867, 0.34462988, 0.40290534], [0.59829646, 0.6734641, 0.6479671]]],
        SEQUENCES,
        merge_mode="sum",
    ),
    "both directions, stateful": Known(
        "LSTM",
        2,
        MASKED,
        [[[0.26234663, 0.26234663, 0.16959146, 0.16959146], [0.6137073, 0.6137073, 0.5381646, 0.5381646]]],
        {"stateful": True},
        calls=2,
        merge_mode="concat",
    ),
    "both directions with states": Known(
        "LSTM",
        2,
        MASKED,
        [[[0.20794602, 0.4577124, 0.14046375, 0.48191673], [0.6682636, 0.6711909, 0.60943645, 0.60950446]]],
        initial_state=tuple(PASSED * factor for factor in (1, 2, 3, 4)),
        merge_mode="concat",
    ),
    "both directions, masked": Known(
        "GRU",
        2,
        MASKED,
        [[[0.19393763, 0.19393763, 0.11669192, 0.11669192], [0.30818558, 0.30818558, 0.28380975, 0.28380975]]],
        mask=TWO_GAPS,
        merge_mode="concat",
    ),
    "both directions, returning states": Known(
        "LSTM",
        2,
        MASKED,
        [
            [[0.1990008, 0.1990008, 0.12659755, 0.12659755], [0.52335435, 0.52335435, 0.44717982, 0.44717982]],
            [0.1990008, 0.52335435],
            [0.35567185, 1.0492687],
            [0.12659755, 0.44717982],
            [0.2501858, 0.941473],
        ],
        {"return_state": True},
        merge_mode="concat",
    ),
}
TRAINING = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
WAY = pytest.mark.parametrize("compiled", [False, True], ids=["eager", "function"])


def assert_known(known, outputs):
    assert len(outputs) == len(known.expected)
    for expected, actual in zip(known.expected, outputs, strict=True):
        expected, actual = np.array(expected), np.array(actual)
        if expected.ndim < actual.ndim:
            expected = np.broadcast_to(expected[..., np.newaxis], actual.shape)
        np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=1e-5)


@WAY
@TRAINING
@pytest.mark.parametrize("name", KNOWN)
def test_outputs_of_constant_weights(name, training, compiled):
    known = KNOWN[name]
    layer = known.layer()
    layer.build(known.shape)

    def call():
        return known.call(layer, training)

    call = tf.function(call) if compiled else call
    for _ in range(known.calls):
        outputs = call()
    assert_known(known, outputs)
    if known.options.get("stateful"):
        layer.reset_state()
        for _ in range(known.calls):
            outputs = call()
        assert_known(known, outputs)


@TRAINING
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_config_may_have_the_implementation_of_older_versions(number, training):
    known = KNOWN["GRU"]
    layer = layers.GRU.from_config({**known.layer().get_config(), "implementation": number})
    assert_known(known, known.call(layer, training))


@pytest.mark.parametrize("training", [True, False])
def test_a_stateful_layer_takes_a_batch_of_unknown_size(training):
    layer = layers.GRU(5, stateful=True)
    ones = np.ones((2, 10, 10), "float32")
    layer(ones, training=training)

    @tf.function(input_signature=[tf.TensorSpec([None, 10, 10], tf.float32)])
    def call(inputs):
        return layer(inputs, training=training)

    assert call(ones).shape == (2, 5)


@WAY
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize(
    "options",
    [{"dropout": 0.5}, {"dropout": 0.5, "recurrent_dropout": 0.5}, {"dropout": 0.5, "return_sequences": True}],
)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_dropout_changes_numbers_and_no_shape(kind, options, bidirectional, compiled):
    layer = getattr(layers, kind)(3, **options)
    layer = layers.Bidirectional(layer) if bidirectional else layer
    inputs = tf.constant(counted(3, 2, 4))
    call = tf.function(lambda training: layer(inputs, training=training)) if compiled else layer
    shape = (3, 2, 3) if options.get("return_sequences") else (3, 3)
    shape = (*shape[:-1], 6) if bidirectional else shape
    arguments = () if compiled else (inputs,)
    outputs = [call(*arguments, training=True) for _ in range(4)]
    assert all(output.shape == shape for output in outputs)
    assert any(not np.allclose(outputs[0], output) for output in outputs[1:])
    same = [np.array(call(*arguments, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert len(layer.trainable_weights) == (6 if bidirectional else 3)
    assert layer.supports_masking


@TRAINING
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_regularizer_adds_a_loss(kind, bidirectional, training):
    options = {"kernel_regularizer": "l2", "recurrent_regularizer": "l2", "bias_regularizer": "l1"}
    layer = getattr(layers, kind)(3, return_sequences=True, **options)
    layer = layers.Bidirectional(layer) if bidirectional else layer
    assert layer(counted(3, 2, 4), training=training).shape == (3, 2, 6 if bidirectional else 3)
    assert len(layer.losses) == (6 if bidirectional else 3)


@TRAINING
@pytest.mark.parametrize("return_state", [True, False])
@pytest.mark.parametrize("merge_mode", ["ave", "concat", "mul", "sum", None])
def test_integers_have_outputs_of_the_shape_that_is_computed(merge_mode, return_state, training):
    inputs = np.array([[[101, 202], [303, 404]]])
    layer = layers.Bidirectional(layers.LSTM(2, return_state=return_state), merge_mode=merge_mode)
    outputs, shapes = layer(inputs, training=training), layer.compute_output_shape(inputs.shape)
    if merge_mode is not None and not return_state:
        outputs, shapes = [outputs], [shapes]
    assert [tuple(output.shape) for output in outputs] == [tuple(shape) for shape in shapes]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("use_cudnn", [True, False, "auto"])
def test_both_directions_keep_use_cudnn(kind, use_cudnn):
    layer = layers.Bidirectional(getattr(layers, kind)(1, use_cudnn=use_cudnn))
    assert layer.forward_layer.use_cudnn == layer.backward_layer.use_cudnn == use_cudnn
