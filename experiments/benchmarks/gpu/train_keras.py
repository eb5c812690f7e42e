"""Two bidirectional LSTM layers by `text_classifier`, trained by `fit` on the Keras backend that is the argument.

Without padding the model has no mask: Keras' LSTM on JAX takes cuDNN only so.
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = sys.argv[1]
import keras
import numpy as np
from batches import CLASSES, EMBEDDING, rows

from keras_rnn.models import text_classifier

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from peer import serve

made = {}


def build(hidden_size: int, **sizes) -> dict:
    """Makes the model and trains an epoch, which compiles it."""
    model = text_classifier(
        num_classes=CLASSES,
        vocabulary_size=sizes["vocabulary_size"],
        embedding_size=EMBEDDING,
        mask_padding=sizes["padded"],
        hidden_size=hidden_size,
        num_layers=2,
        bidirectional=True,
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    made.update(model=model, rows=rows(**sizes), batch=sizes["batch"])
    epoch()
    return {"device": keras.distribution.list_devices()[-1]}  # TensorFlow names the CPU, too, and names it first


def epoch() -> dict:
    token_ids, labels = made["rows"]
    start_time = time.perf_counter()
    made["model"].fit(token_ids, labels, batch_size=made["batch"], shuffle=False, verbose=0)
    return {"tokens_per_second": np.count_nonzero(token_ids) / (time.perf_counter() - start_time)}


serve({"build": build, "epoch": epoch})
