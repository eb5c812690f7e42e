"""The embedding of every model: token ids to vectors, and a mask that leaves no row empty."""

import keras
from keras import ops
from keras.src.backend import AutocastScope

from keras_rnn.layers.forms import wants_machine_code
from keras_rnn.layers.unique_rows import UniqueRows, attach_unique_rows


@keras.saving.register_keras_serializable("keras_rnn")
class TokenEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` whose mask always keeps the first step.

    cuDNN refuses a row whose steps are all masked, so a row of padding alone counts as one padding token.

    Input int32 `(batch, time)`, `time` at least 1; output `(batch, time, output_dim)`; mask bool `(batch, time)`,
    or None with `mask_zero=False`. Inputs of another rank get the mask of `keras.layers.Embedding`. Ids below 0 count
    from the end.

    Under TensorFlow a step reads only the rows in use, and an optimizer can update only them. Where layers run in
    machine code each row is read once, and the output has `keras_rnn.layers.unique_rows` attached.

    Raises:
        tf.errors.InvalidArgumentError: on a CPU, an id is not in `[-input_dim, input_dim)`.
    """

    def call(self, inputs, training=None):
        weights = self.embeddings
        if keras.backend.backend() != "tensorflow" or not isinstance(weights, keras.Variable):
            return super().call(inputs)
        import tensorflow as tf

        if not isinstance(inputs, tf.Tensor):  # a sparse or ragged tensor
            return super().call(inputs)
        # Keras reads the whole matrix first. TensorFlow then copies it if an optimizer updates it row by row, and casts
        # all of it under a mixed policy.
        with AutocastScope(None):
            matrix = weights.value
        token_ids = inputs if inputs.dtype in ("int32", "int64") else ops.cast(inputs, "int32")
        token_ids = tf.where(token_ids < 0, token_ids + weights.shape[0], token_ids)  # negative ids count from the end
        if not self._has_unique_rows(token_ids, training):
            return ops.cast(tf.gather(matrix, token_ids), self.compute_dtype)
        from keras_rnn.layers.native.rows import gather_rows

        ids, indices = tf.unique(tf.reshape(token_ids, [-1]))
        rows = UniqueRows(tf.gather(matrix, ids), tf.reshape(indices, tf.shape(token_ids)))
        outputs = gather_rows(*rows)
        attach_unique_rows(outputs, rows)
        return outputs

    def _has_unique_rows(self, token_ids, training) -> bool:
        import tensorflow as tf

        return (
            wants_machine_code(training)
            and self.compute_dtype == self.variable_dtype == "float32"
            and token_ids.shape.rank == 2
            and not tf.config.list_logical_devices("GPU")
        )

    def quantize(self, mode=None, type_check=True, config=None):
        """Quantizes as `keras.layers.Embedding` does; `type_check` would refuse a subclass."""
        super().quantize(mode, type_check=type_check and type(self) is not TokenEmbedding, config=config)

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero:
            return None
        is_real = ops.not_equal(inputs, 0)
        if len(is_real.shape) != 2:
            return is_real
        return ops.concatenate([ops.ones_like(is_real[:, :1]), is_real[:, 1:]], axis=1)
