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
        run, served = small_run.train(Path(folder, "run")), Path(folder, "served", MODEL)
        keras_rnn.export(run, served)
        expected = np.array(
            [list(prediction.probabilities.values()) for prediction in keras_rnn.predict(run / "model.keras", texts)]
        )
        duration, writing = timed(run, Path(folder, "timed"))
        with serving(served.parent, "--poll-seconds", SERVER_POLL_SECONDS) as server:
            for number in range(1, kills + 1):
                if number % 2:
                    row = killed(run, served, rng.uniform(0, duration), None)
                else:
                    row = killed(run, served, duration, rng.uniform(0, writing))
                time.sleep(SETTLE_SECONDS)
                yield {"kill": number, **row, **asked(server, served, texts, expected)}
            log = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    yield {
        "kills": kills,
        "export_seconds": round(duration, 1),
        "writing_seconds": round(writing, 1),
        "errors_in_the_log": [line["message"] for line in log if line["level"] in ("ERROR", "WARNING")],
    }


def timed(run: Path, to: Path) -> tuple[float, float]:
    """Returns the seconds of an export, and those from the appearance of its hidden folder to its end."""
    began = time.monotonic()
    process = _export(run, to)
    while process.poll() is None and not _hidden(to):
        time.sleep(0.005)
    appeared = time.monotonic()
    if process.wait():
        raise RuntimeError("the export failed")
    return time.monotonic() - began, time.monotonic() - appeared


def killed(run: Path, served: Path, within: float, after_hidden: float | None) -> dict:
    """Kills an export after `within` seconds, or `after_hidden` seconds after its hidden folder appeared."""
    before = {path.name for path in served.iterdir()}
    began = time.monotonic()
    process = _export(run, served)
    try:
        if after_hidden is None:
            _wait(process, within)
        else:
            while process.poll() is None and not _hidden(served) - before:
                time.sleep(0.005)
            _wait(process, after_hidden)
    finally:
        process.kill()
        process.wait()
    new = {path.name for path in served.iterdir()} - before
    stage = "while hidden" if new else "before the folder"
    if any(name.isdecimal() for name in new):
        stage = "published"
    return {"seconds": round(time.monotonic() - began, 2), "killed": stage, "by_itself": process.returncode == 0}


def asked(server: Server, served: Path, texts: list[str], expected: np.ndarray) -> dict:
    """Returns the versions by state, and the largest difference of the available ones' answers from the model's."""
    while not {"AVAILABLE"} <= set((states := server.states(MODEL)).values()) <= {"AVAILABLE", "END"}:
        time.sleep(0.05)  # a version is being loaded, or drained
    available = sorted(version for version, state in states.items() if state == "AVAILABLE")
    difference = 0.0
    for version in available:
        answers = [prediction["probabilities"] for prediction in server.predict(MODEL, texts, version)]
        difference = max(difference, float(np.abs(np.array(answers) - expected).max()))
    newest = max(versions(served))
    return {"newest": newest, "available": available, "states": states, "largest_difference": difference}


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
