"""The embedding of every model: token ids to vectors, and a mask that leaves no row empty."""

import keras
from keras import ops
from keras.src.backend import AutocastScope

from keras_rnn.checks import rate
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

    Args:
        args, kwargs: those of `keras.layers.Embedding`.
        word_dropout: share of the vocabulary whose vectors are zeros in a training step, wherever the words stand in
            the batch; the other vectors are divided by `1 - word_dropout`. Gal and Ghahramani 2016, arXiv 1512.05287,
            section 4.2. Above 0 it takes inputs that are no sparse or ragged tensors.
        seed: of the generator of the words; None draws one.

    Raises:
        UsageError: `word_dropout` is not from 0 up to, but not including, 1.
        tf.errors.InvalidArgumentError: on a CPU, an id is not in `[-input_dim, input_dim)`.
    """

    def __init__(self, *args, word_dropout: float = 0.0, seed: int | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.word_dropout, self.seed = rate("word_dropout", word_dropout), seed
        if self.word_dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        scales = self._word_scales() if training and self.word_dropout else None
        weights = self.embeddings
        if keras.backend.backend() != "tensorflow" or not isinstance(weights, keras.Variable):
            return self._scaled(super().call(inputs), scales, inputs)
        import tensorflow as tf

        if not isinstance(inputs, tf.Tensor):  # a sparse or ragged tensor
            return self._scaled(super().call(inputs), scales, inputs)
        # Keras reads the whole matrix first. TensorFlow then copies it if an optimizer updates it row by row, and casts
        # all of it under a mixed policy.
        with AutocastScope(None):
            matrix = weights.value
        token_ids = inputs if inputs.dtype in ("int32", "int64") else ops.cast(inputs, "int32")
        token_ids = tf.where(token_ids < 0, token_ids + weights.shape[0], token_ids)  # negative ids count from the end
        if not self._has_unique_rows(token_ids, training):
            vectors = ops.cast(tf.gather(matrix, token_ids), self.compute_dtype)
            return self._scaled(vectors, scales, token_ids)
        from keras_rnn.layers.native.rows import gather_rows

        ids, indices = tf.unique(tf.reshape(token_ids, [-1]))
        vectors = self._scaled(tf.gather(matrix, ids), scales, ids)
        rows = UniqueRows(vectors, tf.reshape(indices, tf.shape(token_ids)))
        outputs = gather_rows(*rows)
        attach_unique_rows(outputs, rows)
        return outputs

    def _word_scales(self):
        """What each word's vector is multiplied by in this step, `(input_dim, 1)`: mostly 1 / (1 - word_dropout)."""
        ones = ops.ones((self.input_dim, 1), self.compute_dtype)
        return keras.random.dropout(ones, self.word_dropout, seed=self.seed_generator)

    def _scaled(self, vectors, scales, token_ids):
        return vectors if scales is None else vectors * ops.take(scales, token_ids, axis=0)

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

    def get_config(self):
        config = super().get_config()
        return {**config, "word_dropout": self.word_dropout, "seed": self.seed} if self.word_dropout else config

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero:
            return None
        is_real = ops.not_equal(inputs, 0)
        if len(is_real.shape) != 2:
            return is_real
        return ops.concatenate([ops.ones_like(is_real[:, :1]), is_real[:, 1:]], axis=1)
