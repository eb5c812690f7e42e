"""A driver of its own process whose trials on Ray hang, and the process ids that the trials write."""

DRIVER = """
import signal, sys
from pathlib import Path
from keras_rnn.search.ray_executor import RayExecutor
from keras_rnn.search.trial import Job, Result

def run(program, data, job, directory, source, report):
    import ctypes, os
    (program / job.trial_id).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(1000)  # holds the interpreter: only a signal or Ray itself ends it

signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as a sweep has it; Ray must not take it away
folder, address, trials = Path(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3])
executor = RayExecutor(folder, None, folder, capacity=trials, address=address, run=run)
for number in range(trials):
    executor.start(Job(f"{number:04}", {}, 1))
try:
    while True:
        executor.wait(1)
finally:
    executor.close()
"""


def read_pids(paths):
    """The numbers that trials wrote, once they all have; else nothing."""
    texts = [path.read_text() for path in paths if path.exists()]
    return [int(text) for text in texts] if len(texts) == len(paths) and all(texts) else []
