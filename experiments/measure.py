"""A command run as a user would run it, with its wall time and the peak of its resident memory; and on what it ran."""

import contextlib
import os
import platform
import subprocess
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak_bytes: int
    output: str


def measured(command: list[str], **options) -> Measured:
    """Runs `command`; its processes' resident memory is sampled, added up, ten times a second.

    Raises:
        RuntimeError: the command failed.
    """
    start_time = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    peak = 0

    def watch():
        nonlocal peak
        root = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, sum(p.memory_info().rss for p in [root, *root.children(recursive=True)]))
            time.sleep(SAMPLE_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    seconds = time.perf_counter() - start_time
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{output}")
    return Measured(seconds, peak, output)


def environment(packages: list[str]) -> dict:
    """The machine and the versions of `packages`, for the results of an experiment."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
    return {
        "processor": ", ".join(sorted(names)) or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
