"""What `keras-rnn train` does with the rows of a file, up to training, or in some training steps; a process for each.

    python growth_rows.py prepare ROWS.csv CACHE SECONDS CALLS
    python growth_rows.py train ROWS.csv CACHE SECONDS CALLS

`prepare` reads the rows and writes the cache of token ids that `train` maps into memory. `train` takes steps of
bilstm_2x64 for SECONDS seconds and at least CALLS steps. The last line of output is JSON.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from turns import seconds_per_call

from keras_rnn.tasks.batches import training_batches
from keras_rnn.training.config import RunConfig, run_config
from keras_rnn.training.prepare import load_configured_dataset, open_prepared, prepare_configured
from keras_rnn.training.token_model import compile_model, prepared_model


def prepare(config: RunConfig, cache: Path) -> dict:
    start_time = time.perf_counter()
    dataset = load_configured_dataset(config)
    read_time = time.perf_counter()
    prepared = prepare_configured(config, cache, dataset)
    return {
        "read_seconds": read_time - start_time,
        "encode_seconds": time.perf_counter() - read_time,
        "vocabulary_size": prepared.vocabulary_size,
        "tokens": sum(int(split.texts.lengths.sum()) for split in prepared.splits.values()),
    }


def train(config: RunConfig, cache: Path, seconds: float, calls: int) -> dict:
    prepared = open_prepared(cache)
    split = prepared.splits["train"]
    model = prepared_model(config, prepared)
    compile_model(model, config, steps=len(split) // config.training.batch_size + 1)
    model.make_train_function()
    batches = iter(training_batches(split, config.training.batch_size, config.training.seed))
    steps_a_call = model.steps_per_execution
    call_seconds = seconds_per_call(lambda: model.train_function(batches), seconds, math.ceil(calls / steps_a_call))
    return {"step_seconds": call_seconds / steps_a_call}


what, rows, cache, seconds, calls = sys.argv[1:]
config = run_config(data=rows, model="bilstm_2x64")
cache = Path(cache)
print(json.dumps(prepare(config, cache) if what == "prepare" else train(config, cache, float(seconds), int(calls))))
