"""What context is worth: the loss by the place of a token behind an empty state, and systems of one or two tokens."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from keras_rnn.tasks.language_model.rows import DocumentsSplit
from keras_rnn.text.encoded import EncodedTexts

WINDOW, WINDOWS = 256, 256  # tokens behind an empty state, and how many such places are looked at
DISCOUNT = 0.75


def loss_by_position(nats_of: Callable[[DocumentsSplit], list[np.ndarray]], split: DocumentsSplit) -> list[float]:
    """The mean nats of the tokens at the first, second, ... place behind a state of zeros.

    The windows stand evenly over the documents, each of up to `WINDOW` tokens of one document, as many of each place as
    there are windows so long.
    """
    ids, offsets = split.tokens.ids, split.tokens.offsets
    starts = np.concatenate([np.arange(start, end - 1, WINDOW) for start, end in itertools.pairwise(offsets)])
    starts = starts[np.linspace(0, len(starts) - 1, min(WINDOWS, len(starts))).astype(int)]
    ends = offsets[np.searchsorted(offsets, starts, side="right")]
    rows = [np.asarray(ids[start : min(start + WINDOW + 1, end)]) for start, end in zip(starts, ends, strict=True)]
    windows = EncodedTexts(np.concatenate(rows), np.cumsum([0, *map(len, rows)], dtype=np.int64))
    nats = nats_of(DocumentsSplit({"token_ids": windows}, {}, 0))
    sums, counts = np.zeros(WINDOW), np.zeros(WINDOW)
    for row in nats:
        sums[: len(row)] += row
        counts[: len(row)] += 1
    longest = int((counts > 0).sum())
    return (sums[:longest] / counts[:longest]).tolist()


def fit_unigram(documents: Sequence[np.ndarray], vocabulary_size: int) -> Callable[[np.ndarray], float]:
    """A function to the nats of a document, each token by its share of the training tokens.

    One is added to every count.
    """
    nats = -np.log(_unigram(documents, vocabulary_size))
    return lambda ids: float(nats[ids[1:]].sum())


def fit_bigram(documents: Sequence[np.ndarray], vocabulary_size: int) -> Callable[[np.ndarray], float]:
    """Each token after the one before it, by absolute discounting with the unigram (Ney et al. 1994).

    p(b | a) = max(count(a b) - d, 0) / count(a) + d distinct(a) / count(a) p(b)
    """
    unigram = _unigram(documents, vocabulary_size)
    pairs = np.concatenate([_pairs(ids, vocabulary_size) for ids in documents])
    keys, counts = np.unique(pairs, return_counts=True)
    firsts = keys // vocabulary_size
    totals = np.bincount(firsts, counts, vocabulary_size)
    distinct = np.bincount(firsts, minlength=vocabulary_size)

    def nats(ids: np.ndarray) -> float:
        wanted = _pairs(ids, vocabulary_size)
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        seen = np.where(keys[places] == wanted, counts[places], 0)
        first, total = ids[:-1], totals[ids[:-1]]
        known = np.maximum(total, 1)
        share = np.where(total > 0, DISCOUNT * distinct[first] / known, 1.0)
        return float(-np.log(np.maximum(seen - DISCOUNT, 0) / known + share * unigram[ids[1:]]).sum())

    return nats


def _unigram(documents: Sequence[np.ndarray], vocabulary_size: int) -> np.ndarray:
    counts = np.ones(vocabulary_size)
    counts[0] = 0  # padding
    for ids in documents:
        counts += np.bincount(ids[1:], minlength=vocabulary_size)
    return np.maximum(counts, 1e-30) / counts.sum()


def _pairs(ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    ids = np.asarray(ids, np.int64)
    return ids[:-1] * vocabulary_size + ids[1:]


NGRAM_SYSTEMS = {"unigram": fit_unigram, "bigram": fit_bigram}
