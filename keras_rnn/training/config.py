"""What a training run is made of: frozen dataclasses, written as JSON into the run directory."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnn.checks import flag, fraction, one_of, positive_number, vocabulary_size, whole_number
from keras_rnn.errors import UsageError, unknown_name
from keras_rnn.models import DEFAULT_MODEL, get_model_entry
from keras_rnn.text.vectorizer import TOKENIZERS

DEFAULT_DATASET = "negated_reviews"

# What a builder takes from the data and the device, not from the user's hyperparameters.
NOT_HYPERPARAMETERS = {
    "num_classes",
    "vocabulary_size",
    "embeddings",
    "vectorizer",
    "max_length",
    "use_cudnn",
    "name",
}


@dataclass(frozen=True)
class DataConfig:
    """Where the texts come from; see `keras_rnn.datasets.load_dataset`."""

    dataset: str | None = None
    data: str | None = None
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    header: bool | None = None
    tfds_manual_dir: str | None = None
    validation_fraction: float = 0.1
    limit: int | None = None

    def __post_init__(self):
        for path in ("data", "tfds_manual_dir"):
            if getattr(self, path) is not None:
                object.__setattr__(self, path, str(Path(getattr(self, path)).absolute()))
        columns = (self.text_columns,) if isinstance(self.text_columns, str) else tuple(self.text_columns)
        object.__setattr__(self, "text_columns", columns)
        if self.dataset and self.data:
            raise UsageError(
                f"dataset and data exclude each other, got dataset {self.dataset!r} and data {self.data!r}"
            )
        if not self.data and not self.dataset:
            object.__setattr__(self, "dataset", DEFAULT_DATASET)
        fraction("validation_fraction", self.validation_fraction)
        if self.limit is not None:
            whole_number("limit", self.limit, minimum=2)

    @property
    def name(self) -> str:
        """The dataset's, or that of its file or folder without what follows the first dot."""
        return self.dataset or Path(self.data).name.split(".")[0]


@dataclass(frozen=True)
class TextConfig:
    """How texts become token ids; `embeddings` is a GloVe text file."""

    tokens: str = "word"
    vocabulary_size: int = 20_000
    max_length: int = 400
    embeddings: str | None = None

    def __post_init__(self):
        one_of("tokens", self.tokens, TOKENIZERS)
        vocabulary_size(self.vocabulary_size)
        whole_number("max_length", self.max_length)
        if self.embeddings is not None:
            object.__setattr__(self, "embeddings", str(Path(self.embeddings).absolute()))


@dataclass(frozen=True)
class ModelConfig:
    """A registered name and the hyperparameters that replace or add to its own."""

    model: str = DEFAULT_MODEL
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        takes = hyperparameter_names(self.model)
        for option in self.hyperparameters:
            if option not in takes:
                raise unknown_name(f"hyperparameter of model {self.model!r}:", option, takes)
        values = {
            option: list(value) if isinstance(value, tuple) else value for option, value in self.hyperparameters.items()
        }
        object.__setattr__(self, "hyperparameters", values)


@dataclass(frozen=True)
class TrainingConfig:
    """One run of Adam with clipped gradients, early stopping on validation accuracy.

    A step takes `batch_size` rows, or with `batch_tokens` as many rows of like length as keep rows times the longest of
    them in it, and at least one.
    `learning_rate` falls along a cosine to a twentieth over the planned epochs ("cosine") or stays ("none");
    `clip_norm` bounds the gradient's global norm; `patience` is how many epochs without a better validation
    accuracy are borne.
    """

    epochs: int = 6
    batch_size: int = 64
    batch_tokens: int | None = None
    learning_rate: float = 3e-3
    learning_rate_decay: str = "cosine"
    clip_norm: float = 1.0
    patience: int = 2
    seed: int = 0
    mixed_precision: bool = False
    multi_gpu: bool = False

    def __post_init__(self):
        whole_number("epochs", self.epochs)
        whole_number("batch_size", self.batch_size)
        if self.batch_tokens is not None:
            whole_number("batch_tokens", self.batch_tokens)
        positive_number("learning_rate", self.learning_rate)
        one_of("learning_rate_decay", self.learning_rate_decay, ("cosine", "none"))
        positive_number("clip_norm", self.clip_norm)
        whole_number("patience", self.patience)
        if whole_number("seed", self.seed, minimum=0) >= 2**32:
            raise UsageError(f"seed takes a whole number below 2**32, got {self.seed}")
        flag("mixed_precision", self.mixed_precision)
        if flag("multi_gpu", self.multi_gpu) and self.batch_tokens is not None:
            raise UsageError(
                "batch_tokens and multi_gpu exclude each other: devices share batches of one size; "
                f"got batch_tokens {self.batch_tokens}"
            )


@dataclass(frozen=True)
class RunConfig:
    data: DataConfig = field(default_factory=DataConfig)
    text: TextConfig = field(default_factory=TextConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


# What runs had before there was such a field.
LATER_FIELDS = {"training": {"batch_tokens": None}}

SECTIONS = {section.name: section.default_factory for section in dataclasses.fields(RunConfig)}


def hyperparameter_names(model: str) -> set[str]:
    """The hyperparameters a user may set on the registered model of this name."""
    return set(signature(get_model_entry(model).build).parameters) - NOT_HYPERPARAMETERS


def run_config(**options) -> RunConfig:
    """A RunConfig from the fields of its sections and the model's hyperparameters, by bare name.

    What is not given comes from the model's registered training settings, then from the defaults; one hidden_size a
    layer says how many layers there are.

    Raises:
        UsageError: an unknown option, or a value out of its range.
    """
    model = options.get("model", DEFAULT_MODEL)
    entry = get_model_entry(model)
    section_of = {
        option.name: section
        for section, kind in SECTIONS.items()
        for option in dataclasses.fields(kind)
        if option.name != "hyperparameters"
    }
    given: dict[str, dict] = {section: {} for section in SECTIONS}
    given["training"].update(entry.training)
    hyperparameters = {}
    known = hyperparameter_names(model)
    for option, value in options.items():
        value = value.item() if isinstance(value, np.generic) else value
        if option in section_of:
            given[section_of[option]][option] = value
        elif option in known:
            hyperparameters[option] = value
        else:
            raise unknown_name("option", option, [*section_of, *known])
    if isinstance(hyperparameters.get("hidden_size"), (list, tuple)) and "num_layers" in known:
        hyperparameters.setdefault("num_layers", len(hyperparameters["hidden_size"]))
    given["model"]["hyperparameters"] = hyperparameters
    return RunConfig(**{section: SECTIONS[section](**values) for section, values in given.items()})


def config_to_dict(config: RunConfig) -> dict:
    """As JSON holds it: lists for tuples."""
    sections = dataclasses.asdict(config)
    sections["data"]["text_columns"] = list(sections["data"]["text_columns"])
    return sections


def config_from_dict(values: Any) -> RunConfig:
    """The inverse of `config_to_dict`; UsageError on a section or field that is missing, unknown or of a wrong kind."""
    _check_fields("a run's config", values, SECTIONS)
    values = {
        section: {**LATER_FIELDS.get(section, {}), **fields} if isinstance(fields, Mapping) else fields
        for section, fields in values.items()
    }
    for section, kind in SECTIONS.items():
        _check_fields(
            f"a run's {section} config", values[section], [option.name for option in dataclasses.fields(kind)]
        )
    try:
        return RunConfig(**{section: kind(**values[section]) for section, kind in SECTIONS.items()})
    except (TypeError, AttributeError) as error:  # a value of a kind that JSON has and no option takes
        raise UsageError(f"a run's config holds a value of a wrong kind: {error}") from error


def _check_fields(where: str, values: Any, names: Iterable[str]) -> None:
    if not isinstance(values, Mapping):
        raise UsageError(f"{where} takes an object, got {values!r}")
    for name in values:
        if name not in names:
            raise unknown_name(f"field of {where}", name, names)
    for name in names:
        if name not in values:
            raise UsageError(f"{where} lacks the field {name!r}")


def differences(before: RunConfig, now: RunConfig) -> list[str]:
    """One line a field in which two configs differ."""
    old, new = config_to_dict(before), config_to_dict(now)
    return [
        f"{option} was {old[section][option]!r}, now {value!r}"
        for section, values in new.items()
        for option, value in values.items()
        if value != old[section][option]
    ]
