"""From files to token ids in a fraction of the memory that the texts, or their ids, take."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from keras_rnn.datasets import load_dataset
from keras_rnn.text.encoded import EncodedTexts, encode, save

MIB = 2**20
TEXT = "a text as long as those of reviews are, " * 25  # 1,000 characters
TEXTS = [f"{row} {TEXT}" for row in range(1000)]


def write_lines(path: Path, rows: int, line) -> Path:
    with open(path, "w") as file:
        file.write(line("text", "label") if path.suffix != ".jsonl" else "")
        for _ in range(rows // 1000):
            file.writelines(line(text, "ab"[row % 2]) for row, text in enumerate(TEXTS))
    return path


def write_folders(path: Path, rows: int, _) -> Path:
    for row in range(rows):
        file = path / "ab"[row % 2] / f"{row}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{row} {TEXT * 20}")
    return path


def vectorizer(texts: np.ndarray) -> np.ndarray:
    """Makes ids that take as much as the texts; what TensorFlow itself takes is not what is measured here."""
    return np.full((len(texts), len(texts[0]) // 4), 2)


@pytest.mark.parametrize(
    ("name", "write", "rows", "line"),
    [
        ("rows.csv", write_lines, 20_000, '"{}",{}\n'.format),
        ("rows.tsv", write_lines, 20_000, "{}\t{}\n".format),
        ("rows.jsonl", write_lines, 20_000, lambda text, label: json.dumps({"text": text, "label": label}) + "\n"),
        ("folders", write_folders, 1_000, None),
    ],
)
def test_20_mib_of_texts(tmp_path, name, write, rows, line):
    path = write(tmp_path / name, rows, line)
    load_dataset(data=write(tmp_path / f"few-{name}", 1000, line))  # what is imported and kept once
    tracemalloc.start()
    try:
        dataset = load_dataset(data=path)
        assert tracemalloc.get_traced_memory()[1] < 14 * MIB  # a file's text is read into room for 10 MiB
        tracemalloc.reset_peak()
        save(encode(vectorizer, dataset.train.texts), tmp_path, "train")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB
    assert len(EncodedTexts.open(tmp_path, "train")) == len(dataset.train) == round(0.81 * rows)
