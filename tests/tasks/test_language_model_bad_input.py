"""Texts that no language model can be trained on: one line that names them, exit status 2, and nothing is left."""

import sys

import pytest

from keras_rnn import UsageError
from keras_rnn.cli import main as cli
from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.tasks.language_model.options import LanguageModelOptions
from keras_rnn.tasks.language_model.rows import check_dataset, encode

LINES = "the cat sees a dog\n" * 40


def write(name, content):
    def make(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


# (what is made first, the options, words of the error)
CASES = {
    "no such file": (None, "--data none.txt", ["none.txt", "no such file"]),
    "an empty file": (write("a.txt", ""), "--data a.txt", ["a.txt", "no text"]),
    "white space": (write("a.txt", " \n\t\n\n"), "--data a.txt", ["a.txt", "no text"]),
    "a byte order mark alone": (write("a.txt", b"\xef\xbb\xbf"), "--data a.txt", ["a.txt", "no text"]),
    "two characters": (write("a.txt", "ab"), "--data a.txt", ["a.txt", "2 characters cannot be divided"]),
    "shorter than a chunk": (
        write("a.txt", "a cat and a dog\n" * 4),
        "--data a.txt --tokens character",
        ["a.txt", "fewer than chunk_length 70", "longer text"],
    ),
    "no UTF-8": (
        write("a.txt", LINES.encode() + b"caf\xe9\n"),
        "--data a.txt",
        ["a.txt, line 41", "not UTF-8", "0xe9"],
    ),
    "UTF-16": (write("a.txt", LINES.encode("utf-16")), "--data a.txt", ["a.txt, line 1", "takes"]),
    "binary": (write("a.txt", LINES.encode() + b"\0\1\2" * 99), "--data a.txt", ["a.txt, line 41", "NUL"]),
    "a picture": (write("a.txt", b"\x89PNG\r\n\x1a\n" + b"\0" * 500), "--data a.txt", ["a.txt, line", "takes", "text"]),
    "a cut gzip": (write("a.txt.gz", b"\x1f\x8b\x08\x00abc"), "--data a.txt.gz", ["a.txt.gz", "damaged or cut"]),
    "one character": (
        write("a.txt", "a" * 500),
        "--data a.txt --tokens character",
        ["one character alone, 'a'", "two"],
    ),
    "one word": (write("a.txt", "la " * 500), "--data a.txt --tokens word", ["one word alone, 'la'", "two"]),
    "a vocabulary of one": (
        write("a.txt", LINES),
        "--data a.txt --tokens character --vocabulary-size 1",
        ["vocabulary_size", "at least 3", "got 1"],
    ),
    "a vocabulary of one character": (
        write("a.txt", LINES),
        "--data a.txt --tokens character --vocabulary-size 4",
        ["vocabulary_size", "at least 5", "two characters", "got 4"],
    ),
    "fewer subwords than bytes": (
        write("a.txt", LINES),
        "--data a.txt --vocabulary-size 100",
        ["vocabulary_size", "at least 259", "256 bytes", "got 100"],
    ),
    "a chunk of none": (
        write("a.txt", LINES),
        "--data a.txt --chunk-length 0",
        ["chunk_length", "at least 1", "got 0"],
    ),
    "an empty folder": (lambda folder: (folder / "d").mkdir(), "--data d", ["d: the folder holds no text"]),
    "a column without text": (
        write("a.csv", "text,n\n,1\n ,2\n"),
        "--data a.csv --text-column text",
        ["a.csv", "no row holds text in 'text'"],
    ),
    "no such column": (write("a.csv", "text,n\na,1\n"), "--data a.csv --text-column body", ["no column 'body'"]),
    "a label": (write("a.txt", LINES), "--data a.txt --label-column y", ["takes no --label-column"]),
    "a bad split": (
        lambda folder: (write("d/train.txt", LINES)(folder), write("d/test.txt", b"caf\xe9")(folder)),
        "--data d",
        ["test.txt, line 1", "not UTF-8"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_names_it(case, tmp_path, monkeypatch, capfd):
    make, options, words = CASES[case]
    if make:
        make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    command = f"keras-rnn train --task language_model --out run {options} --embedding-size 4 --hidden-size 4 --epochs 1"
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    shown = capfd.readouterr().err
    assert exit_.value.code == 2, shown
    errors = [line for line in shown.splitlines() if line.startswith("keras-rnn: error: ")]
    assert len(errors) == 1
    assert shown.splitlines()[-1] == errors[0]
    for word in words:
        assert word in errors[0]
    assert "Traceback" not in shown
    assert sorted(tmp_path.rglob("*")) == before


def dataset_of(train, validation=("the cat\n" * 9,), test=("a dog",)):
    return Dataset("own", (), Split(text=list(train)), Split(text=list(validation)), Split(text=list(test)))


@pytest.mark.parametrize("blank", [[], [""], [" \t", "\n"], ["\u2003"]], ids=repr)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_of_ones_own_without_text_is_named(split, blank, tmp_path):
    """Its perplexity would be 1, the best that there is."""
    dataset = dataset_of(**{"train": [LINES], split: blank})
    for use in (
        lambda: check_dataset(dataset, {}),
        lambda: encode(dataset, LanguageModelOptions(tokens="word"), 0, tmp_path),
    ):
        with pytest.raises(UsageError, match=f"dataset 'own': the {split} split holds no text"):
            use()


def test_many_short_documents_are_enough_for_a_chunk(tmp_path):
    """It is all of them together that a chunk may not be longer than."""
    options = LanguageModelOptions(tokens="character", chunk_length=20)
    with pytest.raises(UsageError, match="dataset 'own': 18 tokens to train on are fewer than chunk_length 20"):
        encode(dataset_of(["ab"] * 6), options, 0, tmp_path)
    assert encode(dataset_of(["ab"] * 7), options, 0, tmp_path)["reading"] == ["character", "forward", "ends"]
