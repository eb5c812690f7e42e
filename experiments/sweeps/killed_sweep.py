"""A sweep whose processes are killed while it runs, and which the same command carries on each time."""

import contextlib
import random
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import tuning

POLL_SECONDS = 0.1
GONE_SECONDS = 10  # for what is left of a sweep to end
MOST_FAILURES = 10  # of the command, by itself
LINE = 120  # characters of an error that are kept
DRIVER, SLOT, TRIAL = "driver", "slot", "trial"


@dataclass(frozen=True)
class Costs:
    """Seconds of a trial on average, and from the start of the command to the first trial."""

    trial: float
    start: float

    @classmethod
    def of(cls, rows: list[dict], wall_seconds: float, workers: int) -> "Costs":
        total = sum(float(row["seconds"]) for row in rows)
        return cls(total / len(rows), max(0.0, wall_seconds - total / workers))


@dataclass
class KilledSweep:
    """A sweep under way. `kills` counts the victims by kind.

    `failures` has what the command said each time it failed unasked. `output_times` are those of each finished trial's
    output.txt, which a further attempt would begin anew.
    """

    command: Sequence[str]
    out: Path
    log: Path
    kills: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    processes: set[psutil.Process] = field(default_factory=set)
    output_times: dict[str, int] = field(default_factory=dict)
    alive: dict[str, list[psutil.Process]] = field(default_factory=dict)  # at the last look, by kind
    driver: subprocess.Popen | None = None

    def start(self) -> None:
        with open(self.log, "a") as log:
            self.driver = subprocess.Popen(self.command, stdout=log, stderr=log)

    def watch(self) -> list[str]:
        """Looks once: notes the processes, restarts a driver that is dead, returns the trials that have ended.

        Raises:
            RuntimeError: the command keeps failing.
        """
        if self.driver.poll() not in (None, 0):
            self.failures.append(self.log.read_text().strip().rpartition("\n")[2][:LINE])
            if len(self.failures) > MOST_FAILURES:
                raise RuntimeError(f"the sweep fails again and again:\n{self.log.read_text()[-4000:]}")
            self.start()
        self.alive = {kind: processes for kind, processes in self.members().items() if processes}
        for processes in self.alive.values():
            self.processes.update(processes)
        ended = [event["trial"] for event in tuning.events(self.out) if event["event"] == "ended"]
        for trial in ended:
            if trial not in self.output_times:
                self.output_times[trial] = self._output_time(trial)
        return ended

    def members(self) -> dict[str, list[psutil.Process]]:
        """The processes of the sweep by kind: the driver, its children, and their children."""
        members: dict[str, list[psutil.Process]] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            driver = psutil.Process(self.driver.pid)
            slots = driver.children()
            members = {DRIVER: [driver], SLOT: slots, TRIAL: []}
            for slot in slots:
                with contextlib.suppress(psutil.NoSuchProcess):
                    members[TRIAL] += slot.children(recursive=True)
        return members

    def over(self) -> bool:
        return self.driver.poll() == 0

    def kill(self, rng: random.Random) -> str | None:
        """`kill -9` of a process, of each kind that there is as likely; returns the kind, None once it is over."""
        while not self.over():
            self.watch()
            if self.alive:
                kind = rng.choice(list(self.alive))
                with contextlib.suppress(psutil.NoSuchProcess):
                    rng.choice(self.alive[kind]).kill()
                    self.kills[kind] += 1
                    self.replace(kind)
                    return kind
        return None

    def replace(self, kind: str) -> None:
        """Starts anew what was killed and does not come back by itself."""
        if kind == DRIVER:
            self.driver.wait()
            self.start()

    def wait(self, seconds: float, at_work: bool) -> None:
        """Watches for so many seconds, with `at_work` those alone in which a trial has a process, or to the end."""
        last_time = time.monotonic()
        while seconds > 0 and not self.over():
            self.watch()
            time.sleep(min(POLL_SECONDS, seconds))
            passed, last_time = time.monotonic() - last_time, time.monotonic()
            if not at_work or TRIAL in self.alive:
                seconds -= passed

    def finish(self) -> None:
        """Watches until the sweep is over."""
        while not self.over():
            self.watch()
            time.sleep(POLL_SECONDS)
        self.watch()

    def orphans(self) -> list[str]:
        """The command lines of processes that outlived the sweep by GONE_SECONDS."""
        _, alive = psutil.wait_procs(self.processes, timeout=GONE_SECONDS)
        return [" ".join(process.cmdline()) for process in alive if not _is_dead(process)]

    def ran_again(self) -> list[str]:
        """The finished trials of which there was a further attempt, or of which the journal tells more than the end."""
        repeated_trials = {
            trial for trial, output_time in self.output_times.items() if self._output_time(trial) != output_time
        }
        ended = set()
        for event in tuning.events(self.out):
            if event["trial"] in ended:
                repeated_trials.add(event["trial"])
            elif event["event"] == "ended":
                ended.add(event["trial"])
        return sorted(repeated_trials)

    def stop(self) -> None:
        """Ends all of it; for when the experiment itself fails."""
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.driver is not None:
            self.driver.kill()
            self.driver.wait()

    def _output_time(self, trial: str) -> int:
        path = self.out / "trials" / trial / "output.txt"
        return path.stat().st_mtime_ns if path.is_file() else 0


def _is_dead(process: psutil.Process) -> bool:
    """Ended, whether or not its parent has asked how."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
