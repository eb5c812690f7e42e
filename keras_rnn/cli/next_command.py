"""The line at the end of a command that names the next one."""

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_rnn.training.run_directory import Run


def complete_line(run: "Run") -> str:
    """The line of a complete run: a command that predicts a text."""
    example = shlex.quote(run.task.example)
    return f"run {run.directory} is complete; try: keras-rnn predict {run.directory} {example}"
