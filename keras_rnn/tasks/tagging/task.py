"""The task `tagging`."""

from keras_rnn.models.tagger_catalog import DEFAULT_TAGGER
from keras_rnn.tasks.tagging import evaluation, network, rows, serving
from keras_rnn.tasks.task import Objective, Task

TASK = Task(
    name="tagging",
    description="one tag a token: names, slots, chunks, parts of speech",
    default_dataset="slot_requests",
    default_model=DEFAULT_TAGGER,
    example="a table for two at Blue Lantern tomorrow",
    objective=Objective("val_f1", "max"),
    reported_metrics={"loss": "min", "val_loss": "min", "val_f1": "max", "val_accuracy": "max"},
    rows=rows,
    network=network,
    evaluation=evaluation,
    serving=serving,
    run_files={"tag_names": "tags.json", "vocabulary": "vocabulary.json", "characters": "characters.json"},
    card_facts=("tag_names",),
)
