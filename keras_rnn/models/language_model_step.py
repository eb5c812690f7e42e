"""A language model's step from one token to the next, without a loop over time: what generates text."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_rnn.layers import WeightDropout
from keras_rnn.models.language_model_parts import hidden_logits, state_names


def step_logits(model: keras.Model, token_ids, states: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What the model says after one more token a row, as it does of one step in prediction.

    Recurrent layers are called by their cells; a layer that has none runs over a sequence of one step.

    Args:
        model: of `language_model`.
        token_ids: int32 `(batch,)`; padding (0) leaves a row's states as they were.
        states: by their names, float32 `(batch, units)`.

    Returns:
        The logits, float32 `(batch, vocabulary_size)`, and the new states by their names. The logits of a row whose
        token is padding mean nothing.
    """
    layers, names, new_states = _recurrent_layers(model), iter(state_names(model)), {}
    is_real = token_ids[:, None] != 0
    x = model.get_layer("embedding_scale")(model.get_layer("embedding")(token_ids[:, None]))[:, 0]
    for layer in layers:
        layer_names = [next(names) for _ in keras.tree.flatten(layer.state_size)]
        before = [states[name] for name in layer_names]
        x, after = _cell_step(layer, x, before)
        for name, old, new in zip(layer_names, before, after, strict=True):
            new_states[name] = ops.where(is_real, ops.cast(new, "float32"), old)
    return hidden_logits(model, x), new_states


def _recurrent_layers(model: keras.Model) -> list:
    layers = [layer for layer in model.layers if layer.name.startswith("rnn_")]
    return [layer.layer if isinstance(layer, WeightDropout) else layer for layer in layers]


def _cell_step(layer, x, states: list) -> tuple[Any, list]:
    if not hasattr(layer, "cell"):
        sequence, *after = layer(x[:, None], initial_state=states)
        return sequence[:, 0], after
    output, after = layer.cell(x, [ops.cast(state, layer.cell.compute_dtype) for state in states])
    return output, keras.tree.flatten(after)
