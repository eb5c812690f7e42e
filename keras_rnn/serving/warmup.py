"""The requests that a server sends to a version before the first real one.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_rnn.serving.examples import call_examples
from keras_rnn.tasks import get_contract, task_name_of
from keras_rnn.tasks.contract import Call

BATCH = 8  # a TensorFlow Serving with a smaller max_batch_size does not load the version


def write_warmup_requests(path: Path, name: str, card: Mapping[str, Any], answers: list[dict]) -> None:
    """Writes a TFRecord file of PredictionLog records: every signature for a batch, and for one text and the longest.

    Args:
        path: the file.
        name: the model's name.
        card: the model card.
        answers: what the model answers, as its task returns it.
    """
    contract = get_contract(task_name_of(card))
    first_row_calls, batch_calls, all_calls = (
        list(contract.calls(card, rows)) for rows in (answers[:1], answers[:BATCH], answers)
    )
    # The last call is that of the longest row alone.
    calls = [first_row_calls[0], batch_calls[0], all_calls[-1], *batch_calls[1:-1]]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for call in calls:
            writer.write((_classify if call.method == "classify" else _predict)(name, call).SerializeToString())


def _predict(name: str, call: Call) -> PredictionLog:
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = name, call.signature
    for input_name, value in call.inputs.items():
        request.inputs[input_name].CopyFrom(tf.make_tensor_proto(value))
    return log


def _classify(name: str, call: Call) -> PredictionLog:
    log = PredictionLog()
    request = log.classify_log.request
    request.model_spec.name, request.model_spec.signature_name = name, call.signature
    request.input.example_list.examples.extend(call_examples(call))
    return log
