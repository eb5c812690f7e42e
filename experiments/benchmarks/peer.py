"""A peer: a process of its own that answers JSON lines, so that TensorFlow and PyTorch never live in one process.

    with Peer("layers_torch.py", "--seed", "0") as torch:
        print(torch.ask("build", cell="lstm", units=64)["parameters"])

and at the end of layers_torch.py `serve({"build": build, ...})`: functions from a request's arguments to a dict.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

SHOWN_CHARACTERS = 4000  # characters of what a child said last
END_SECONDS = 10  # after which a child that was told to end is killed


class PeerError(RuntimeError):
    """A peer died, answered what is no answer, or raised an error; with its own words."""


class Peer:
    """Starts `script`, a path or the name of a file beside this one, and does not wait until it is ready.

    `checkout` is a folder whose keras_rnn the child takes, in place of the installed one.
    """

    def __init__(self, script: str | Path, *arguments: str, checkout: Path | None = None):
        self.name = " ".join([Path(script).name, *arguments])
        self.child_output = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115, `close` closes it
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.child_output,
            text=True,
            env={**os.environ, "PYTHONPATH": str(checkout.resolve())} if checkout else None,
        )

    def ask(self, handler: str, **arguments) -> dict:
        """What the child's `handler` gives for these arguments.

        Raises:
            PeerError: see there.
        """
        request = json.dumps([handler, arguments])
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except (BrokenPipeError, ValueError):  # it has ended, now or at an earlier request
            line = ""
        if not line:
            raise PeerError(f"{self.name} ended with status {self._ended()}; it said:\n{self._last_words()}")
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict) or len(answer.keys() & {"result", "error"}) != 1:
            raise PeerError(f"{self.name} answered {line.rstrip()[:SHOWN_CHARACTERS]!r}, which is no answer")
        if "error" in answer:
            raise PeerError(f"{self.name} failed at {handler}:\n{answer['error']}")
        return answer["result"]

    def close(self) -> None:
        """Ends the child: its input ends, and so does it."""
        if self.process.poll() is None:
            self._ended()
        self.process.stdout.close()
        self.child_output.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _ended(self) -> int:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _last_words(self) -> str:
        self.child_output.seek(0)
        return self.child_output.read()[-SHOWN_CHARACTERS:]


def serve(handlers: Mapping[str, Callable[..., dict]]) -> None:
    """The child's side: answers on standard output until the input ends. All else that is printed goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        handler, arguments = json.loads(line)
        try:
            answer = {"result": handlers[handler](**arguments)}
        except Exception:  # whatever it is, the one who asked is to know
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def installed(package: str) -> bool:
    """Whether there is this peer; a line says where there is none."""
    if find_spec(package) is None:
        print(f'{package} is not installed and left out; pip install -e ".[bench]"', flush=True)
        return False
    return True
