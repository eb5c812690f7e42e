"""The process of `bounds`: trains as the Task says that is its argument; the last line of output is JSON."""

import json
import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import end_to_end_ours
import numpy as np
import tensorflow as tf
from end_to_end_case import EMBEDDING_SIZE, UNITS, Task
from tensorflow.tsl.profiler.protobuf import xplane_pb2
from turns import seconds_per_call

from keras_rnn import TextDataset
from keras_rnn.layers.native.memory import addresses
from keras_rnn.layers.native.products import pack_matrix
from keras_rnn.layers.native.products import products as machine_products
from keras_rnn.tasks.batches import EpochBatches
from keras_rnn.training import run_directory
from keras_rnn.training.prepare import prepare_configured
from keras_rnn.training.token_model import compile_model, prepared_model

MOST_CALLS = 20  # of the function that takes several steps
PROFILED_CALLS = 3
REPEATS = 20
PRODUCTS, ROWS = 50, 240  # in a row, and of each: a millisecond is too short for two threads to begin together
DIRECTIONS, GATES = 2, 4
GRADIENTS = 2  # for each product of a layer there is one for the gradient of either factor
KINDS = {"PyFuncStateless": "recurrent layers", "_MklMatMul": "matrix products", "MatMul": "matrix products"}


def phases(task: Task, directory: Path) -> tuple[dict, TextDataset]:
    """Seconds of each part of a run, and what it was trained on."""
    watch = end_to_end_ours.Stopwatch()
    start_time = time.time()
    data = end_to_end_ours.data_of(task)
    end_to_end_ours.train(task, data, directory, watch)
    (prepared, _), (device, _), (epoch, line) = (
        next((line_time, line) for line_time, line in watch.lines if re.search(pattern, line))
        for pattern in ("token ids, ", "^device: ", "^epoch 1/1")
    )
    train_seconds = float(re.search(r"([\d.]+) s, ", line).group(1))
    first_step_seconds = json.loads((directory / run_directory.ENVIRONMENT).read_text())["first_step_seconds"]
    return {
        "reading, vocabulary, token ids": prepared - start_time,
        "building": device - prepared,
        "first steps: tracing, compiling": first_step_seconds,
        "steps": train_seconds - first_step_seconds,
        "validating, saving": epoch - device - train_seconds,
    }, data


def profile(task: Task, directory: Path, data: TextDataset) -> tuple[dict, int]:
    """Seconds of one step, those of the threads in each kind of its operations, and the steps of an epoch."""
    run = run_directory.open_run(directory)
    prepared = prepare_configured(run.config, directory / "again", data)
    batches = EpochBatches(prepared.splits["train"], run.config.training)
    model = prepared_model(run.config, prepared)
    compile_model(model, run.config, batches.steps)
    model.make_train_function()
    iterator, a_call = iter(batches.dataset.repeat()), model.steps_per_execution
    calls = min(MOST_CALLS, batches.steps // a_call + 1)
    seconds_by_kind = {"wall": seconds_per_call(lambda: model.train_function(iterator), 0, calls) / a_call}
    batch_rows = [prepared.splits["train"].texts.padded(rows) for rows in batches.batches()]
    tokens = int(np.mean([ids.size for ids in batch_rows]))
    distinct = int(np.mean([len(np.unique(ids)) for ids in batch_rows]))
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(PROFILED_CALLS):
            model.train_function(iterator)
        tf.profiler.experimental.stop()
        threads = in_operations(next(Path(folder).rglob("*.xplane.pb")))
    seconds_by_kind |= {f"threads in {kind}": seconds / (PROFILED_CALLS * a_call) for kind, seconds in threads.items()}
    return seconds_by_kind | {"its matrix products alone": products(tokens, distinct, task.num_layers)}, batches.steps


def in_operations(file: Path) -> dict[str, float]:
    """Seconds in operations of each kind, of all threads together, the most first."""
    space, seconds = xplane_pb2.XSpace(), defaultdict(float)
    space.ParseFromString(file.read_bytes())
    for plane in space.planes:
        if plane.name != "/host:CPU":
            continue
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            operation = re.fullmatch(r"([^:]+):(\w+)", name)
            if operation:
                path, kind = operation.groups()
                kind = KINDS.get(kind) or (
                    "the optimizer" if "lazy_adam" in path else "other operations" if "/" in path else "the input"
                )
                seconds[kind] += event.duration_ps / 1e12
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def products(tokens: int, distinct: int, num_layers: int) -> float:
    """Seconds of the matrix products of a step of so many tokens, at the best rate of all cores: a lower bound.

    The first layer multiplies by its kernel only what of the embedding is distinct.
    """
    columns = GATES * UNITS
    # Of the embedding, of the two directions of the layer before, and of the states.
    rows_and_sizes = [(distinct, EMBEDDING_SIZE), *[(tokens, DIRECTIONS * UNITS)] * (num_layers - 1)]
    rows_and_sizes += [(tokens, UNITS)] * num_layers
    operations = sum(2 * rows * size * columns * DIRECTIONS for rows, size in rows_and_sizes)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        rates = [sum(threads.map(rate, [EMBEDDING_SIZE] * os.cpu_count())) for _ in range(REPEATS)]
    return (1 + GRADIENTS) * operations / max(rates)


def rate(size: int) -> float:
    """Floating-point operations a second of this thread's product of matrices that stay in its cache."""
    columns = GATES * UNITS
    left_matrix, right_matrix, product = (
        np.ones(shape, np.float32) for shape in ((ROWS, size), (size, columns), (ROWS, columns))
    )
    panels = pack_matrix(right_matrix)
    arrays = addresses([left_matrix, panels, product])
    start_time = time.perf_counter()
    for _ in range(PRODUCTS):
        machine_products().matmul(*arrays, ROWS, size, columns, columns, 0)
    return PRODUCTS * 2 * ROWS * size * columns / (time.perf_counter() - start_time)


task = Task(**json.loads(sys.argv[1]))
with tempfile.TemporaryDirectory() as folder:
    directory = Path(folder, "run")
    run_seconds, data = phases(task, directory)
    step_seconds, steps = profile(task, directory, data)
print(json.dumps({"run": run_seconds, "step": step_seconds, "rows": len(data.train), "steps": steps}))
