"""The system of `end_to_end` that is good plain Keras: token ids made once, batches of like length, masks."""

import time
from itertools import pairwise

import end_to_end_case
import keras
import numpy as np
import tensorflow as tf
from end_to_end_case import EMBEDDING_SIZE, MAX_TOKENS, UNITS, VOCABULARY_SIZE

CHUNK = 4096


def run(task: end_to_end_case.Task):
    keras.utils.set_random_seed(task.seed)
    texts, labels = end_to_end_case.train_rows(task)
    vectorizer = keras.layers.TextVectorization(max_tokens=VOCABULARY_SIZE, ragged=True)
    vectorizer.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(1024))
    token_ids = ids_of(vectorizer, texts)
    lengths = [len(ids) for ids in token_ids]
    rng = np.random.default_rng(task.seed)

    def batches():
        while True:
            for rows in end_to_end_case.bucketed(lengths, task.batch_size, rng):
                yield end_to_end_case.padded(token_ids, rows), labels[rows]

    signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(8).with_options(options)
    steps = len(list(end_to_end_case.bucketed(lengths, task.batch_size, np.random.default_rng(0))))
    schedule = keras.optimizers.schedules.CosineDecay(
        task.learning_rate, steps * task.epochs, alpha=end_to_end_case.FINAL_LEARNING_RATE
    )
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(VOCABULARY_SIZE, EMBEDDING_SIZE, mask_zero=True),
            *(
                keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=layer < task.num_layers))
                for layer in range(1, task.num_layers + 1)
            ),
            keras.layers.Dense(task.classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
    model.fit(dataset, epochs=task.epochs, steps_per_epoch=steps, verbose=0)
    end_time = time.time()

    def predict(texts: list[str]) -> np.ndarray:
        ids = ids_of(vectorizer, texts)
        order = np.argsort([len(row) for row in ids], kind="stable")
        predicted_labels = np.zeros(len(ids), int)
        for rows in np.array_split(order, -(-len(order) // 256)):
            predicted_labels[rows] = model.predict_on_batch(end_to_end_case.padded(ids, rows)).argmax(-1)
        return predicted_labels

    return end_time, len(texts), predict


def ids_of(vectorizer: keras.layers.TextVectorization, texts: list[str]) -> list[np.ndarray]:
    """A row of token ids for each text, one at least, cut to MAX_TOKENS."""
    token_ids = []
    for start in range(0, len(texts), CHUNK):
        ragged = vectorizer(tf.constant(texts[start : start + CHUNK]))
        flat, splits = ragged.values.numpy().astype(np.int32), ragged.row_splits.numpy()
        token_ids += [flat[a:b][:MAX_TOKENS] if b > a else np.ones(1, np.int32) for a, b in pairwise(splits)]
    return token_ids


if __name__ == "__main__":
    end_to_end_case.main(run)
