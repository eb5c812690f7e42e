"""A slot's process: it imports TensorFlow once, and runs each task in a fork of its own.

A fork of a process that has imported TensorFlow, but never computed with it, is as good as a new process, seconds
sooner; its memory is given back with it. The process talks over one connection, whose descriptor is its argument:

    in   (environment, fork, task): variables to set first, whether the task has a fork of its own, and cloudpickle of
         (function, arguments); the function is called with `report=` besides
    out  ("began",)           the process is there, and the task begins
         ("report", value)    what the task reported
         ("returned", value)  what it returned
         ("raised", kind, message, traceback)  kind: the name of the exception's class
         ("died", status)     it ended without either; `status` as os.waitpid tells it

A task without a fork runs in this very process: what is quicker where tasks are tiny, and the only way where there is
no fork that TensorFlow survives.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

import cloudpickle

from keras_rnn.imports import imports_without_gc


def main() -> None:
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent)
    connection = Connection(descriptor)
    with imports_without_gc():
        import keras_rnn.search.run_trial  # noqa: F401  TensorFlow and all that trials need

    try:
        while True:
            environment, fork, task = connection.recv()
            os.environ.update(environment)
            connection.send(("began",))
            run = run_in_fork if fork else run_here
            run(connection, task)
    except (EOFError, BrokenPipeError, ConnectionResetError):  # whoever asked is gone
        os._exit(1)


def die_with(parent: int) -> None:
    """Has the system kill this process when its parent ends, however that ends; on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended before that
            os._exit(1)


def run_here(connection: Connection, task: bytes) -> None:
    """Runs a task and sends what comes of it."""
    try:
        function, arguments = cloudpickle.loads(task)
        value = function(*arguments, report=lambda value: connection.send(("report", value)))
    except BrokenPipeError:
        raise
    except BaseException as error:
        connection.send(("raised", type(error).__name__, str(error), traceback.format_exc()))
    else:
        connection.send(("returned", value))


def run_in_fork(connection: Connection, task: bytes) -> None:
    """Runs a task in a child, passing on what it sends, and says how it died if it did."""
    ours, theirs = Pipe()
    parent = os.getpid()
    scratch = tempfile.mkdtemp(prefix="keras_rnn-")  # whatever a trial leaves there goes with it
    child = os.fork()
    if not child:
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        die_with(parent)
        connection.close()
        ours.close()
        run_here(theirs, task)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    theirs.close()
    ended = False
    while not ended:
        if connection in wait([ours, connection]):  # nothing comes while a task runs: the driver is gone
            os._exit(1)  # and the child with this process
        try:
            message = ours.recv()
        except (EOFError, OSError):
            break
        ended = message[0] != "report"
        connection.send(message)
    ours.close()
    _, status = os.waitpid(child, 0)
    shutil.rmtree(scratch, ignore_errors=True)
    if not ended:
        connection.send(("died", status))


if __name__ == "__main__":
    main()
