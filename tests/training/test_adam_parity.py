"""LazyAdam and Keras' Adam, whatever both are asked for: equal numbers, or an error.

Gradients of an embedding come to LazyAdam as rows, and to Adam, without momentum, as the dense gradient.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import TokenEmbedding
from keras_rnn.layers import native
from keras_rnn.training.lazy_adam import LazyAdam, LazyLossScaleOptimizer, _each_once

Adam = keras.optimizers.Adam
ROWS, FEATURES = 6, 3
BATCHES = ([0, 1, 1, 4], [2, 1, 0, 1], [], [3, 3, 3, 2], [4, 0, 1, 2])  # row 5 is never used
EXACT = {"float32": 2e-6, "float64": 1e-12, "float16": 0, "bfloat16": 0}
ARGUMENTS = {
    "nothing": {},
    "weight_decay": {"weight_decay": 0.1},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.1},
    "global_clipnorm": {"global_clipnorm": 0.5},
    "global_clipnorm 0": {"global_clipnorm": 0.0},
    "global_clipnorm < 0": {"global_clipnorm": -1.0},
    "use_ema": {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
    "loss_scale_factor": {"loss_scale_factor": 1e7},
    "gradient_accumulation_steps": {"gradient_accumulation_steps": 2},
    "amsgrad": {"amsgrad": True, "beta_2": 0.5},
    "beta_2 0": {"beta_2": 0.0},
    "schedule": {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)},
    "callable": {"learning_rate": lambda: 0.03},
}


WAYS = ["eager", "function", "function without machine code"]


@pytest.fixture(params=WAYS[:2])
def each_way(request):
    """How a step runs: what decorates it. Keras' own runs eagerly, which is quicker than to trace it."""
    native.set_enabled(request.param != "function without machine code")
    traced = tf.function(reduce_retracing=True, autograph=False)
    yield lambda step, kind=LazyAdam: step if request.param == "eager" or kind is Adam else traced(step)
    native.set_enabled(True)


def slices(rows, seed=0, dtype="float32", indices="int32", shape=(ROWS, FEATURES)):
    values = np.random.default_rng(seed).normal(size=(len(rows), *shape[1:]))
    return tf.IndexedSlices(tf.cast(values, dtype), tf.constant(rows, indices, shape=[len(rows)]), tf.constant(shape))


def dense(gradient):
    """The dense gradient, in NumPy."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    matrix = np.zeros(gradient.dense_shape.numpy(), gradient.values.numpy().dtype)
    np.add.at(matrix, gradient.indices.numpy(), gradient.values.numpy())
    return tf.constant(matrix)


def variable(shape, dtype="float32", **arguments):
    return keras.Variable(np.linspace(-1, 1, int(np.prod(shape))).reshape(shape), dtype=dtype, **arguments)


def taken(optimizer, steps, way, variables):
    """The variables, and what the optimizer has of them, after steps of gradients."""
    optimizer.build(variables)
    applied = way(lambda *gradients: optimizer.apply(gradients, variables), type(optimizer))
    for gradients in steps:
        applied(*([dense(g) for g in gradients] if type(optimizer) is Adam else gradients))
    return [v.numpy().astype("float64") for v in (*variables, *optimizer._velocities)]


def assert_equal(way, steps, shapes, dtype="float32", beta_1=0.0, **arguments):
    found = [
        taken(
            kind(**{"learning_rate": 0.1, "beta_1": beta_1, **arguments}),
            steps,
            way,
            [variable(s, dtype) for s in shapes],
        )
        for kind in (LazyAdam, Adam)
    ]
    compared = len(shapes) if beta_1 == 0 else None  # v of rows that wait is behind
    for ours, theirs in list(zip(*found, strict=True))[:compared]:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT[dtype])


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("each_way", WAYS, indirect=True)
def test_every_argument_with_rows(name, each_way):
    steps = [(slices(rows, seed), tf.fill([FEATURES], seed - 1.7)) for seed, rows in enumerate(BATCHES)]
    assert_equal(each_way, steps, [(ROWS, FEATURES), (FEATURES,)], **ARGUMENTS[name])


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("name", ["nothing", "global_clipnorm"])
def test_dense_gradients_with_momentum(name, dtype, each_way):
    shapes = [(4, 3), (5,), (), (2, 3, 4), (0, 3)]
    rng = np.random.default_rng(0)
    steps = [[tf.cast(rng.normal(size=shape), dtype) for shape in shapes] for _ in range(3)]
    assert_equal(each_way, steps, shapes, dtype, beta_1=0.9, **ARGUMENTS[name])


@pytest.mark.parametrize(
    ("of_values", "dtype"),
    [
        ("float16", "float32"),
        ("float64", "float32"),
        ("float32", "float64"),
        ("float64", "float64"),
        ("float32", "float16"),
        ("bfloat16", "bfloat16"),
    ],
)
def test_rows_of_one_dtype_for_a_variable_of_another(of_values, dtype, each_way):
    steps = [[slices(rows, seed, of_values)] for seed, rows in enumerate(BATCHES)]
    assert_equal(each_way, steps, [(ROWS, FEATURES)], dtype)
    steps = [[tf.constant(dense(*step))] for step in steps]
    assert_equal(each_way, steps, [(ROWS, FEATURES)], dtype, beta_1=0.9)


def test_v_of_float32_is_that_of_keras_to_the_last_bits(each_way):
    # 1 - float32(0.999) is 1e-5 off.
    found = [taken(kind(), [[tf.constant([3.0])]], each_way, [variable((1,))])[1] for kind in (LazyAdam, Adam)]
    np.testing.assert_allclose(found[0], found[1], rtol=2e-7)


@pytest.mark.parametrize(
    ("shape", "indices"), [((4,), "int32"), ((4, 1), "int64"), ((4, 2, 3), "int64"), ((0, 2), "int32")]
)
def test_rows_of_every_rank(shape, indices, each_way):
    batches = ([0, 1, 1], [3, 0]) if shape[0] else ([], [])
    steps = [[slices(rows, seed, indices=indices, shape=shape)] for seed, rows in enumerate(batches)]
    assert_equal(each_way, steps, [shape])


@pytest.mark.parametrize("row", [ROWS, -1])
@pytest.mark.parametrize("arguments", [{}, {"amsgrad": True}])
def test_rows_that_there_are_not(row, arguments, each_way):
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf" {row} is not in|indices\[1\] = \[{row}\]"):
        taken(LazyAdam(**arguments), [[slices([0, row])]], each_way, [variable((ROWS, FEATURES))])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["nothing", "global_clipnorm", "clipvalue"])
def test_gradients_that_are_not_finite(name, value, each_way):
    gradient = tf.IndexedSlices(tf.constant([[value, 1.0, 2.0]]), tf.constant([1]), tf.constant([ROWS, FEATURES]))
    arguments = {"learning_rate": 0.1, "beta_1": 0.0, **ARGUMENTS[name]}
    steps, shapes = [[gradient, tf.ones(2)]], [(ROWS, FEATURES), (2,)]
    ours, theirs = (
        taken(kind(**arguments), steps, each_way, [variable(s) for s in shapes])[:2] for kind in (LazyAdam, Adam)
    )
    np.testing.assert_allclose(ours[0][1], theirs[0][1], atol=1e-6)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)
    np.testing.assert_array_equal(ours[0][[0, 2, 3, 4, 5]], variable(shapes[0]).numpy()[[0, 2, 3, 4, 5]])


def test_without_epsilon(each_way):
    steps = [[slices(range(ROWS), seed)] for seed in range(3)]
    assert_equal(each_way, steps, [(ROWS, FEATURES)], epsilon=0.0)


def test_dense_gradients_of_no_known_shape():
    traced = tf.function(input_signature=[tf.TensorSpec(None)] * 2)
    steps = [[tf.fill([4, 3], n - 0.5), tf.fill([3], 1.0)] for n in range(3)]
    assert_equal(lambda step, kind: traced(step), steps, [(4, 3), (3,)], beta_1=0.9, global_clipnorm=1.0)


@pytest.mark.parametrize(
    "gradient", [[[1.0, 2.0, 3.0]] * 4, np.ones((4, 3)), np.ones((4, 3), "float16"), np.ones(3, "f")]
)
def test_gradients_that_are_lists_arrays_or_broadcast(gradient, each_way):
    found = []
    for kind in (LazyAdam, Adam):
        w, optimizer = variable((4, 3)), kind(0.1)
        optimizer.build([w])
        each_way(lambda optimizer=optimizer: optimizer.apply([gradient]), kind)()
        found.append(w.numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_one_variable_given_twice(each_way):
    def found(kind):
        w, optimizer = variable((ROWS, FEATURES)), kind(0.1, beta_1=0.0)
        optimizer.build([w])
        step = each_way(lambda *gradients: optimizer.apply(gradients, [w, w]), kind)
        for rows in BATCHES:
            gradients = [slices(rows), slices([0, 5], 1)]
            step(*(map(dense, gradients) if kind is Adam else gradients))
        return w.numpy()

    np.testing.assert_allclose(found(LazyAdam), found(Adam), atol=1e-6)


@pytest.mark.parametrize("order", ["rrdddrrdr", "ddrrddrr", "rrrrr"])
def test_one_variable_of_rows_and_dense_gradients_that_is_frozen_meanwhile(order, each_way):
    def found(kind):
        w, other, optimizer = variable((ROWS, FEATURES)), variable((2,)), kind(0.1, beta_1=0.0, beta_2=0.9)
        optimizer.build([w, other])
        apply_both = each_way(lambda gradient: optimizer.apply([gradient, tf.ones(2)], [w, other]), kind)
        apply_one = each_way(lambda: optimizer.apply([tf.ones(2)], [other]), kind)
        for n, step in enumerate(order):
            gradient = slices(BATCHES[n % 5], n)
            apply_both(gradient if step == "r" and kind is LazyAdam else dense(gradient))
            apply_one()
        return [w.numpy(), other.numpy()]

    for ours, theirs in zip(found(LazyAdam), found(Adam), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_gradient_that_is_none_leaves_its_variable(each_way):
    def found(kind):
        w, other, optimizer = variable((ROWS, FEATURES)), variable((2,)), kind(0.1, beta_1=0.0, beta_2=0.9)
        optimizer.build([w, other])
        for n in range(4):
            gradient = slices(BATCHES[n % 2], n)
            gradient = None if n in (1, 2) else gradient if kind is LazyAdam else dense(gradient)
            each_way(lambda gradient=gradient: optimizer.apply([gradient, tf.ones(2)]), kind)()
        return w.numpy()

    np.testing.assert_allclose(found(LazyAdam), found(Adam), atol=2e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_decay", 0.1),
        ("clipnorm", 0.5),
        ("clipvalue", 0.1),
        ("global_clipnorm", 0.5),
        ("loss_scale_factor", 1e7),
        ("learning_rate", 0.02),
        ("beta_2", 0.5),
        ("epsilon", 0.1),
        ("use_ema", True),
        ("amsgrad", True),
        ("gradient_accumulation_steps", 2),
    ],
)
def test_what_is_set_later_counts(name, value, each_way):
    needs_variables = name in ("use_ema", "amsgrad", "gradient_accumulation_steps")

    def found(kind, after):
        w, optimizer = variable((ROWS, FEATURES)), kind(0.1, beta_1=0.0)
        for built in (False, True):
            if built:
                optimizer.build([w])
            if built is after:
                setattr(optimizer, name, value)
        step = each_way(lambda gradient: optimizer.apply([gradient]), kind)
        for n, rows in enumerate(BATCHES):
            step(dense(slices(rows, n)) if kind is Adam else slices(rows, n))
        if name == "use_ema":
            optimizer.finalize_variable_values([w])
        return w.numpy()

    if needs_variables:  # which are made with the others
        np.testing.assert_allclose(found(LazyAdam, False), found(Adam, False), atol=1e-6)
        for kind in (Adam, LazyAdam):
            with pytest.raises(AttributeError, match="_model_variables_moving|_velocity_hats|_accumulated_gradients"):
                found(kind, True)
    else:
        np.testing.assert_allclose(found(LazyAdam, True), found(Adam, True), atol=1e-6)


def test_a_rate_set_between_steps_and_iterations_set_back(each_way):
    def found(kind):
        w, optimizer = variable((ROWS, FEATURES)), kind(0.1, beta_1=0.0)
        optimizer.build([w])
        step = each_way(lambda gradient: optimizer.apply([gradient]), kind)
        for n in range(3):
            optimizer.learning_rate = 0.1 / (n + 1)
            if n == 2:
                optimizer.iterations.assign(0)
            step(dense(slices(range(ROWS), n)) if kind is Adam else slices(range(ROWS), n))
        return w.numpy()

    np.testing.assert_allclose(found(LazyAdam), found(Adam), atol=1e-3)  # v of step 2 has lost nothing by step 1
    assert np.abs(found(LazyAdam) - variable((ROWS, FEATURES)).numpy()).max() < 0.3


def test_constraints_two_optimizers_and_bare_tensorflow_variables(each_way):
    def found(kind):
        w = variable((ROWS, FEATURES))
        w.constraint = keras.constraints.UnitNorm(axis=1)
        bare = tf.Variable(np.ones((ROWS, FEATURES), "float32"))
        optimizers = [kind(0.1, beta_1=0.0), kind(0.01, beta_1=0.0, global_clipnorm=0.1)]
        for optimizer in optimizers:
            optimizer.build([w, bare])
            step = each_way(lambda one, two, optimizer=optimizer: optimizer.apply([one, two], [w, bare]), kind)
            for n, rows in enumerate(BATCHES):
                gradients = [slices(rows, n), slices(rows[:1], n)]
                step(*(map(dense, gradients) if kind is Adam else gradients))
        return w.numpy(), bare.numpy()

    for ours, theirs in zip(found(LazyAdam), found(Adam), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_subclass_makes_its_own_step(each_way):
    class Still(LazyAdam):
        def update_step(self, gradient, variable, learning_rate):
            pass

    w = variable((ROWS, FEATURES))
    before = w.numpy()
    taken(Still(), [[slices([0, 1])]], each_way, [w])
    np.testing.assert_array_equal(w.numpy(), before)


def test_rows_of_a_matrix_that_are_unique_are_not_numbers_that_are():
    expected_rows = []

    @tf.function
    def gradient(pairs):
        matrix = tf.Variable(tf.ones((ROWS, FEATURES)), trainable=True) if not expected_rows else expected_rows[0]
        expected_rows.append(matrix)
        with tf.GradientTape() as tape:
            rows, _ = tf.raw_ops.UniqueV2(x=pairs, axis=[0])
            loss = tf.reduce_sum(tf.gather(matrix, rows))
        gradient = tape.gradient(loss, matrix)
        assert not _each_once(gradient.indices)
        return gradient

    assert sorted(gradient(tf.constant([[1, 2], [2, 1], [1, 2]])).indices.numpy()) == [1, 1, 2, 2]


@pytest.mark.parametrize("name", ["loss_scale_factor", "amsgrad", "use_ema", "schedule"])
def test_config_and_state_make_the_optimizer_again(name, tmp_path):
    """All arguments survive, and a checkpoint goes on where it was, also with dense gradients."""
    arguments = {"epsilon": 1e-5, "beta_1": 0.0, "learning_rate": 0.1, **ARGUMENTS[name]}
    optimizer = LazyAdam(**arguments)
    config = optimizer.get_config()
    assert set(config) == set(Adam().get_config())
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(restored) is LazyAdam
    assert restored.get_config() == config

    w, copy, theirs = (variable((ROWS, FEATURES)) for _ in range(3))
    adam = Adam(**arguments)
    for of, to in ((optimizer, w), (restored, copy), (adam, theirs)):
        of.build([to])
    for n, rows in enumerate(BATCHES[:3]):
        optimizer.apply([slices(rows, n)])
        adam.apply([dense(slices(rows, n))])
    path = tf.train.Checkpoint(optimizer=optimizer, w=w.value).save(str(tmp_path / "state"))
    tf.train.Checkpoint(optimizer=restored, w=copy.value).restore(path)
    for n, rows in enumerate(BATCHES):
        restored.apply([dense(slices(rows, n)) if n < 2 else slices(rows, n)])
        adam.apply([dense(slices(rows, n))])
    np.testing.assert_allclose(copy.numpy(), theirs.numpy(), atol=2e-6)


@pytest.mark.parametrize(("name", "error"), [("nesterov", "nesterov"), ("clipnorm", "Only one of"), ("lr", "lr")])
def test_what_keras_refuses(name, error):
    with pytest.raises(ValueError, match=error):
        LazyAdam(global_clipnorm=1.0, **{name: 0.5})


class Texts(keras.Model):
    """Means of embedded texts, multiplied by the embedding itself where it is tied."""

    def __init__(self, embedding, tied=False, policy="float32"):
        super().__init__(dtype=policy)
        self.embedding = embedding(9, 4, dtype=policy, name="embedding")
        self.tied, self.output_layer = tied, keras.layers.Dense(9, dtype="float32")

    def call(self, token_ids):
        x = keras.ops.mean(self.embedding(token_ids), axis=1)
        if self.tied:
            return keras.ops.cast(keras.ops.matmul(x, keras.ops.transpose(self.embedding.embeddings)), "float32")
        return self.output_layer(x)


def fitted(embedding, optimizer, tied=False, policy="float32", **compiled):
    keras.utils.set_random_seed(0)
    model = Texts(embedding, tied, policy)
    model(np.zeros((1, 3), "int32"))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **compiled)
    token_ids, labels = rng.integers(0, 9, (12, 3)), rng.integers(0, 9, 12)
    model.fit(token_ids, labels, batch_size=2, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


class DenseAdam(Adam):
    """Which gets dense gradients: of rows Keras squares before it sums."""

    def apply(self, grads, trainable_variables=None):
        super().apply([tf.convert_to_tensor(gradient) for gradient in grads], trainable_variables)


@pytest.mark.parametrize(
    "compiled",
    [
        {"run_eagerly": True},
        {"jit_compile": False},
        {"jit_compile": False, "steps_per_execution": 3},
        {"jit_compile": True, "tied": True},
        {"jit_compile": False, "arguments": {"gradient_accumulation_steps": 3}},
        {"jit_compile": False, "arguments": {"weight_decay": 0.01, "use_ema": True}},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:`build")
def test_fit(compiled):
    arguments = {"learning_rate": 0.05, "beta_1": 0.0, "global_clipnorm": 0.3, **compiled.pop("arguments", {})}
    ours = fitted(TokenEmbedding, LazyAdam(**arguments), **compiled)
    theirs = fitted(keras.layers.Embedding, DenseAdam(**arguments), **compiled)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_fit_in_other_precisions(policy):
    arguments = {"learning_rate": 0.05, "beta_1": 0.0, "epsilon": 1e-3}
    scaled = policy == "mixed_float16"
    optimizers = [LazyAdam(**arguments), DenseAdam(**arguments)]
    if scaled:
        optimizers = [LazyLossScaleOptimizer(optimizers[0]), keras.optimizers.LossScaleOptimizer(optimizers[1])]
    ours = fitted(TokenEmbedding, optimizers[0], policy=policy, jit_compile=False)
    theirs = fitted(keras.layers.Embedding, optimizers[1], policy=policy, jit_compile=False)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)


def test_a_sum_of_rows_that_overflows_halves_the_scale_and_leaves_the_weights(each_way):
    w = variable((2, 1))
    before = w.numpy()
    optimizer = LazyLossScaleOptimizer(LazyAdam(0.1), initial_scale=8.0)
    optimizer.build([w])
    parts = tf.IndexedSlices(tf.fill([2, 1], 3e38), tf.constant([1, 1]), tf.constant([2, 1]))
    each_way(lambda: optimizer.apply([parts]))()
    np.testing.assert_array_equal(w.numpy(), before)
    assert (float(optimizer.dynamic_scale), int(optimizer.iterations)) == (4.0, 0)


def test_a_model_that_is_loaded_goes_on(tmp_path):
    def compiled(optimizer, embedding):
        model = keras.Sequential([keras.Input((3,), dtype="int32"), embedding(9, 4), keras.layers.Flatten()])
        model.add(keras.layers.Dense(2))
        model.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_weights()])
        model.compile(optimizer, "mse", jit_compile=False)
        return model

    data = np.array([[1, 2, 2], [3, 1, 0], [5, 5, 1], [2, 8, 0]]), np.arange(8.0).reshape(4, 2)
    arguments = {"learning_rate": 0.05, "beta_1": 0.0, "beta_2": 0.9, "clipnorm": 0.5}
    adam = compiled(DenseAdam(**arguments), keras.layers.Embedding)
    lazy = compiled(LazyAdam(**arguments), TokenEmbedding)
    for _ in range(2):
        for model in (adam, lazy):
            model.fit(*data, batch_size=2, epochs=2, shuffle=False, verbose=0)
        lazy.save(tmp_path / "model.keras")
        lazy = keras.models.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(lazy.get_weights(), adam.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_embedding_that_is_frozen_for_some_epochs():
    def weights(optimizer, embedding):
        model = keras.Sequential([keras.Input((3,), dtype="int32"), embedding(9, 4), keras.layers.Flatten()])
        model.add(keras.layers.Dense(2))
        model.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_weights()])
        optimizer.build(model.trainable_variables)
        data = np.array([[1, 2, 2], [3, 1, 0], [5, 5, 1], [2, 8, 0]]), np.arange(8.0).reshape(4, 2)
        for trainable in (True, False, True):
            model.layers[0].trainable = trainable
            model.compile(optimizer, "mse", jit_compile=False)
            model.fit(*data, batch_size=2, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    arguments = {"learning_rate": 0.05, "beta_1": 0.0, "beta_2": 0.9}
    ours, theirs = (
        weights(LazyAdam(**arguments), TokenEmbedding),
        weights(DenseAdam(**arguments), keras.layers.Embedding),
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
