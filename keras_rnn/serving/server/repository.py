"""Finds the models and versions in a folder on disk."""

import re
from pathlib import Path

from keras_rnn.serving.layout import complete_versions


def model_folders(root: Path) -> dict[str, Path]:
    """Returns the models in `root` by name, or `root` itself if it holds versions with a saved_model.pb.

    It skips hidden folders and names with a / or :, which no request can name.
    """
    if complete_versions(root):
        return {root.resolve().name: root}
    return {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if entry.is_dir() and re.fullmatch(r"[^./:][^/:]*", entry.name)
    }


def version_folders(root: Path) -> dict[str, dict[int, Path] | None]:
    """Returns the folder of each version of each model. A version has a saved_model.pb.

    None stands for a folder that cannot be read: it may be no model, or its disk may be missing for a moment.
    """
    folders: dict[str, dict[int, Path] | None] = {}
    for name, folder in model_folders(root).items():
        try:
            numbers = complete_versions(folder)
        except OSError:
            folders[name] = None
        else:
            if numbers:
                folders[name] = {number: folder / str(number) for number in numbers}
    return folders


def fingerprint(folder: Path) -> tuple:
    """Returns a value that changes when a file in `folder` changes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(path), status.st_size, status.st_mtime_ns) for path in files for status in [path.stat()])
