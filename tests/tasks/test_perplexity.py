"""The perplexity of a run is one number: in training, `evaluate`, the export, `score` and a loop in NumPy."""

import csv
import itertools
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from keras_rnn import evaluate, export, load_predictor, score, train
from keras_rnn.datasets.dataset import Dataset
from keras_rnn.models import token_model_of
from keras_rnn.serving import saved_model_version
from keras_rnn.tasks.language_model.rows import tokenizer_of
from keras_rnn.tasks.task import Predictor
from keras_rnn.training.run_directory import Run
from tests.models.language_models import log_softmax, lstm_step
from tests.support.exported import check_here
from tests.support.little_texts import SMALL, many_texts, one_text

# (kind of token, direction, dataset)
CASES = {
    "characters": ("character", "forward", one_text),
    "words, with ends": ("word", "forward", many_texts),
    "characters backward, with ends": ("character", "backward", many_texts),
    "subwords backward": ("subword", "backward", one_text),
}


@dataclass(frozen=True)
class Case:
    tokens: str
    direction: str
    dataset: Dataset
    run: Run
    version: Path

    @cached_property
    def predictors(self) -> dict[str, Predictor]:
        return {"run": load_predictor(self.run.directory), "export": load_predictor(self.version)}

    @cached_property
    def ends(self) -> list[int]:
        return [2] if len(self.dataset.train) > 1 else []


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    tokens, direction, make = CASES[request.param]
    folder, dataset = tmp_path_factory.mktemp("perplexity"), make()
    options = {**SMALL, "tokens": tokens, "direction": direction, "vocabulary_size": 270}
    run = train(dataset, out=folder / "run", console=Console(quiet=True), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model_version, "check_process", check_here)  # here, not in a process of its own
        return Case(tokens, direction, dataset, run, export(run, folder / "model"))


def reference_ids(case, text):
    """Of characters and words by their definition; the ids of subwords have tests of their own."""
    if case.tokens == "subword":
        return tokenizer_of(case.run.facts)(tf.constant([text])).numpy()[0].tolist()
    pieces = re.findall(r"\n|\S+", text) if case.tokens == "word" else list(text)
    ids = {piece: index for index, piece in enumerate(case.run.facts["pieces"], 3)}
    return [ids.get(piece, 1) for piece in pieces]


def reference_nats(network, ids):
    """The nats of each id behind the first, a token at a time, in float64."""
    embedding, bias = (np.float64(weight) for weight in network.get_layer("embedding").get_weights()[:2])
    kernel, projection_bias = (np.float64(weight) for weight in network.get_layer("projection").get_weights())
    weights = [np.float64(weight) for weight in network.get_layer("rnn_0").get_weights()]
    states, nats = [np.zeros(12), np.zeros(12)], []
    for token, target in itertools.pairwise(ids):
        output, states = lstm_step(embedding[token] * np.sqrt(8), states, *weights)
        nats.append(-log_softmax(embedding @ (output @ kernel + projection_bias) + bias)[target])
    return nats


def reference_figures(case, texts):
    """Perplexity, tokens and nats of a split: its documents' total nats over its tokens, ends among them or not."""
    network, nats = token_model_of(case.run.model), []
    for text in texts:
        ids = reference_ids(case, text)
        nats += reference_nats(network, [2, *(ids if case.direction == "forward" else ids[::-1]), *case.ends])
    return math.exp(sum(nats) / len(nats)), len(nats), sum(nats)


def rows_of_history(run):
    with open(run.directory / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_it_is_that_of_a_loop_in_numpy(case):
    evaluations = evaluate(case.run, dataset=case.dataset)
    for split, evaluation in (("validation", evaluations["again"]), ("test", evaluations["test"])):
        texts = case.dataset.splits[split]["text"]
        perplexity, tokens, nats = reference_figures(case, texts)
        assert evaluation.perplexity == pytest.approx(perplexity, rel=1e-4)
        assert evaluation.tokens == tokens
        assert evaluation.loss == pytest.approx(nats / tokens, rel=1e-4)
        assert evaluation.bits_per_character == pytest.approx(nats / math.log(2) / sum(map(len, texts)), rel=1e-4)
        assert case.run.metrics[split] == pytest.approx(evaluation.figures, rel=1e-5)


def test_the_training_log_has_it(case):
    rows = rows_of_history(case.run)
    best = rows[case.run.metrics["best_epoch"] - 1]
    for name, value in case.run.metrics["validation"].items():
        assert best[f"val_{name}"] == pytest.approx(value, rel=1e-5)
    assert (
        best["val_perplexity"]
        == pytest.approx(math.exp(best["val_loss"]))
        == min(row["val_perplexity"] for row in rows)
    )


def test_the_export_has_it(case):
    texts = list(case.dataset.test["text"])
    outputs = tf.saved_model.load(str(case.version)).signatures["score"](text=tf.constant(texts))
    total, tokens = float(tf.reduce_sum(outputs["nats"])), int(tf.math.count_nonzero(outputs["token_ids"]))
    assert math.exp(total / tokens) == pytest.approx(case.run.metrics["test"]["perplexity"], rel=1e-4)
    assert tokens == reference_figures(case, texts)[1]
    assert not outputs["nats"].numpy()[outputs["token_ids"].numpy() == 0].any()


@pytest.mark.parametrize("path", ["run", "export"])
def test_scores_and_predictions_have_it(case, path):
    texts, line = list(case.dataset.test["text"]), "the cat sees a dog"
    scores = list(score(case.run.directory if path == "run" else case.version, [*texts, line]))
    for answers in (scores[:-1], case.predictors[path].predict(texts)):
        perplexity = math.exp(sum(answer.nats for answer in answers) / sum(answer.tokens for answer in answers))
        assert perplexity == pytest.approx(case.run.metrics["test"]["perplexity"], rel=1e-4)
        for answer in answers:
            assert answer.perplexity == pytest.approx(math.exp(answer.nats / answer.tokens))
    for answer in scores:
        assert sum(nats for _, nats in answer.token_nats) == pytest.approx(answer.nats, rel=1e-5)
    pieces = [piece for piece, _ in scores[-1].token_nats]
    count = len(pieces) - len(case.ends)
    assert pieces[count:] == ["" for _ in case.ends]
    assert count == len(reference_ids(case, line))
    assert "".join(pieces[:count] if case.direction == "forward" else pieces[:count][::-1]).strip() == line


def test_a_text_has_the_same_answer_beside_any_others(case):
    predict = case.predictors["export"].predict
    texts = ["the cat", "", "a dog sees the cow\n" * 20, "zzz"]
    for text, among in zip(texts, predict(texts), strict=True):
        (alone,) = predict([text])
        assert (alone.text, alone.tokens) == (among.text, among.tokens)
        assert alone.nats == pytest.approx(among.nats, rel=1e-4, abs=1e-5)
        assert alone.continuation == among.continuation
    for run, version in zip(case.predictors["run"].predict(texts), predict(texts), strict=True):
        assert (run.tokens, run.continuation) == (version.tokens, version.continuation)
        assert run.nats == pytest.approx(version.nats, rel=1e-5)


def test_a_model_that_reads_backwards_has_no_continuation(case):
    (answer,) = case.predictors["export"].predict(["the"])
    assert (answer.continuation is None) == (case.direction == "backward")
