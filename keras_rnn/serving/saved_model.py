"""Writes a text model as a SavedModel: three signatures over one set of weights, in core TensorFlow ops.

The graph is made for quick calls. A handful of ops turns words into ids. Most weights are constants of the graph, so
TensorFlow computes what depends on them alone, such as a layer's two kernels in one matrix, when it loads the graph.
"""

from functools import partial
from pathlib import Path

import keras
import tensorflow as tf

from keras_rnn.models import token_ids_model_of, token_model_of, vectorizer_of
from keras_rnn.serving.layout import CLASSIFY_METHOD
from keras_rnn.serving.length_buckets import gains_from_length_buckets, run_in_length_buckets, runs_in_one_op
from keras_rnn.serving.one_text import ONE_TEXT, single_row_or_batch, without_masks
from keras_rnn.text.vectorizer import WordIds
from keras_rnn.training.device import recurrent_layers

CONSTANT_BYTES = 2**26  # of one weight; a graph takes 2 GB
# Of all constants. The graph for a single text holds them again, and gains little where their products take long.
ONE_TEXT_BYTES = 2**23
TOKEN_IDS = tf.TensorSpec((None, None), tf.int32, "token_ids")
EXAMPLE = {"text": tf.io.FixedLenFeature((), tf.string)}


def write_saved_model(
    model: keras.Model, class_names: tuple[str, ...], folder: Path, *, rows_independent: bool = False
) -> None:
    """Writes a text model as a SavedModel. The model does not change.

    `rows_independent` says that the answer to a text is the same in every batch; a large batch then runs in length
    buckets if that is quicker. In a small recurrent network, a single text runs without masks.

    Signatures, (input) to (outputs), C being the number of classes:

        serving_default  text string (None,)
                         to probabilities float32 (None, C), label string (None,)
        tokens           token_ids int32 (None, None), 0 for padding, right-padded
                         to logits float32 (None, C)
        classify         inputs string (None,): serialized tf.train.Example, bytes feature `text` of one value
                         to classes string (None, C): all names in each row, scores float32 (None, C)

    The embeddings, and weights of more than 64 MB, are variables. The other weights are constants of the graph. The
    graph for a single text holds those of a small network again.
    """
    class_name_tensor = tf.constant(class_names)
    token_ids_model, token_model = _quick_token_ids(model), token_model_of(model)
    constants = _constants(token_model)
    unmasked_model = None
    if recurrent_layers(token_model) and sum(value.nbytes for _, value in constants) <= ONE_TEXT_BYTES:
        unmasked_model = without_masks(token_model, vectorizer_of(model).vocabulary_size())
    module = tf.Module()
    # The models are no attributes: each of their variables would be saved twice.
    module.weights = _other_weights(token_model, constants)
    module.tables = _tables(token_ids_model)

    # Each function calls the one before, so the recurrent layers are traced once for all three. A function that is not
    # inlined is optimized by itself, and costs nothing if it is not called.
    def traced_network(network, spec, inlined=False):
        @tf.function(input_signature=[spec], experimental_attributes={"_noinline": not inlined})
        def function(token_ids):
            with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in constants]):
                return network(token_ids, training=False)

        return function

    logits_function = network = traced_network(token_model, TOKEN_IDS)
    if rows_independent and gains_from_length_buckets(token_model):
        logits_function = partial(run_in_length_buckets, network)
    if unmasked_model is not None:
        single_text_network = traced_network(unmasked_model, ONE_TEXT, inlined=runs_in_one_op(token_model, rows=1))
        logits_function = partial(single_row_or_batch, single_text_network, logits_function)

    @_signature(TOKEN_IDS)
    def tokens(token_ids):
        return {"logits": logits_function(token_ids)}

    @_signature(tf.TensorSpec((None,), tf.string, "text"))
    def serving_default(text):
        logits = tokens(token_ids_model(text, training=False))["logits"]
        return {
            "probabilities": tf.nn.softmax(logits),
            "label": tf.gather(class_name_tensor, tf.argmax(logits, axis=-1)),
        }

    @_signature(tf.TensorSpec((None,), tf.string, "inputs"))
    def classify(inputs):
        scores = serving_default(tf.io.parse_example(inputs, EXAMPLE)["text"])["probabilities"]
        return {"classes": tf.tile(class_name_tensor[tf.newaxis], (tf.shape(scores)[0], 1)), "scores": scores}

    # TensorFlow traces every function while it saves, also one that was traced before. keras.export.ExportArchive
    # traces them before, so it takes twice as long.
    module.tokens, module.serving_default, module.classify = tokens, serving_default, classify
    signatures = {"tokens": tokens, "serving_default": serving_default, "classify": classify}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    _set_classify_method(str(folder))


def _signature(spec: tf.TensorSpec):
    return tf.function(input_signature=[spec], autograph=False)


def _other_weights(token_model: keras.Model, constants: list[tuple]) -> list[tf.Variable]:
    constant_ids = {id(variable) for variable, _ in constants}
    return [weight.value for weight in token_model.weights if id(weight) not in constant_ids]


def _tables(model: keras.Model) -> list:
    """Returns the lookup tables of the model's layers."""
    nodes = tf.train.TrackableView(model).descendants()
    return [node for node in nodes if isinstance(node, tf.saved_model.experimental.TrackableResource)]


def _quick_token_ids(model: keras.Model) -> keras.Model:
    """Returns `token_ids_model_of(model)`, with `WordIds` for a TextVectorization layer that it can stand for."""
    vectorizer = vectorizer_of(model)
    if not WordIds.stands_for(vectorizer):
        return token_ids_model_of(model)
    return keras.models.clone_model(
        token_ids_model_of(model), clone_function=lambda layer: WordIds(vectorizer) if layer is vectorizer else layer
    )


def _constants(token_model: keras.Model) -> list[tuple]:
    """Returns the variables that are constants in the graph, and their values.

    Embeddings stay variables: they are looked up, so nothing is gained. The states of random generators are constants,
    whatever their size, since a graph without training does not change them.
    """
    embeddings = [layer for layer in token_model.layers if isinstance(layer, keras.layers.Embedding)]
    looked_up = {weight.path for layer in embeddings for weight in layer.weights}
    weights = [(weight, weight.numpy()) for weight in token_model.weights if weight.path not in looked_up]
    weight_ids = {id(weight) for weight in token_model.weights}
    states = [(state, state.numpy()) for state in token_model.variables if id(state) not in weight_ids]
    return [(weight, value) for weight, value in weights if value.nbytes <= CONSTANT_BYTES] + states


def _set_classify_method(folder: str) -> None:
    # TensorFlow 2 writes every signature as one for Predict. The fingerprint changes with the file.
    from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(folder)
    updater.replace_method_name("classify", CLASSIFY_METHOD)
    updater.save()
    write_fingerprint(folder)
