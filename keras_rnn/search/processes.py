"""Trials in processes of this machine: a slot for each that runs at a time, with its share of the cores or its GPU."""

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

CAN_FORK = sys.platform == "linux"  # elsewhere TensorFlow does not survive a fork, and a fresh process starts anew
OUTPUT_LINES = 20
CALL_ATTEMPTS = 3


class Slot:
    """One worker process (`keras_rnn.search.worker`) and the task it is at.

    Args:
        environment: variables of the process.
        in_process: trials share the process, where they otherwise have a fork or a new one each.
    """

    def __init__(self, environment: Mapping[str, str], in_process: bool = False):
        self.environment, self.in_process = environment, in_process
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  as long as the slot
        self._begin()

    def _begin(self) -> None:
        # A HyperModel from the user's own module is imported there too.
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
                start_new_session=True,  # Ctrl-C is for the driver; and all that a trial starts ends with its slot
            )

    def send(self, function: Callable, *arguments: Any, fork: bool = CAN_FORK) -> None:
        """Begins a task; `function` is called in the slot's process, or a fork of it, with these and `report=`."""
        task = cloudpickle.dumps((function, arguments))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `receive` will say so
            self.connection.send((self.environment, fork, task))

    def receive(self) -> tuple:
        """The next message of the task (see `keras_rnn.search.worker`), waited for; a dead process starts anew."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            status = self.restart()
            return ("died", status)

    def restart(self) -> int:
        """Ends the process and all that it started; returns its status, as os.waitpid tells it."""
        status = self.close()
        self._begin()
        return status

    def close(self) -> int:
        """Ends the process and all that it started, at once."""
        self.connection.close()
        if self.process.returncode is None:  # else its number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        return -code if code < 0 else code << 8

    def output(self) -> str:
        """The last lines that the process itself wrote."""
        self.log.seek(0)
        return _tail(self.log.read())


_early_slots: list[Slot] = []  # what `early_slot` began and nobody has taken


@contextlib.contextmanager
def early_slot(environment: Mapping[str, str]) -> Iterator[None]:
    """Begins a slot, so that it imports TensorFlow while this process does; `take_slot` hands it out."""
    _early_slots.append(Slot(environment))
    try:
        yield
    finally:
        _close_early()


def take_slot(environment: Mapping[str, str], in_process: bool) -> Slot:
    """The slot that was begun early, where its environment is a part of this one, or else a new one."""
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
    """Runs each trial in a process of its own on this machine.

    Args:
        directory: the sweep's.
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
        by_connection = {slot.connection: slot for slot in self.busy}
        ready = wait(list(by_connection), timeout=max(0.0, min([seconds, *limits])))
        events = [event for connection in ready if (event := self._event(by_connection[connection])) is not None]
        for slot, attempt in list(self.busy.items()):
            if attempt.seconds_left(self.trial_timeout) <= 0 and slot.connection not in ready:
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
        if kind == "raised":  # what no trial should: its program cannot be read, its folder cannot be written to
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
    """What `function` returns in the slot's process; called again where that process dies.

    Raises:
        UsageError: the function raised one.
        RuntimeError: it raised something else, or its process died each time; the traceback is in the error's notes.
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
    """What ended a process, of its status as os.waitpid tells it."""
    number = status & 0x7F
    return f"signal {number} ({signal.Signals(number).name})" if number else f"exit status {status >> 8}"


def oom_kills() -> int:
    """How many processes the system has killed for lack of memory since it started; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, count = line.split()
            if name == "oom_kill":
                return int(count)
    return 0


def _tail(output: bytes) -> str:
    return "\n".join(output.decode(errors="replace").splitlines()[-OUTPUT_LINES:])
