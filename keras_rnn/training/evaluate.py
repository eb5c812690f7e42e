"""How good a run is on rows that it was not trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_rnn.datasets import DataOptions, Dataset
from keras_rnn.errors import UsageError
from keras_rnn.training.prepare import load_configured_dataset
from keras_rnn.training.run_directory import Run, open_run


def evaluate(
    run: Run | str | Path,
    *,
    data: str | Path | None = None,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
    dataset: Dataset | None = None,
    baseline: bool = False,
) -> dict[str, Any]:
    """Evaluates a run's model on its dataset's test split and extra splits, or on the rows of a file.

    Writes `evaluation-SPLIT.json` and a picture into the run directory; rows of a file are the split "data-NAME".

    Args:
        run: a complete run, or its directory.
        data: a labelled file to evaluate on instead, with `text_columns`, `label_column` and `header` as in
            `DataOptions`; its labels are those that the run knows.
        dataset: the dataset, where the run was trained on a Dataset that no name or path leads to.
        baseline: evaluate simpler systems, fitted on the training rows, too.

    Returns:
        The task's evaluation of each split, by name; its `figures` are numbers by name.

    Raises:
        UsageError: no complete run, no such data, or labels the run does not know.
    """
    run = run if isinstance(run, Run) else open_run(run)
    task = run.task
    if data is None and (text_columns or label_column is not None or header is not None):
        raise UsageError("text_columns, label_column and header take data beside them")
    if dataset is None and (data is None or baseline):
        dataset = load_configured_dataset(run.config)
    if dataset is not None:
        task.rows.check_dataset(dataset, run.facts)
    splits = {} if dataset is None else dataset.evaluation_splits
    if data is not None:
        columns: Any = text_columns  # which DataOptions makes a tuple
        options = DataOptions(data=str(data), text_columns=columns, label_column=label_column, header=header)
        rows = task.rows.load_split(options, run.facts)
        splits = {f"data-{Path(data).resolve().name.split('.')[0]}": rows}
    baselines = task.evaluation.fitted_baselines(dataset.train) if baseline and dataset is not None else {}
    evaluator = task.evaluation.row_evaluator(run.model, run.facts, baselines)
    evaluations = {name: evaluator(split) for name, split in splits.items()}
    for name, evaluation in evaluations.items():
        task.evaluation.write(evaluation, run.directory, name, run.config.model.model)
    return evaluations
