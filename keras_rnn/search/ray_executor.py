"""Trials on the machines of a Ray cluster. Ray manages resources, retries, processes and the transport of data.

Every node needs keras_rnn and the modules of a user's HyperModel.
"""

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnn.files import atomic_write
from keras_rnn.search import layout
from keras_rnn.search.executor import GRACE_SECONDS, EpochEnded, TrialEnded
from keras_rnn.search.ray_cluster import check_room, connect, import_ray
from keras_rnn.search.trial import DIED, ERROR, OUT_OF_MEMORY, TIME_OUT, Job, Result, time_out_message
from keras_rnn.search.trial_task import write_result

CLOSE_SECONDS = 10.0  # cancelled trials have this time to end; then the end of the connection kills them


@dataclass
class _Attempt:
    job: Job
    number: int
    submitted: float
    start_time: float | None = None  # of Ray's latest try, which may be on another node than an earlier one
    overdue: bool = False

    def limit(self, trial_timeout: float | None) -> float:
        """The time of `time.monotonic()` at which the attempt is killed."""
        if trial_timeout is None or self.start_time is None or self.overdue:
            return float("inf")
        return self.start_time + trial_timeout + GRACE_SECONDS


class RayExecutor:
    """Runs each trial as a task of a Ray cluster, in its own process.

    The output of a trial stays in Ray's logs. A trial that Ray runs again, because its process or node died, starts
    from its last checkpoint on the driver's machine, or from the beginning.

    Args:
        program: what the trials share. Its `threads` become `cpus_per_trial`.
        data: PreparedData or None. Each node receives its arrays once, read-only.
        directory: the sweep's directory. Checkpoints are read from and written to the trials' folders there.
        capacity: trials at a time.
        address: HOST:PORT of a running cluster of which this machine is a node, or "auto" for the one it is a node
            of. None: that of the environment variable RAY_ADDRESS, or else Ray is started on this machine. A Ray that
            this process has already connected to is used, and left as it is.
        cpus_per_trial, gpus_per_trial: what Ray reserves for a trial. A trial without a GPU sees none.
        retries: how often Ray starts a trial again whose process or node died.
        trial_timeout: largest number of seconds of an attempt, from its start on the node; or None.
        reuse_workers: trials may share a process, one after the other.
        run: the function that runs a trial, with the arguments of `run_trial`; by default `run_trial`.

    Raises:
        UsageError: Ray is not installed, no cluster answers at the address, or it has no room for so many trials.
    """

    retries_deaths = True

    def __init__(
        self,
        program: Any,
        data: Any,
        directory: Path,
        *,
        capacity: int,
        address: str | None = None,
        cpus_per_trial: float = 1,
        gpus_per_trial: float = 0,
        retries: int = 1,
        trial_timeout: float | None = None,
        reuse_workers: bool = False,
        run: Callable[..., Result] | None = None,
    ):
        self.capacity, self.directory, self.trial_timeout = capacity, directory, trial_timeout
        self._attempts: dict[Any, _Attempt] = {}  # by the reference to its result
        self._numbers = itertools.count()
        self._reports = self._next_reports = None
        self._ray = ray = import_ray()
        self._connected = connect(ray, address)
        try:
            check_room(ray, capacity, cpus_per_trial, gpus_per_trial)
            from keras_rnn.search.ray_task import Reports, ray_task

            if run is None:
                from keras_rnn.search.run_trial import run_trial as run

                program = replace(program, threads=max(1, int(cpus_per_trial)))
            self._task = ray.remote(
                num_cpus=cpus_per_trial,
                num_gpus=gpus_per_trial,
                max_retries=retries,
                max_calls=0 if reuse_workers else 1,
                scheduling_strategy="SPREAD",
            )(ray_task)
            with _memory_maps_as_arrays():
                self._shared = [ray.put(value) for value in (run, program, data)]
            # The actor runs on the driver's node, which lives as long as the driver.
            driver_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=False
            )
            self._reports = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=driver_node)(Reports).remote()
            self._next_reports = self._reports.take.remote()
        except BaseException:
            self.close()
            raise

    def start(self, job: Job) -> None:
        number = next(self._numbers)
        checkpoint = self._checkpoint(job.trial_id)
        source = self._checkpoint(job.source) if job.source is not None else None
        reference = self._task.remote(
            *self._shared,
            job,
            self._ray.put(checkpoint.read_bytes()) if checkpoint.is_file() else None,
            self._ray.put(source.read_bytes()) if source is not None else None,
            number,
            self._reports,
        )
        self._attempts[reference] = _Attempt(job, number, time.monotonic())

    def wait(self, seconds: float) -> list[EpochEnded | TrialEnded]:
        deadline = time.monotonic() + seconds
        while True:
            self._cancel_overdue()
            limits = [attempt.limit(self.trial_timeout) for attempt in self._attempts.values()]
            references = [*self._attempts] if self._next_reports is None else [self._next_reports, *self._attempts]
            timeout = max(0.0, min([deadline, *limits]) - time.monotonic())
            ready_references, _ = self._ray.wait(references, timeout=timeout)
            if ready_references:  # all that are ready
                ready_references, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
            events = self._take_reports() if self._next_reports in ready_references else []
            events += [self._finish(reference) for reference in ready_references if reference in self._attempts]
            if events or time.monotonic() >= deadline:
                return events

    def close(self) -> None:
        attempts, self._attempts = list(self._attempts), {}
        if self._ray.is_initialized():
            for reference in attempts:
                self._ray.cancel(reference, force=True)
            if attempts:
                self._ray.wait(attempts, num_returns=len(attempts), timeout=CLOSE_SECONDS)
            if self._reports is not None:
                self._ray.kill(self._reports)
            if self._connected:
                self._ray.shutdown()
        self._reports, self._connected = None, False

    def _checkpoint(self, trial_id: str) -> Path:
        return layout.trial_folder(self.directory, trial_id) / layout.CHECKPOINT

    def _cancel_overdue(self) -> None:
        for reference, attempt in self._attempts.items():
            if time.monotonic() >= attempt.limit(self.trial_timeout):
                attempt.overdue = True
                self._ray.cancel(reference, force=True)

    def _take_reports(self) -> list[EpochEnded]:
        try:
            rows = self._ray.get(self._next_reports)
        except self._ray.exceptions.ActorDiedError:  # for good; the sweep goes on without reports
            self._next_reports = None
            return []
        except self._ray.exceptions.RayError:  # Ray restarts the actor
            rows = []
        self._next_reports = self._reports.take.remote()
        attempts = {attempt.number: attempt for attempt in self._attempts.values()}
        events = []
        for number, row in rows:
            attempt = attempts.get(number)
            if attempt is None:  # the attempt has ended
                continue
            if row is None or attempt.start_time is None:
                attempt.start_time = time.monotonic()
            if row is not None:
                events.append(EpochEnded(attempt.job.trial_id, row))
        return events

    def _finish(self, reference: Any) -> TrialEnded:
        attempt = self._attempts.pop(reference)
        trial_id = attempt.job.trial_id
        try:
            result, checkpoint = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return TrialEnded(trial_id, self._failure(attempt, error))
        path = self._checkpoint(trial_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        if checkpoint is None:
            path.unlink(missing_ok=True)
        else:
            with atomic_write(path) as temp_path:
                temp_path.write_bytes(checkpoint)
        if result.failure is None:  # so that a driver that dies before it writes the journal does not lose it
            write_result(self.directory, trial_id, result)
        return TrialEnded(trial_id, result)

    def _failure(self, attempt: _Attempt, error: Exception) -> Result:
        exceptions = self._ray.exceptions
        seconds = time.monotonic() - (attempt.start_time or attempt.submitted)
        text = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip()  # Ray's text has colours
        if attempt.overdue:
            return Result(TIME_OUT, time_out_message(self.trial_timeout), seconds=seconds)
        if isinstance(error, exceptions.OutOfMemoryError):
            return Result(OUT_OF_MEMORY, "Ray killed its process for lack of memory", text, seconds=seconds)
        if isinstance(error, exceptions.RayTaskError):  # the program cannot be read or the folder not written
            return Result(ERROR, text.splitlines()[-1], text, seconds=seconds)
        kind = type(error).__name__
        return Result(DIED, f"its process or node died ({kind})", text, seconds=seconds)


@contextlib.contextmanager
def _memory_maps_as_arrays() -> Iterator[None]:
    """Makes Ray treat memory maps as arrays: it shares arrays among the processes of a node, but copies memory maps."""
    from ray.util import deregister_serializer, register_serializer

    register_serializer(np.memmap, serializer=np.asarray, deserializer=np.asarray)
    try:
        yield
    finally:
        deregister_serializer(np.memmap)
