"""The task `language_model` from a text file to its export, by the functions and by the commands."""

import json
import re
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError, evaluate, load_predictor, open_run
from keras_rnn.cli import main as cli
from keras_rnn.serving import saved_model_version
from keras_rnn.tasks.language_model.sampling import uniform_numbers
from tests.support.exported import check_here
from tests.support.little_texts import SMALL, text

OPTIONS = {**SMALL, "tokens": "character", "dropout": 0.1, "num_layers": 2}


def run_command(folder, *arguments):
    """Runs the command, and returns its exit status; what it exports is checked in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model_version, "check_process", check_here)
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["keras-rnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
    return exit_.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two text files, a run on the first of them and its export, and what the command printed."""
    folder = tmp_path_factory.mktemp("language_model")
    (folder / "farm.txt").write_text(text(150, 0))
    (folder / "fresh.txt").write_text(text(20, 9))
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    with redirect_stdout(StringIO()) as shown, redirect_stderr(StringIO()) as errors:
        status = run_command(folder, "train", "--data", "farm.txt", "--out", "run", *options)
    (folder / "out").write_text(shown.getvalue())
    (folder / "err").write_text(errors.getvalue())
    assert status == 0, errors.getvalue()
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def version(folder):
    return folder / "run" / "saved_model" / "1"


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(str(version))


def test_a_run_directory_holds_what_it_says(run):
    names = {entry.name for entry in run.directory.iterdir() if "-data-" not in entry.name}
    assert names == {
        "config.json",
        "curves.png",
        "environment.json",
        "evaluation-test.json",
        "evaluation-validation.json",
        "history.csv",
        "logs",
        "merges.json",
        "metrics.json",
        "model.keras",
        "pieces.json",
        "positions-test.png",
        "positions-validation.png",
        "reading.json",
        "sample_texts.json",
        "saved_model",
    }
    read = lambda name: json.loads((run.directory / name).read_text())  # noqa: E731
    assert read("reading.json") == ["character", "forward", "no ends"]
    assert read("merges.json") == []
    assert sorted(read("pieces.json")) == sorted(set(text(150, 0)))
    assert read("config.json")["text"]["chunk_length"] == 12
    assert read("metrics.json")["test"].keys() == {"loss", "perplexity", "bits_per_character"}
    assert read("environment.json")["tokens_per_second"] > 0
    assert (run.directory / "positions-test.png").read_bytes()[:4] == b"\x89PNG"
    header = (run.directory / "history.csv").read_text().splitlines()[0]
    assert header == "epoch,loss,val_loss,val_perplexity,val_bits_per_character"


def test_training_says_what_it_does(run, folder):
    shown = (folder / "err").read_text()
    count = len(set(text(150, 0))) + 3
    assert re.search(
        rf"^farm.txt: {count} token ids, [\d,]+ train, [\d,]+ validation, [\d,]+ test tokens, ", shown, re.M
    )
    lines = re.findall(r"^epoch \d/2: loss [\d.]+, val_loss [\d.]+, val_perplexity [\d.]+, .* tokens/s$", shown, re.M)
    assert len(lines) == 2
    figures = run.metrics["test"]
    assert f"test: loss {figures['loss']:.4f}, perplexity {figures['perplexity']:.4f}" in shown
    shown = (folder / "out").read_text()
    assert re.search(r"^run run is complete; try: keras-rnn .*run 'The import statement'$", shown, re.M)


def test_it_has_learned_something(run):
    """It knows more than how frequent each character is."""
    figures = evaluate(run, baseline=True)["test"]
    assert figures.perplexity < figures.baselines["unigram"]["perplexity"]
    assert figures.baselines["bigram"]["perplexity"] < figures.baselines["unigram"]["perplexity"]


def test_an_export_answers_as_the_run_does(run, version):
    texts = ["the cat", "", "the dog\nsees a c", "Zebra! ☃", "a"]
    expected, actual = (load_predictor(path).predict(texts) for path in (run.directory, version))
    for one, other in zip(expected, actual, strict=True):
        assert (one.text, one.tokens, one.continuation) == (other.text, other.tokens, other.continuation)
        assert one.nats == pytest.approx(other.nats, rel=1e-5, abs=1e-5)
    assert [answer.tokens for answer in actual] == [7, 0, 16, 8, 1]
    assert all(len(answer.continuation) == 40 for answer in actual)
    assert (actual[1].nats, actual[1].perplexity) == (0, 1)


def test_an_export_says_what_it_is(version):
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    assert card["reading"] == ["character", "forward", "no ends"]
    page = (version / "assets.extra" / "model_card.md").read_text()
    assert "A language model of characters with" in page
    assert "`prefill` and `step`" in page


def test_streaming_through_the_export_writes_its_text(loaded):
    """`prefill`, `uniforms` and `step` give what `serving_default` gives, token by token."""
    prompts, count, seed = ["the c", "", "a bird\n"], 70, [3, 4, 5]
    options = {
        "temperature": tf.constant([0.8, 0.0, 1.2]),
        "top_k": tf.constant([0, 0, 9]),
        "top_p": tf.constant([0.9, 1.0, 0.95]),
    }
    whole = loaded.signatures["serving_default"](
        prompt=tf.constant(prompts), length=tf.constant([count] * 3), seed=tf.constant(seed), **options
    )
    read = loaded.signatures["prefill"](text=tf.constant(prompts))
    state, token, texts = read["state"], read["token"], [b"", b"", b""]
    for index in range(count):
        if index % 64 == 0:
            numbers = loaded.signatures["uniforms"](seed=tf.constant(seed), block=tf.constant([index // 64]))[
                "uniforms"
            ]
            np.testing.assert_array_equal(numbers, uniform_numbers(tf.constant(seed), index // 64, 1))
        outputs = loaded.signatures["step"](token=token, state=state, uniform=numbers[:, index % 64], **options)
        state, token = outputs["state"], outputs["token"]
        np.testing.assert_array_equal(token, whole["tokens"][:, index])
        np.testing.assert_allclose(outputs["log_probability"], whole["log_probabilities"][:, index], atol=1e-5)
        texts = [text + piece for text, piece in zip(texts, outputs["piece"].numpy(), strict=True)]
    assert texts == whole["text"].numpy().tolist()


def test_the_signature_takes_what_nobody_checked(loaded):
    """TensorFlow Serving hands on what a client sends."""
    rows = 4
    outputs = loaded.signatures["serving_default"](
        prompt=tf.constant(["the"] * rows),
        length=tf.constant([0, -1, 3, 2]),
        temperature=tf.constant([1.0, 1.0, -1.0, 1e-40]),
        top_k=tf.constant([0, 0, -5, 10**9]),
        top_p=tf.constant([0.0, 1.0, -1.0, 7.0]),
        seed=tf.constant([-(2**31), 0, 1, 2**31 - 1]),
    )
    assert [len(text) for text in outputs["text"].numpy()] == [0, 0, 3, 2]
    nothing = loaded.signatures["serving_default"](
        prompt=tf.constant(["the"]),
        length=tf.constant([0]),
        temperature=tf.constant([1.0]),
        top_k=tf.constant([0]),
        top_p=tf.constant([1.0]),
        seed=tf.constant([0]),
    )
    assert nothing["text"].numpy().tolist() == [b""]
    assert nothing["tokens"].shape == (1, 0)


def test_another_file_is_evaluated(run, folder):
    evaluation = evaluate(run, data=folder / "fresh.txt")["data-fresh"]
    assert evaluation.tokens == len(text(20, 9))
    stored = json.loads((run.directory / "evaluation-data-fresh.json").read_text())
    assert stored["perplexity"] == evaluation.perplexity
    assert (run.directory / "positions-data-fresh.png").is_file()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data.txt: holds no text"),
        (b" \n", "data.txt: holds no text"),
        (b"a cat\ncaf\xe9\n", "data.txt, line 2: not UTF-8"),
        (b"a cat\0", "data.txt, line 1: holds a NUL byte"),
    ],
)
def test_a_file_that_is_no_text_is_named(content, message, run, tmp_path):
    (tmp_path / "data.txt").write_bytes(content)
    before = sorted(run.directory.iterdir())
    with pytest.raises(UsageError, match=message):
        evaluate(run, data=tmp_path / "data.txt")
    assert sorted(run.directory.iterdir()) == before


def test_one_character_is_a_text(run, tmp_path):
    (tmp_path / "data.txt").write_text("☃")
    evaluation = evaluate(run, data=tmp_path / "data.txt")["data-data"]
    assert (evaluation.tokens, len(evaluation.by_position)) == (1, 1)
    assert evaluation.by_position[0] == pytest.approx(evaluation.loss)


def test_a_keras_file_needs_its_run_directory(run, tmp_path):
    shutil.copy(run.directory / "model.keras", tmp_path / "model.keras")
    outputs = keras.saving.load_model(run.directory / "model.keras", compile=False)(tf.constant(["the", ""]))
    assert {name: value.shape for name, value in outputs.items()} == {"token_ids": (2, 3), "nats": (2, 3)}
    with pytest.raises(UsageError, match="model.keras"):
        load_predictor(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pieces.json", '["a", "b"]', "model.keras has other tokens than the pieces.json beside it"),
        ("pieces.json", "[[]]", "pieces.json takes a list of strings or numbers"),
        ("reading.json", '["character"]', "reading.json takes tokens, direction, ends, got character"),
        ("reading.json", "[]", "reading.json takes tokens, direction, ends, got nothing"),
    ],
)
def test_a_damaged_run_is_named(name, content, message, run, tmp_path):
    shutil.copytree(run.directory, tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        _ = open_run(tmp_path / "run").model


def test_the_commands_answer(folder, capfd):
    def shown(*arguments):
        assert run_command(folder, *arguments) == 0
        return capfd.readouterr().out

    first, second = map(json.loads, shown("predict", "run", "the cat", "").splitlines())
    assert list(first) == ["text", "tokens", "nats", "perplexity", "continuation"]
    assert (first["text"], first["tokens"], second["tokens"]) == ("the cat", 7, 0)
    lines = shown("evaluate", "run", "--data", "fresh.txt")
    assert re.search(r"^data-fresh: loss [\d.]+, perplexity [\d.]+, bits_per_character [\d.]+$", lines, re.M)
    assert "place behind an empty state" in lines
    assert re.search(r"^loss by position: run/positions-data-fresh.png$", lines, re.M)
    line = shown("export", "--check", "run/saved_model")
    assert re.match(r"run/saved_model/1: 5 signatures, \d+ texts, largest difference", line)
