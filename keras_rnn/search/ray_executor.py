"""Trials on the machines of a Ray cluster. Resources, retries, processes and the transport of data are Ray's own.

Every node needs keras_rnn, and the modules that a HyperModel of one's own comes from.
"""

import contextlib
import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from keras_rnn.errors import UsageError
from keras_rnn.files import atomic_write
from keras_rnn.search import layout
from keras_rnn.search.executor import GRACE_SECONDS, Ended, EpochDone
from keras_rnn.search.settings import share_gpus
from keras_rnn.search.trial import DIED, ERROR, OUT_OF_MEMORY, TIME_OUT, Job, Result, not_done
from keras_rnn.search.trial_task import write_result

# Where the user has not set them.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else, under `uv run`, each node would set up an environment of its own
    "RAY_task_oom_retries": "0",  # else what lacks memory would be tried again for ever
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # else the deaths of processes and nodes fill the screen with Ray's own logs
}
QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
REHEARSAL = "import logging, ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)"
CONNECT = 15.0  # seconds in which a cluster has to answer
CLOSING = 10.0  # seconds in which cancelled trials have to end; the connection's end ends them too


@dataclass
class _Attempt:
    job: Job
    number: int
    submitted: float
    started: float | None = None  # last; Ray may have tried it before, on another node
    overdue: bool = False

    def limit(self, trial_timeout: float | None) -> float:
        """When it is to be killed, in the time of time.monotonic()."""
        if trial_timeout is None or self.started is None or self.overdue:
            return float("inf")
        return self.started + trial_timeout + GRACE_SECONDS


class RayExecutor:
    """Runs each trial as a task of a Ray cluster, in a process of its own.

    What a trial prints stays in Ray's logs. A trial that Ray runs again, because its process or node died, starts
    again from its last checkpoint on the driver's machine, or from the beginning.

    Args:
        program: what the trials share; with as many threads as `cpus_per_trial`.
        data: PreparedData or None; its arrays go to each node once, and are read-only there.
        directory: the sweep's. A trial's checkpoint goes to and comes from its folder there.
        capacity: trials at a time.
        address: HOST:PORT of a running cluster of which this machine is a node, or "auto" for the one it is a node
            of. None: that of the environment variable RAY_ADDRESS, or else Ray is started on this machine. A Ray that
            this process has already connected to is used, and left as it is.
        cpus_per_trial, gpus_per_trial: what Ray sets aside for a trial. One without a GPU sees none.
        retries: further attempts, which Ray makes, at a trial whose process or node died.
        trial_timeout: seconds of an attempt, from when it runs on its node; or None.
        reuse_workers: trials may share a process, one after the other.
        run: what a trial does, with the arguments of `run_trial`; by default `run_trial`.

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
        self._attempts: dict[Any, _Attempt] = {}  # by the reference of what it will return
        self._numbers = itertools.count()
        self._reports = self._taking = None
        self._ray = ray = _import_ray()
        self._connected = _connect(ray, address)
        try:
            _check_room(ray, capacity, cpus_per_trial, gpus_per_trial)
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
            # On the driver's node: it is there for as long as the driver is.
            here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=False
            )
            self._reports = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Reports).remote()
            self._taking = self._reports.take.remote()
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

    def wait(self, seconds: float) -> list[EpochDone | Ended]:
        deadline = time.monotonic() + seconds
        while True:
            self._cancel_overdue()
            limits = [attempt.limit(self.trial_timeout) for attempt in self._attempts.values()]
            references = [*self._attempts] if self._taking is None else [self._taking, *self._attempts]
            patience = max(0.0, min([deadline, *limits]) - time.monotonic())
            ready, _ = self._ray.wait(references, timeout=patience)
            if ready:  # what else is
                ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
            events = self._reported() if self._taking in ready else []
            events += [self._ended(reference) for reference in ready if reference in self._attempts]
            if events or time.monotonic() >= deadline:
                return events

    def close(self) -> None:
        attempts, self._attempts = list(self._attempts), {}
        if self._ray.is_initialized():
            for reference in attempts:
                self._ray.cancel(reference, force=True)
            if attempts:
                self._ray.wait(attempts, num_returns=len(attempts), timeout=CLOSING)
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

    def _reported(self) -> list[EpochDone]:
        try:
            taken = self._ray.get(self._taking)
        except self._ray.exceptions.ActorDiedError:  # for good; a sweep does not fail for lack of reports
            self._taking = None
            return []
        except self._ray.exceptions.RayError:  # Ray starts it again
            taken = []
        self._taking = self._reports.take.remote()
        attempts = {attempt.number: attempt for attempt in self._attempts.values()}
        events = []
        for number, row in taken:
            attempt = attempts.get(number)
            if attempt is None:  # it has ended
                continue
            if row is None or attempt.started is None:
                attempt.started = time.monotonic()
            if row is not None:
                events.append(EpochDone(attempt.job.trial_id, row))
        return events

    def _ended(self, reference: Any) -> Ended:
        attempt = self._attempts.pop(reference)
        trial_id = attempt.job.trial_id
        try:
            result, checkpoint = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Ended(trial_id, self._failure(attempt, error))
        path = self._checkpoint(trial_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        if checkpoint is None:
            path.unlink(missing_ok=True)
        else:
            with atomic_write(path) as temp_path:
                temp_path.write_bytes(checkpoint)
        if result.failure is None:  # so that it outlives a driver that dies before it has put it into the journal
            write_result(self.directory, trial_id, result)
        return Ended(trial_id, result)

    def _failure(self, attempt: _Attempt, error: Exception) -> Result:
        exceptions = self._ray.exceptions
        seconds = time.monotonic() - (attempt.started or attempt.submitted)
        text = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip()  # Ray colours it
        if attempt.overdue:
            return Result(TIME_OUT, not_done(self.trial_timeout), seconds=seconds)
        if isinstance(error, exceptions.OutOfMemoryError):
            return Result(OUT_OF_MEMORY, "Ray killed its process for lack of memory", text, seconds=seconds)
        if isinstance(error, exceptions.RayTaskError):  # its program cannot be read there, its folder not written to
            return Result(ERROR, text.splitlines()[-1], text, seconds=seconds)
        kind = type(error).__name__
        return Result(DIED, f"its process or node died ({kind})", text, seconds=seconds)


def _import_ray() -> ModuleType:
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise UsageError('executor ray takes the package ray: pip install "keras-rnn[ray]"') from error
    return ray


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connects to a cluster (see `RayExecutor`), and lets go of it if it was not connected before."""
    ray = _import_ray()
    made = _connect(ray, address)
    try:
        yield
    finally:
        if made:
            ray.shutdown()


def fair_share(workers: int | None, gpus: int | None) -> dict[str, int]:
    """How many trials run at a time in the cluster that this process is connected to, and what each may use.

    Args:
        workers: trials at a time; None: one a GPU, or one.
        gpus: how many of the cluster's to use, a trial each; None: all.

    Returns:
        The arguments capacity, cpus_per_trial and gpus_per_trial of `RayExecutor`.

    Raises:
        UsageError: the cluster has fewer GPUs.
    """
    nodes = _nodes(_import_ray())
    there = int(sum(node.get("GPU", 0) for node in nodes))
    workers, gpus = share_gpus(workers, gpus, there, "that the Ray cluster has", "the Ray cluster has")
    cpus = max(int(sum(node.get("CPU", 0) for node in nodes)) // workers, 1)
    while cpus > 1 and _room(nodes, cpus, min(gpus, 1)) < workers:
        cpus -= 1
    return {"capacity": workers, "cpus_per_trial": cpus, "gpus_per_trial": min(gpus, 1)}


def _connect(ray: ModuleType, address: str | None) -> bool:
    """Connects to a cluster, or starts Ray here; returns whether it did, False where it was connected before."""
    if ray.is_initialized():
        if address is not None:
            raise UsageError(f"ray_address takes None where this process has connected to Ray before, got {address!r}")
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    with _signal_handlers_kept():
        if not address:
            ray.init("local", include_dashboard=False, **QUIET)
            return True
        _rehearse(address)
        try:
            ray.init(address, **QUIET)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _unreachable(address, str(error)) from error
    return True


def _rehearse(address: str) -> None:
    """Connects in a process of its own, since Ray waits for minutes where nobody answers, and writes about it."""
    if "://" in address:
        raise UsageError(f"ray_address takes HOST:PORT or auto, got {address!r}")
    try:
        rehearsal = subprocess.run(
            [sys.executable, "-c", REHEARSAL, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=CONNECT,
        )
    except subprocess.TimeoutExpired:
        raise _unreachable(address, f"no answer in {CONNECT:g} s") from None
    if rehearsal.returncode:
        raise _unreachable(address, (rehearsal.stderr.strip().splitlines() or ["no reason given"])[-1])


def _unreachable(address: str, reason: str) -> UsageError:
    return UsageError(
        f"cannot connect to Ray at {address}: {reason}; this machine has to be a node of the cluster "
        f"(ray start --address {address})"
    )


def _nodes(ray: ModuleType) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _room(nodes: list[dict[str, float]], cpus: float, gpus: float) -> int:
    """How many trials that need so much fit, none of them on two nodes."""
    needs = [(name, amount) for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount]
    return sum(int(min(node.get(name, 0) / amount for name, amount in needs)) for node in nodes)


def _check_room(ray: ModuleType, capacity: int, cpus: float, gpus: float) -> None:
    nodes = _nodes(ray)
    room = _room(nodes, cpus, gpus)
    if room < capacity:
        has = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise UsageError(
            f"workers takes at most the {room} trials of {cpus:g} CPUs and {gpus:g} GPUs that Ray has room for, "
            f"got {capacity}; its nodes have {has}"
        )


@contextlib.contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself as it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _memory_maps_as_arrays() -> Iterator[None]:
    """Ray shares plain arrays among the processes of a node, but would copy memory maps into each."""
    from ray.util import deregister_serializer, register_serializer

    register_serializer(np.memmap, serializer=np.asarray, deserializer=np.asarray)
    try:
        yield
    finally:
        deregister_serializer(np.memmap)
