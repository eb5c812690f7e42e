"""Texts that are written together: which token, by which random number, and who leaves."""

import numpy as np
import pytest

from keras_rnn.serving.server.decoding_batch import DecodingBatch, Sampling
from tests.support.alphabet import BAD, Alphabet


def batch_of(alphabet, *rows):
    """`rows`: key, seed and first token of each text."""
    batch = DecodingBatch(alphabet.generator)
    add(batch, *rows)
    return batch


def add(batch, *rows, length=100):
    keys, seeds, tokens = zip(*rows, strict=True)
    samplings = [Sampling(length, 1.0, 0, 1.0, seed) for seed in seeds]
    batch.add(keys, samplings, np.array(tokens, np.int32), np.zeros((len(rows), 1), np.float32))


def written(batch):
    """The keys and pieces of one step."""
    return [(key, token and token.piece) for key, token in batch.step()]


def test_each_step_adds_a_token_to_each_text():
    batch = batch_of(Alphabet(), ("x", 0, 0), ("y", 0, 10))
    assert [written(batch) for _ in range(3)] == [
        [("x", b"a"), ("y", b"k")],
        [("x", b"b"), ("y", b"l")],
        [("x", b"c"), ("y", b"m")],
    ]


def test_texts_come_and_go_between_steps():
    alphabet = Alphabet()
    batch = batch_of(alphabet, ("x", 0, 0), ("y", 0, 5))
    batch.step()
    add(batch, ("z", 0, 0))
    assert written(batch) == [("x", b"b"), ("y", b"g"), ("z", b"a")]
    batch.keep([True, False, True])
    assert written(batch) == [("x", b"c"), ("z", b"b")]
    batch.keep([False, False])
    assert batch.keys == []
    add(batch, ("w", 0, 20))
    assert written(batch) == [("w", b"u")]
    assert alphabet.calls == [[0, 5], [1, 6, 0], [2, 1], [20]]


def test_token_i_takes_number_i_of_its_own_seed_whenever_it_came():
    alphabet = Alphabet()
    batch = batch_of(alphabet, ("x", 1, 0))
    numbers = {"x": [], "y": []}
    for step in range(10):
        if step == 3:
            add(batch, ("y", 2, 0))
        for key, token in batch.step():
            numbers[key].append(-token.log_probability)
    assert numbers == {"x": [10 + i for i in range(10)], "y": [20 + i for i in range(7)]}
    assert alphabet.blocks == [([1], 0), ([2], 0), ([1], 1), ([2], 1), ([1], 2)]


def test_rows_that_begin_a_block_together_share_a_call():
    alphabet = Alphabet()
    batch_of(alphabet, ("x", 1, 0), ("y", 2, 0)).step()
    assert alphabet.blocks == [([1, 2], 0)]


def test_a_text_ends_at_its_length_or_with_an_empty_piece():
    batch = DecodingBatch(Alphabet().generator)
    add(batch, ("x", 0, 0), length=2)
    add(batch, ("y", 0, 25), length=3)
    steps = [[(token.piece, token.is_last) for _, token in batch.step()] for _ in range(2)]
    assert steps == [[(b"a", False), (b"z", False)], [(b"b", True), (b"", True)]]


@pytest.mark.parametrize("place", range(5))
def test_a_bad_text_ends_alone(place):
    tokens = [0, 1, 2, 3, 4]
    tokens[place] = BAD
    batch = batch_of(Alphabet(), *((index, 0, token) for index, token in enumerate(tokens)))
    expected = [(index, None if token == BAD else bytes([97 + token])) for index, token in enumerate(tokens)]
    assert written(batch) == expected
    batch.keep([token != BAD for token in tokens])
    assert [token.piece for _, token in batch.step()] == [bytes([98 + token]) for token in tokens if token != BAD]


def test_another_failure_of_a_step_is_raised():
    batch = batch_of(Alphabet(error=RuntimeError("no memory")), ("x", 0, 0), ("y", 0, 0))
    with pytest.raises(RuntimeError, match="no memory"):
        batch.step()
