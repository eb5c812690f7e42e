"""The signatures of a SavedModel, for the layers and dtypes that a text model may have."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

from keras_rnn import text_classifier
from keras_rnn.layers import POOLINGS
from keras_rnn.models import token_model_of
from keras_rnn.serving import saved_model as saved_model_module
from keras_rnn.serving.check import check_version, graph_ops
from keras_rnn.serving.predictor import load_predictor
from keras_rnn.text.vectorizer import adapt_vectorizer
from tests.support.exported import write_version

NAMES = ("no", "yes", "perhaps")
TEXTS = ["good, but not cheap", "cheap", "", "wholly unknown words", "good " * 40]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_mixed_precision_in_both_directions_answers_the_same_after_reload(pooling, tmp_path):
    """tests/models does the same for every registered model in float32."""
    vectorizer = adapt_vectorizer(["good, but not cheap", "it was cheap and it was good!"])
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = text_classifier(
            num_classes=3,
            vectorizer=vectorizer,
            cell={"last": "lstm", "max": "gru"}.get(pooling, "simple_rnn"),
            hidden_size=8,
            bidirectional=True,
            pooling=pooling,
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert token_model_of(model).get_layer("embedding").compute_dtype == "float16"
    version = write_version(model, NAMES, TEXTS, tmp_path / "1")
    result = check_version(version)
    assert (result.signatures, result.texts) == (3, 5)
    assert result.largest_difference <= 1e-5
    ops = graph_ops(version)
    assert "MatMul" in ops
    assert not [op for op in ops if "Cudnn" in op or op_def_registry.get(op) is None]


@pytest.fixture(scope="module")
def loaded(saved_model):
    return tf.saved_model.load(str(saved_model / "1"))


def strings(name, *shape):
    return {name: tf.TensorSpec(shape, tf.string, name)}


def floats(name, *shape):
    return {name: tf.TensorSpec(shape, tf.float32, name)}


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("serving_default", strings("text", None), {**floats("probabilities", None, 2), **strings("label", None)}),
        ("tokens", {"token_ids": tf.TensorSpec((None, None), tf.int32, "token_ids")}, floats("logits", None, 2)),
        ("classify", strings("inputs", None), {**strings("classes", None, 2), **floats("scores", None, 2)}),
    ],
)
def test_names_dtypes_and_shapes(loaded, name, inputs, outputs):
    assert set(loaded.signatures) == {"serving_default", "tokens", "classify"}
    assert loaded.signatures[name].structured_input_signature == ((), inputs)
    assert loaded.signatures[name].structured_outputs == outputs


def test_the_default_signature_gives_probabilities_and_the_name_of_the_likeliest_class(run, loaded):
    served = loaded.signatures["serving_default"](text=tf.constant(TEXTS))
    expected = tf.nn.softmax(run.model(tf.constant(TEXTS))).numpy()
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    labels = [("negative", "positive")[index] for index in expected.argmax(axis=-1)]
    assert [label.decode() for label in served["label"].numpy()] == labels


def test_a_text_alone_is_answered_as_beside_others(run, loaded):
    serve, tokens = loaded.signatures["serving_default"], loaded.signatures["tokens"]
    together = serve(text=tf.constant(TEXTS))["probabilities"]
    for text, expected in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(serve(text=tf.constant([text]))["probabilities"][0], expected, atol=1e-5)
    for row in ([[2, 3, 4]], [[2, 3, 4, 0, 0]], [[0]], [[0, 2]], [[1]]):
        expected = token_model_of(run.model)(tf.constant(row))
        np.testing.assert_allclose(tokens(token_ids=tf.constant(row))["logits"], expected, atol=1e-5)


def test_many_texts_of_any_length_are_answered_in_their_order(run, saved_model, loaded):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["good", "bad", "film", "not", "?"], length)) for length in rng.integers(0, 90, 70)]
    expected = tf.nn.softmax(run.model(tf.constant(texts))).numpy()
    served = loaded.signatures["serving_default"](text=tf.constant(texts))["probabilities"]
    np.testing.assert_allclose(served, expected, atol=1e-5)
    np.testing.assert_allclose(load_predictor(saved_model).probabilities(texts), expected, atol=1e-5)


def test_tokens_takes_ids_of_the_vocabulary_and_gives_logits(run, loaded):
    vocabulary = run.model.get_layer("vectorizer").get_vocabulary()
    ids = [vocabulary.index("good"), vocabulary.index("film"), vocabulary.index("bad")]
    logits = loaded.signatures["tokens"](token_ids=tf.constant([[*ids, 0, 0]]))["logits"]
    np.testing.assert_allclose(logits, run.model(tf.constant(["good film bad"])), atol=1e-5)


def example(**features):
    lists = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString()


def test_classify_gives_every_class_and_its_score(run, loaded):
    classify = loaded.signatures["classify"]
    served = classify(inputs=tf.constant([example(text=[b"good film bad"]), example(text=[b""], other=[b"x"])]))
    assert served["classes"].numpy().tolist() == [[b"negative", b"positive"]] * 2
    expected = tf.nn.softmax(run.model(tf.constant(["good film bad", ""])))
    np.testing.assert_allclose(served["scores"], expected, atol=1e-5)
    for bad in (example(), example(text=[b"one", b"two"]), example(body=[b"x"]), b"no example"):
        with pytest.raises(tf.errors.InvalidArgumentError):
            classify(inputs=tf.constant([bad]))


def test_the_session_loader_of_tensorflow_serving_finds_the_methods_and_answers(run, saved_model):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], str(saved_model / "1")).signature_def
        assert {name: signatures[name].method_name for name in ("serving_default", "tokens", "classify")} == {
            "serving_default": "tensorflow/serving/predict",
            "tokens": "tensorflow/serving/predict",
            "classify": "tensorflow/serving/classify",
        }
        classify = signatures["classify"]
        scores = session.run(
            classify.outputs["scores"].name, {classify.inputs["inputs"].name: [example(text=[b"good film bad"])]}
        )
    np.testing.assert_allclose(scores, tf.nn.softmax(run.model(tf.constant(["good film bad"]))), atol=1e-5)


def test_the_fingerprint_is_that_of_the_files_there(saved_model):
    computed = FingerprintDef.FromString(fingerprinting.CreateFingerprintDef(str(saved_model / "1")))
    written = FingerprintDef.FromString((saved_model / "1" / "fingerprint.pb").read_bytes())
    for field in ("saved_model_checksum", "graph_def_program_hash", "signature_def_hash", "checkpoint_hash"):
        assert getattr(written, field) == getattr(computed, field), field


@pytest.mark.parametrize(("one_text_bytes", "times"), [(saved_model_module.ONE_TEXT_BYTES, 2), (0, 1)])
def test_embeddings_are_variables_and_weights_constants(run, tmp_path, monkeypatch, one_text_bytes, times):
    """A small network has two graphs. One is for a single text."""
    monkeypatch.setattr(saved_model_module, "ONE_TEXT_BYTES", one_text_bytes)
    version = write_version(run.model, run.class_names, TEXTS, tmp_path / "1")
    saved = tf.train.list_variables(str(version / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in saved if name.endswith("VARIABLE_VALUE")]
    assert sizes == [token_model_of(run.model).get_layer("embedding").count_params()]
    graph = SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    constants = [node.attr["value"].tensor for f in graph.library.function for node in f.node_def if node.op == "Const"]
    for weight in token_model_of(run.model).weights[1:]:
        value = weight.numpy()
        same = [1 for c in constants if c.dtype == tf.float32 and np.array_equal(tf.make_ndarray(c), value)]
        assert len(same) == times or not value.any()


def test_weights_too_large_for_a_graph_stay_variables(run, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model_module, "CONSTANT_BYTES", 0)
    version = write_version(run.model, run.class_names, TEXTS, tmp_path / "1")
    saved = tf.train.list_variables(str(version / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in saved if name.endswith("VARIABLE_VALUE")]
    assert sum(sizes) == run.model.count_params()
    assert check_version(version).largest_difference <= 1e-5


def test_states_of_random_generators_are_constants(tmp_path):
    """Keras draws a layer's dropout mask in inference, too."""
    vectorizer = adapt_vectorizer(["abc def"], tokens="character")
    model = text_classifier(num_classes=3, vectorizer=vectorizer, cell="lstm", hidden_size=4, dropout=0.5)
    version = write_version(model, NAMES, TEXTS, tmp_path / "1")
    saved = tf.train.list_variables(str(version / "variables" / "variables"))
    shapes = [shape for name, shape in saved if name.endswith("VARIABLE_VALUE")]
    assert shapes == [list(token_model_of(model).get_layer("embedding").embeddings.shape)]
    assert check_version(version).largest_difference <= 1e-5


def test_the_network_of_many_texts_is_traced_once(run, tmp_path, monkeypatch):
    traced = []
    real = saved_model_module.single_row_or_batch
    monkeypatch.setattr(saved_model_module, "single_row_or_batch", lambda *args: traced.append(1) or real(*args))
    write_version(run.model, run.class_names, TEXTS, tmp_path / "1")
    assert traced == [1]
