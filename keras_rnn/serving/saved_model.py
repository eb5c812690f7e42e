"""Writes a model as a SavedModel: its task's signatures over one set of weights, in core TensorFlow ops.

The graph is made for quick calls. A handful of ops turns words into ids. Most weights are constants of the graph, so
TensorFlow computes what depends on them alone, such as a layer's two kernels in one matrix, when it loads the graph.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_rnn.models import token_model_of
from keras_rnn.serving.layout import CLASSIFY_METHOD
from keras_rnn.serving.length_buckets import gains_from_length_buckets, run_in_length_buckets, runs_in_one_op
from keras_rnn.serving.one_text import ONE_TEXT, single_row_or_batch, without_masks
from keras_rnn.tasks.graphs import input_specs
from keras_rnn.tasks.task import Facts, Serving
from keras_rnn.training.device import recurrent_layers

CONSTANT_BYTES = 2**26  # of one weight; a graph takes 2 GB
# Of all constants. The graph for a single text holds them again, and gains little where their products take long.
ONE_TEXT_BYTES = 2**23
TOKEN_IDS = tf.TensorSpec((None, None), tf.int32, "token_ids")


def write_saved_model(
    serving: Serving, model: keras.Model, facts: Facts, folder: Path, *, rows_independent: bool = False
) -> None:
    """Writes a full model as a SavedModel with its task's signatures. The model does not change.

    `rows_independent` says that the answer to a row is the same in every batch; a large batch of token ids then runs in
    length buckets if that is quicker. In a small recurrent network, a single text runs without masks.

    The embeddings, and weights of more than 64 MB, are variables. The other weights are constants of the graph. The
    graph for a single text holds those of a small network again.
    """
    token_model = token_model_of(model)
    constants = _constants(token_model)
    network = _traced_network(token_model, constants)
    if _reads_token_ids(token_model):
        network = _quick_network(token_model, network, constants, rows_independent)
    module = tf.Module()
    # The models are no attributes: each of their variables would be saved twice.
    module.weights = _other_weights(token_model, constants)
    trace = partial(_traced, constants)
    signatures, module.tables = serving.signatures(model, facts, network, trace)
    for name, function in signatures.items():  # which are then methods of the object that is loaded
        setattr(module, name, function)
    # TensorFlow traces every function while it saves, also one that was traced before. keras.export.ExportArchive
    # traces them before, so it takes twice as long.
    tf.saved_model.save(module, str(folder), signatures=signatures)
    if "classify" in signatures:
        _set_classify_method(str(folder))


def _reads_token_ids(token_model: keras.Model) -> bool:
    return len(getattr(token_model, "inputs", ())) < 2


def _traced_network(network: keras.Model, constants: list[tuple], spec: Any = None, inlined: bool = False) -> Callable:
    """A function of the network's inputs that holds its constants."""
    if spec is None:
        spec = TOKEN_IDS if _reads_token_ids(network) else input_specs(network)
    return _traced(constants, partial(network, training=False), spec, inlined)


def _traced(constants: list[tuple], function: Callable, spec: Any, inlined: bool = False) -> Callable:
    """A graph of a function of layers, whose weights are constants where they may be.

    A function that is not inlined is optimized by itself, and costs nothing if it is not called.
    """

    @tf.function(input_signature=[spec], experimental_attributes={"_noinline": not inlined})
    def graph(inputs):
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in constants]):
            return function(inputs)

    return graph


def _quick_network(token_model: keras.Model, network: Callable, constants: list[tuple], rows_independent: bool):
    """`network` for token ids, in length buckets and without masks where that is quicker."""
    quick_network = network
    if rows_independent and gains_from_length_buckets(token_model):
        quick_network = partial(run_in_length_buckets, network)
    if not recurrent_layers(token_model) or sum(value.nbytes for _, value in constants) > ONE_TEXT_BYTES:
        return quick_network
    embedding = next((layer for layer in token_model.layers if isinstance(layer, keras.layers.Embedding)), None)
    unmasked_model = without_masks(token_model, embedding.input_dim) if embedding is not None else None
    if unmasked_model is None:
        return quick_network
    single_text = _traced_network(unmasked_model, constants, ONE_TEXT, inlined=runs_in_one_op(token_model, rows=1))
    return partial(single_row_or_batch, single_text, quick_network)


def _other_weights(token_model: keras.Model, constants: list[tuple]) -> list[tf.Variable]:
    constant_ids = {id(variable) for variable, _ in constants}
    return [weight.value for weight in token_model.weights if id(weight) not in constant_ids]


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
