"""Trials in processes of this machine. Each slot runs one trial at a time, with its share of the cores or its GPU."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cloudpickle

from keras_rnn.errors import UsageError
from keras_rnn.search import layout
from keras_rnn.search.executor import GRACE_SECONDS, EpochEnded, TrialEnded
from keras_rnn.search.trial import DIED, ERROR, OUT_OF_MEMORY, TIME_OUT, Job, Result, time_out_message
from keras_rnn.search.trial_task import trial_task

CAN_FORK = sys.platform == "linux"  # elsewhere TensorFlow does not survive a fork, so each trial gets a new process
OUTPUT_LINES = 20
CALL_ATTEMPTS = 3


class Slot:
    """One worker process (`keras_rnn.search.worker`) and its current task.

    Args:
        environment: environment variables of the process.
        in_process: whether trials share the process; else each has a fork or a new process.
    """

    def __init__(self, environment: Mapping[str, str], in_process: bool = False):
        self.environment, self.in_process = environment, in_process
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  open for as long as the slot
        self._begin()

    def _begin(self) -> None:
        # The worker must find the user's own modules, too.
        search_path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self.connection, worker_end = Pipe()
        with worker_end:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "keras_rnn.search.worker", str(worker_end.fileno()), str(os.getpid())],
                pass_fds=[worker_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                env={**os.environ, "PYTHONPATH": search_path, **self.environment},
                start_new_session=True,  # Ctrl-C reaches only the driver; the group can be killed
            )

    def send(self, function: Callable, *arguments: Any, fork: bool = CAN_FORK) -> None:
        """Starts a task: `function(*arguments, report=...)` runs in the slot's process or a fork of it."""
        task = cloudpickle.dumps((function, arguments))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `receive` reports it
            self.connection.send((self.environment, fork, task))

    def receive(self) -> tuple:
        """Waits for the next message of the task (see `keras_rnn.search.worker`). A dead process is replaced."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            status = self.restart()
            return ("died", status)

    def restart(self) -> int:
        """Kills the process and all that it started, and starts a new one. Returns the status of `os.waitpid`."""
        status = self.close()
        self._begin()
        return status

    def close(self) -> int:
        """Kills the process and all that it started. Returns the status of `os.waitpid`."""
        self.connection.close()
        if self.process.returncode is None:  # an ended process may have passed on its id to another one
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        return -code if code < 0 else code << 8

    def output(self) -> str:
        """The last lines of output of the process itself."""
        self.log.seek(0)
        return _tail(self.log.read())


_early_slots: list[Slot] = []  # started by `early_slot` and not yet taken


@contextlib.contextmanager
def early_slot(environment: Mapping[str, str]) -> Iterator[None]:
    """Starts a slot early, so that both processes import TensorFlow at the same time. `take_slot` returns it."""
    _early_slots.append(Slot(environment))
    try:
        yield
    finally:
        _close_early()


def take_slot(environment: Mapping[str, str], in_process: bool) -> Slot:
    """The slot of `early_slot`, if its environment is part of this one; else a new slot."""
    if _early_slots and _early_slots[0].environment.items() <= environment.items():
        slot = _early_slots.pop()
        slot.environment, slot.in_process = environment, in_process
        return slot
    _close_early()
    return Slot(environment, in_process)


def _close_early() -> None:
    while _early_slots:
        _early_slots.pop().close()


class ProcessExecutor:
    """Runs each trial in its own process on this machine.

    Args:
        directory: the sweep's directory.
        slots: a worker process for each trial that runs at a time.
        trial_timeout: seconds of an attempt, or None.
    """

    retries_deaths = False

    def __init__(self, directory: Path, slots: Sequence[Slot], trial_timeout: float | None = None):
        self.directory, self.trial_timeout = directory, trial_timeout
        self.capacity = len(slots)
        self.idle = list(slots)
        self.busy: dict[Slot, _Attempt] = {}

    def start(self, job: Job) -> None:
        slot = self.idle.pop(0)
        self.busy[slot] = _Attempt(job)
        slot.send(trial_task, self.directory, job, fork=CAN_FORK and not slot.in_process)

    def wait(self, seconds: float) -> list[EpochEnded | TrialEnded]:
        limits = [attempt.seconds_left(self.trial_timeout) for attempt in self.busy.values()]
        slots_by_connection = {slot.connection: slot for slot in self.busy}
        ready_connections = wait(list(slots_by_connection), timeout=max(0.0, min([seconds, *limits])))
        ready_slots = [slots_by_connection[connection] for connection in ready_connections]
        events = [event for slot in ready_slots if (event := self._event(slot)) is not None]
        for slot, attempt in list(self.busy.items()):
            if attempt.seconds_left(self.trial_timeout) <= 0 and slot.connection not in ready_connections:
                slot.restart()
                events.append(self._finish(slot, Result(TIME_OUT, time_out_message(self.trial_timeout))))
        return events

    def close(self) -> None:
        for slot in [*self.idle, *self.busy]:
            slot.close()
        self.idle, self.busy = [], {}

    def _event(self, slot: Slot) -> EpochEnded | TrialEnded | None:
        kind, *message = slot.receive()
        if kind == "began":
            self.busy[slot].start_time = time.monotonic()
            return None
        if kind == "report":
            return EpochEnded(self.busy[slot].job.trial_id, message[0])
        if kind == "returned":
            return self._finish(slot, message[0])
        if kind == "raised":  # for example because the program cannot be read or the folder not written
            name, text, trace = message
            return self._finish(slot, Result(ERROR, f"{name}: {text}", trace))
        return self._finish(slot, self._death(slot, message[0]))

    def _finish(self, slot: Slot, result: Result) -> TrialEnded:
        attempt = self.busy.pop(slot)
        if not CAN_FORK and not slot.in_process:
            slot.restart()
        self.idle.append(slot)
        return TrialEnded(attempt.job.trial_id, result)

    def _death(self, slot: Slot, status: int) -> Result:
        attempt = self.busy[slot]
        folder = layout.trial_folder(self.directory, attempt.job.trial_id)
        out_of_memory = status & 0x7F == signal.SIGKILL and oom_kills() > attempt.oom_kills
        output = folder / layout.OUTPUT
        output_text = _tail(output.read_bytes()) if output.is_file() else ""
        return Result(
            failure=OUT_OF_MEMORY if out_of_memory else DIED,
            error="the system killed its process for lack of memory"
            if out_of_memory
            else f"its process ended by {_exit_description(status)}",
            traceback=output_text or slot.output(),
            seconds=time.monotonic() - attempt.start_time if attempt.start_time is not None else 0.0,
        )


class _Attempt:
    def __init__(self, job: Job):
        self.job, self.oom_kills = job, oom_kills()
        self.start_time: float | None = None  # set once its slot has imported TensorFlow

    def seconds_left(self, limit: float | None) -> float:
        if limit is None or self.start_time is None:
            return float("inf")
        return self.start_time + limit + GRACE_SECONDS - time.monotonic()


def call_in_slot(slot: Slot, function: Callable, *arguments: Any) -> Any:
    """The value that `function` returns in the slot's process. It is called again if that process dies.

    Raises:
        UsageError: the function raised it.
        RuntimeError: the function raised another error, or its process died each time. The notes hold the traceback.
    """
    for _ in range(CALL_ATTEMPTS):
        slot.send(function, *arguments)
        kind = "began"
        while kind in ("began", "report"):
            kind, *message = slot.receive()
        if kind == "returned":
            return message[0]
        if kind == "raised":
            name, text, trace = message
            error = UsageError(text) if name == "UsageError" else RuntimeError(f"{name}: {text}")
            error.add_note(trace)
            raise error
    error = RuntimeError(f"a worker process ended by {_exit_description(message[0])} {CALL_ATTEMPTS} times")
    error.add_note(slot.output())
    raise error


def _exit_description(status: int) -> str:
    """How a process ended, from its status of `os.waitpid`."""
    number = status & 0x7F
    return f"signal {number} ({signal.Signals(number).name})" if number else f"exit status {status >> 8}"


def oom_kills() -> int:
    """How many processes the system has killed for lack of memory since it started; 0 where that is unknown."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, count = line.split()
            if name == "oom_kill":
                return int(count)
    return 0


def _tail(output: bytes) -> str:
    return "\n".join(output.decode(errors="replace").splitlines()[-OUTPUT_LINES:])
