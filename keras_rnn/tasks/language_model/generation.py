"""Texts that a language model writes, in the graph: a prompt is read, then a token follows the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from keras_rnn.models.language_model_parts import hidden_model, state_names
from keras_rnn.models.language_model_step import step_logits
from keras_rnn.tasks.graphs import input_specs
from keras_rnn.tasks.language_model.contract import BLOCK, MAX_CALL_LENGTH
from keras_rnn.tasks.language_model.sampling import sample, uniform_numbers
from keras_rnn.text.piece_tokenizer import BOUNDARY_ID
from keras_rnn.text.word_tokenizer import WordTokenizer


@dataclass(frozen=True)
class Generator:
    """The graphs of a language model that writes.

    All states of a row stand side by side in one tensor, `state`, float32 `(batch, features)`.

    Args:
        tokenizer: a layer of `keras_rnn.text.tokenizers`.
        state_sizes: the features of each state, by its name in the network.
        hidden_network: a function from a dict of `token_ids` `(batch, time)` and states to a dict of states.
        step_network: a function from a dict of `token` `(batch,)` and states to one of `logits`, `(batch,
            vocabulary_size)`, and states.
    """

    tokenizer: Any
    state_sizes: dict[str, int]
    hidden_network: Callable
    step_network: Callable

    def prefill(self, text) -> dict:
        """Reads prompts, strings `(batch,)`, up to their last token, which is the next to be read.

        Returns:
            `state` float32 `(batch, features)` and `token` int32 `(batch,)`: of an empty prompt zeros and the boundary.
            `length` int32 `(batch,)`, the number of tokens of each prompt.
        """
        ids = tf.pad(self.tokenizer(text), [[0, 0], [1, 0]], constant_values=BOUNDARY_ID)
        return self.read(ids, self.zero_state(tf.shape(text)[0]))

    def read(self, token_ids, state) -> dict:
        """`prefill` of ids `(batch, time)`, right-padded with 0, behind a state."""
        last = tf.reduce_sum(tf.cast(token_ids != 0, tf.int32), axis=1) - 1
        before = tf.where(tf.range(tf.shape(token_ids)[1]) < last[:, tf.newaxis], token_ids, 0)
        outputs = self.hidden_network({"token_ids": before, **self.states(state)})
        return {"state": self._joined(outputs), "token": tf.gather(token_ids, last, batch_dims=1), "length": last}

    def step(self, token, state, uniform, temperature, top_k, top_p) -> dict:
        """Reads one token of each row, `(batch,)`, and chooses the next as `sample` does.

        Returns:
            `token` int32 `(batch,)`, `piece`, the strings `(batch,)` that they add to a text, `log_probability` float32
            `(batch,)` and `state` float32 `(batch, features)`.
        """
        outputs = self.step_network({"token": token, **self.states(state)})
        chosen, log_probability = sample(outputs["logits"], uniform, temperature, top_k, top_p)
        return {
            "token": chosen,
            "piece": self.tokenizer.pieces_of(chosen),
            "log_probability": log_probability,
            "state": self._joined(outputs),
        }

    def generate(self, prompt, length, temperature, top_k, top_p, seed) -> dict:
        """Goes on with prompts, each by its own options, `(batch,)`, until its `length` or the boundary.

        Returns:
            `tokens` int32 and `log_probabilities` float32 `(batch, longest)`, right-padded with 0, and `text`, the
            strings `(batch,)` that stand for the tokens.

        Raises:
            tf.errors.InvalidArgumentError: a length is over MAX_CALL_LENGTH.
        """
        fault = f"length takes at most {MAX_CALL_LENGTH} tokens a call; `step` writes longer texts"
        with tf.control_dependencies([tf.debugging.assert_less_equal(length, MAX_CALL_LENGTH, fault)]):
            length = tf.identity(length)
        read = self.prefill(prompt)
        longest = tf.maximum(tf.reduce_max(length), 0)
        uniforms = uniform_numbers(seed, 0, -(-longest // BLOCK))
        # The first elements are no tokens: of an array without any, TensorFlow would not know the batch.
        nothing = (tf.zeros_like(read["token"]), tf.zeros_like(temperature))
        arrays = [tf.TensorArray(zeros.dtype, longest + 1, element_shape=(None,)).write(0, zeros) for zeros in nothing]

        def goes_on(index, token, state, is_done, *arrays):
            return (index < longest) & ~tf.reduce_all(is_done)

        def one_more(index, token, state, is_done, tokens, log_probabilities):
            outputs = self.step(token, state, uniforms[:, index], temperature, top_k, top_p)
            tokens = tokens.write(index + 1, tf.where(is_done, 0, outputs["token"]))
            log_probabilities = log_probabilities.write(index + 1, tf.where(is_done, 0.0, outputs["log_probability"]))
            is_done |= (outputs["token"] == BOUNDARY_ID) | (index + 1 >= length)
            return index + 1, outputs["token"], outputs["state"], is_done, tokens, log_probabilities

        start = (0, read["token"], read["state"], length <= 0, *arrays)
        written, *_, tokens, log_probabilities = tf.while_loop(goes_on, one_more, start, parallel_iterations=1)
        ids = tf.transpose(tokens.stack()[1 : written + 1])
        return {
            "tokens": ids,
            "log_probabilities": tf.transpose(log_probabilities.stack()[1 : written + 1]),
            "text": self.following_text(prompt, ids),
        }

    def following_text(self, prompt, ids):
        """What ids `(batch, time)` add to prompts `(batch,)`: strings `(batch,)`.

        Words have a space before them, but for those at a line's start.
        """
        text = tf.strings.reduce_join(self.tokenizer.pieces_of(ids), axis=-1)
        if not isinstance(self.tokenizer, WordTokenizer):
            return text
        text = tf.strings.regex_replace(text, "\n ", "\n")
        at_start = tf.strings.regex_full_match(prompt, r"(?s)|.*\s")
        return tf.where(at_start, tf.strings.regex_replace(text, "^ ", ""), text)

    def zero_state(self, batch):
        """The state before the first token: zeros `(batch, features)`."""
        return tf.zeros([batch, sum(self.state_sizes.values())])

    def states(self, state) -> dict:
        """The network's states by name."""
        parts = tf.split(state, list(self.state_sizes.values()), axis=-1)
        return dict(zip(self.state_sizes, parts, strict=True))

    def _joined(self, outputs) -> Any:
        return tf.concat([tf.cast(outputs[name], tf.float32) for name in self.state_sizes], axis=-1)


def generator_of(tokenizer: Any, network: keras.Model, trace: Callable[..., Callable]) -> Generator:
    """The Generator of a model of `keras_rnn.models.language_model`.

    Args:
        tokenizer: a layer of `keras_rnn.text.tokenizers`.
        network: the model.
        trace: `trace(function, spec, inlined)` gives a quick form of a function of a dict of tensors.
    """
    specs = input_specs(network)
    states = {name: specs[name] for name in state_names(network)}
    hidden = partial(hidden_model(network), training=False)

    def step(inputs: dict) -> dict:
        logits, last = step_logits(network, inputs["token"], {name: inputs[name] for name in states})
        return {"logits": logits, **last}

    return Generator(
        tokenizer,
        {name: spec.shape[-1] for name, spec in states.items()},
        trace(hidden, specs),
        trace(step, {"token": tf.TensorSpec((None,), tf.int32), **states}, inlined=True),
    )


def signature_specs(names: Sequence[str]) -> list[tf.TensorSpec]:
    """The inputs of these names as a SavedModel's signatures take them."""
    kinds = {
        "prompt": tf.string,
        "text": tf.string,
        "length": tf.int32,
        "temperature": tf.float32,
        "top_k": tf.int32,
        "top_p": tf.float32,
        "seed": tf.int32,
        "token": tf.int32,
        "uniform": tf.float32,
        "state": tf.float32,
        "block": tf.int32,
    }
    shapes = {"state": (None, None)}
    return [tf.TensorSpec(shapes.get(name, (None,)), kinds[name], name) for name in names]
