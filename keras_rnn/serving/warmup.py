"""The requests that a server sends to a version before the first real one.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

BATCH = 8  # a TensorFlow Serving with a smaller max_batch_size does not load the version


def write_warmup_requests(path: Path, name: str, rows: list[dict]) -> None:
    """Writes a TFRecord file of PredictionLog records: every signature, one text, a batch, the longest text.

    Args:
        path: the file.
        name: the model's name.
        rows: texts and their token ids, as `answers` returns them.
    """
    texts = [row["text"] for row in rows]
    token_ids = tf.ragged.constant([row["token_ids"] for row in rows[:BATCH]], tf.int32).to_tensor()
    logs = [
        _predict(name, "serving_default", "text", tf.constant(texts[:1])),
        _predict(name, "serving_default", "text", tf.constant(texts[:BATCH])),
        _predict(name, "serving_default", "text", tf.constant([max(texts, key=len)])),
        _predict(name, "tokens", "token_ids", token_ids),
        _classify(name, texts[:BATCH]),
    ]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def _predict(name: str, signature: str, input_name: str, value: tf.Tensor) -> PredictionLog:
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = name, signature
    request.inputs[input_name].CopyFrom(tf.make_tensor_proto(value))
    return log


def _classify(name: str, texts: list[str]) -> PredictionLog:
    log = PredictionLog()
    request = log.classify_log.request
    request.model_spec.name, request.model_spec.signature_name = name, "classify"
    for text in texts:
        example = request.input.example_list.examples.add()
        example.features.feature["text"].bytes_list.value.append(text.encode())
    return log
