"""Spans of tags, and how well two tag sequences agree on them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from seqeval.metrics import v1 as seqeval_metrics
from seqeval.scheme import IOB2
from sklearn.metrics import precision_recall_fscore_support

from keras_rnn.datasets.span_tags import OUTSIDE, are_span_tags

FIGURES = ("precision", "recall", "f1", "support")


class Span(NamedTuple):
    """Tokens from `start` up to, but not including, `end`."""

    name: str
    start: int
    end: int


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of IOB2 tags, strictly: from B-X over the I-X that follow it; an I-X without them makes none."""
    spans, name, start = [], None, 0
    for index, tag in enumerate([*tags, "O"]):
        if name is not None and tag != f"I-{name}":
            spans.append(Span(name, start, index))
            name = None
        if tag.startswith("B-"):
            name, start = tag[2:], index
    return spans


def span_figures(
    expected: Sequence[Sequence[str]], actual: Sequence[Sequence[str]], tag_names: Sequence[str]
) -> dict[str, float]:
    """Precision, recall and F1 of all spans: seqeval's, in its strict mode for IOB2, micro-averaged.

    Of tags that make no spans, such as parts of speech, every token counts as a span: all three are the accuracy.
    """
    if not are_span_tags(tag_names):
        hits = [
            tag == actual_tag
            for rows in zip(expected, actual, strict=True)
            for tag, actual_tag in zip(*rows, strict=True)
        ]
        return dict.fromkeys(FIGURES[:3], float(np.mean(hits)))
    if not _present_names(expected, actual):
        return dict.fromkeys(FIGURES[:3], 0.0)
    return dict(zip(FIGURES[:3], map(float, _strict_iob2(expected, actual, "micro")[:3]), strict=True))


def figures_by_name(
    expected: Sequence[Sequence[str]], actual: Sequence[Sequence[str]], tag_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The same of the spans of each name, or of each tag that makes no spans, with their number ("support")."""
    if not are_span_tags(tag_names):
        return figures_by_tag(expected, actual, sorted(tag_names))
    names = _present_names(expected, actual)
    figures = _rows(names, _strict_iob2(expected, actual, None)) if names else {}
    absent = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    return {name: figures.get(name, absent) for name in span_names(tag_names)}


def figures_by_tag(
    expected: Sequence[Sequence[str]], actual: Sequence[Sequence[str]], tag_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of the tokens of each tag, with their number ("support")."""
    sides = ([tag for row in rows for tag in row] for rows in (expected, actual))
    return _rows(tag_names, precision_recall_fscore_support(*sides, labels=list(tag_names), zero_division=0))


def _rows(names: Sequence[str], columns) -> dict[str, dict[str, float]]:
    """The figures of each name, of an array for each figure."""
    rows = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
    return {name: dict(zip(FIGURES, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def span_names(tag_names: Sequence[str]) -> list[str]:
    """The names of the spans that the tags make, sorted; of tags that make none, the tags."""
    if not are_span_tags(tag_names):
        return sorted(tag_names)
    return sorted({name[2:] for name in tag_names if name != OUTSIDE})


def _present_names(*columns: Sequence[Sequence[str]]) -> list[str]:
    return sorted({span.name for rows in columns for row in rows for span in spans_of(row)})


def _strict_iob2(expected: Sequence[Sequence[str]], actual: Sequence[Sequence[str]], average: str | None):
    rows = [list(row) for row in expected], [list(row) for row in actual]
    return seqeval_metrics.precision_recall_fscore_support(*rows, average=average, scheme=IOB2, zero_division=0)
