"""Kill: `kill -9` of `keras-rnn export` at any moment, while a server watches the folder that it writes to.

Half of the kills fall anywhere within the export's duration, the other half between the appearance of its hidden
folder and its end. After each, every version that the server tells of is asked, and compared with the model itself.
"""

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import small_run
from inputs import short_texts
from server import KERAS_RNN, Server, serving

import keras_rnn
from keras_rnn.serving.layout import versions

MODEL = "killed"
TOLERANCE = 1e-5  # largest difference of a probability
SERVER_POLL_SECONDS = 0.1
SETTLE_SECONDS = 1.0  # the server notices what the kill left within this time


def measure(quick: bool, seed: int) -> Iterator[dict]:
    kills = 4 if quick else 50
    rng = random.Random(seed)
    texts = short_texts()[:8]
    with tempfile.TemporaryDirectory() as folder:
        run, model_folder = small_run.train(Path(folder, "run")), Path(folder, "served", MODEL)
        keras_rnn.export(run, model_folder)
        expected = np.array(
            [list(prediction.probabilities.values()) for prediction in keras_rnn.predict(run / "model.keras", texts)]
        )
        duration, writing = timed(run, Path(folder, "timed"))
        with serving(model_folder.parent, "--poll-seconds", SERVER_POLL_SECONDS) as server:
            for number in range(1, kills + 1):
                if number % 2:
                    row = killed(run, model_folder, rng.uniform(0, duration), None)
                else:
                    row = killed(run, model_folder, duration, rng.uniform(0, writing))
                time.sleep(SETTLE_SECONDS)
                yield {"kill": number, **row, **asked(server, model_folder, texts, expected)}
            log = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    yield {
        "kills": kills,
        "export_seconds": round(duration, 1),
        "writing_seconds": round(writing, 1),
        "errors_in_the_log": [line["message"] for line in log if line["level"] in ("ERROR", "WARNING")],
    }


def timed(run: Path, to: Path) -> tuple[float, float]:
    """Returns the seconds of an export, and those from the appearance of its hidden folder to its end."""
    start_time = time.monotonic()
    process = _export(run, to)
    while process.poll() is None and not _hidden(to):
        time.sleep(0.005)
    appeared = time.monotonic()
    if process.wait():
        raise RuntimeError("the export failed")
    return time.monotonic() - start_time, time.monotonic() - appeared


def killed(run: Path, model_folder: Path, within_seconds: float, after_hidden: float | None) -> dict:
    """Kills an export after `within_seconds`, or `after_hidden` seconds after its hidden folder appeared."""
    names_before = {path.name for path in model_folder.iterdir()}
    start_time = time.monotonic()
    process = _export(run, model_folder)
    try:
        if after_hidden is None:
            _wait(process, within_seconds)
        else:
            while process.poll() is None and not _hidden(model_folder) - names_before:
                time.sleep(0.005)
            _wait(process, after_hidden)
    finally:
        process.kill()
        process.wait()
    new_names = {path.name for path in model_folder.iterdir()} - names_before
    stage = "while hidden" if new_names else "before the folder"
    if any(name.isdecimal() for name in new_names):
        stage = "published"
    return {"seconds": round(time.monotonic() - start_time, 2), "killed": stage, "by_itself": process.returncode == 0}


def asked(server: Server, model_folder: Path, texts: list[str], expected: np.ndarray) -> dict:
    """Returns the versions by state, and the largest difference of the available ones' answers from the model's."""
    while not {"AVAILABLE"} <= set((states := server.states(MODEL)).values()) <= {"AVAILABLE", "END"}:
        time.sleep(0.05)  # a version is being loaded, or drained
    available_versions = sorted(version for version, state in states.items() if state == "AVAILABLE")
    difference = 0.0
    for version in available_versions:
        answers = [prediction["probabilities"] for prediction in server.predict(MODEL, texts, version)]
        difference = max(difference, float(np.abs(np.array(answers) - expected).max()))
    newest = max(versions(model_folder))
    return {"newest": newest, "available": available_versions, "states": states, "largest_difference": difference}


def verdicts(rows: list[dict]) -> dict[str, bool]:
    *kills, total = rows
    stages = ", ".join(f"{stage} {sum(row['killed'] == stage for row in kills)}" for stage in STAGES)
    return {
        f"{len(kills)} kills ({stages}): the newest version is served and answers as the model does": all(
            row["newest"] in row["available"] and row["largest_difference"] <= TOLERANCE for row in kills
        ),
        "the server never met a broken version": not total["errors_in_the_log"],
    }


STAGES = ("before the folder", "while hidden", "published")


def _export(run: Path, to: Path) -> subprocess.Popen:
    command = [*KERAS_RNN, "export", run, "--to", to]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")} if folder.is_dir() else set()


def _wait(process: subprocess.Popen, seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
