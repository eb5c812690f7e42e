"""The answers of a model to a few texts. They are stored with its SavedModel, which is checked against them."""

import json
from pathlib import Path

from keras_rnn.files import atomic_write


def write_answers(path: Path, rows: list[dict]) -> None:
    """Writes the rows as a JSON list, one row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    with atomic_write(path) as temp_path:
        temp_path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
