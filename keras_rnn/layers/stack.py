"""The stack of recurrent layers under every model."""

from collections.abc import Sequence
from typing import Any

from keras_rnn.checks import rate, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.layers.cells import get_cell
from keras_rnn.layers.recurrent import Bidirectional


def hidden_sizes(hidden_size: int | Sequence[int], num_layers: int) -> tuple[int, ...]:
    """One size for each layer, from one int for all layers or from one for each.

    Raises:
        UsageError: a size is not a whole number of at least 1, or there are not as many sizes as layers.
    """
    whole_number("num_layers", num_layers, minimum=0)
    if isinstance(hidden_size, (list, tuple)):
        if len(hidden_size) != num_layers:
            raise UsageError(
                f"hidden_size takes one whole number, or one a layer ({num_layers} here), got {list(hidden_size)}"
            )
        return tuple(whole_number("hidden_size", size) for size in hidden_size)
    return (whole_number("hidden_size", hidden_size),) * num_layers


def rnn_stack(
    x,
    *,
    cell: str = "lstm",
    hidden_size: int | Sequence[int] = 64,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    return_sequences: bool = True,
    use_cudnn: bool | str = "auto",
    name: str = "rnn",
):
    """Recurrent layers on top of each other; each reads all outputs of the layer below.

    Args:
        x: KerasTensor `(batch, time, features)`; its mask, if any, is right padding.
        cell: a name of `list_cells()`.
        hidden_size: units of each layer and direction: one int, or one a layer.
        num_layers: how many layers; 0 returns `x`.
        bidirectional: read both ways and concatenate, `2 * hidden_size` features.
        dropout: share of the input features that each layer drops in training, the same ones at every step.
        recurrent_dropout: share of the state that is dropped in training; above 0 neither cuDNN nor XLA is used.
        return_sequences: the last layer's outputs at every step, zeros at masked ones, or only its last state
            (the last real step forwards, the first backwards).
        use_cudnn: "auto", True or False, as in keras.layers.LSTM; cells without a cuDNN form ignore it.
        name: layers are called `{name}_0`, `{name}_1`, ...

    Returns:
        KerasTensor `(batch, time, features)` or `(batch, features)`.

    Raises:
        UsageError: no cell has this name, or a value is out of its range.
    """
    make_cell = get_cell(cell)
    sizes = hidden_sizes(hidden_size, num_layers)
    options: dict[str, Any] = {
        "dropout": rate("dropout", dropout),
        "recurrent_dropout": rate("recurrent_dropout", recurrent_dropout),
    }
    if make_cell.cudnn:
        options["use_cudnn"] = use_cudnn
    for index, units in enumerate(sizes):
        sequences = return_sequences or index < num_layers - 1
        layer_name = f"{name}_{index}"
        layer = make_cell.make(
            units,
            return_sequences=sequences,
            zero_output_for_mask=sequences,  # as cuDNN does, so that CPU and GPU agree
            name=f"{layer_name}_cell" if bidirectional else layer_name,
            **options,
        )
        x = (Bidirectional(layer, name=layer_name) if bidirectional else layer)(x)
    return x
