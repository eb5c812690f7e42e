"""Tables for a terminal."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_rnn import tasks
from keras_rnn.training.run_directory import open_run
from keras_rnn.training.train import figures_line


def print_evaluation(run: Path, split: str, evaluation: Any) -> None:
    """Prints a split's figures, those of simpler systems, the task's tables, and where the picture is."""
    task = open_run(run).task.evaluation
    console = Console(markup=False)
    console.print(f"{split}: {figures_line(evaluation.figures)}", highlight=False)
    for system, figures in evaluation.baseline_figures.items():
        console.print(f"  {system}: {figures_line(figures)}", highlight=False)
    for table in task.tables(evaluation):
        console.print(_table(table))
    name, path = task.picture(run, split)
    console.print(f"{name}: {path}", highlight=False, soft_wrap=True)


def _table(table: tasks.Table) -> Table:
    first_column, *other_columns = table.columns
    text_table = Table(first_column)
    for column in other_columns:
        text_table.add_column(Text(column), justify="right")
    for name, *figures in table.rows:
        text_table.add_row(Text(name), *figures)
    return text_table
