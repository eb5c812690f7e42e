"""One fresh `keras-rnn serve` process on free ports, ended with the block that started it."""

import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

END_SECONDS = 30  # from SIGTERM to SIGKILL
KERAS_RNN = [sys.executable, "-m", "keras_rnn.cli.main"]  # `keras-rnn` of the Python that runs the experiment


@contextmanager
def serving(models: Path, *options: object) -> Iterator["Server"]:
    """Starts a server of the folder `models`, waits until it is ready, and ends it after the block.

    Raises:
        RuntimeError: it did not become ready; the message has what it wrote.
    """
    command = [*KERAS_RNN, "serve", models, "--rest-port", 0, "--grpc-port", 0, *options]
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            ready_line = re.match(r"serving REST on (https?://\S+), gRPC on (\S+): ", line)
            if not ready_line:
                process.kill()
                raise RuntimeError(f"no server: {line}{Path(log.name).read_text()}")
            yield Server(ready_line[1], f"grpc://{ready_line[2]}", psutil.Process(process.pid), Path(log.name))
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Server:
    """`rest` and `grpc` are the URLs of its APIs. `log` is the file of its standard error."""

    rest: str
    grpc: str
    process: psutil.Process
    log: Path

    def resident_mib(self) -> float:
        """Returns the resident memory of its processes, in MiB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20

    def states(self, model: str) -> dict[int, str]:
        """Returns the state of each version that the server lists."""
        with urllib.request.urlopen(f"{self.rest}/v1/models/{model}", timeout=10) as answer:
            versions = json.load(answer)["model_version_status"]
        return {int(version["version"]): version["state"] for version in versions}

    def predict(self, model: str, texts: list[str], version: int | None = None) -> list[dict]:
        """One prediction over REST for each text, by the latest version or by `version`."""
        path = f"/v1/models/{model}" + (f"/versions/{version}" if version else "") + ":predict"
        body = json.dumps({"instances": texts}).encode()
        with urllib.request.urlopen(self.rest + path, body, timeout=30) as answer:
            return json.load(answer)["predictions"]
