import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import TokenEmbedding
from keras_rnn.layers.native.rows import sum_rows
from keras_rnn.training import lazy_adam
from keras_rnn.training.lazy_adam import LazyAdam, LazyLossScaleOptimizer

ROOT = Path(__file__).parents[2]
LEARNING_RATE, BETA_2, EPSILON = 0.01, 0.999, 1e-7
ROWS, FEATURES = 6, 3
# The rows that each batch uses, some of them several times; row 5 is never used.
BATCHES = ([0, 1, 1, 4], [2, 1, 0, 1], [3, 3, 3, 2], [4, 0, 1, 2])


@pytest.fixture(params=["machine code", "graph"])
def each_way(request, monkeypatch):
    """Both forms of what is done to the rows in use."""
    if request.param == "graph":
        monkeypatch.setattr(lazy_adam, "_machine_code_takes", lambda gradients: False)


def slices(rows, seed):
    values = np.random.default_rng(seed).normal(size=(len(rows), FEATURES)).astype("float32")
    return tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([ROWS, FEATURES]))


def dense(gradient):
    matrix = np.zeros((ROWS, FEATURES), "float32")
    np.add.at(matrix, gradient.indices.numpy(), gradient.values.numpy())
    return matrix


def initial():
    return np.random.default_rng(9).normal(size=(ROWS, FEATURES)).astype("float32")


def taken(optimizer, steps):
    """Weights `(rows, features)` and `(features,)` after the optimizer's steps of [matrix, vector] gradients."""
    matrix, vector = keras.Variable(initial()), keras.Variable(np.ones(FEATURES, "float32"))
    optimizer.build([matrix, vector])
    for gradients in steps:
        optimizer.apply(gradients)
    return matrix.numpy(), vector.numpy()


def adam_without_momentum(weights, steps):
    """Adam with beta_1 = 0, of dense gradients, in float64: every row's v decays at each step."""
    weights, v = weights.astype("float64"), np.zeros((ROWS, FEATURES))
    for t, gradient in enumerate(steps, 1):
        g = dense(gradient).astype("float64")
        v = BETA_2 * v + (1 - BETA_2) * g**2
        weights -= LEARNING_RATE * g / (np.sqrt(v / (1 - BETA_2**t)) + EPSILON)
    return weights


def test_a_step_of_known_numbers(each_way):
    # The first step of Adam is the learning rate against the sign of the gradient; the two parts of row 1 sum to -3.
    gradient = tf.IndexedSlices(tf.constant([[3.0], [1.0], [-4.0]]), tf.constant([0, 1, 1]), tf.constant([3, 1]))
    weights = keras.Variable(np.array([[1.0], [2.0], [3.0]], "float32"))
    optimizer = LazyAdam(0.5)
    optimizer.build([weights])
    optimizer.apply([gradient])
    np.testing.assert_allclose(weights.numpy(), [[0.5], [2.5], [3.0]], rtol=1e-5)


def test_rows_in_use_are_those_of_adam_without_momentum_and_the_others_stay_bit_for_bit(each_way):
    steps = [slices(rows, seed) for seed, rows in enumerate(BATCHES * 3)]
    vector = np.zeros(FEATURES, "float32")
    weights, _ = taken(LazyAdam(LEARNING_RATE), [[gradient, vector] for gradient in steps])
    np.testing.assert_allclose(weights, adam_without_momentum(initial(), steps), atol=1e-5)
    np.testing.assert_array_equal(weights[5], initial()[5])

    optimizer = LazyAdam(LEARNING_RATE)
    variable_before, _ = taken(optimizer, [[gradient, vector] for gradient in steps[:2]])
    velocity = optimizer._velocities[0].numpy()
    optimizer.apply([steps[2], vector])  # rows 2 and 3
    variables_after = [optimizer._trainable_variables[0], optimizer._velocities[0]]
    for old, new in zip([variable_before, velocity], variables_after, strict=True):
        np.testing.assert_array_equal(new.numpy()[[0, 1, 4, 5]], old[[0, 1, 4, 5]])
        assert (new.numpy()[[2, 3]] != old[[2, 3]]).all()


def test_a_row_that_comes_once_moves_as_far_as_adam_moves_it_in_the_end():
    """Which takes the rest of the gradient in the steps that follow, though no batch has the row."""
    gradients = [slices([0, 1], 0), *(slices([1], seed) for seed in range(1, 60))]
    moved = []
    for optimizer in (LazyAdam, keras.optimizers.Adam):
        steps = [[dense(g) if optimizer is keras.optimizers.Adam else g, np.zeros(3, "float32")] for g in gradients]
        # A few steps before, so that the first one is not all there is to the moments.
        others = [[dense(slices([1], 99)), np.zeros(3, "float32")]] * 100
        moved.append(taken(optimizer(LEARNING_RATE), [*others, *steps])[0][0] - initial()[0])
    np.testing.assert_allclose(moved[0], moved[1], rtol=0.1)


@pytest.mark.parametrize("clip", [None, 0.5, 100.0])
@pytest.mark.parametrize("beta_1", [0.0, 0.9])
def test_it_is_keras_adam_of_dense_gradients_and_of_all_without_momentum(clip, beta_1, each_way):
    rows = [0, 1, 2, 4, 0, 0, 3]
    steps = [[slices(rows[seed:], seed), np.full(FEATURES, seed - 1.5, "float32")] for seed in range(5)]
    if beta_1:
        steps = [[dense(matrix), vector] for matrix, vector in steps]
    ours = taken(LazyAdam(LEARNING_RATE, beta_1=beta_1, global_clipnorm=clip), steps)
    keras_steps = steps if beta_1 else [[dense(matrix), vector] for matrix, vector in steps]
    theirs = taken(keras.optimizers.Adam(LEARNING_RATE, beta_1=beta_1, global_clipnorm=clip), keras_steps)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_gradients_are_clipped_as_dense_ones(monkeypatch):
    monkeypatch.setattr(lazy_adam, "_machine_code_takes", lambda gradients: False)
    gradients = [slices([1, 1, 4, 1], 0), tf.constant([3.0, -4.0, 0.0])]
    expected, _ = tf.clip_by_global_norm([dense(gradients[0]), gradients[1]], 0.7)
    matrix, vector = LazyAdam(global_clipnorm=0.7)._clip_gradients(gradients)
    assert sorted(matrix.indices.numpy()) == [1, 4]
    np.testing.assert_allclose(dense(matrix), expected[0], rtol=1e-6)
    np.testing.assert_allclose(vector, expected[1], rtol=1e-6)


@pytest.mark.parametrize("width", [1, 15, 16, 33])
def test_rows_of_any_width_are_summed(width):
    values = np.random.default_rng(width).random((7, width), np.float32)
    indices = np.array([2, 0, 2, 4, 4, 4, 0], np.int32)
    expected = np.zeros((5, width), np.float32)
    np.add.at(expected, indices, values)
    np.testing.assert_allclose(sum_rows(values, indices, 5), expected, rtol=1e-6)


def test_config_round_trip():
    optimizer = LazyAdam(keras.optimizers.schedules.CosineDecay(0.1, 7), beta_1=0.8, global_clipnorm=2.0)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(restored) is LazyAdam
    assert restored.get_config() == optimizer.get_config()
    assert (restored.beta_1, restored.global_clipnorm, float(restored.learning_rate)) == (0.8, 2.0, pytest.approx(0.1))


def ops_as_large_as_the_embedding(policy, optimizer) -> set[str]:
    """The kinds of ops, of those in a training step, that give out a tensor of as many rows as the embedding."""
    token_ids = keras.Input((None,), dtype="int32")
    x = TokenEmbedding(977, 4, mask_zero=True, dtype=policy)(token_ids)
    logits = keras.layers.Dense(2, dtype="float32")(keras.layers.GRU(3, dtype=policy)(x))
    model = keras.Model(token_ids, logits)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    optimizer.build(model.trainable_variables)
    step = tf.function(lambda x, y: model.train_step((x, y)))
    graph = step.get_concrete_function(tf.constant([[1, 2, 2]]), tf.constant([1])).graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return {
        node.op
        for node in nodes
        for shape in node.attr["_output_shapes"].list.shape
        if shape.dim and shape.dim[0].size == 977
    }


def test_no_training_step_has_an_op_as_large_as_its_embedding():
    assert "ReadVariableOp" in ops_as_large_as_the_embedding("float32", keras.optimizers.Adam())
    assert not ops_as_large_as_the_embedding("float32", LazyAdam(global_clipnorm=1.0))


def test_neither_has_one_in_mixed_precision():
    keras_scaled = keras.optimizers.LossScaleOptimizer(LazyAdam(global_clipnorm=1.0))
    assert ops_as_large_as_the_embedding("mixed_float16", keras_scaled)
    scaled = LazyLossScaleOptimizer(LazyAdam(global_clipnorm=1.0))
    assert not ops_as_large_as_the_embedding("mixed_float16", scaled)


def test_one_replica_is_lazy_and_two_are_adam():
    """Two logical CPUs, in a process of its own for they are set up before TensorFlow starts."""
    script = """
import keras
import numpy as np
import tensorflow as tf
from keras_rnn import TokenEmbedding
from keras_rnn.training.lazy_adam import LazyAdam
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

class DenseAdam(keras.optimizers.Adam):  # Keras squares what a row gets before it sums
    def _clip_gradients(self, gradients):
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

def trained(strategy, optimizer):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        inputs = keras.Input((None,), dtype="int32")
        x = keras.layers.GlobalAveragePooling1D()(TokenEmbedding(9, 4)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(2)(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer(0.1), loss, jit_compile=False)
        weights = [model.get_weights()]
    batches = [([[1, 2, 2], [5, 2, 1], [1, 1, 3], [7, 2, 0]], [0, 1, 1, 0]), ([[1, 5], [1, 5]], [1, 0])]
    for token_ids, labels in batches:
        model.fit(np.array(token_ids), np.array(labels), batch_size=4, verbose=0)
        weights.append(model.get_weights())
    return weights

alone = trained(tf.distribute.get_strategy(), LazyAdam)
one = trained(tf.distribute.MirroredStrategy(["CPU:0"]), LazyAdam)
two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), LazyAdam)
adam = trained(tf.distribute.get_strategy(), DenseAdam)
for last, expected in ((one, alone), (two, adam)):
    for weights, other in zip(last[-1], expected[-1]):
        np.testing.assert_allclose(weights, other, atol=1e-5)
np.testing.assert_array_equal(one[2][0][[0, 2, 3, 7]], one[1][0][[0, 2, 3, 7]])  # not in the second batch
assert (two[2][0][[0, 2, 3, 7]] != two[1][0][[0, 2, 3, 7]]).all()
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr[-3000:]
