"""A small run, trained in seconds, and exports of it whose answers tell their version."""

import json
import shutil
import subprocess
from pathlib import Path

from server import KERAS_RNN

import keras_rnn

OPTIONS = "--limit 1000 --epochs 1 --model gru_64 --hidden-size 16 --embedding-size 16 --no-export"


def train(directory: Path) -> Path:
    """Trains on 1,000 rows of negated_reviews and returns `directory`. The model need not be good."""
    subprocess.run([*KERAS_RNN, "train", *OPTIONS.split(), "--out", directory], check=True, capture_output=True)
    return directory


def export_versions(run: Path, to: Path, count: int) -> None:
    """Exports versions 1 to `count`, each with class names of its own, "v3-negative" and "v3-positive"."""
    for version in range(1, count + 1):
        renamed_run = Path(shutil.copytree(run, to.parent / f"{run.name}-{version}"))
        (renamed_run / "classes.json").write_text(json.dumps([f"v{version}-negative", f"v{version}-positive"]))
        keras_rnn.export(renamed_run, to, version=version)
        shutil.rmtree(renamed_run)
