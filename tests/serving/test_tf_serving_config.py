"""The files that the README hands to TensorFlow Serving."""

import re
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_rnn.serving.warmup import BATCH

FOLDER = Path(__file__).parents[2] / "experiments" / "serving" / "tf_serving"


def test_models_config_names_the_pretrained_model():
    config = text_format.Parse((FOLDER / "models.config").read_text(), ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("negated_reviews", "/models/negated_reviews")
    assert model.model_version_policy.latest.num_versions == 1


def test_batching_config_is_of_use():
    text = (FOLDER / "batching.config").read_text()
    sizes = [int(size) for size in re.findall(r"^allowed_batch_sizes: (\d+)$", text, re.M)]
    (largest,) = re.findall(r"^max_batch_size \{ value: (\d+) \}$", text, re.M)
    assert sizes == sorted(sizes)
    assert sizes[-1] == int(largest) >= BATCH
    assert "\npad_variable_length_inputs: false\n" in text
