"""The signatures of a language model's SavedModel, and the answers that an export is checked by."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.models import token_model_of
from keras_rnn.models.language_model_parts import hidden_model, token_nats
from keras_rnn.tasks.graphs import input_specs, lookup_tables
from keras_rnn.tasks.language_model.contract import CHECKED_TOKENS, writes
from keras_rnn.tasks.language_model.generation import generator_of, signature_specs
from keras_rnn.tasks.language_model.predictions import (
    Sampling,
    generate_function,
    generator_of_model,
    keras_predictor,
    saved_model_predictor,
)
from keras_rnn.tasks.language_model.sampling import uniform_numbers
from keras_rnn.tasks.language_model.text_model import token_ids_model, tokenizer_inside
from keras_rnn.tasks.probes import same_alone, with_edge_cases
from keras_rnn.tasks.task import Facts

__all__ = [
    "answers",
    "card_paragraphs",
    "keras_predictor",
    "rows_independent",
    "saved_model_predictor",
    "signatures",
]


def answers(model: keras.Model, facts: Facts, samples: Sequence[str]) -> list[dict]:
    """The answers of a full model to texts, as one batch, on the CPU: also to an empty one, and to unknown words.

    Returns:
        For each text, in order: "text", "token_ids" and "nats"; of a model that writes also "state", that before the
        text's last token, and "tokens" and "continuation", the most probable ones.
    """
    texts = with_edge_cases(samples)
    with tf.device("CPU:0"):  # a GPU may round more roughly than the check allows
        outputs = {name: value.numpy() for name, value in model(tf.constant(texts), training=False).items()}
        columns = {}
        if writes(facts):
            generator = generator_of_model(model)
            options = Sampling(length=CHECKED_TOKENS, temperature=0.0, top_p=1.0).arrays(len(texts))
            columns = {
                **generate_function(generator)(tf.constant(texts), **options),
                "state": generator.prefill(tf.constant(texts))["state"],
            }
            columns = {name: value.numpy() for name, value in columns.items()}
    rows = []
    for index, text in enumerate(texts):
        count = int(np.count_nonzero(outputs["token_ids"][index]))
        row = {"text": text, **{name: outputs[name][index, :count].tolist() for name in ("token_ids", "nats")}}
        if columns:
            tokens = columns["tokens"][index]
            row["tokens"] = tokens[: int(np.count_nonzero(tokens))].tolist()
            row["continuation"] = columns["text"][index].decode(errors="replace")
            row["state"] = columns["state"][index].tolist()
        rows.append(row)
    return rows


def rows_independent(model: keras.Model, answers: list[dict]) -> bool:
    """Whether the shortest texts, asked about alone, cost the nats that they cost among others."""

    def ask(row: Mapping[str, Any]) -> np.ndarray:
        return model(tf.constant([row["text"]]), training=False)["nats"][0].numpy()

    return same_alone([row for row in answers if row["nats"]], "token_ids", "nats", ask)


def signatures(
    model: keras.Model, facts: Facts, network: Callable, trace: Callable[..., Callable]
) -> tuple[dict[str, Callable], list]:
    """The signatures of a full model, (inputs) to (outputs), and their lookup tables. B stands for the batch.

        serving_default  prompt string (B,), length int32 (B,), temperature float32 (B,), top_k int32 (B,), top_p
                         float32 (B,), seed int32 (B,)
                         to text string (B,), what follows each prompt, tokens int32 (B, time) and log_probabilities
                         float32 (B, time), right-padded with 0
        score            text string (B,)
                         to token_ids int32 (B, time) and nats float32 (B, time), right-padded with 0, and pieces
                         string (B, time), what each token stands for. A text's end is a token, 2, where the run
                         predicts ends
        prefill          text string (B,)
                         to state float32 (B, features) and token int32 (B,), which `step` takes, and length int32 (B,),
                         the number of tokens
        step             token, state, uniform float32 (B,) in [0, 1), temperature, top_k, top_p
                         to token int32 (B,), piece string (B,), what it adds to the text, log_probability float32 (B,),
                         state float32 (B, features)
        uniforms         seed int32 (B,), block int32 (1,)
                         to uniforms float32 (B, 64), those of the tokens from 64 block on

    A model that reads backwards has `score`, and the same as `serving_default`.
    """
    token_model, token_ids_of = token_model_of(model), token_ids_model(model)
    hidden, specs = hidden_model(token_model), input_specs(token_model)
    nats_network = trace(
        lambda inputs: token_nats(
            token_model, hidden({name: inputs[name] for name in specs}, training=False)["hidden"], inputs["targets"]
        ),
        {**specs, "targets": tf.TensorSpec((None, None), tf.int32)},
    )
    generator = generator_of(tokenizer_inside(model), token_model, trace)

    def function(*names: str):
        return tf.function(input_signature=signature_specs(names), autograph=False)

    @function("text")
    def score(text):
        ids = token_ids_of(text)
        targets = ids[:, 1:]
        inputs = tf.where(targets != 0, ids[:, :-1], 0)
        states = generator.states(generator.zero_state(tf.shape(text)[0]))
        nats = nats_network({"token_ids": inputs, "targets": targets, **states})
        return {"token_ids": targets, "pieces": generator.tokenizer.pieces_of(targets), "nats": nats}

    if not writes(facts):
        return {"score": score, "serving_default": score}, lookup_tables(model)

    @function("text")
    def prefill(text):
        return _of_any_width(generator.prefill(text))

    @function("token", "state", "uniform", "temperature", "top_k", "top_p")
    def step(token, state, uniform, temperature, top_k, top_p):
        return _of_any_width(generator.step(token, state, uniform, temperature, top_k, top_p))

    @function("seed", "block")
    def uniforms(seed, block):
        return {"uniforms": uniform_numbers(seed, tf.reduce_min(block), 1)}

    @function("prompt", "length", "temperature", "top_k", "top_p", "seed")
    def serving_default(prompt, length, temperature, top_k, top_p, seed):
        return generator.generate(prompt, length, temperature, top_k, top_p, seed)

    functions = {"score": score, "prefill": prefill, "step": step, "uniforms": uniforms}
    return {**functions, "serving_default": serving_default}, lookup_tables(model)


def _of_any_width(outputs: dict) -> dict:
    """Outputs whose `state` does not say how wide it is: the contract does not know the network."""
    return {**outputs, "state": tf.compat.v1.placeholder_with_default(outputs["state"], [None, None])}


def card_paragraphs(card: Mapping[str, Any]) -> list[str]:
    """What the model card says of inputs and outputs."""
    tokens, direction, ends = card["reading"]
    paragraph = (
        f"A language model of {tokens}s with {card['parameters']:,} parameters that reads texts {direction}. The "
        "signature `score` takes `text`, strings `(batch,)`, and returns `token_ids` and `nats`, the negative "
        f"logarithm of each token's probability{', the end of the text included' if ends == 'ends' else ''}. "
    )
    if writes(card):
        paragraph += (
            "`serving_default` goes on with `prompt`, strings `(batch,)`, for `length` tokens, chosen by "
            "`temperature`, `top_k`, `top_p` and `seed`, one value a prompt. `prefill` and `step` do so token by token."
        )
    return [paragraph]
