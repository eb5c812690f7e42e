"""The recipe of the lesson's TensorFlow notebook in plain Keras, as a yardstick of accuracy and speed.

    python experiments/lesson_ag_news/notebook.py tf4 --data ../shared/data/ag_news

TextVectorization of 20,000 words, adapted on 2,000 rows, stands inside the model; batches are shuffled rows, padded
to their longest; Adam at its default rate; one epoch. Prints one JSON line.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import tensorflow as tf

from keras_rnn import load_dataset

VOCABULARY_SIZE, ADAPT_ROWS = 20_000, 2000

# name -> (embedding size, masked, recurrent layers, batch size, title only)
NOTEBOOK = {
    "tf1": (64, False, lambda: [keras.layers.SimpleRNN(16)], 16, True),
    "tf2": (64, True, lambda: [keras.layers.SimpleRNN(16)], 16, False),
    "tf3": (64, False, lambda: [keras.layers.LSTM(8)], 8, False),
    "tf4": (
        128,
        True,
        lambda: [
            keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(64)),
        ],
        16,
        False,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(NOTEBOOK))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    embedding_size, mask_padding, recurrent, batch_size, title_only = NOTEBOOK[arguments.name]
    keras.utils.set_random_seed(arguments.seed)
    # Of these headerless files column 1 is the label, 2 the title, 3 the description.
    columns = ("2",) if title_only else ("2", "3")
    start_time = time.perf_counter()
    data = load_dataset(data=arguments.data, text_columns=columns, label_column="1", header=False)
    vectorizer = keras.layers.TextVectorization(max_tokens=VOCABULARY_SIZE)
    vectorizer.adapt(list(data.train.texts[:ADAPT_ROWS]))
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorizer,
            keras.layers.Embedding(VOCABULARY_SIZE, embedding_size, mask_zero=mask_padding),
            *recurrent(),
            keras.layers.Dense(len(data.class_names), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    def batches(split):
        return tf.data.Dataset.from_tensor_slices((tf.constant(list(split.texts))[:, None], split.labels))

    rows = len(data.train)
    model.fit(batches(data.train).shuffle(rows, seed=arguments.seed).batch(batch_size), verbose=0)
    seconds = time.perf_counter() - start_time
    accuracy = model.evaluate(batches(data.test).batch(64), verbose=0)[1]
    print(
        json.dumps(
            {
                "model": arguments.name,
                "batch_size": batch_size,
                "test_accuracy": round(accuracy, 4),
                "seconds": round(seconds, 1),
                "examples_per_second": round(rows / seconds),
            }
        )
    )


if __name__ == "__main__":
    main()
