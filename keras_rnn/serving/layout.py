"""TensorFlow Serving's layout: NAME/VERSION/saved_model.pb, the highest integer VERSION in force."""

from pathlib import Path

SAVED_MODEL = "saved_model.pb"
MAX_VERSION = 2**63 - 1  # an int64 in TensorFlow Serving's messages
# TensorFlow copies and ignores assets.extra; TensorFlow Serving looks there for the warm-up requests, by this name.
MODEL_CARD = "assets.extra/model_card.json"
CLASSIFY_METHOD = "tensorflow/serving/classify"  # of a signature; TensorFlow Serving's Classify answers to no other
CHECK = "assets.extra/check.json"
WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"


def versions(folder: Path) -> list[int]:
    """Returns the versions in a model's folder, ascending. Names that are no 64-bit integer do not count."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.name.isdecimal() and entry.is_dir())
    return sorted(int(name) for name in names if len(name) <= 19 and int(name) <= MAX_VERSION)


def complete_versions(folder: Path) -> list[int]:
    """Returns the versions in a model's folder that hold a SavedModel, ascending."""
    return [number for number in versions(folder) if (folder / str(number) / SAVED_MODEL).is_file()]


def latest_version(folder: Path) -> Path | None:
    """Returns `folder` if it is a SavedModel, else the highest version in it, else None."""
    if (folder / SAVED_MODEL).is_file():
        return folder
    complete = complete_versions(folder)
    return folder / str(complete[-1]) if complete else None
