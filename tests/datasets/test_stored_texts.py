import copy
import errno
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

from keras_rnn.datasets import stored_texts
from keras_rnn.datasets.dataset import Split
from keras_rnn.datasets.stored_texts import TextFile, stored

# Of one to four bytes a character, empty ones, NUL, line ends and half a surrogate pair.
TEXTS = ["plain", "", "naïve", "“quoted”\r\n", "😀 \0", "\ud83d", "", "last"]


@pytest.fixture(params=[1, 3, 1024], ids="blocks of {}".format)
def blocks(request, monkeypatch):
    monkeypatch.setattr(stored_texts, "BLOCK_ROWS", request.param)


@pytest.mark.parametrize("block_bytes", [0, 9, 2**22])
def test_what_is_iterated_over(blocks, block_bytes, monkeypatch):
    monkeypatch.setattr(stored_texts, "BLOCK_BYTES", block_bytes)
    texts = stored(TEXTS)
    assert len(texts) == 8
    assert list(texts) == list(texts) == TEXTS
    assert list(reversed(texts)) == TEXTS[::-1]
    assert "naïve" in texts
    assert "naive" not in texts
    assert list(texts.take(np.array([7, 0, 0, 4]))) == ["last", "plain", "plain", "😀 \0"]


@pytest.mark.parametrize("row", [0, 3, 5, 7, -1, -8, np.int64(4), np.int32(-3)])
def test_one_text(row):
    assert stored(TEXTS)[row] == TEXTS[row]


@pytest.mark.parametrize("row", [8, -9])
def test_no_such_text(row):
    with pytest.raises(IndexError):
        stored(TEXTS)[row]


@pytest.mark.parametrize(
    "part", [slice(None), slice(2, 5), slice(-3, None), slice(None, None, -2), slice(5, 2), slice(6, 99)]
)
def test_slices(blocks, part):
    texts = stored(TEXTS)[part]
    assert texts == TEXTS[part]
    assert texts[:2] == TEXTS[part][:2]


def test_equal_to_lists_of_the_same_texts_alone():
    texts = stored(["a", "b"])
    assert texts == ["a", "b"]
    assert ["a", "b"] == texts  # noqa: SIM300
    assert texts == stored(["a", "b"])
    assert texts != ["a", "c"]
    assert texts != ["a"]
    assert texts != "ab"


def test_none_at_all():
    assert list(stored([])) == []
    assert stored([]) == []
    assert stored(["a"])[:0] == []


def test_shown():
    assert repr(stored(["a", "b"])) == "<2 texts: 'a', 'b'>"
    assert repr(stored("abcd" * 1000)) == "<4,000 texts: 'a', 'b', 'c', ...>"


@pytest.mark.parametrize("copied", [lambda texts: pickle.loads(pickle.dumps(texts)), copy.copy, copy.deepcopy])
def test_a_copy_has_a_file_of_its_own(copied):
    texts = stored(TEXTS)[1:6]
    copied_texts = copied(texts)
    del texts
    assert copied_texts == TEXTS[1:6]


def test_a_split_takes_rows_without_reading_them(monkeypatch):
    split = Split(stored(TEXTS), np.arange(8, dtype=np.int32))
    with monkeypatch.context() as patch:
        patch.delattr("os.pread")
        taken_split = split.take(np.array([6, 2, 0])).take(np.array([1, 2]))
    assert taken_split.texts == ["naïve", "plain"]
    assert taken_split.labels.tolist() == [2, 0]


def test_the_file_has_no_name_and_is_gone_with_the_last_part_of_the_texts(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened, files = tempfile.TemporaryFile, []

    def temporary_file(**options):
        files.append(opened(**options))
        return files[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    texts = stored(TEXTS)
    assert list(tmp_path.iterdir()) == []
    part = texts[2:4]
    del texts
    assert list(part) == TEXTS[2:4]
    del part
    assert files[0].closed
    TextFile().append("of a file that turns out to be malformed")
    assert files[1].closed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="takes Linux")
@pytest.mark.parametrize("text", ["short", "long" * 10**6])
def test_no_space_says_where(text, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **buffering: open("/dev/full", "r+b", **buffering))  # noqa: SIM115
    with pytest.raises(OSError, match=r"cannot keep the texts in .*: No space left on device; TMPDIR names") as error:
        stored([text])
    assert error.value.errno == errno.ENOSPC
