"""The process of a slot: it imports TensorFlow once, and runs each task in its own fork.

A fork of a process that has imported TensorFlow, but never computed with it, works like a new process and starts
seconds sooner; its memory is freed when it ends. The process uses one connection, whose descriptor is its argument:

    in   (environment, fork, task): variables to set first, whether the task has its own fork, and the cloudpickle of
         (function, arguments); the function is also called with `report=`
    out  ("began",)           the task starts
         ("report", value)    a report of the task
         ("returned", value)  the value that it returned
         ("raised", kind, message, traceback)  an exception; kind is the name of its class
         ("died", status)     the process ended otherwise; the status is that of os.waitpid

A task without a fork runs in this process: quicker for tiny tasks, and the only way on systems where TensorFlow does
not survive a fork.
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
            run = run_in_fork if fork else run_in_process
            run(connection, task)
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver has ended
        os._exit(1)


def die_with(parent: int) -> None:
    """Makes Linux kill this process when its parent ends, in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # the parent ended before the call
            os._exit(1)


def run_in_process(connection: Connection, task: bytes) -> None:
    """Runs a task and sends its value or its exception."""
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
    """Runs a task in a child process and passes on its messages. Sends the status of a child that died."""
    parent_end, child_end = Pipe()
    parent = os.getpid()
    scratch = tempfile.mkdtemp(prefix="keras_rnn-")  # removed after the trial with all its content
    child = os.fork()
    if not child:
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        die_with(parent)
        connection.close()
        parent_end.close()
        run_in_process(child_end, task)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    child_end.close()
    has_ended = False
    while not has_ended:
        if connection in wait([parent_end, connection]):  # readable only if the driver has ended
            os._exit(1)  # ends the child, too
        try:
            message = parent_end.recv()
        except (EOFError, OSError):
            break
        has_ended = message[0] != "report"
        connection.send(message)
    parent_end.close()
    _, status = os.waitpid(child, 0)
    shutil.rmtree(scratch, ignore_errors=True)
    if not has_ended:
        connection.send(("died", status))


if __name__ == "__main__":
    main()
