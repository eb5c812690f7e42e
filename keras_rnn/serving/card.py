"""The model card of an export: its settings, its training data and its figures."""

from importlib.metadata import version
from pathlib import Path

import keras

from keras_rnn.datasets.registry import embedded_datasets
from keras_rnn.serving.integrity import file_hashes
from keras_rnn.serving.layout import SAVED_MODEL
from keras_rnn.tasks import get_task, task_name_of
from keras_rnn.training.config import config_to_dict, path_fields
from keras_rnn.training.run_directory import PACKAGES, Run

PADDING = (
    "**What it answers to a text hangs on the longest text of its batch**, since it reads padding as if it were text. "
    "A server should not put the texts of several requests into one batch: leave TensorFlow Serving's batching off."
)
WEIGHTS = (SAVED_MODEL, "variables/variables.data-00000-of-00001")  # some weights are constants of the graph


def model_card(run: Run, model: keras.Model, saved_model: Path, rows_independent: bool) -> dict:
    """Returns the card of a run's model and its SavedModel, as JSON values.

    The card names local files without their folders.
    """
    config = config_to_dict(run.config)
    for section in ("data", "text"):
        for name in path_fields(getattr(run.config, section)):
            if config[section][name]:
                config[section][name] = Path(config[section][name]).name
    return {
        **{name: list(run.facts[name]) for name in run.task.card_facts},
        "config": config,
        "metrics": run.metrics,
        "parameters": model.count_params(),
        "versions": {package: version(package) for package in PACKAGES},
        "rows_independent": rows_independent,
        "sha256": file_hashes(saved_model),
    }


def model_card_markdown(card: dict) -> str:
    """Returns the card as Markdown."""
    config, metrics = card["config"], card["metrics"]
    data = config["data"]["dataset"] or config["data"]["data"]
    note = embedded_datasets()[data].note if data in embedded_datasets() else ""
    splits = {split: values for split, values in metrics.items() if isinstance(values, dict)}
    names = list(splits["validation"])
    units = {"loss": f"loss ({unit})"} if (unit := get_task(task_name_of(card)).loss_unit) else {}
    table = [["split", *(units.get(name, name) for name in names)], ["---"] * (len(names) + 1)]
    table += [[split, *(f"{values[name]:.4f}" for name in names)] for split, values in splits.items()]
    paragraph, *other_paragraphs = get_task(task_name_of(card)).serving.card_paragraphs(card)
    settings = {**config["text"], **config["model"]["hyperparameters"], **config["training"]}
    lines = [
        f"# {config['model']['model']} on {data}",
        "",
        paragraph,
        "",
        *([] if card["rows_independent"] else [PADDING, ""]),
        *(line for text in other_paragraphs for line in (text, "")),
        *([note, ""] if note else []),
        *(f"| {' | '.join(row)} |" for row in table),
        "",
        f"Best of {metrics['epochs']} epochs: number {metrics['best_epoch']}. Settings: "
        + ", ".join(f"{name} {value}" for name, value in settings.items())
        + ".",
        "",
        f"Made with {', '.join(f'{package} {number}' for package, number in card['versions'].items())}.",
        *(f"sha256 of {file}: `{card['sha256'][file]}`." for file in WEIGHTS),
        "",
    ]
    return "\n".join(lines)
