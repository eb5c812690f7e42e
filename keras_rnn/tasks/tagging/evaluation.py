"""How good a tagger is on tagged sentences: spans, tags and tokens."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.metrics import confusion_matrix

from keras_rnn.datasets import Split
from keras_rnn.datasets.span_tags import OUTSIDE
from keras_rnn.files import write_json
from keras_rnn.models import token_model_of
from keras_rnn.tasks.pictures import plot_confusion
from keras_rnn.tasks.prepared import EncodedSplit
from keras_rnn.tasks.tagging.network import TaggedRows, tagging_function
from keras_rnn.tasks.tagging.rows import TokenEncoder, encoded_split
from keras_rnn.tasks.tagging.spans import figures_by_name, figures_by_tag, span_figures
from keras_rnn.tasks.task import Facts, Table


@dataclass(frozen=True)
class Evaluation:
    """Figures of one split.

    `precision`, `recall` and `f1` are of spans: seqeval's strict mode for IOB2. `accuracy` is the share of tokens with
    their tag, `loss` is in nats a token. `per_span` and `per_tag` hold precision, recall, f1 and support by name;
    `confusion` is int64 `(true, predicted)` tokens by the names of their spans, `confusion_names`; `baselines` the
    figures of other systems on the same rows.
    """

    f1: float
    precision: float
    recall: float
    accuracy: float
    loss: float
    per_span: Mapping[str, Mapping[str, float]]
    per_tag: Mapping[str, Mapping[str, float]]
    confusion_names: Sequence[str]
    confusion: np.ndarray
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("f1", "precision", "recall", "accuracy", "loss")}

    @property
    def baseline_figures(self) -> Mapping[str, Mapping[str, float]]:
        return self.baselines


def encoded_evaluator(model: keras.Model, facts: Facts) -> Callable[[EncodedSplit], Evaluation]:
    """A function from encoded rows to the evaluation of a full model, traced once."""
    tag = tagging_function(token_model_of(model), facts["tag_names"])
    return lambda split: evaluate_tags(tag(split), facts["tag_names"])


def row_evaluator(model: keras.Model, facts: Facts, baselines: Mapping[str, Any]) -> Callable[[Split], Evaluation]:
    """A function from tagged sentences to the evaluation of a full model, and of `baselines` on them."""
    evaluate_encoded = encoded_evaluator(model, facts)

    def evaluate(split: Split) -> Evaluation:
        encoder = TokenEncoder(facts, list(dict.fromkeys(chain.from_iterable(split["tokens"]))))
        evaluation = evaluate_encoded(encoded_split(encoder.columns(split), encoder.characters))
        baseline_figures = {
            name: span_figures(split["tags"], [tag(row) for row in split["tokens"]], facts["tag_names"])
            for name, tag in baselines.items()
        }
        return Evaluation(**{**vars(evaluation), "baselines": baseline_figures})

    return evaluate


def evaluate_tags(rows: TaggedRows, tag_names: Sequence[str]) -> Evaluation:
    """The figures of the tags of each row against those that it should have."""
    names = sorted({_span_name(name) for name in tag_names}, key=lambda name: (name == OUTSIDE, name))
    sides = ([_span_name(tag) for tag in chain.from_iterable(tags)] for tags in (rows.expected, rows.actual))
    figures: dict[str, Any] = span_figures(rows.expected, rows.actual, tag_names)
    return Evaluation(
        **figures,
        accuracy=rows.accuracy,
        loss=rows.loss,
        per_span=figures_by_name(rows.expected, rows.actual, tag_names),
        per_tag=figures_by_tag(rows.expected, rows.actual, tag_names),
        confusion_names=names,
        confusion=confusion_matrix(*sides, labels=names),
    )


def _span_name(tag: str) -> str:
    """The name of the span that a tag is part of; of another tag, the tag."""
    return tag[2:] if tag[:2] in ("B-", "I-") else tag


def fitted_baselines(train: Split) -> dict[str, Callable[[Sequence[str]], list[str]]]:
    """The word list: each token's most frequent tag in the training rows, and "O", or the commonest tag, for others."""
    counts: dict[str, Counter] = {}
    tags: Counter = Counter()
    for tokens, row_tags in zip(train["tokens"], train["tags"], strict=True):
        tags.update(row_tags)
        for token, tag in zip(tokens, row_tags, strict=True):
            counts.setdefault(token, Counter())[tag] += 1
    default_tag = OUTSIDE if OUTSIDE in tags else tags.most_common(1)[0][0]
    words = {token: count.most_common(1)[0][0] for token, count in counts.items()}
    return {"word list": lambda tokens: [words.get(token, default_tag) for token in tokens]}


def write(evaluation: Evaluation, directory: Path, split: str, model_name: str) -> None:
    """Writes `evaluation-SPLIT.json` and the picture."""
    write_json(directory / f"evaluation-{split}.json", {**vars(evaluation), "confusion": evaluation.confusion.tolist()})
    title = f"{model_name}, {split}: span F1 {evaluation.f1:.4f}"
    plot_confusion(evaluation.confusion, evaluation.confusion_names, picture(directory, split)[1], title)


def picture(directory: Path, split: str) -> tuple[str, Path]:
    """What the picture of a split shows, and where it is."""
    return "confusion of tokens", directory / f"confusion-{split}.png"


def tables(evaluation: Evaluation) -> list[Table]:
    """Figures of the spans of each name, and of the tokens of each tag."""
    text_tables = []
    for title, unit, rows in (("span", "spans", evaluation.per_span), ("tag", "tokens", evaluation.per_tag)):
        figures = [
            [name, *(f"{row[figure]:.4f}" for figure in ("precision", "recall", "f1")), f"{row['support']:,}"]
            for name, row in rows.items()
        ]
        text_tables.append(Table([title, "precision", "recall", "F1", unit], figures))
    return text_tables
