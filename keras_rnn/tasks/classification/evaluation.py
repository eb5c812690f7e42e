"""How good a trained classifier is on labelled texts, and simpler systems beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from sklearn.pipeline import make_pipeline

from keras_rnn.datasets import Split
from keras_rnn.errors import UsageError
from keras_rnn.files import write_json
from keras_rnn.models import token_model_of
from keras_rnn.tasks.classification.network import classification_metrics
from keras_rnn.tasks.classification.rows import LabelledSplit
from keras_rnn.tasks.inference import logits_function, text_logits_function
from keras_rnn.tasks.pictures import plot_confusion
from keras_rnn.tasks.task import Facts, Table

WIDEST_CONFUSION = 12  # classes; a wider table would not fit, and the picture shows it


@dataclass(frozen=True)
class Evaluation:
    """Figures of one split.

    `per_class` holds precision, recall, f1 (0 where undefined) and support of each class, by name; `confusion` is
    int64 `(true class, predicted class)`; `baselines` the accuracy of other systems on the same rows.
    """

    accuracy: float
    loss: float
    per_class: Mapping[str, Mapping[str, float]]
    confusion: np.ndarray
    baselines: Mapping[str, float] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "loss": self.loss}

    @property
    def baseline_figures(self) -> dict[str, dict[str, float]]:
        return {system: {"accuracy": accuracy} for system, accuracy in self.baselines.items()}


def encoded_evaluator(model: keras.Model, facts: Facts) -> Callable[[LabelledSplit], Evaluation]:
    """A function from encoded rows to the evaluation of a text model, traced once."""
    logits = logits_function(token_model_of(model))
    return lambda split: evaluate_logits(logits(split.texts), split.labels, facts["class_names"])


def row_evaluator(model: keras.Model, facts: Facts, baselines: Mapping[str, Any]) -> Callable[[Split], Evaluation]:
    """A function from texts and labels to the evaluation of a text model, and the accuracy of `baselines` on them."""
    logits = text_logits_function(model)

    def evaluate(split: Split) -> Evaluation:
        accuracies = {name: float(system.score(split.texts, split.labels)) for name, system in baselines.items()}
        return evaluate_logits(logits(split.texts), split.labels, facts["class_names"], accuracies)

    return evaluate


def evaluate_logits(
    logits: np.ndarray, labels: np.ndarray, class_names: Sequence[str], baselines: Mapping[str, float] | None = None
) -> Evaluation:
    """The figures of logits `(rows, classes)` against int labels `(rows,)`."""
    classes = range(len(class_names))
    predicted_labels = logits.argmax(axis=-1)
    columns = precision_recall_fscore_support(labels, predicted_labels, labels=classes, zero_division=0)
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(class_names, *columns, strict=True)
    }
    return Evaluation(
        **classification_metrics(logits, labels),
        per_class=per_class,
        confusion=confusion_matrix(labels, predicted_labels, labels=classes),
        baselines=baselines or {},
    )


def fitted_baselines(train: Split) -> dict[str, Any]:
    """Other systems with scikit-learn's own settings, fitted on the training texts."""
    systems = {
        "majority class": DummyClassifier(strategy="most_frequent"),
        "TF-IDF + logistic regression": make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)),
    }
    try:
        return {name: system.fit(train.texts, train.labels) for name, system in systems.items()}
    except ValueError as error:  # texts without a word of two letters
        raise UsageError(f"the baselines cannot be fitted on the training texts: {error}") from error


def write(evaluation: Evaluation, directory: Path, split: str, model_name: str) -> None:
    """Writes `evaluation-SPLIT.json` and the picture."""
    class_names = list(evaluation.per_class)
    values = {**vars(evaluation), "confusion": evaluation.confusion.tolist()}
    write_json(directory / f"evaluation-{split}.json", values)
    title = f"{model_name}, {split}: accuracy {evaluation.accuracy:.4f}"
    plot_confusion(evaluation.confusion, class_names, picture(directory, split)[1], title)


def picture(directory: Path, split: str) -> tuple[str, Path]:
    """What the picture of a split shows, and where it is."""
    return "confusion matrix", directory / f"confusion-{split}.png"


def tables(evaluation: Evaluation) -> list[Table]:
    """Figures of each class, and the confusion matrix where it is small."""
    per_class = [
        [name, *(f"{row[figure]:.4f}" for figure in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for name, row in evaluation.per_class.items()
    ]
    text_tables = [Table(["class", "precision", "recall", "F1", "rows"], per_class)]
    names = list(evaluation.per_class)
    if len(names) <= WIDEST_CONFUSION:
        counts = [
            [name, *(f"{count:,}" for count in row)] for name, row in zip(names, evaluation.confusion, strict=True)
        ]
        text_tables.append(Table(["true \\ predicted", *names], counts))
    return text_tables
