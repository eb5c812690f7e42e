"""The model card of an exported model: what it is, what it was trained on, how good it is."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from keras_rnn.training.config import config_to_dict
from keras_rnn.training.run_directory import PACKAGES, Run

NOTES = {
    "negated_reviews": (
        "Trained on synthetic sentences made by a grammar, to show that a recurrent network follows negation and "
        "word order where a bag of words cannot. It knows the grammar's words only and is no judge of real reviews."
    ),
}


def model_card(run: Run, model: keras.Model) -> dict:
    """The card of a run's text model, as JSON holds it; of local files it names the file, not the folder."""
    config = config_to_dict(run.config)
    for section, path in (("data", "data"), ("data", "tfds_manual_dir"), ("text", "embeddings")):
        if config[section][path]:
            config[section][path] = Path(config[section][path]).name
    weights = hashlib.sha256()
    for weight in model.get_weights():
        weights.update(np.ascontiguousarray(weight).tobytes())
    return {
        "class_names": list(run.class_names),
        "config": config,
        "metrics": run.metrics,
        "parameters": model.count_params(),
        "versions": {package: version(package) for package in PACKAGES},
        "weights_sha256": weights.hexdigest(),
    }


def model_card_markdown(card: dict) -> str:
    """The card for a person to read."""
    config, metrics = card["config"], card["metrics"]
    data = config["data"]["dataset"] or config["data"]["data"]
    figures = [
        f"| {split} | {values['accuracy']:.4f} | {values['loss']:.4f} |"
        for split, values in metrics.items()
        if isinstance(values, dict)
    ]
    settings = {**config["text"], **config["model"]["hyperparameters"], **config["training"]}
    lines = [
        f"# {config['model']['model']} on {data}",
        "",
        f"A text classifier with {card['parameters']:,} parameters. It takes strings `(batch,)` as `text` and returns "
        "`probabilities`, float32 `(batch, classes)`, and `label`, strings `(batch,)`.",
        "",
        f"Classes, in the order of the probabilities: {', '.join(card['class_names'])}.",
        "",
        *([NOTES[data], ""] if data in NOTES else []),
        "| split | accuracy | loss (nats) |",
        "| --- | --- | --- |",
        *figures,
        "",
        f"Best of {metrics['epochs']} epochs: number {metrics['best_epoch']}. Settings: "
        + ", ".join(f"{name} {value}" for name, value in settings.items())
        + ".",
        "",
        f"Made with {', '.join(f'{package} {number}' for package, number in card['versions'].items())}.",
        f"sha256 of the weights: `{card['weights_sha256']}`.",
        "",
    ]
    return "\n".join(lines)
