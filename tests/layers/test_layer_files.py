"""Files of layers: `.keras` files are those of Keras, and SavedModels hold TensorFlow's operations."""

import functools
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import layers
from tests.layers.recurrent_pairs import CELLS, FEATURES, LOOP_UNITS, TIME, pair, values

pytestmark = pytest.mark.usefixtures("few_block_rows")


def config_in(path):
    """A file's config.json without the numbers of objects, and without names under which classes are registered."""

    def without_numbers(config):
        return {name: value for name, value in config.items() if name not in ("shared_object_id", "registered_name")}

    return json.loads(zipfile.ZipFile(path).read("config.json"), object_hook=without_numbers)


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
