"""The inputs of TensorFlow Serving's Classify: features by name, in a tf.train.Example a row."""

from typing import TYPE_CHECKING

from keras_rnn.tasks.contract import Call

if TYPE_CHECKING:
    import tensorflow as tf


def call_examples(call: Call) -> "list[tf.train.Example]":
    """Returns the rows of a call of the method "classify", whose inputs are strings."""
    import tensorflow as tf

    examples = [tf.train.Example() for _ in call.rows]
    for name, values in call.inputs.items():
        for example, value in zip(examples, values, strict=True):
            example.features.feature[name].bytes_list.value.append(value.encode())
    return examples
