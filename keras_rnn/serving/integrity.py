"""The hashes of a version's files. The model card holds them, and they show that no file has changed."""

import hashlib
import json
from pathlib import Path

from keras_rnn.serving.layout import MODEL_CARD, SAVED_MODEL

HASHED_FOLDERS = ("variables", "assets")


class ExportError(RuntimeError):
    """A SavedModel is not what was exported, or does not do what the model does."""


def file_hashes(version_directory: Path) -> dict[str, str]:
    """Returns the sha256, in hex, of saved_model.pb and of all files in variables/ and assets/, by relative path."""
    paths = [version_directory / SAVED_MODEL]
    for folder in HASHED_FOLDERS:
        paths += sorted(path for path in (version_directory / folder).rglob("*") if path.is_file())
    return {path.relative_to(version_directory).as_posix(): _sha256(path) for path in paths}


def verify_files(version_directory: str | Path) -> None:
    """Compares a version's files with the hashes in its model card. A SavedModel without hashes passes.

    Raises:
        ExportError: a file is missing or has changed (the first one is named), or the card cannot be read.
    """
    version_directory = Path(version_directory)
    path = version_directory / MODEL_CARD
    if not path.is_file():
        return
    try:
        hashes = json.loads(path.read_text(encoding="utf-8")).get("sha256", {})
        expected = [(str(name), str(digest)) for name, digest in hashes.items()]
    except (ValueError, AttributeError) as error:
        raise ExportError(f"{path} is no model card: {error}") from error
    for name, digest in expected:
        file = version_directory / name
        if not file.is_file():
            raise ExportError(f"{file} is missing; the model card names it")
        if _sha256(file) != digest:
            raise ExportError(f"{file} is not the file that was exported: its sha256 is not that of the model card")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
