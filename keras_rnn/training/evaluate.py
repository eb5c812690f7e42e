"""How good a trained classifier is on labelled texts, and simpler systems beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from sklearn.pipeline import make_pipeline

from keras_rnn.datasets import Split, TextDataset, load_split
from keras_rnn.errors import UsageError
from keras_rnn.files import write_json
from keras_rnn.training.logits import classification_metrics, text_logits_function
from keras_rnn.training.plots import plot_confusion
from keras_rnn.training.prepare import load_configured_dataset
from keras_rnn.training.run_directory import Run, open_run


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


def evaluate(
    run: Run | str | Path,
    *,
    data: str | Path | None = None,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
    dataset: TextDataset | None = None,
    baseline: bool = False,
) -> dict[str, Evaluation]:
    """Evaluates a run's text model on its dataset's test split and extra splits, or on the rows of a file.

    Writes `evaluation-SPLIT.json` and `confusion-SPLIT.png` into the run directory; rows of a file are the split
    "data-NAME".

    Args:
        run: a complete run, or its directory.
        data: a labelled file to evaluate on instead, with `text_columns`, `label_column` and `header` as in
            `load_split`; its labels are the run's class names.
        dataset: the dataset, where the run was trained on a TextDataset that no name or path leads to.
        baseline: evaluate the majority class and TF-IDF + logistic regression, fitted on the training texts, too.

    Returns:
        An Evaluation for each split, by name.

    Raises:
        UsageError: no complete run, no such data, or labels the run does not know.
    """
    run = run if isinstance(run, Run) else open_run(run)
    if data is None and (text_columns or label_column is not None or header is not None):
        raise UsageError("text_columns, label_column and header take data beside them")
    if dataset is None and (data is None or baseline):
        dataset = load_configured_dataset(run.config)
    if dataset is not None and tuple(dataset.class_names) != run.class_names:
        raise UsageError(
            f"dataset {dataset.name!r} has the classes {', '.join(dataset.class_names)}, "
            f"but the run was trained on {', '.join(run.class_names)}"
        )
    if data is not None:
        rows = load_split(data, run.class_names, text_columns=text_columns, label_column=label_column, header=header)
        splits = {f"data-{Path(data).resolve().name.split('.')[0]}": rows}
    else:
        splits = evaluation_splits(dataset)
    baselines = _fitted_baselines(dataset.train) if baseline else {}
    logits = text_logits_function(run.model)
    evaluations = {}
    for name, split in splits.items():
        accuracies = {system: float(model.score(split.texts, split.labels)) for system, model in baselines.items()}
        evaluations[name] = evaluate_logits(logits(split.texts), split.labels, run.class_names, accuracies)
        write_evaluation(evaluations[name], run.directory, name, run.config.model.model)
    return evaluations


def evaluation_splits(dataset: TextDataset) -> dict[str, Split]:
    """What a dataset is evaluated on: its test split and extra splits; UsageError where it has neither."""
    splits = {**({"test": dataset.test} if dataset.test is not None else {}), **dataset.extra}
    if not splits:
        raise UsageError(f"dataset {dataset.name!r} has no test split; give labelled rows with --data")
    return splits


def evaluate_logits(
    logits: np.ndarray, labels: np.ndarray, class_names: Sequence[str], baselines: Mapping[str, float] | None = None
) -> Evaluation:
    """The figures of logits `(rows, classes)` against int labels `(rows,)`."""
    classes = range(len(class_names))
    predicted = logits.argmax(axis=-1)
    columns = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(class_names, *columns, strict=True)
    }
    return Evaluation(
        **classification_metrics(logits, labels),
        per_class=per_class,
        confusion=confusion_matrix(labels, predicted, labels=classes),
        baselines=baselines or {},
    )


def _fitted_baselines(train: Split) -> dict:
    """Other systems with scikit-learn's own settings, fitted on the training texts."""
    systems = {
        "majority class": DummyClassifier(strategy="most_frequent"),
        "TF-IDF + logistic regression": make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)),
    }
    try:
        return {name: system.fit(train.texts, train.labels) for name, system in systems.items()}
    except ValueError as error:  # texts without a word of two letters
        raise UsageError(f"the baselines cannot be fitted on the training texts: {error}") from error


def write_evaluation(evaluation: Evaluation, directory: Path, split: str, model: str) -> None:
    """Writes `evaluation-SPLIT.json` and `confusion-SPLIT.png`."""
    class_names = list(evaluation.per_class)
    values = {**vars(evaluation), "confusion": evaluation.confusion.tolist()}
    write_json(directory / f"evaluation-{split}.json", values)
    title = f"{model}, {split}: accuracy {evaluation.accuracy:.4f}"
    plot_confusion(evaluation.confusion, class_names, directory / f"confusion-{split}.png", title)
