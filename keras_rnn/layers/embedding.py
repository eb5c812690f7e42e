"""The embedding in front of every model here: token ids to vectors, with a mask that leaves no row empty."""

import keras
from keras import ops
from keras.src.backend import AutocastScope

from keras_rnn.layers.forms import wants_machine_code
from keras_rnn.layers.rows import Rows, say_rows


@keras.saving.register_keras_serializable("keras_rnn")
class TokenEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` whose mask always keeps the first step.

    cuDNN refuses a row that is masked throughout, so a row of padding only is read as one padding token.

    Input int32 `(batch, time)`, `time` at least 1; output `(batch, time, output_dim)`; mask bool `(batch, time)`,
    or None with `mask_zero=False`. Inputs of another rank get the mask of Keras' own. Ids below 0 count from the end.

    Under TensorFlow a step reads, and an optimizer can update, the rows in use alone; where layers run in machine code
    each of them is read once, and the output says so (`keras_rnn.layers.rows`).

    Raises:
        tf.errors.InvalidArgumentError: on a CPU, an id is not in `[-input_dim, input_dim)`.
    """

    def call(self, inputs, training=None):
        weights = self.embeddings
        if keras.backend.backend() != "tensorflow" or not isinstance(weights, keras.Variable):
            return super().call(inputs)
        import tensorflow as tf

        if not isinstance(inputs, tf.Tensor):  # sparse or ragged
            return super().call(inputs)
        # Keras reads the whole matrix first, which TensorFlow copies once an optimizer updates it row by row, and casts
        # all of it where the policy mixes types.
        with AutocastScope(None):
            matrix = weights.value
        token_ids = inputs if inputs.dtype in ("int32", "int64") else ops.cast(inputs, "int32")
        token_ids = tf.where(token_ids < 0, token_ids + weights.shape[0], token_ids)  # as Keras counts from the end
        if not self._reads_rows_once(token_ids, training):
            return ops.cast(tf.gather(matrix, token_ids), self.compute_dtype)
        from keras_rnn.layers.native.rows import placed_rows

        ids, places = tf.unique(tf.reshape(token_ids, [-1]))
        rows = Rows(tf.gather(matrix, ids), tf.reshape(places, tf.shape(token_ids)))
        outputs = placed_rows(*rows)
        say_rows(outputs, rows)
        return outputs

    def _reads_rows_once(self, token_ids, training) -> bool:
        import tensorflow as tf

        return (
            wants_machine_code(training)
            and self.compute_dtype == self.variable_dtype == "float32"
            and token_ids.shape.rank == 2
            and not tf.config.list_logical_devices("GPU")
        )

    def quantize(self, mode=None, type_check=True, config=None):
        """Keras' quantization of an embedding, which Keras refuses subclasses that it does not know."""
        super().quantize(mode, type_check=type_check and type(self) is not TokenEmbedding, config=config)

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero:
            return None
        real = ops.not_equal(inputs, 0)
        if len(real.shape) != 2:
            return real
        return ops.concatenate([ops.ones_like(real[:, :1]), real[:, 1:]], axis=1)
