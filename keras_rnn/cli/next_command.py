"""What a command says at its end of the command to type next."""

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_rnn.training.run_directory import Run


def complete_line(run: "Run") -> str:
    """Of a complete run: how to ask it about a text."""
    example = shlex.quote(run.task.example)
    return f"run {run.directory} is complete; try: keras-rnn predict {run.directory} {example}"
