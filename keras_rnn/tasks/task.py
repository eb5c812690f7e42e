"""The interface of a task: what training, sweeps, exports and the command line know of one.

A task says what its rows mean, which network reads them, how good the network is, and what an answer looks like. Each
of these four is a module or an object that has the functions of a protocol below.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras

    from keras_rnn.datasets import DataOptions, Dataset, Split
    from keras_rnn.tasks.prepared import PreparedData

# What a run stores about its task beside its config, as JSON holds it: a classifier's class names, for example.
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Objective:
    """The figure of an epoch that says which is best, and among equals the one that decides.

    Args:
        metric: the name in an epoch's row, such as "val_accuracy".
        direction: "max" or "min".
        tie_metric, tie_direction: the same of the second figure.
    """

    metric: str
    direction: str
    tie_metric: str = "val_loss"
    tie_direction: str = "min"

    def rank(self, row: Mapping[str, float]) -> tuple[float, float]:
        """Larger for a better epoch."""
        signs = {"max": 1, "min": -1}
        return (
            signs[self.direction] * row[self.metric],
            signs[self.tie_direction] * row[self.tie_metric],
        )


@dataclass(frozen=True)
class Table:
    """A table for a terminal: the first column holds names, the others figures that are formatted already."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Batches(Protocol):
    """The batches of a run, for `fit`, and a Keras callback that is told which epoch is under way.

    Attributes:
        steps: the batches of the first epoch.
        examples, unit: how much an epoch reads, and of what: "examples" or "tokens".
        dataset: a tf.data.Dataset of the epoch under way, which ends with it.
    """

    steps: int
    examples: int
    unit: str
    dataset: Any


class Predictor(Protocol):
    """Answers for raw inputs."""

    def predict(self, inputs: list[str]) -> list[Any]:
        """A dataclass for each input, in order, whose fields JSON can hold."""


class Rows(Protocol):
    """Where a task's rows come from, and how they are encoded."""

    def load_dataset(self, options: "DataOptions", seed: int) -> "Dataset":
        """The dataset that options name, divided with this seed."""

    def load_split(self, options: "DataOptions", facts: Facts) -> "Split":
        """The rows of one file or folder, to evaluate a run on."""

    def check_dataset(self, dataset: "Dataset", facts: Facts) -> None:
        """UsageError where the run cannot be evaluated on this dataset."""

    def encode(self, dataset: "Dataset", options: Any, seed: int, folder: Path) -> dict[str, Any]:
        """Writes every split's columns to `folder`, and returns what else `open_prepared` needs, as JSON holds it."""

    def open_prepared(
        self, folder: Path, name: str, values: Mapping[str, Any], splits: Iterable[str]
    ) -> "PreparedData":
        """What `encode` wrote and returned for these splits of the dataset `name`, memory-mapped."""


class Network(Protocol):
    """The network that a task trains.

    `prepared` is a PreparedData, and a split an EncodedSplit, of the task's own class.
    """

    def builder_arguments(self, prepared: Any) -> dict[str, Any]:
        """What a model's builder takes from the data; None stands for the smallest possible data."""

    def training_model(self, token_model: "keras.Model", options: Any) -> "keras.Model":
        """What is trained: the token model, or a model around it; `options` are a run's TrainingOptions.

        `keras_rnn.tasks.batches` has this function and the next for tasks that learn from one row at a time.
        """

    def batches(self, split: Any, model: "keras.Model", options: Any) -> Batches:
        """The batches of a split that the training model learns from."""

    def loss_and_metrics(self, model: "keras.Model") -> tuple[Any, list]:
        """What the training model is compiled with."""

    def full_model(self, token_model: "keras.Model", prepared: Any, options: Any, name: str) -> Any:
        """The model that a run keeps: strings in, with the token model and its weights inside."""

    def figures_function(self, model: "keras.Model", facts: Facts) -> Callable[[Any], dict[str, float]]:
        """A function from a split to the loss and metrics of the training model by name, traced once."""

    def check_model(self, model: "keras.Model", facts: Facts, path: Path) -> None:
        """UsageError where a loaded model is none of the run's."""


class Evaluation(Protocol):
    """How good a model is.

    An evaluation is an object with the attributes `figures`, numbers by name, and `baseline_figures`, the same of each
    simpler system by its name.
    """

    def encoded_evaluator(self, model: "keras.Model", facts: Facts) -> Callable[[Any], Any]:
        """A function from encoded rows to the evaluation of a full model, traced once."""

    def row_evaluator(
        self, model: "keras.Model", facts: Facts, baselines: Mapping[str, Any]
    ) -> Callable[["Split"], Any]:
        """A function from rows to the evaluation of a full model, and of other systems on the same rows."""

    def fitted_baselines(self, train: "Split") -> Mapping[str, Any]:
        """Simple systems by name, fitted on the training rows."""

    def write(self, evaluation: Any, directory: Path, split: str, model_name: str) -> None:
        """Writes the figures and the picture of a split into a run directory."""

    def picture(self, directory: Path, split: str) -> tuple[str, Path]:
        """What the picture of a split shows, and where it is."""

    def tables(self, evaluation: Any) -> list[Table]:
        """What the command line shows."""


class Serving(Protocol):
    """What a trained model answers, and the signatures of its SavedModel.

    What is needed without Keras stands in the task's module `contract`: `TEXT_OPTIONS`, the dataclass of the config's
    section "text", and what checks a SavedModel, `signatures`, `check_answers` and `calls`.
    """

    def keras_predictor(self, model: "keras.Model", facts: Facts | None) -> "Predictor":
        """A Predictor of a full model; without facts where its `.keras` file stands in no run directory."""

    def saved_model_predictor(self, function: Callable[..., Callable], card: Mapping[str, Any]) -> "Predictor":
        """A Predictor of an exported version.

        `function(signature, input, output)` returns a function of the signature, from its input to that output; both
        are a name or a tuple of names.
        """

    def answers(self, model: "keras.Model", facts: Facts, samples: Sequence) -> list[dict]:
        """What a full model answers to sample inputs, a row each, as JSON holds it."""

    def rows_independent(self, model: "keras.Model", answers: list[dict]) -> bool:
        """Whether a row's answer is the same beside whatever rows."""

    def signatures(
        self, model: "keras.Model", facts: Facts, network: Callable, trace: Callable[..., Callable]
    ) -> tuple[dict[str, Callable], list]:
        """The tf.functions of a full model's signatures by name, and the lookup tables that they use.

        `network` is a quick function of the token model's inputs. `trace(function, spec, inlined=False)` makes another
        one, of a function that calls the token model's layers on inputs of this TensorSpec, or these by name.
        """

    def card_paragraphs(self, card: Mapping[str, Any]) -> list[str]:
        """What the model card says of inputs and outputs."""


class Writing(Protocol):
    """How the models of a task write texts, token by token, and what texts cost: of tasks that have such models.

    A writer has `write(prompt, sampling, stops)`, an iterator over what follows the prompt.
    """

    def sampling(self, **options: Any) -> Any:
        """How the next tokens are chosen; UsageError where an option is out of its range."""

    def keras_writer(self, model: "keras.Model", facts: Facts) -> Any:
        """The writer of a full model."""

    def saved_model_writer(self, function: Callable[..., Callable], card: Mapping[str, Any]) -> Any:
        """The writer of an exported version; `function` is that of `Serving.saved_model_predictor`."""

    def keras_scorer(self, model: "keras.Model", facts: Facts) -> Any:
        """The scorer of a full model: `score(texts)` is an iterator over dataclasses, one a text."""

    def saved_model_scorer(self, function: Callable[..., Callable], card: Mapping[str, Any]) -> Any:
        """The scorer of an exported version."""


@dataclass(frozen=True)
class Task:
    """A task.

    Args:
        name: what stands after `--task`.
        description: one line.
        default_dataset, default_model: names.
        example: a text that shows what a model of the default dataset learns.
        objective: which epoch is best.
        reported_metrics: the figures in an epoch's row, which a sweep may take as its objective, and whether each is
            best "max" or "min".
        loss_unit: what the loss is measured in, "" for nothing.
        run_files: the facts that a run directory keeps, lists of strings or numbers, and the file of each.
        card_facts: the names of those that a model card has, too.
        rows, network, evaluation, serving: see the protocols.
        writing: see the protocol; None of a task whose models write no texts.
    """

    name: str
    description: str
    default_dataset: str
    default_model: str
    example: str
    objective: Objective
    reported_metrics: Mapping[str, str]
    rows: Rows
    network: Network
    evaluation: Evaluation
    serving: Serving
    writing: Writing | None = None
    loss_unit: str = "nats"
    run_files: Mapping[str, str] = field(default_factory=dict)
    card_facts: tuple[str, ...] = ()
