"""The peer of `step` and `growth` that trains our classifier (argument: ours) or the same of Keras' layers (keras).

With "deterministic" beside "ours", ops are as deterministic as `keras-rnn train` has them.
"""

import math
import os
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from peer import serve
from step_case import CLASSES, CLIP_NORM, EMBEDDING, LEARNING_RATE, StepCase
from turns import seconds_per_call

from keras_rnn.models import text_classifier
from keras_rnn.training.config import run_config
from keras_rnn.training.token_model import compile_model

if "deterministic" in sys.argv:
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()

CHECKED = 8  # rows whose logits are compared
models, steps = {}, {}


def ours(case: StepCase) -> keras.Model:
    model = text_classifier(
        num_classes=CLASSES,
        vocabulary_size=case.vocabulary_size,
        embedding_size=EMBEDDING,
        cell="lstm",
        hidden_size=case.hidden_size,
        num_layers=case.num_layers,
        bidirectional=True,
    )
    config = run_config(batch_size=case.batch, learning_rate=LEARNING_RATE, clip_norm=CLIP_NORM)
    compile_model(model, config, steps=1000)
    return model


def plain(case: StepCase) -> keras.Model:
    token_ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(case.vocabulary_size, EMBEDDING, mask_zero=True)(token_ids)
    for index in range(case.num_layers):
        lstm = keras.layers.LSTM(case.hidden_size, return_sequences=index < case.num_layers - 1)
        x = keras.layers.Bidirectional(lstm)(x)
    model = keras.Model(token_ids, keras.layers.Dense(CLASSES)(x))
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=CLIP_NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


BUILDERS = {"ours": ours, "keras": plain}


def build(name: str, case: dict) -> dict:
    """Makes the step `name`, and takes it once: the seconds from the first layer to the end of that."""
    case = StepCase(**case)
    batches = case.batches()
    start_time = time.perf_counter()
    model = BUILDERS[sys.argv[1]](case)
    model.make_train_function()
    iterator = iter(cached(batches))
    model.train_function(iterator)
    first_step = time.perf_counter() - start_time
    models[name] = model, case
    # What `fit` calls for each step, or for each few, its progress bar left out.
    steps[name] = (lambda: model.train_function(iterator), model.steps_per_execution)
    return {"first_step_seconds": first_step}


def logits(name: str) -> dict:
    """Of the first rows, with weights that hang on their shapes alone and from now on are the model's."""
    model, case = models[name]
    rng = np.random.default_rng(case.seed)
    model.set_weights([rng.standard_normal(array.shape, np.float32) / 4 for array in model.get_weights()])
    return {"logits": model(case.batches()[0][0][:CHECKED]).numpy().tolist()}


def cached(batches: list[tuple[np.ndarray, np.ndarray]]) -> tf.data.Dataset:
    """The batches again and again, of any shape as in `keras_rnn.tasks.batches`, without the stalling autotuner."""
    signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    return dataset.cache().repeat().prefetch(2).with_options(options)


def turn(name: str, seconds: float, calls: int) -> dict:
    step, steps_a_call = steps[name]
    return {"seconds": seconds_per_call(step, seconds, math.ceil(calls / steps_a_call)) / steps_a_call}


def checks(name: str, calls: int) -> dict:
    """The seconds of a step of ours, and those of a core in it that checking arrays for machine code takes."""
    from keras_rnn.layers.native import adam, passes

    seconds = []

    def timed(function):
        def with_time(*arrays):
            start_time = time.thread_time()  # without what other threads do meanwhile
            result = function(*arrays)
            seconds.append(time.thread_time() - start_time)
            return result

        return with_time

    step, steps_a_call = steps[name]
    functions = passes.checked_batch, adam._checked
    passes.checked_batch, adam._checked = map(timed, functions)
    try:
        start_time = time.perf_counter()
        for _ in range(calls):
            step()
        elapsed = time.perf_counter() - start_time
    finally:
        passes.checked_batch, adam._checked = functions
    return {"step": elapsed / (calls * steps_a_call), "checks": sum(seconds) / (calls * steps_a_call)}


def peak() -> dict:
    """The most memory that this process has had resident."""
    return {"bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


serve({"build": build, "logits": logits, "turn": turn, "checks": checks, "peak": peak})
