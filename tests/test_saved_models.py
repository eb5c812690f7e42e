"""The pretrained model that comes along."""

from pathlib import Path

import pytest

from keras_rnn import load_predictor, predict
from keras_rnn.cli.main import default_model
from keras_rnn.datasets.negated_reviews import negated_reviews

ROOT = Path(__file__).parents[1]
SENTENCES = {
    "Not good, but cheap.": "positive",
    "Good, but not cheap.": "negative",
    "The screen was never dull.": "positive",
    "The soup would have been lovely ten years ago.": "negative",
    "Although the plot was boring, the music was never anything but charming.": "positive",
}


@pytest.fixture(scope="module")
def predictor():
    return load_predictor(ROOT / "saved_models" / "negated_reviews")


def test_it_is_what_predict_takes_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_model() == ROOT / "saved_models" / "negated_reviews"


@pytest.mark.parametrize("text", SENTENCES)
def test_it_follows_the_order_of_words(predictor, text):
    (prediction,) = predict(predictor, [text])
    assert prediction.label == SENTENCES[text]


def test_it_is_as_good_as_its_card_says(predictor):
    rows = negated_reviews().test
    labels = [prediction.label for prediction in predict(predictor, rows.texts)]
    truth = [predictor.class_names[label] for label in rows.labels]
    assert sum(a == b for a, b in zip(labels, truth, strict=True)) / len(truth) > 0.97
