"""What a call hands out does not hold the memory that the call worked in."""

import gc

import psutil
import pytest
import tensorflow as tf

import keras_rnn

CALLS, ROWS, TIME, UNITS = 100, 32, 100, 64
OUTPUTS = 4 * ROWS * TIME * UNITS  # bytes of one call's
SLACK = 24 * 2**20  # bytes that an allocator may round up and keep


def grown(function, x) -> int:
    """Bytes that the process has more of while it holds what many calls return."""
    process = psutil.Process()
    for _ in range(3):
        function(x)
    gc.collect()
    memory_before = process.memory_info().rss
    outputs = [function(x) for _ in range(CALLS)]
    memory_after = process.memory_info().rss
    assert len(outputs) == CALLS
    return memory_after - memory_before


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_states_and_gradients_hold_themselves_alone(kind):
    layer = getattr(keras_rnn, kind)(UNITS, return_sequences=True, return_state=True)
    x = tf.random.stateless_normal((ROWS, TIME, UNITS), [1, 2])
    layer(x)
    states = tf.function(lambda x: layer(x, training=True)[1:])
    assert grown(states, x) < 2 * CALLS * 4 * ROWS * UNITS + SLACK  # 486 MiB where they held all

    @tf.function
    def bias_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True)[0])
        return tape.gradient(loss, [x, *layer.trainable_variables])[-1]

    assert grown(bias_gradient, x) < SLACK


def test_outputs_hold_themselves_alone():
    layer = keras_rnn.LSTM(UNITS, return_sequences=True)
    x = tf.random.stateless_normal((ROWS, TIME, UNITS), [1, 2])
    layer(x)
    outputs = tf.function(lambda x: layer(x, training=True))
    assert grown(outputs, x) < 1.2 * CALLS * OUTPUTS + SLACK
