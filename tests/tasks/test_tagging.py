import functools
import itertools
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from keras_rnn import UsageError, check_export, evaluate, export, load_predictor, train
from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.datasets.slot_requests import slot_requests
from keras_rnn.serving import saved_model_version
from keras_rnn.tasks.tagging.evaluation import evaluate_tags, fitted_baselines
from keras_rnn.tasks.tagging.network import TaggedRows, builder_arguments
from keras_rnn.tasks.tagging.rows import TaggingData, TokenEncoder
from keras_rnn.tasks.tagging.spans import Span, figures_by_name, span_figures, spans_of
from keras_rnn.text.tokens import split_sentences
from tests.support.exported import check_here

ROOT = Path(__file__).parents[2]
SMALL = {
    "task": "tagging",
    "embedding_size": 32,
    "hidden_size": 32,
    "character_hidden_size": 16,
    "epochs": 6,
    "learning_rate": 1e-2,
    "seed": 1,
}
REQUEST = "please book a table for four at Blue Lantern tomorrow"


@functools.cache
def whole_splits() -> dict[str, Split]:
    return {name: Split(**value) for name, value in slot_requests().items()}


def dataset(rows: int = 1500) -> Dataset:
    splits = whole_splits()
    return Dataset(
        "slots", (), splits["train"].take(np.arange(rows)), splits["validation"].take(np.arange(200)), splits["test"]
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(dataset(), out=tmp_path_factory.mktemp("runs") / "run", console=Console(quiet=True), **SMALL)


def test_a_small_run_beats_the_word_list_by_far(run):
    baseline = evaluate(run, dataset=dataset(), baseline=True)["test"]
    assert baseline.baselines["word list"]["f1"] < 0.45
    assert run.metrics["test"]["f1"] > 0.65
    assert list(run.metrics["test"]) == ["f1", "precision", "recall", "accuracy", "loss"]
    assert (run.directory / "confusion-test.png").read_bytes()[:4] == b"\x89PNG"
    history = (run.directory / "history.csv").read_text().splitlines()
    assert history[0] == "epoch,loss,val_loss,val_f1,val_accuracy"


def test_evaluation_on_raw_rows_gives_the_figures_of_training(run):
    evaluation = evaluate(run, dataset=dataset())["test"]
    for name, value in run.metrics["test"].items():
        assert evaluation.figures[name] == pytest.approx(value, abs=1e-5)


def test_the_loss_is_that_of_the_marginal_likelihood_in_numpy(run):
    """The chain scores of one sentence, summed over its paths by the forward algorithm in NumPy."""
    model = run.model.get_layer("token_model")
    test = dataset().test.take(np.arange(1))
    encoder = TokenEncoder(run.facts, list(dict.fromkeys(test["tokens"][0])))
    columns = encoder.columns(test)
    form_ids = columns["form_ids"].padded(np.arange(1))
    inputs = {"token_ids": columns["token_ids"].padded(np.arange(1)), "character_ids": encoder.characters[form_ids]}
    scores, tags = np.asarray(model(inputs), np.float64)[0], columns["tags"].padded(np.arange(1))[0]
    size = len(run.tag_names)
    transitions, starts, ends, emissions = scores[:size], scores[size], scores[size + 1], scores[size + 2 :]
    alpha = starts + emissions[0]
    for row in emissions[1:]:
        alpha = row + np.log(np.exp(alpha[:, None] + transitions - alpha.max()).sum(0)) + alpha.max()
    total = np.log(np.exp(alpha + ends - alpha.max()).sum()) + alpha.max()
    path = starts[tags[0]] + ends[tags[-1]] + sum(emissions[step, tag] for step, tag in enumerate(tags))
    path += sum(transitions[first, second] for first, second in itertools.pairwise(tags))
    assert evaluate(run, dataset=Dataset("one", (), test, test, test))["test"].loss == pytest.approx(
        (total - path) / len(tags), rel=1e-4
    )


def test_predictions_have_tokens_tags_and_spans(run):
    (answer,) = load_predictor(run.directory).predict([REQUEST])
    assert answer.tokens == REQUEST.split()
    assert len(answer.tags) == len(answer.confidence) == len(answer.tokens)
    assert [(span.name, span.start, span.end) for span in answer.spans] == [tuple(s) for s in spans_of(answer.tags)]
    for span in answer.spans:
        assert span.text == " ".join(answer.tokens[span.start : span.end])
        assert span.confidence == min(answer.confidence[span.start : span.end])
    assert {span.name for span in answer.spans} >= {"people"}


def test_a_sentence_has_the_same_answer_in_every_batch(run):
    predictor = load_predictor(run.directory)
    single_prediction = predictor.predict([REQUEST])[0]
    among = predictor.predict(["hi", REQUEST, "", "a " * 60 + REQUEST])[1]
    assert (single_prediction.tokens, single_prediction.tags) == (among.tokens, among.tags)
    np.testing.assert_allclose(single_prediction.confidence, among.confidence, atol=1e-4)


def test_an_export_answers_as_the_run_does(run, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model_version, "check_process", check_here)  # `check_export` starts a fresh process
    version = export(run, tmp_path / "slots")
    assert check_export(version).signatures == 2
    expected, actual = (load_predictor(path).predict([REQUEST, "hello"]) for path in (run.directory, version))
    assert [answer.tags for answer in actual] == [answer.tags for answer in expected]
    np.testing.assert_allclose(actual[0].confidence, expected[0].confidence, atol=1e-5)
    loaded_model = tf.saved_model.load(str(version))
    outputs = loaded_model.signatures["tokens"](tokens=tf.constant([REQUEST.split(), ["hello", *[""] * 9]]))
    assert [tag.decode() for tag in outputs["tags"][0].numpy()] == expected[0].tags
    assert outputs["tags"][1].numpy().tolist()[1:] == [b""] * 9
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    assert card["tag_names"] == list(run.tag_names)
    assert "A sequence tagger with" in (version / "assets.extra" / "model_card.md").read_text()


def test_a_fresh_process_loads_and_exports_the_run(run, tmp_path):
    """Nothing has imported the task there, whose layers the file names."""
    script = (
        "import sys, keras_rnn; from keras_rnn.cli import main; from keras_rnn.training import run_directory\n"
        "print(sorted(keras_rnn.load_text_model(sys.argv[1] + '/model.keras').output))\n"
        "sys.argv[1:] = ['export', sys.argv[1], '--to', sys.argv[2]]; main.main()\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, run.directory, tmp_path / "m"], capture_output=True, text=True, cwd=ROOT
    )
    assert process.stdout.splitlines() == ["['marginals', 'tags']", str(tmp_path / "m" / "1")], process.stderr[-2000:]


def test_a_keras_file_needs_its_run_directory(run, tmp_path):
    (tmp_path / "model.keras").write_bytes((run.directory / "model.keras").read_bytes())
    model = keras.saving.load_model(run.directory / "model.keras", compile=False)
    assert set(model(tf.constant([["book", ""]]))) == {"tags", "marginals"}
    with pytest.raises(UsageError):
        load_predictor(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": "character"}, "tagging takes tokens 'word'"),
        ({"model": "bilstm_64"}, "model 'bilstm_64' is for the task 'classification', and the task is 'tagging'"),
        ({"header": True}, "tagging takes no --header or --no-header, got True"),
        ({"text_columns": ["a", "b"], "data": "x.conll"}, "tagging takes one --text-column, the tokens', got a, b"),
        ({"head": "crff"}, "unknown head 'crff'"),
    ],
)
def test_bad_options_are_named(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        train(out=tmp_path / "run", console=Console(quiet=True), **{"task": "tagging", **options})


def test_a_file_with_an_unknown_tag_is_refused(run, tmp_path):
    (tmp_path / "rows.conll").write_text("book O\nit B-nothing\n")
    with pytest.raises(UsageError, match="the run knows no tag 'B-nothing'"):
        evaluate(run, data=tmp_path / "rows.conll")


def test_a_file_is_evaluated(run, tmp_path):
    rows = dataset().test.take(np.arange(50))
    lines = ["\n".join(map(" ".join, zip(*row, strict=True))) for row in zip(rows["tokens"], rows["tags"], strict=True)]
    (tmp_path / "fresh.conll").write_text("\n\n".join(lines) + "\n")
    evaluation = evaluate(run, data=tmp_path / "fresh.conll")["data-fresh"]
    assert evaluation.confusion.sum() == sum(map(len, rows["tokens"]))


def test_spans_are_those_of_strict_iob2():
    assert spans_of(["B-A", "I-A", "O", "I-A", "B-A", "B-A", "I-B"]) == [
        Span("A", 0, 2),
        Span("A", 4, 5),
        Span("A", 5, 6),
    ]


def test_span_figures_of_known_rows():
    expected = [["B-A", "I-A", "O", "B-B"], ["O", "B-A"]]
    actual = [["B-A", "I-A", "O", "O"], ["I-A", "B-A"]]
    names = ["B-A", "B-B", "B-C", "I-A", "O"]
    assert span_figures(expected, actual, names) == pytest.approx({"precision": 1.0, "recall": 2 / 3, "f1": 0.8})
    by_name = figures_by_name(expected, actual, names)
    assert by_name["A"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert by_name["B"]["recall"] == by_name["C"]["support"] == 0


def test_tags_that_make_no_spans_are_counted_as_tokens():
    evaluation = evaluate_tags(TaggedRows([["N", "V"], ["N"]], [["N", "N"], ["N"]], 0.5), ["N", "V"])
    assert (evaluation.f1, evaluation.accuracy) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert evaluation.confusion.tolist() == [[2, 0], [1, 0]]
    assert evaluation.per_tag["N"] == {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2}


def test_tags_of_no_scheme_constrain_no_path():
    facts = {"vocabulary": ["a"], "characters": ["a"]}
    spans, others = (TaggingData("x", {}, {**facts, "tag_names": names}) for names in (["B-a", "I-a"], ["I-a", "NN"]))
    assert builder_arguments(spans)["tag_names"] == ("B-a", "I-a")
    assert builder_arguments(others)["tag_names"] is None


def test_the_word_list_is_each_tokens_most_frequent_tag():
    rows = Split(tokens=[["may", "may", "I"], ["may"]], tags=[["B-m", "O", "O"], ["B-m"]])
    assert fitted_baselines(rows)["word list"](["may", "I", "new"]) == ["B-m", "O", "O"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 10:30, o'clock?", ["It's", "10:30", ",", "o'clock", "?"]),
        ("order b83-354!", ["order", "b83-354", "!"]),
        ("日本 naïve\u00a0café", ["日本", "naïve", "café"]),
        ("", ["[UNK]"]),
    ],
)
def test_sentences_are_split(text, tokens):
    assert [token.decode() for token in split_sentences(tf.constant([text]))[0].numpy()] == tokens


OTHERS = ["bilstm_crf", "bilstm_softmax", "bilstm_charlstm_crf"]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """By name, the folders of a run of each and of its export; all exports pass their check in one fresh process.

    Also those that read no characters, and so small that a classifier's rows would run in buckets of like length.
    """
    folder, folders = tmp_path_factory.mktemp("others"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model_version, "check_process", check_here)
        for model in OTHERS:
            options = {**SMALL, "epochs": 1, "model": model, "hidden_size": 8, "character_hidden_size": 4}
            options = {name: value for name, value in options.items() if "charlstm" in model or "character" not in name}
            run = train(dataset(200), out=folder / model / "run", console=Console(quiet=True), **options)
            folders[model] = run.directory, export(run, folder / model / "m")
    script = (
        "import pathlib, sys\n"
        "sys.modules['keras'] = None\n"
        "from keras_rnn.serving.check import check_version\n"
        "print(*(check_version(pathlib.Path(version)).signatures for version in sys.argv[1:]))\n"
    )
    versions = [version for _, version in folders.values()]
    process = subprocess.run([sys.executable, "-c", script, *versions], capture_output=True, text=True, cwd=ROOT)
    assert process.stdout.split() == ["2"] * len(OTHERS), process.stderr[-2000:]
    return folders


@pytest.mark.parametrize("model", OTHERS)
def test_other_taggers_predict_and_their_exports_take_many_sentences(model, others):
    directory, version = others[model]
    texts = [" ".join(["book", *["it"] * (row % 9)]) for row in range(80)]
    expected = load_predictor(directory).predict(texts)
    assert [len(answer.tags) for answer in expected] == [1 + row % 9 for row in range(80)]
    actual = load_predictor(version).predict(texts)
    assert [answer.tags for answer in actual] == [answer.tags for answer in expected]
    for answer, other in zip(expected, actual, strict=True):
        np.testing.assert_allclose(other.confidence, answer.confidence, atol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        (
            [["a", "b"], ["c"]],
            [["O"], ["B-x", "O"]],
            "row 0 of train: takes a tag for each token, got 2 tokens and 1 tags",
        ),
        ([["a"], []], [["B-x"], []], "row 1 of train: takes one token at least"),
        ([["a", ""]], [["B-x", "O"]], "row 0 of train: .* none of them empty, got 'a', ''"),
        ([["a", "b"]], [["I-x", "I-x"]], "row 0 of train: takes IOB2, which .*to_iob2 makes of other schemes"),
        ([["a", "b"]], [["B-x", "E-x"]], "row 0 of train: takes IOB2"),
    ],
)
def test_rows_of_ones_own_that_could_be_read_wrong_are_refused(run, tokens, tags, message, tmp_path):
    valid_split = Split(tokens=[["x", "y"]], tags=[["B-x", "O"]])
    own_dataset = Dataset("own", (), Split(tokens=tokens, tags=tags), valid_split, valid_split)
    for call in (
        lambda: train(own_dataset, out=tmp_path / "run", console=Console(quiet=True), **SMALL),
        lambda: evaluate(run, dataset=own_dataset),
    ):
        with pytest.raises(UsageError, match=message):
            call()


def test_rows_of_another_task_are_refused(run):
    texts = Split(["a", "b"], np.array([0, 1]))
    with pytest.raises(UsageError, match="the rows have no column 'tags'; they have 'text', 'label'"):
        evaluate(run, dataset=Dataset("texts", ("no", "yes"), texts, texts, texts))
