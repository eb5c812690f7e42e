"""Processes that compare cases, so that one that crashes is a failure like any other."""

import faulthandler
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from tests.layers.parity.cases import ROOT, Case
from tests.layers.parity.comparison import Verdict, short_message
from tests.layers.parity.verdicts import clear, verdict

CASE_SECONDS = 120  # a case that takes longer hangs
CASES_PER_WORKER = 1500


class Worker:
    """A process that compares cases one at a time, and is started again where one of them ended it.

    Args:
        logical_cpus: how many devices TensorFlow makes of the CPU.
    """

    def __init__(self, logical_cpus: int = 1):
        self.logical_cpus = logical_cpus
        self.process = None
        self.count = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.layers.parity", "--worker", "--logical-cpus", str(self.logical_cpus)]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )
        self.count = 0

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def verdict(self, case: Case) -> Verdict:
        """What `verdict` says, or that the process ended or did not answer."""
        if self.count >= CASES_PER_WORKER:
            self.close()
        if self.process is None:
            self.start()
        self.count += 1
        try:
            self.process.stdin.write(f"{case!r}\n".encode())
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], CASE_SECONDS)
            line = self.process.stdout.readline() if ready else None
        except BrokenPipeError:
            line = b""
        if line:
            return Verdict(*json.loads(line))
        if line is None:
            self.close()
            return Verdict("hang", f"no answer in {CASE_SECONDS} seconds")
        code = self.process.wait()
        self.log.seek(0)
        lines = [one for one in self.log.read().decode(errors="replace").splitlines() if one.strip()]
        self.close()
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        last_lines = [one for one in lines if "Fatal" in one or "File" in one or "corrupt" in one or "free" in one][:8]
        return Verdict("crash", f"{name}: {' | '.join(last_lines)}"[:600])


def work(logical_cpus: int) -> None:
    """Reads cases from standard input, a line each, and writes a verdict for each to standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    faulthandler.enable()
    configure(logical_cpus)
    for number, line in enumerate(sys.stdin):
        case = eval(line, {"Case": Case})
        try:
            result = verdict(case)
        except Exception as error:
            result = Verdict("harness", short_message(error))
        answers.write(json.dumps(list(result)) + "\n")
        answers.flush()
        if number % 100 == 99:
            clear()


def configure(logical_cpus: int = 1) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    if logical_cpus > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * logical_cpus)


class Workers:
    """A worker for cases on one logical CPU, and one for those on two."""

    def __init__(self):
        self.one, self.two = Worker(1), Worker(2)

    def verdict(self, case: Case) -> Verdict:
        return (self.two if case.runner == "mirrored" else self.one).verdict(case)

    def close(self) -> None:
        self.one.close()
        self.two.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pool:
    """Several workers that go through cases of which all are known, in their order.

    `verdict(case)` waits for that of one of them.
    """

    def __init__(self, cases, count: int = 2):
        self.free = queue.SimpleQueue()
        for _ in range(count):
            self.free.put(Workers())
        self.threads = ThreadPoolExecutor(count)
        self.futures = {case: self.threads.submit(self._verdict, case) for case in dict.fromkeys(cases)}

    def _verdict(self, case: Case) -> Verdict:
        workers = self.free.get()
        try:
            return workers.verdict(case)
        finally:
            self.free.put(workers)

    def verdict(self, case: Case) -> Verdict:
        return self.futures[case].result()

    def close(self) -> None:
        self.threads.shutdown(cancel_futures=True)
        while not self.free.empty():
            self.free.get().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
