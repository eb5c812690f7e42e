import functools
import itertools
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import layers
from keras_rnn.layers import forms, native, recurrent, tf_cells, tf_loop, tf_lstm

TIME, FEATURES, BATCH = 5, 3, 5
LENGTHS = np.array([5, 3, 0, 1, 4])
MASKS = {
    "none": None,
    "right padding, one row empty": np.arange(TIME) < LENGTHS[:, np.newaxis],
    "left padding": np.arange(TIME) >= LENGTHS[:, np.newaxis],
    "holes": np.random.default_rng(1).random((BATCH, TIME)) < 0.5,
    "nothing": np.zeros((BATCH, TIME), bool),
    "everything": np.ones((BATCH, TIME), bool),
}
# The graph of an LSTM of few units has an op for few rows, that of many a loop for all; here of this many.
LOOP_UNITS = 40
BLOCK_WORK = tf_lstm.BLOCK_WORK
CELLS = [("SimpleRNN", 4), ("GRU", 4), ("LSTM", 4), ("LSTM", LOOP_UNITS)]


@pytest.fixture(autouse=True)
def _loop_of_fewer_units(monkeypatch):
    monkeypatch.setattr(tf_lstm, "BLOCK_WORK", LOOP_UNITS**2 - 1)


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pair(name, units, bidirectional=False, features=FEATURES, batch=None, **options):
    """Keras' layer and ours of one name, with the same weights, none of them zero."""
    both = []
    for module in (keras.layers, layers):
        layer = getattr(module, name)(units, bias_initializer="uniform", **options)
        layer = module.Bidirectional(layer) if bidirectional else layer
        layer.build((batch, None, features))
        both.append(layer)
    theirs, ours = both
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def everything(layer, x, mask=None, states=(), training=False):
    """All outputs, and the gradients of a function of them with respect to x, the initial states and the weights.

    In a function, since eager calls are Keras' own.
    """
    x, states = tf.convert_to_tensor(x), [tf.constant(state) for state in states]

    @tf.function
    def outputs_and_gradients(x, states):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            outputs = tf.nest.flatten(layer(x, mask=mask, initial_state=states or None, training=training))
            loss = sum(tf.reduce_sum(tf.sin(output) * (n + 1)) for n, output in enumerate(outputs))
        watched = [x, *states, *(weight.value for weight in layer.trainable_variables)]
        return outputs, tape.gradient(loss, watched, unconnected_gradients="zero")

    return outputs_and_gradients(x, states)


def traced(layer, x, **options):
    """What a layer makes in a function."""
    return tf.function(functools.partial(layer, **options), autograph=False)(tf.convert_to_tensor(x))


def assert_alike(theirs, ours):
    for expected, found in zip(theirs[0], ours[0], strict=True):
        np.testing.assert_allclose(found, expected, atol=5e-6)
    for expected, found in zip(theirs[1], ours[1], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.fixture
def never_keras_loop(monkeypatch):
    """Fails where Keras' loop over the steps would run."""

    def loop(*args, **kwargs):
        raise AssertionError("Keras' loop ran")

    return lambda: monkeypatch.setattr(keras.layers.RNN, "inner_loop", loop)


@pytest.fixture
def each_way(monkeypatch):
    """The argument `training` of a layer, for each of the ways in which a sequence runs."""

    def ways():
        yield True  # machine code
        yield False  # a graph
        monkeypatch.setattr(native, "_enabled", False)
        yield True  # a graph that keeps what its gradient needs

    return ways


@pytest.mark.parametrize(("name", "units"), CELLS)
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_states_and_gradients_are_those_of_keras(name, units, mask, each_way, never_keras_loop):
    x, mask = values(BATCH, TIME, FEATURES), MASKS[mask]
    cases = [
        {"return_sequences": sequences, "go_backwards": backwards, "zero_output_for_mask": zero}
        for sequences, backwards, zero in itertools.product((True, False), (False, True), (True, False))
    ]
    states = [values(BATCH, units, seed=n + 1) for n in range(2 if name == "LSTM" else 1)]
    expected, ours = [], []
    for number, options in enumerate(cases):
        theirs, layer = pair(name, units, return_state=number % 2 == 0, **options)
        expected.append(everything(theirs, x, mask, states if number % 4 < 2 else ()))
        layer.runs_alone = False
        ours.append(layer)
    never_keras_loop()
    for training in each_way():
        for number, layer in enumerate(ours):
            assert_alike(expected[number], everything(layer, x, mask, states if number % 4 < 2 else (), training))


@pytest.mark.parametrize(("name", "units"), CELLS)
@pytest.mark.parametrize("mask", ["none", "right padding, one row empty", "holes"])
def test_both_directions_are_those_of_keras(name, units, mask, each_way, never_keras_loop):
    x, mask = values(BATCH, TIME, FEATURES), MASKS[mask]
    states = [values(BATCH, units, seed=n + 1) for n in range(4 if name == "LSTM" else 2)]
    theirs, ours = pair(name, units, bidirectional=True, return_sequences=True, return_state=True)
    expected = everything(theirs, x, mask, states)
    never_keras_loop()
    for training in each_way():
        assert_alike(expected, everything(ours, x, mask, states, training))


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("sequences", [True, False])
def test_both_directions_run_together(name, sequences):
    x, mask = values(BATCH, TIME, FEATURES), MASKS["holes"]
    theirs, ours = pair(name, 4, bidirectional=True, return_sequences=sequences, zero_output_for_mask=not sequences)
    for given in (mask, None):
        assert_alike(everything(theirs, x, given), everything(ours, x, given, training=True))
    with forms.for_this_process():
        graph = tf.function(ours).get_concrete_function(tf.TensorSpec((None, None, FEATURES))).graph
    kinds = [op.type for op in graph.get_operations()]
    assert kinds.count("PyFuncStateless") == 1
    assert "ReverseV2" not in kinds


@pytest.mark.parametrize("name", ["GRU", "LSTM"])  # a SimpleRNN's config leaves the seed out, Keras' too
def test_each_direction_drops_inputs_of_its_own(name):
    x = np.ones((4, TIME, 8), "float32")
    theirs, ours = pair(name, 4, bidirectional=True, features=8, dropout=0.5, seed=3, return_sequences=True)
    for _ in range(2):
        np.testing.assert_allclose(traced(ours, x, training=True), theirs(x, training=True), atol=5e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"merge_mode": "sum"},
        {"merge_mode": None},
        {"backward_layer": {"units": 3, "go_backwards": True}},
        {"layer": {"go_backwards": True}, "backward_layer": {"units": 4}},
        {"layer": {"stateful": True}},
    ],
)
def test_directions_that_cannot_run_together_run_apart(options):
    x, both = values(BATCH, TIME, FEATURES), []
    for module in (keras.layers, layers):
        layer = module.LSTM(4, return_sequences=True, **options.get("layer", {}))
        further = {"merge_mode": options.get("merge_mode", "concat")}
        if "backward_layer" in options:
            further["backward_layer"] = module.LSTM(return_sequences=True, **options["backward_layer"])
        both.append(module.Bidirectional(layer, **further))
        both[-1].build(x.shape)
    theirs, ours = both
    ours.set_weights(theirs.get_weights())
    assert_alike(everything(theirs, x), everything(ours, x, training=True))


def traced_losses(layer, x):
    return tf.function(lambda x: (layer(x, training=True), layer.losses)[1])(x)


def test_each_direction_adds_its_activity_regularizer():
    x = values(BATCH, TIME, FEATURES)
    both = pair("LSTM", 4, bidirectional=True, activity_regularizer="l2")
    theirs, ours = ([*traced_losses(layer, x)] for layer in both)
    assert len(theirs) == 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_directions_in_float32_of_a_layer_in_float16():
    x, both = values(BATCH, TIME, FEATURES), []
    for module in (keras.layers, layers):
        both.append(module.Bidirectional(module.LSTM(4, dtype="float32"), dtype="mixed_float16"))
        both[-1].build(x.shape)
    theirs, ours = both
    ours.set_weights(theirs.get_weights())
    outputs = traced(ours, x, training=True)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, theirs(x, training=True), atol=2e-3)


@pytest.mark.parametrize(("name", "units"), CELLS)
def test_one_graph_takes_sequences_of_any_length(name, units, each_way):
    theirs, ours = pair(name, units, return_sequences=True, zero_output_for_mask=True)
    signature = [tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None), tf.bool)]

    def in_graph(layer, training=False):
        graph = tf.function(functools.partial(everything, layer, training=training), input_signature=signature)
        return [
            graph(values(2, steps, FEATURES), np.arange(steps) < np.array([[steps], [(steps + 1) // 2]]))
            for steps in (1, 2, 200)
        ]

    expected = in_graph(theirs)
    for training in each_way():
        for both in zip(expected, in_graph(ours, training), strict=True):
            assert_alike(*both)


def test_products_of_the_inputs_are_taken_ahead_where_both_kernels_are_large(monkeypatch):
    monkeypatch.setattr(tf_loop, "ONE_PRODUCT_UNITS", LOOP_UNITS - 1)
    x, mask = values(BATCH, TIME, FEATURES), MASKS["holes"]
    theirs, ours = pair("LSTM", LOOP_UNITS, return_sequences=True)
    assert_alike(everything(theirs, x, mask), everything(ours, x, mask))
    graph = tf.function(functools.partial(ours, mask=tf.constant(mask))).get_concrete_function(x).graph
    assert [op.type for op in graph.get_operations()].count("MatMul") == 1  # the others are in the loop


@pytest.mark.parametrize("rows", [32, 33])  # where one form of an LSTM of 64 gives way to the other
def test_few_and_many_rows_of_one_graph(rows, monkeypatch):
    monkeypatch.setattr(tf_lstm, "BLOCK_WORK", BLOCK_WORK)
    theirs, ours = pair("LSTM", 64, return_sequences=True, return_state=True)
    x = values(rows, TIME, FEATURES)
    mask = np.arange(TIME) < np.arange(rows)[:, np.newaxis] % (TIME + 1)
    signature = [tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None), tf.bool)]
    graph = tf.function(functools.partial(everything, ours), input_signature=signature)
    assert_alike(everything(theirs, x, mask), graph(x, mask))


@pytest.mark.parametrize(
    ("rows", "ops"),
    [
        (32, {"BlockLSTMV2"}),
        (33, {"StatelessWhile"}),
        (None, {"StatelessIf", "BlockLSTMV2", "StatelessWhile"}),
    ],
)
def test_a_graph_of_so_many_rows_holds_only_the_form_of_an_lstm_that_they_take(rows, ops, monkeypatch):
    monkeypatch.setattr(tf_lstm, "BLOCK_WORK", BLOCK_WORK)
    _, ours = pair("LSTM", 64, return_sequences=True)
    graph = tf.function(ours).get_concrete_function(tf.TensorSpec((rows, None, FEATURES))).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    forms = {"StatelessIf", "If", "BlockLSTMV2", "StatelessWhile", "While"}
    assert {node.op for node in nodes} & forms == ops


@pytest.mark.parametrize(("units", "times"), [(4, 1), (LOOP_UNITS, 0)])
def test_kernels_that_are_constants_are_joined_in_the_graph_of_the_op_that_takes_both(units, times):
    kernel, recurrent_kernel = values(FEATURES, 4 * units), values(units, 4 * units)
    zeros = np.zeros((BATCH, units), "float32")

    def lstm(steps):
        weights = [tf.constant(weight) for weight in (kernel, recurrent_kernel, values(4 * units))]
        return tf_cells.lstm(steps, *weights, zeros, zeros, return_cells=False, training=False)[0]

    graph = tf.function(lstm).get_concrete_function(tf.TensorSpec((None, BATCH, FEATURES))).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    constants = [tf.make_ndarray(node.attr["value"].tensor) for node in nodes if node.op == "Const"]
    joined = np.concatenate([kernel, recurrent_kernel])
    assert sum(np.array_equal(constant, joined) for constant in constants) == times


@pytest.mark.parametrize(("name", "units"), CELLS)
def test_without_bias(name, units, each_way):
    x = values(BATCH, TIME, FEATURES)
    theirs, ours = pair(name, units, use_bias=False)
    for training in each_way():
        assert_alike(everything(theirs, x), everything(ours, x, training=training))


@pytest.mark.parametrize(("name", "units"), CELLS)
@pytest.mark.parametrize("training", [True, False])
def test_a_stateful_layer_goes_on_where_it_was(name, units, training):
    x = values(2, 2 * TIME, FEATURES)
    theirs, ours = pair(name, units, batch=2, stateful=True, return_sequences=True)
    for part in (x[:, :TIME], x[:, TIME:]):
        np.testing.assert_allclose(traced(ours, part, training=training), theirs(part), atol=5e-6)
    ours.reset_states()
    theirs.reset_states()
    np.testing.assert_allclose(traced(ours, x[:, :TIME]), theirs(x[:, :TIME]), atol=5e-6)


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_dropout_of_the_input_is_one_for_all_steps(name):
    x = np.ones((4, TIME, 8), "float32")
    theirs, ours = pair(name, 4, features=8, dropout=0.5, seed=3, return_sequences=True)
    trained = traced(ours, x, training=True)
    np.testing.assert_allclose(trained, theirs(x, training=True), atol=5e-6)
    assert np.abs(trained - ours(x)).max() > 1e-3


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_predictions_for_this_process_run_in_machine_code_and_others_in_a_graph(name):
    x, mask = values(BATCH, TIME, FEATURES), tf.constant(MASKS["right padding, one row empty"])
    theirs, ours = pair(name, 4, return_sequences=True)

    def predict():
        graph = tf.function(lambda x: ours(x, mask=mask, training=False), autograph=False)
        kinds = {op.type for op in graph.get_concrete_function(x).graph.get_operations()}
        np.testing.assert_allclose(graph(x), theirs(x, mask=mask), atol=5e-6)
        return "PyFuncStateless" in kinds

    assert not predict()
    with forms.for_this_process():
        assert predict()
    assert not predict()


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_other_dtypes_are_keras_own(name, dtype):
    x = values(BATCH, TIME, FEATURES)
    theirs, ours = pair(name, 4, dtype=dtype)
    np.testing.assert_array_equal(traced(ours, x), traced(theirs, x))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SimpleRNN", {"activation": "relu"}),
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
        ("GRU", {"reset_after": False}),
        ("LSTM", {"recurrent_dropout": 0.5}),
    ],
)
def test_what_is_not_plain_is_keras_own(name, options):
    x = values(BATCH, TIME, FEATURES)
    theirs, ours = pair(name, 4, **options)
    np.testing.assert_array_equal(traced(ours, x), traced(theirs, x))


def test_keras_loop_on_request():
    theirs, ours = pair("GRU", 4)
    x = values(BATCH, TIME, FEATURES)
    ours.fused = False
    np.testing.assert_array_equal(traced(ours, x, training=True), traced(theirs, x))


@pytest.mark.parametrize(
    ("name", "units", "mask", "bidirectional", "theirs"),
    [
        ("LSTM", recurrent.KERAS_LOOP_UNITS + 1, None, False, True),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, None, False, True),
        ("SimpleRNN", 4, None, False, True),
        ("SimpleRNN", 4, None, True, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS, None, False, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, MASKS["holes"], False, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, MASKS["holes"], True, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, None, True, True),
        ("LSTM", recurrent.KERAS_LOOP_UNITS + 1, None, True, False),
    ],
)
def test_predictions_take_keras_loop_where_it_is_quicker(name, units, mask, bidirectional, theirs, never_keras_loop):
    _, ours = pair(name, units, bidirectional)
    never_keras_loop()
    x = values(BATCH, TIME, FEATURES)
    mask = None if mask is None else tf.constant(mask)
    traced(ours, x, mask=mask, training=True)
    if theirs:
        with pytest.raises(AssertionError, match="Keras' loop ran"):
            traced(ours, x, mask=mask)
    else:
        traced(ours, x, mask=mask)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_a_prediction_of_one_row_never_takes_keras_loop(name, never_keras_loop):
    theirs, ours = pair(name, recurrent.KERAS_LOOP_UNITS + 1)
    x = values(1, TIME, FEATURES)
    expected = theirs(x)
    never_keras_loop()
    np.testing.assert_allclose(traced(ours, x), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_where_there_is_a_gpu_keras_chooses(name, monkeypatch):
    _, ours = pair(name, 4)
    kept = tf.config.list_logical_devices
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["a GPU"] if kind == "GPU" else kept(kind))
    chosen = []
    monkeypatch.setattr(
        getattr(keras.layers, name), "inner_loop", lambda self, *args, **kwargs: chosen.append(self) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        traced(ours, values(BATCH, TIME, FEATURES))
    assert chosen == [ours]


def config_in(path):
    """A file's config.json, but for the numbers of objects and for names under which a class may be registered."""

    def without(found):
        return {name: value for name, value in found.items() if name not in ("shared_object_id", "registered_name")}

    return json.loads(zipfile.ZipFile(path).read("config.json"), object_hook=without)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_files_are_those_of_keras(name, bidirectional, tmp_path):
    x = values(2, TIME, FEATURES)
    models = []
    for module in (keras.layers, layers):
        layer = getattr(module, name)(4, name="rnn")
        inputs = keras.Input((None, FEATURES), name="x")
        outputs = (module.Bidirectional(layer, name="both") if bidirectional else layer)(inputs)
        models.append(keras.Model(inputs, outputs, name="model"))
        models[-1].save(tmp_path / f"{len(models)}.keras")
    theirs, ours = models
    configs = [config_in(tmp_path / f"{number}.keras") for number in (1, 2)]
    assert configs[0] == configs[1]

    plain = keras.saving.load_model(tmp_path / "2.keras")
    np.testing.assert_allclose(plain(x), ours(x), atol=5e-6)
    quick = keras.saving.load_model(tmp_path / "2.keras", custom_objects=layers.FUSED)
    np.testing.assert_array_equal(quick(x), ours(x))
    back = keras.saving.load_model(tmp_path / "1.keras", custom_objects=layers.FUSED)
    np.testing.assert_allclose(back(x), theirs(x), atol=5e-6)
    kinds = [type(part) for part in (plain.layers[-1], quick.layers[-1])]
    kind = "Bidirectional" if bidirectional else name
    assert kinds == [getattr(keras.layers, kind), getattr(layers, kind)]
    if bidirectional:
        assert type(quick.layers[-1].backward_layer) is getattr(layers, name)


@pytest.mark.parametrize(("name", "units"), CELLS)
def test_a_saved_graph_holds_ops_of_tensorflow_alone_and_runs(name, units, tmp_path):
    _, layer = pair(name, units, bidirectional=True)
    x = tf.constant(values(2, TIME, FEATURES))
    served = tf.Module()
    served.layer = layer.variables
    trained = tf.function(functools.partial(layer, training=True))
    trained(x)
    assert "PyFuncStateless" in {node.op for node in trained.get_concrete_function(x).graph.as_graph_def().node}
    served.run = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, None, FEATURES))])
    tf.saved_model.save(served, tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    np.testing.assert_allclose(loaded.run(x), layer(x), atol=1e-6)
    graph = loaded.run.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    ops = {node.op for node in nodes}
    assert ("BlockLSTMV2" in ops) == (name == "LSTM" and units < LOOP_UNITS)
    assert ops <= set(dir(tf.raw_ops)) | {"Placeholder"}
    assert not any("PyFunc" in op for op in ops)


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_a_strategy_has_a_graph_that_runs_on_any_device(name):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        _, layer = pair(name, 4)
        trained = tf.function(functools.partial(layer, training=True))
        graph = trained.get_concrete_function(tf.TensorSpec((None, None, FEATURES))).graph.as_graph_def()
    assert not any("PyFunc" in node.op for node in graph.node)
