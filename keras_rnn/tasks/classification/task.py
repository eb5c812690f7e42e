"""The task `classification`."""

from keras_rnn.models import DEFAULT_MODEL
from keras_rnn.tasks.classification import evaluation, network, rows, serving
from keras_rnn.tasks.task import Objective, Task

TASK = Task(
    name="classification",
    description="one label a text",
    default_dataset="negated_reviews",
    default_model=DEFAULT_MODEL,
    example="not good, but cheap",
    objective=Objective("val_accuracy", "max"),
    reported_metrics={"loss": "min", "accuracy": "max", "val_loss": "min", "val_accuracy": "max"},
    rows=rows,
    network=network,
    evaluation=evaluation,
    serving=serving,
    run_files={"class_names": "classes.json", "vocabulary": "vocabulary.json"},
    card_facts=("class_names",),
)
