"""The chunks of truncated backpropagation through time: which tokens a step reads, and where a state begins anew.

A step has a row for each of `batch_size` lanes. A lane goes through pieces of documents, chunk after chunk, and the
state at a chunk's end is that before the lane's next chunk.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.tasks.prepared import EncodedSplit

SHORT_SHARE = 0.05  # of the chunks, which are half as long (Merity et al. 2017, arXiv 1708.02182, section 5)
SPREAD = 1 / 14  # the standard deviation of a chunk's length: 5 of 70, as there
SHORTEST = 5


@dataclass(frozen=True)
class ChunkOptions:
    """Fields of `LanguageModelOptions` that say how documents are cut."""

    length: int
    random: bool
    by_document: bool


@dataclass(frozen=True)
class Chunk:
    """One step.

    Attributes:
        indices: int64 `(lanes, time)`, where each input stands in the flat token ids; its target stands behind it.
        lengths: int64 `(lanes,)`, how many of them are real.
        starts: bool `(lanes,)`, whether the state begins anew.
    """

    indices: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray


def epoch_chunks(offsets: np.ndarray, lanes: int, options: ChunkOptions, seed: int, epoch: int) -> Iterator[Chunk]:
    """The steps of one epoch, a function of `seed` and `epoch` alone; every token is predicted once.

    Args:
        offsets: int64 `(documents + 1,)`, as `EncodedTexts` has them. A document of n ids has n - 1 predictions.
        lanes: rows of a step.
        options: how documents are cut.
        seed, epoch: of the order of the documents and the lengths of the chunks.
    """
    rng = np.random.default_rng([seed, epoch])
    pieces = _pieces(offsets, lanes, options, rng)
    for positions, lengths, starts in _walk(pieces, options, rng):
        columns = np.arange(lengths.max())
        places = np.where(columns < lengths[:, np.newaxis], positions[:, np.newaxis] + columns, 0)
        yield Chunk(np.where(columns < lengths[:, np.newaxis], pieces.indices(places), 0), lengths, starts)


def count_chunks(offsets: np.ndarray, lanes: int, options: ChunkOptions, seed: int, epoch: int) -> int:
    """How many steps `epoch_chunks` has."""
    rng = np.random.default_rng([seed, epoch])
    return sum(1 for _ in _walk(_pieces(offsets, lanes, options, rng), options, rng))


@dataclass(frozen=True)
class _Pieces:
    """What the lanes read in an epoch.

    Attributes:
        begins, ends: int64 `(pieces,)`, where each piece lies among all predictions; those of a lane in their order,
            lane after lane.
        firsts: int64 `(lanes + 1,)`, the first piece of each lane.
        indices: from places among the predictions to those among the flat token ids.
    """

    begins: np.ndarray
    ends: np.ndarray
    firsts: np.ndarray
    indices: Callable[[np.ndarray], np.ndarray]


def _walk(pieces: _Pieces, options: ChunkOptions, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
    """Where each lane stands before each step, how much it reads, and whether a piece begins there; `(lanes,)` each."""
    begins, ends = np.append(pieces.begins, 0), np.append(pieces.ends, 0)  # a lane behind the last piece stands there
    current, stops = pieces.firsts[:-1].copy(), pieces.firsts[1:]
    positions = begins[current]
    while (is_active := current < stops).any():
        lengths = np.where(is_active, np.minimum(ends[current] - positions, _chunk_length(options, rng)), 0)
        yield positions, lengths, is_active & (positions == begins[current])
        positions = positions + lengths
        is_done = is_active & (positions == ends[current])
        current = current + is_done
        positions = np.where(is_done, begins[current], positions)


def _chunk_length(options: ChunkOptions, rng: np.random.Generator) -> int:
    if not options.random:
        return options.length
    mean = options.length if rng.random() >= SHORT_SHARE else options.length / 2
    return max(min(SHORTEST, options.length), round(rng.normal(mean, options.length * SPREAD)))


def _pieces(offsets: np.ndarray, lanes: int, options: ChunkOptions, rng: np.random.Generator) -> _Pieces:
    if options.by_document:
        return _document_pieces(np.asarray(offsets), lanes, rng)
    return _stream_pieces(np.asarray(offsets), lanes, rng)


def _document_pieces(offsets: np.ndarray, lanes: int, rng: np.random.Generator) -> _Pieces:
    """Documents in random order, all lanes about equally long. A document longer than a lane's share is cut."""
    lengths = np.diff(offsets) - 1
    share = max(1, -(-int(lengths.sum()) // lanes))
    counts = -(-lengths // share)
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)  # of a piece in its document
    begins = np.repeat(offsets[:-1], counts) + share * numbers
    ends = np.minimum(begins + share, np.repeat(offsets[1:] - 1, counts))
    order = rng.permutation(len(begins))
    order = order[np.argsort((begins - ends)[order], kind="stable")]
    piece_lanes = np.empty(len(order), np.int64)
    piece_lanes[order] = _balanced_lanes((ends - begins)[order], lanes)
    order = np.lexsort((rng.permutation(len(order)), piece_lanes))
    firsts = np.searchsorted(piece_lanes[order], np.arange(lanes + 1))
    return _Pieces(begins[order], ends[order], firsts, lambda places: places)


def _balanced_lanes(lengths: np.ndarray, lanes: int) -> list[int]:
    """A lane for each piece, the longest of which come first: the one that has least so far (Graham 1969)."""
    loads = [(0, lane) for lane in range(lanes)]
    chosen = []
    for length in lengths.tolist():
        load, lane = loads[0]
        chosen.append(lane)
        heapq.heapreplace(loads, (load + length, lane))
    return chosen


def _stream_pieces(offsets: np.ndarray, lanes: int, rng: np.random.Generator) -> _Pieces:
    """One piece a lane, of all documents in random order, one behind the other."""
    order = rng.permutation(len(offsets) - 1)
    document_starts = offsets[order]
    bounds = np.concatenate([[0], np.cumsum((np.diff(offsets) - 1)[order])])

    def indices(places: np.ndarray) -> np.ndarray:
        documents = np.searchsorted(bounds, places, side="right") - 1
        return document_starts[documents] + places - bounds[documents]

    cuts = np.arange(lanes + 1) * bounds[-1] // lanes
    has_tokens = cuts[1:] > cuts[:-1]
    firsts = np.concatenate([[0], np.cumsum(has_tokens)])
    return _Pieces(cuts[:-1][has_tokens], cuts[1:][has_tokens], firsts, indices)


class ChunkBatches(keras.callbacks.Callback):
    """The chunks of a run: `dataset` is for `fit`, and this for its callbacks, which tells it the epoch.

    Args:
        token_ids: an `EncodedTexts` of documents.
        chunks: how they are cut.
        options: a run's TrainingOptions, which say how many lanes there are, and the seed.

    Attributes:
        steps: chunks of an epoch.
        examples, unit: tokens that an epoch predicts.
        dataset: pairs of inputs and targets. The inputs are a dict of `token_ids` and `targets`, int32 `(lanes, time)`
            padded with 0, and `starts`, bool `(lanes,)`.
    """

    unit = "tokens"

    def __init__(self, token_ids: Any, chunks: ChunkOptions, options: Any):
        super().__init__()
        self.token_ids, self.chunks, self.options, self.epoch = token_ids, chunks, options, 0
        # Lanes end at other times in another order of the documents; Keras takes as many steps of each epoch.
        self.steps = max(
            count_chunks(token_ids.offsets, options.batch_size, chunks, options.seed, epoch)
            for epoch in range(options.epochs)
        )
        self.examples = int((token_ids.lengths - 1).sum())

    def epoch_chunks(self) -> Iterator[Chunk]:
        """The chunks of the epoch under way; where they are fewer than `steps`, the first of them come again."""
        options = self.options
        passes = (
            epoch_chunks(self.token_ids.offsets, options.batch_size, self.chunks, options.seed, self.epoch)
            for _ in itertools.count()
        )
        return itertools.islice(itertools.chain.from_iterable(passes), self.steps)

    @cached_property
    def dataset(self) -> tf.data.Dataset:
        ids, specs = self.token_ids.ids, tf.TensorSpec((self.options.batch_size, None), tf.int32)
        inputs = {"token_ids": specs, "targets": specs, "starts": tf.TensorSpec((self.options.batch_size,), tf.bool)}
        generate = lambda: map(_tensors(ids), self.epoch_chunks())  # noqa: E731
        dataset = tf.data.Dataset.from_generator(generate, output_signature=(inputs, specs))
        data_options = tf.data.Options()
        data_options.autotune.enabled = False  # its thread can hold up the end of a fit for as long as an epoch took
        dataset = dataset.prefetch(2).with_options(data_options)
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps))

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def _tensors(ids: np.ndarray) -> Callable[[Chunk], tuple]:
    def tensors(chunk: Chunk) -> tuple:
        is_real = np.arange(chunk.indices.shape[1]) < chunk.lengths[:, np.newaxis]
        token_ids = np.where(is_real, ids[chunk.indices], 0).astype(np.int32)
        targets = np.where(is_real, ids[chunk.indices + 1], 0).astype(np.int32)
        return {"token_ids": token_ids, "targets": targets, "starts": chunk.starts}, targets

    return tensors


def batches(split: EncodedSplit, model: keras.Model, options: Any) -> ChunkBatches:
    """The chunks that a model is trained on."""
    return ChunkBatches(split.tokens, split.chunks, options)  # type: ignore[attr-defined]


def document_batches(lengths: np.ndarray, rows: int) -> list[np.ndarray]:
    """Documents of like length together, longest first, up to `rows` at a time."""
    order = np.argsort(-lengths, kind="stable")
    return [order[start : start + rows] for start in range(0, len(order), rows)]
