"""Runs a version's recorded requests before it takes the first real one."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_rnn.serving.layout import WARMUP_REQUESTS
from keras_rnn.serving.server.servable import Servable
from keras_rnn.serving.server.tensors import array_from_proto

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


def warm_up(servable: Servable, folder: Path) -> int:
    """Runs the Predict and Classify requests in the version's warm-up file. Returns their number."""
    file = folder / WARMUP_REQUESTS
    if not file.is_file():
        return 0
    count = 0
    for record in tf.data.TFRecordDataset([str(file)]).as_numpy_iterator():
        entry = PredictionLog.FromString(record)
        if entry.HasField("predict_log"):
            request = entry.predict_log.request
            inputs = {name: array_from_proto(proto) for name, proto in request.inputs.items()}
        elif entry.HasField("classify_log"):
            request = entry.classify_log.request
            examples = [example.SerializeToString() for example in request.input.example_list.examples]
            inputs = {"inputs": np.array(examples, object)}
        else:
            continue
        servable.signatures[request.model_spec.signature_name or DEFAULT_SIGNATURE].run(inputs)
        count += 1
    return count
