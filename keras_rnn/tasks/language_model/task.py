"""The task `language_model`."""

from keras_rnn.models.language_model_catalog import DEFAULT_LANGUAGE_MODEL
from keras_rnn.tasks.language_model import evaluation, network, rows, serving, writing
from keras_rnn.tasks.task import Objective, Task

TASK = Task(
    name="language_model",
    description="the next token of a text: perplexities, and texts that the network writes",
    default_dataset="python_topics",
    default_model=DEFAULT_LANGUAGE_MODEL,
    example="The import statement",
    objective=Objective("val_loss", "min"),
    reported_metrics={"loss": "min", "val_loss": "min", "val_perplexity": "min"},
    rows=rows,
    network=network,
    evaluation=evaluation,
    serving=serving,
    writing=writing,
    run_files={"pieces": "pieces.json", "merges": "merges.json", "reading": "reading.json"},
    card_facts=("reading",),
)
