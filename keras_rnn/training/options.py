"""The options of a model and of its training, as frozen dataclasses; the command line takes their fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_rnn.checks import flag, one_of, positive_number, rate, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.training.hyperparameters import check_hyperparameter_names


@dataclass(frozen=True)
class ModelOptions:
    """A registered name, and the hyperparameters that replace or add to its own.

    Raises:
        UsageError: the model is unknown, or takes no such hyperparameter.
    """

    model: str = field(
        metadata={"help": "A model by name; see `keras-rnn models`. Default: bilstm_64, or the one of the task."}
    )
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        check_hyperparameter_names(self.model, self.hyperparameters)
        values = {
            option: list(value) if isinstance(value, tuple) else value for option, value in self.hyperparameters.items()
        }
        object.__setattr__(self, "hyperparameters", values)


@dataclass(frozen=True)
class TrainingOptions:
    """One run of Adam with clipped gradients, early stopping on the task's objective.

    A step takes `batch_size` rows, or with `batch_tokens` as many rows of like length as keep rows times the longest of
    them in it, and at least one.

    Args:
        epochs: the most epochs.
        batch_size: rows a step.
        batch_tokens: tokens a step, padding included, in place of `batch_size`.
        learning_rate: Adam's rate at the start.
        learning_rate_decay: "cosine" (the rate falls to a twentieth over the planned epochs) or "none".
        clip_norm: the bound of the gradient's global norm.
        averaging: the weights of a run are an exponential moving average, of which so much stays in a step; 0: none.
        patience: the number of epochs without a better validation figure that end the training.
        seed: of everything random.
        mixed_precision: float16 where it is safe.
        multi_gpu: all GPUs, by MirroredStrategy.

    Raises:
        UsageError: a value out of its range.
    """

    epochs: int = field(default=6, metadata={"help": "Most epochs to train. [6]"})
    batch_size: int = field(
        default=64, metadata={"help": "Texts a step. [64]", "sweep_help": "Texts a step: 32,64. [64]"}
    )
    batch_tokens: int | None = field(
        default=None,
        metadata={"help": "Tokens a step, padding included: as many texts of like length as fit in."},
    )
    learning_rate: float = field(
        default=3e-3,
        metadata={
            "help": "Adam's rate at the start. [0.003]",
            "sweep_help": "Adam's rate at the start: 1e-4:1e-2:log. [0.003]",
        },
    )
    learning_rate_decay: str = field(
        default="cosine",
        metadata={"help": "cosine or none. [cosine]", "sweep_help": "cosine,none. Default: cosine."},
    )
    clip_norm: float = field(
        default=1.0,
        metadata={"help": "Largest norm of the gradient. [1.0]", "sweep_help": "Largest norm of the gradient. [1.0]"},
    )
    averaging: float = field(
        default=0.0,
        metadata={
            "help": "Average the weights; 0.999 keeps that share in a step. [0]",
            "sweep_help": "Average the weights: 0,0.999. [0]",
        },
    )
    patience: int = field(default=2, metadata={"help": "Epochs without a better validation figure. [2]"})
    seed: int = field(default=0, metadata={"help": "Seed of everything random. [0]"})
    mixed_precision: bool = field(
        default=False, metadata={"option": "--mixed-precision", "help": "float16 where it is safe."}
    )
    multi_gpu: bool = field(
        default=False, metadata={"option": "--multi-gpu", "help": "All GPUs, by MirroredStrategy.", "sweep_help": None}
    )

    def __post_init__(self):
        whole_number("epochs", self.epochs)
        whole_number("batch_size", self.batch_size)
        if self.batch_tokens is not None:
            whole_number("batch_tokens", self.batch_tokens)
        positive_number("learning_rate", self.learning_rate)
        one_of("learning_rate_decay", self.learning_rate_decay, ("cosine", "none"))
        positive_number("clip_norm", self.clip_norm)
        rate("averaging", self.averaging)
        if self.averaging and self.mixed_precision:
            raise UsageError(f"averaging takes float32; got {self.averaging} beside mixed_precision")
        whole_number("patience", self.patience)
        if whole_number("seed", self.seed, minimum=0) >= 2**32:
            raise UsageError(f"seed takes a whole number below 2**32, got {self.seed}")
        flag("mixed_precision", self.mixed_precision)
        if flag("multi_gpu", self.multi_gpu) and self.batch_tokens is not None:
            raise UsageError(
                "batch_tokens and multi_gpu exclude each other: devices share batches of one size; "
                f"got batch_tokens {self.batch_tokens}"
            )
