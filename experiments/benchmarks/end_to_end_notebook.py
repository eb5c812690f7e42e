"""The system of `end_to_end` that is the lesson's notebook recipe: the vectorizer inside the model, shuffled rows.

The vocabulary is that of 2,000 rows; batches are padded to their longest text; Adam at its default rate.
"""

import time

import end_to_end_case
import keras
import numpy as np
import tensorflow as tf
from end_to_end_case import EMBEDDING_SIZE, MAX_TOKENS, UNITS, VOCABULARY_SIZE

ADAPT_ROWS = 2000


def run(task: end_to_end_case.Task):
    keras.utils.set_random_seed(task.seed)
    texts, labels = end_to_end_case.train_rows(task)
    vectorizer = keras.layers.TextVectorization(max_tokens=VOCABULARY_SIZE)
    vectorizer.adapt(texts[:ADAPT_ROWS])
    inputs = keras.Input((1,), dtype="string")
    x = keras.layers.Embedding(VOCABULARY_SIZE, EMBEDDING_SIZE, mask_zero=True)(vectorizer(inputs)[:, :MAX_TOKENS])
    for layer in range(1, task.num_layers + 1):
        x = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=layer < task.num_layers))(x)
    model = keras.Model(inputs, keras.layers.Dense(task.classes, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows = tf.data.Dataset.from_tensor_slices((tf.constant(texts)[:, tf.newaxis], labels))
    model.fit(rows.shuffle(len(texts), seed=task.seed).batch(task.batch_size), epochs=task.epochs, verbose=0)
    end_time = time.time()

    def predict(texts: list[str]) -> np.ndarray:
        batches = tf.data.Dataset.from_tensor_slices(tf.constant(texts)[:, tf.newaxis]).batch(64)
        return model.predict(batches, verbose=0).argmax(-1)

    return end_time, len(texts), predict


if __name__ == "__main__":
    end_to_end_case.main(run)
