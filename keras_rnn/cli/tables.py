"""Tables for a terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_rnn.training.evaluate import Evaluation

WIDEST_CONFUSION = 12  # classes; a wider table would not fit, and the picture shows it


def print_evaluation(split: str, evaluation: Evaluation, picture: Path) -> None:
    console = Console(markup=False)
    console.print(f"{split}: accuracy {evaluation.accuracy:.4f}, loss {evaluation.loss:.4f}", highlight=False)
    for system, accuracy in evaluation.baselines.items():
        console.print(f"  {system}: accuracy {accuracy:.4f}", highlight=False)
    console.print(_per_class(evaluation))
    if len(evaluation.per_class) <= WIDEST_CONFUSION:
        console.print(_confusion(evaluation))
    console.print(f"confusion matrix: {picture}", highlight=False, soft_wrap=True)


def _per_class(evaluation: Evaluation) -> Table:
    table = Table("class")
    for column in ("precision", "recall", "F1", "rows"):
        table.add_column(column, justify="right")
    for name, row in evaluation.per_class.items():
        figures = (f"{row[figure]:.4f}" for figure in ("precision", "recall", "f1"))
        table.add_row(Text(name), *figures, f"{row['support']:,}")
    return table


def _confusion(evaluation: Evaluation) -> Table:
    table = Table("true \\ predicted")
    for name in evaluation.per_class:
        table.add_column(Text(name), justify="right")
    for name, counts in zip(evaluation.per_class, evaluation.confusion, strict=True):
        table.add_row(Text(name), *(f"{count:,}" for count in counts))
    return table
