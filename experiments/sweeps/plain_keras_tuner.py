"""The sweep of against_keras_tuner.py as a user of plain keras-tuner writes it: `RandomSearch` in one process.

    python experiments/sweeps/plain_keras_tuner.py strings|ids --data ../shared/data/ag_news --limit 9000 ...

strings: the notebook's recipe: a TextVectorization, adapted once, stands inside every model, and tf.data feeds it
strings in shuffled batches. ids: token ids made once, padded to --max-length, as arrays to `tuner.search(x, y, ...)`.
Prints one JSON line: the hyperparameters and the score of each trial.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import keras_tuner
import tensorflow as tf

from keras_rnn import load_dataset

# What `keras-rnn tune --model lstm_64` takes by default.
EMBEDDING_SIZE, EMBEDDING_DROPOUT = 64, 0.2
BATCH_SIZE, LEARNING_RATE, FINAL_LEARNING_RATE, CLIP_NORM = 64, 3e-3, 0.05, 1.0


class Classifier(keras_tuner.HyperModel):
    def __init__(self, arguments, classes: int, rows: int, vectorizer: keras.layers.TextVectorization | None):
        super().__init__()
        self.arguments, self.classes, self.rows, self.vectorizer = arguments, classes, rows, vectorizer

    def build(self, hp):
        # num_layers first: the order in which keras-rnn declares them, so that the same seed draws the same trials.
        num_layers = hp.Choice("num_layers", self.arguments.num_layers)
        cell = hp.Choice("cell", self.arguments.cell)
        hidden_size = hp.Choice("hidden_size", self.arguments.hidden_size)
        layer_class = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
        model = keras.Sequential()
        if self.vectorizer is None:
            model.add(keras.Input((None,), dtype="int32"))
        else:
            model.add(keras.Input((1,), dtype="string"))
            model.add(self.vectorizer)
        model.add(keras.layers.Embedding(self.arguments.vocabulary_size, EMBEDDING_SIZE, mask_zero=True))
        model.add(keras.layers.SpatialDropout1D(EMBEDDING_DROPOUT))
        for layer in range(num_layers):
            model.add(layer_class(hidden_size, return_sequences=layer < num_layers - 1))
        model.add(keras.layers.Dense(self.classes))
        steps = -(-self.rows // BATCH_SIZE) * self.arguments.epochs
        decay = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps, alpha=FINAL_LEARNING_RATE)
        model.compile(
            keras.optimizers.Adam(decay, global_clipnorm=CLIP_NORM),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=["strings", "ids"])
    parser.add_argument("--data", type=Path, required=True)
    for option in ("limit", "epochs", "max-length", "vocabulary-size", "max-trials", "seed"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--cell", type=lambda text: text.split(","), required=True)
    for option in ("num-layers", "hidden-size"):
        parser.add_argument(f"--{option}", type=lambda text: [int(n) for n in text.split(",")], required=True)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    data = load_dataset(data=arguments.data, limit=arguments.limit, seed=arguments.seed)
    texts = {name: tf.constant(list(split.texts)) for name, split in (("train", data.train), ("val", data.validation))}
    vectorizer = keras.layers.TextVectorization(
        max_tokens=arguments.vocabulary_size, output_sequence_length=arguments.max_length
    )
    vectorizer.adapt(tf.data.Dataset.from_tensor_slices(texts["train"]).batch(BATCH_SIZE))
    if arguments.recipe == "strings":
        train = tf.data.Dataset.from_tensor_slices((texts["train"][:, None], data.train.labels))
        validation = tf.data.Dataset.from_tensor_slices((texts["val"][:, None], data.validation.labels))
        fit = {
            "x": train.shuffle(len(data.train), seed=arguments.seed).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE),
            "validation_data": validation.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE),
        }
    else:
        ids = {name: vectorizer(split).numpy().astype("int32") for name, split in texts.items()}
        fit = {
            "x": ids["train"],
            "y": data.train.labels,
            "validation_data": (ids["val"], data.validation.labels),
            "batch_size": BATCH_SIZE,
        }
    inner_vectorizer = vectorizer if arguments.recipe == "strings" else None
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.RandomSearch(
            Classifier(arguments, len(data.class_names), len(data.train), inner_vectorizer),
            objective="val_accuracy",
            max_trials=arguments.max_trials,
            seed=arguments.seed + 1,  # what keras-rnn gives its oracle, since keras-tuner takes 0 for no seed
            directory=folder,
        )
        tuner.search(**fit, epochs=arguments.epochs, verbose=0)
        trials = [
            {**trial.hyperparameters.values, "val_accuracy": trial.score, "status": trial.status}
            for trial in tuner.oracle.trials.values()
        ]
    print(json.dumps(trials))


if __name__ == "__main__":
    main()
