"""That what experiments/benchmarks/inference.py compares is alike, and how its rows are held against the bars."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.text.vectorizer import vectorizer_from_vocabulary

FOLDER = Path(__file__).parents[1] / "experiments" / "benchmarks"
sys.path += [str(FOLDER), str(FOLDER.parent)]

import inference  # noqa: E402
from inference_case import InferenceCase  # noqa: E402
from inference_peer import times_of_calls  # noqa: E402
from inference_words import Words  # noqa: E402

CASE = InferenceCase("lstm", 4, vocabulary_size=300, seed=0)


def test_every_tokeniser_gives_the_same_ids():
    texts = CASE.texts(200)
    ids, lengths = Words(CASE.words)(texts)
    assert 10 <= lengths.min() < 30 < lengths.max() <= 100
    assert np.count_nonzero(ids == 1) > 0  # unknown words are among them
    for layer in (vectorizer_from_vocabulary(CASE.words), keras.layers.TextVectorization(vocabulary=CASE.words)):
        np.testing.assert_array_equal(layer(tf.constant(texts)), ids)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_weights_are_in_the_order_of_keras(cell):
    case = InferenceCase(cell, 4, vocabulary_size=300, seed=0)
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    layers = [
        keras.layers.Embedding(300, 128),
        keras.layers.Bidirectional(layer(4, return_sequences=True)),
        keras.layers.Bidirectional(layer(4)),
        keras.layers.Dense(4),
    ]
    model = keras.Sequential([keras.Input((None,)), *layers])
    assert [weight.shape for weight in model.weights] == [array.shape for array in case.weights()]
    assert len(case.directions()) == 4


def test_calls_take_the_batches_in_turn():
    seen = []
    times = times_of_calls(seen.append, [["a"], ["b"]], seconds=0.0, calls=3)
    assert seen == [["a"], ["b"], ["a"], ["b"], ["a"]]  # the first of each does not count
    assert 0 <= times["p50"] <= times["p99"]
    assert set(times) == {"mean", "p50", "p99"}


def test_other_probabilities_are_found_out():
    alike = {"ours": {"": [[0.5, 0.5]]}, "torch": {"": [[0.5, 0.5]], "packed": [[0.500001, 0.499999]]}}
    inference.check_alike(alike)
    with pytest.raises(ValueError, match=r"differ from those of torch packed by 1.0e-03"):
        inference.check_alike({**alike, "torch": {"packed": [[0.501, 0.499]]}})
    with pytest.raises(ValueError, match="keras"):
        inference.check_alike({**alike, "keras": {"": [[np.nan, 0.5]]}})


def test_bars_are_those_of_the_first_model():
    def rows(keras_ratio, torch_ratio):
        return [{inference.AGAINST_KERAS: keras_ratio, inference.AGAINST_TORCH: torch_ratio}] * 3

    assert [bar.met for bar in inference.bars([*rows(1.9, 1.1), *rows(9, 9)])] == [False, True, True]
    assert [bar.met for bar in inference.bars(rows(1.4, 0.9))] == [False, False, False]
    assert len(inference.bars(rows(2, None))) == 2  # without PyTorch
