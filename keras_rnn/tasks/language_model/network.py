"""The network of a language model: what is trained around it, and what a run keeps."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn.errors import UsageError
from keras_rnn.layers.forms import for_this_process
from keras_rnn.models.language_model_parts import hidden_model, initial_states, state_names, token_nats
from keras_rnn.tasks.language_model.chunks import batches, document_batches
from keras_rnn.tasks.language_model.options import LanguageModelOptions
from keras_rnn.tasks.language_model.rows import DocumentsSplit, LanguageModelData, reading_of, tokenizer_of
from keras_rnn.tasks.language_model.text_model import scoring_model, tokenizer_inside
from keras_rnn.tasks.task import Facts
from keras_rnn.text.encoded import EncodedTexts

__all__ = [
    "batches",
    "builder_arguments",
    "check_model",
    "figures_function",
    "full_model",
    "loss_and_metrics",
    "training_model",
]

EVALUATION_ROWS, EVALUATION_STEPS = 32, 256  # of a chunk; the state is carried to the next


def builder_arguments(prepared: LanguageModelData | None) -> dict[str, Any]:
    """What `language_model` takes from the data; None: of the smallest data that there may be."""
    return {"vocabulary_size": 5 if prepared is None else prepared.vocabulary_size}


class CarriedStateModel(keras.Model):
    """Trains a language model by truncated backpropagation through time: it keeps the states from call to call.

    Inputs are those of `ChunkBatches`; the output is the nats of each target, float32 `(lanes, time)`, 0 at padding.

    Args:
        network: a model of `keras_rnn.models.language_model`.
        lanes: rows of every call.
    """

    def __init__(self, network: keras.Model, lanes: int):
        super().__init__(name="carried_state")
        self.network, self.hidden_network = network, hidden_model(network)
        self.states = {
            name: self.add_weight(shape=(lanes, *state.shape[1:]), initializer="zeros", trainable=False, name=name)
            for name, state in initial_states(network, 1).items()
        }
        self.built = True

    def call(self, inputs, training=False):
        starts = ops.expand_dims(inputs["starts"], -1)
        states = {name: ops.where(starts, 0.0, state.value) for name, state in self.states.items()}
        outputs = self.hidden_network({"token_ids": inputs["token_ids"], **states}, training=training)
        for name, state in self.states.items():
            state.assign(ops.stop_gradient(outputs[name]))
        return token_nats(self.network, outputs["hidden"], inputs["targets"])

    def count_params(self) -> int:
        """Those of the network; the states are none."""
        return self.network.count_params()


def training_model(token_model: keras.Model, options: Any) -> CarriedStateModel:
    """The model with the state of every lane; UsageError where lanes are spread over devices."""
    if options.multi_gpu:
        raise UsageError("a language model carries its state from step to step on one device; it takes no multi_gpu")
    if options.batch_tokens is not None:
        raise UsageError("a language model takes batch_size and chunk_length; it takes no batch_tokens")
    return CarriedStateModel(token_model, options.batch_size)


@keras.saving.register_keras_serializable("keras_rnn")
def mean_nats(targets, nats):
    """The mean of the nats of real targets: int32 and float32 `(batch, time)` to a scalar."""
    count = ops.sum(ops.cast(ops.not_equal(targets, 0), "float32"))
    return ops.sum(nats) / ops.maximum(count, 1.0)


def loss_and_metrics(model: CarriedStateModel) -> tuple[Callable, list[keras.metrics.Metric]]:
    """Nats a token."""
    return mean_nats, []


def full_model(
    token_model: keras.Model, prepared: LanguageModelData, options: LanguageModelOptions, name: str
) -> keras.Model:
    """Texts to the nats of their tokens, see `scoring_model`."""
    reading = reading_of(prepared.facts)
    return scoring_model(
        token_model, tokenizer_of(prepared.facts), reading.direction, predicts_ends=reading.predicts_ends, name=name
    )


def nats_function(network: keras.Model) -> Callable[[DocumentsSplit], list[np.ndarray]]:
    """A function from documents to the nats of each of their tokens, float32 `(length - 1,)` each.

    The state is carried through a document and begins with zeros. The function is traced once.
    """
    hidden_network, names = hidden_model(network), state_names(network)
    states_spec = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in network.inputs}
    ids_spec = states_spec.pop("token_ids")

    @tf.function(input_signature=[ids_spec, ids_spec, states_spec])
    def forward(token_ids, targets, states):
        with for_this_process():
            outputs = hidden_network({"token_ids": token_ids, **states}, training=False)
            return token_nats(network, outputs["hidden"], targets), {name: outputs[name] for name in names}

    def nats_of(split: DocumentsSplit) -> list[np.ndarray]:
        lengths = split.lengths
        nats = [np.zeros(length - 1, np.float32) for length in lengths]
        for rows in document_batches(lengths, EVALUATION_ROWS):
            states = initial_states(network, len(rows))
            for start in range(0, len(nats[rows[0]]), EVALUATION_STEPS):
                rows = rows[lengths[rows] - 1 > start]  # the longest come first
                ids = _columns(split.tokens, rows, start, EVALUATION_STEPS + 1)
                targets = ids[:, 1:]
                inputs = np.where(targets != 0, ids[:, :-1], 0)
                part, states = forward(inputs, targets, {name: state[: len(rows)] for name, state in states.items()})
                for row, values in zip(rows, part.numpy(), strict=True):
                    count = min(len(nats[row]) - start, EVALUATION_STEPS)
                    nats[row][start : start + count] = values[:count]
        return nats

    return nats_of


def _columns(texts: EncodedTexts, rows: np.ndarray, start: int, count: int) -> np.ndarray:
    """Ids `start` up to `start + count` of each row, int32 `(len(rows), count)` or up to the longest, padded with 0."""
    begins, ends = texts.offsets[rows] + start, texts.offsets[rows + 1]
    places = begins[:, np.newaxis] + np.arange(min(count, int((ends - begins).max())))
    return np.where(places < ends[:, np.newaxis], texts.ids[np.minimum(places, len(texts.ids) - 1)], 0)


def corpus_figures(total_nats: float, tokens: int, characters: int) -> dict[str, float]:
    """Nats a token ("loss"), perplexity, exp(nats / tokens), and bits a character of the text."""
    loss = total_nats / max(tokens, 1)
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700.0)),
        "bits_per_character": total_nats / math.log(2) / max(characters, 1),
    }


def split_figures(nats_of: Callable[[DocumentsSplit], list[np.ndarray]], split: DocumentsSplit) -> dict[str, float]:
    """`corpus_figures` of a split, by what `nats_function` gives."""
    total = sum(float(nats.sum(dtype=np.float64)) for nats in nats_of(split))
    return corpus_figures(total, split.predictions, split.characters)


def figures_function(model: CarriedStateModel, facts: Facts) -> Callable[[DocumentsSplit], dict[str, float]]:
    """A function from a split to its figures, traced once."""
    return partial(split_figures, nats_function(model.network))


def check_model(model: keras.Model, facts: Facts, path: Path) -> None:
    """UsageError unless the model gives nats of texts, and has the tokens of the run."""
    if not isinstance(model.output, dict) or set(model.output) != {"token_ids", "nats"}:
        raise UsageError(f"{path} is no language model of keras_rnn: it does not give nats of token ids")
    if "pieces" not in facts:
        raise UsageError(f"{path} takes its run directory, whose pieces.json has its tokens")
    reading_of(facts)
    if tokenizer_inside(model).pieces != tuple(facts["pieces"]):
        raise UsageError(f"{path} has other tokens than the pieces.json beside it")
