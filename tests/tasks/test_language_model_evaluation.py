"""What an evaluation of a language model says: loss by position, systems of one or two tokens, tables, a picture."""

import json
import math

import numpy as np
import pytest

from keras_rnn.datasets.dataset import Split
from keras_rnn.tasks.language_model import context
from keras_rnn.tasks.language_model.context import fit_bigram, fit_unigram, loss_by_position
from keras_rnn.tasks.language_model.evaluation import Evaluation, fitted_baselines, picture, tables, write
from keras_rnn.tasks.language_model.rows import DocumentsSplit, Reading, encoded_documents, tokenizer_of
from keras_rnn.text.encoded import EncodedTexts


def split_of(*lengths) -> DocumentsSplit:
    """Documents whose ids count up from 1000 times the number of the document."""
    ids = [1000 * number + np.arange(length) for number, length in enumerate(lengths, 1)]
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return DocumentsSplit({"token_ids": EncodedTexts(np.concatenate(ids).astype(np.int32), offsets)}, {}, 0)


def positions(split: DocumentsSplit) -> list[np.ndarray]:
    """Stands for nats: the place of each token behind its document's first, from 1."""
    return [np.arange(1, length, dtype=np.float32) for length in split.lengths]


def test_each_place_has_the_mean_loss_of_the_tokens_there():
    """Windows of 256 tokens: documents of 599, 4 and 1 predictions have windows of 256, 256, 87, 4 and 1."""
    seen = []

    def nats_of(split):
        seen.append(split)
        return [(number + 1) * 1000 + nats for number, nats in enumerate(positions(split))]

    losses = loss_by_position(nats_of, split_of(600, 5, 2))
    (windows,) = seen
    assert windows.lengths.tolist() == [257, 257, 88, 5, 2]
    rows = np.split(windows.tokens.ids, windows.tokens.offsets[1:-1])
    assert [(int(row[0]), int(row[-1])) for row in rows] == [
        (1000, 1256),
        (1256, 1512),
        (1512, 1599),
        (2000, 2004),
        (3000, 3001),
    ]
    assert len(losses) == 256
    assert losses[0] == pytest.approx(np.mean([1000, 2000, 3000, 4000, 5000]) + 1)
    assert losses[3] == pytest.approx(np.mean([1000, 2000, 3000, 4000]) + 4)
    assert losses[4] == pytest.approx(np.mean([1000, 2000, 3000]) + 5)
    assert losses[86] == pytest.approx(2000 + 87)
    assert losses[255] == pytest.approx(1500 + 256)


def test_of_many_windows_some_are_taken_evenly(monkeypatch):
    monkeypatch.setattr(context, "WINDOW", 10)
    monkeypatch.setattr(context, "WINDOWS", 4)
    seen = []
    loss_by_position(lambda split: seen.append(split) or positions(split), split_of(101, 31))
    rows = np.split(seen[0].tokens.ids, seen[0].tokens.offsets[1:-1])
    # Of 10 and 3 windows those numbered 0, 4, 8 and 12.
    assert [row[0] for row in rows] == [1000, 1040, 1080, 2020]
    assert {len(row) for row in rows} == {11}


@pytest.mark.parametrize("lengths", [(2,), (1, 2), (1, 3, 1), (257,), (258,)])
def test_short_documents_have_as_many_places_as_they_have_tokens(lengths):
    longest = min(max(lengths) - 1, 256)
    assert loss_by_position(positions, split_of(*lengths)) == list(range(1, longest + 1))


# Simple systems, on the training documents "a b a" and "b b" of ids 3 and 4, with the boundary 2 at their ends.
DOCUMENTS = [np.array([2, 3, 4, 3, 2]), np.array([2, 4, 4, 2])]
# Counts of 7 predicted tokens, and one more of each of the 4 ids but padding.
UNIGRAM = {1: 1 / 11, 2: 3 / 11, 3: 3 / 11, 4: 4 / 11}


def test_a_unigram_of_a_known_text():
    nats = fit_unigram(DOCUMENTS, 5)
    expected = -math.log(UNIGRAM[4]) - math.log(UNIGRAM[1]) - math.log(UNIGRAM[2])
    assert nats(np.array([2, 4, 1, 2])) == pytest.approx(expected)
    assert nats(np.array([2])) == 0
    assert sum(math.exp(-nats(np.array([2, token]))) for token in (1, 2, 3, 4)) == pytest.approx(1)


def test_a_bigram_of_a_known_text():
    """p(b | a) = max(count - 0.75, 0) / total + 0.75 distinct / total p(b)."""
    nats = fit_bigram(DOCUMENTS, 5)
    # Behind 2 stood 3 and 4, behind 3 stood 4 and 2, behind 4 stood 3, 4 and 2, each once; behind 1 nothing.
    expected = {
        (2, 3): 0.25 / 2 + 0.75 * 2 / 2 * UNIGRAM[3],
        (2, 2): 0.75 * 2 / 2 * UNIGRAM[2],
        (3, 4): 0.25 / 2 + 0.75 * 2 / 2 * UNIGRAM[4],
        (4, 2): 0.25 / 3 + 0.75 * 3 / 3 * UNIGRAM[2],
        (4, 1): 0.75 * 3 / 3 * UNIGRAM[1],
        (1, 4): UNIGRAM[4],
    }
    for pair, probability in expected.items():
        assert math.exp(-nats(np.array(pair))) == pytest.approx(probability)
    assert nats(np.array([2, 3, 4, 1, 4])) == pytest.approx(
        -sum(math.log(expected[pair]) for pair in ((2, 3), (3, 4), (4, 1), (1, 4)))
    )
    for first in (1, 2, 3, 4):
        assert sum(math.exp(-nats(np.array([first, token]))) for token in (1, 2, 3, 4)) == pytest.approx(1)


def test_a_bigram_seen_twice():
    nats = fit_bigram([np.array([2, 3, 3, 3, 2])], 4)
    unigram = (3 + 1) / (4 + 3)
    assert math.exp(-nats(np.array([3, 3]))) == pytest.approx((2 - 0.75) / 3 + 0.75 * 2 / 3 * unigram)


def test_the_baselines_are_fitted_when_the_tokens_are_known():
    assert fitted_baselines(Split(text=["a", "b"])) == {"train": ["a", "b"]}


# Rows


@pytest.mark.parametrize(
    ("direction", "ends", "rows"),
    [
        ("forward", "no ends", [[2, 3, 4, 3], [2], [2, 1]]),
        ("forward", "ends", [[2, 3, 4, 3, 2], [2, 2], [2, 1, 2]]),
        ("backward", "no ends", [[2, 3, 4, 3], [2], [2, 1]]),
        ("backward", "ends", [[2, 3, 4, 3, 2], [2, 2], [2, 1, 2]]),
    ],
)
def test_documents_stand_between_boundaries(direction, ends, rows):
    facts = {"pieces": ["a", "b"], "merges": [], "reading": [*Reading("character", direction, ends)]}
    split = encoded_documents(facts, tokenizer_of(facts), Split(text=["aba", "", "z"]))
    assert [row.tolist() for row in np.split(split.tokens.ids, split.tokens.offsets[1:-1])] == rows
    assert split.predictions == sum(map(len, rows)) - 3
    assert split.characters == 4


def test_a_backward_model_reads_from_the_end():
    facts = {"pieces": ["a", "b"], "merges": [], "reading": ["character", "backward", "ends"]}
    split = encoded_documents(facts, tokenizer_of(facts), Split(text=["aab"]))
    assert split.tokens.ids.tolist() == [2, 4, 3, 3, 2]


# What is shown

EVALUATION = Evaluation(
    math.log(8), 8.0, 1.5, 90, [3.0, 2.0, 1.5, 0.5, 1.0, 1.0], {"unigram": {"loss": 3.0, "perplexity": math.exp(3)}}
)


def test_tables_say_what_context_is_worth():
    (table,) = tables(EVALUATION)
    assert table.columns == ["place behind an empty state", "loss (nats)", "perplexity"]
    assert table.rows == [
        ["1", "3.0000", "20.09"],
        ["2", "2.0000", "7.39"],
        ["3 to 4", "1.0000", "2.72"],
        ["5 to 6", "1.0000", "2.72"],
    ]


def test_a_table_of_a_diverged_model_is_a_table():
    (table,) = tables(Evaluation(1e6, math.exp(700), 1e6, 3, [1e6]))
    assert table.rows == [["1", "1000000.0000", f"{math.exp(700):.2f}"]]


def test_figures_and_baselines():
    assert EVALUATION.figures == {"loss": math.log(8), "perplexity": 8.0, "bits_per_character": 1.5}
    assert EVALUATION.baseline_figures["unigram"]["loss"] == 3.0


def test_the_files_of_a_split(tmp_path):
    write(EVALUATION, tmp_path, "test", "gru_lm")
    stored = json.loads((tmp_path / "evaluation-test.json").read_text())
    assert stored == {
        "loss": math.log(8),
        "perplexity": 8.0,
        "bits_per_character": 1.5,
        "tokens": 90,
        "by_position": [3.0, 2.0, 1.5, 0.5, 1.0, 1.0],
        "baselines": {"unigram": {"loss": 3.0, "perplexity": math.exp(3)}},
    }
    name, path = picture(tmp_path, "test")
    assert (name, path) == ("loss by position", tmp_path / "positions-test.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evaluation-test.json", "positions-test.png"]
