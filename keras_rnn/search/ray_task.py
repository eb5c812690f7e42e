"""The code that Ray runs on the nodes of a cluster: an attempt at a trial, and the actor that collects reports."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray

from keras_rnn.search.layout import CHECKPOINT
from keras_rnn.search.trial import Job, Result

REPORT_SECONDS = 5.0  # a trial waits at most so long for a report to arrive; the actor may have died


def ray_task(
    run: Callable[..., Result],
    program: Any,
    data: Any,
    job: Job,
    checkpoint: bytes | None,
    source: bytes | None,
    attempt: int,
    reports: Any,
) -> tuple[Result, bytes | None]:
    """Calls `run` with the arguments of `run_trial`, in a folder of this node.

    Args:
        checkpoint: the checkpoint of an earlier attempt at the trial, if there is one.
        source: the checkpoint of the trial that `job.source` names.
        attempt: the number of the attempt, which is sent with each report.
        reports: the handle of a `Reports` actor. It receives `(attempt, None)` when the trial starts and
            `(attempt, row)` after each epoch.

    Returns:
        The result and the checkpoint of the trial.
    """
    if not ray.get_gpu_ids():
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # Ray hides no GPU from a task that asks for none
    with tempfile.TemporaryDirectory(prefix="keras_rnn-") as folder:
        trial_folder = Path(folder) / job.trial_id
        trial_folder.mkdir()
        if checkpoint is not None:
            (trial_folder / CHECKPOINT).write_bytes(checkpoint)
        source_path = Path(folder) / "source.npz" if source is not None else None
        if source_path is not None:
            source_path.write_bytes(source)

        def report(row: Mapping[str, float] | None) -> None:
            # Calls of an asynchronous actor may overtake each other, so each call waits for its arrival.
            ray.wait([reports.put.remote(attempt, row)], timeout=REPORT_SECONDS)

        report(None)
        result = run(program, data, job, trial_folder, source_path, lambda row: report(dict(row)))
        checkpoint_path = trial_folder / CHECKPOINT
        return result, checkpoint_path.read_bytes() if checkpoint_path.is_file() else None


class Reports:
    """An actor that stores the reports of trials until the driver takes them."""

    def __init__(self):
        self.rows: list[tuple[int, Mapping[str, float] | None]] = []
        self.arrived = asyncio.Event()

    async def put(self, attempt: int, row: Mapping[str, float] | None) -> None:
        self.rows.append((attempt, row))
        self.arrived.set()

    async def take(self) -> list[tuple[int, Mapping[str, float] | None]]:
        """The reports since the last call, in order. Waits for the first one."""
        await self.arrived.wait()
        self.arrived.clear()
        rows, self.rows = self.rows, []
        return rows
