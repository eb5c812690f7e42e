"""The state of a training run between two epochs, in one file."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_rnn.errors import UsageError
from keras_rnn.files import atomic_write
from keras_rnn.training.history import Epoch


def _variables(model: keras.Model) -> list:
    # Dropout's random states are among a model's variables, though not among its weights.
    return [*model.variables, *model.optimizer.variables]


def save_checkpoint(path: Path, model: keras.Model | None, history: list[Epoch]) -> None:
    """Writes every variable of a compiled model and its optimizer, and the history so far.

    Without a model it says that no step is to follow: the history is all that is needed.
    """
    values = {"ended": True}
    if model is not None:
        values = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    with atomic_write(path) as temp_path, open(temp_path, "wb") as file:
        np.savez(file, history=json.dumps(history), **values)


def load_checkpoint(path: Path, model: keras.Model) -> list[Epoch]:
    """Puts the variables back into a model that is built as the saved one was, its optimizer included.

    A checkpoint without a model leaves the model as it is.

    Returns:
        The history.

    Raises:
        UsageError: the file is damaged or of another model.
    """
    variables = _variables(model)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            history = json.loads(str(arrays["history"]))
            if "ended" in arrays:
                return history
            values = [arrays[f"variable_{i}"] for i in range(len(variables))]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is no checkpoint of this run: {error}") from None
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise UsageError(
                f"{path} is no checkpoint of this run: {variable.path} takes shape {tuple(variable.shape)}, "
                f"got {value.shape}"
            )
        variable.assign(value)
    return history
