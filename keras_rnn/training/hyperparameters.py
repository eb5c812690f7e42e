"""Which hyperparameters a registered model takes from its user."""

from collections.abc import Iterable
from inspect import signature

from keras_rnn.errors import unknown_name

# Arguments of a builder that come from the text layer and the device, not from the user or the task.
NOT_HYPERPARAMETERS = {"vectorizer", "max_length", "use_cudnn", "name"}


def hyperparameter_names(model: str) -> set[str]:
    """The hyperparameters a user may set on the registered model of this name."""
    from keras_rnn.models import get_model_entry
    from keras_rnn.tasks import get_task

    entry = get_model_entry(model)
    from_data = set(get_task(entry.task).network.builder_arguments(None))
    return set(signature(entry.build).parameters) - from_data - NOT_HYPERPARAMETERS


def check_hyperparameter_names(model: str, names: Iterable[str]) -> None:
    """UsageError where one of the names is no hyperparameter of the model."""
    known_names = hyperparameter_names(model)
    for option in names:
        if option not in known_names:
            raise unknown_name(f"hyperparameter of model {model!r}:", option, known_names)
