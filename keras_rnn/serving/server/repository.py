"""The folder of models on disk: which versions stand in it."""

import re
from pathlib import Path

from keras_rnn.serving.layout import complete_versions


def model_folders(root: Path) -> dict[str, Path]:
    """The models in `root` by name; `root` itself where it holds versions, not only models whose names are numbers.

    Names that a request could not ask for (with / or : in them) and hidden folders are left out.
    """
    if complete_versions(root):
        return {root.resolve().name: root}
    return {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if entry.is_dir() and re.fullmatch(r"[^./:][^/:]*", entry.name)
    }


def version_folders(root: Path) -> dict[str, dict[int, Path] | None]:
    """The folder of each version of each model; a version without a saved_model.pb is none.

    None for a folder that cannot be read, which may be no model at all, or one on a disk that is away for a moment.
    """
    found: dict[str, dict[int, Path] | None] = {}
    for name, folder in model_folders(root).items():
        try:
            numbers = complete_versions(folder)
        except OSError:
            found[name] = None
        else:
            if numbers:
                found[name] = {number: folder / str(number) for number in numbers}
    return found


def fingerprint(folder: Path) -> tuple:
    """Changes when a file in `folder` does."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(path), status.st_size, status.st_mtime_ns) for path in files for status in [path.stat()])
