"""An embedding whose matrix is also that of the softmax."""

import keras
from keras import ops
from keras.src.backend import AutocastScope

from keras_rnn.layers.embedding import TokenEmbedding


@keras.saving.register_keras_serializable("keras_rnn")
class TiedEmbedding(TokenEmbedding):
    """`TokenEmbedding` that also turns vectors into logits, by the same matrix and a bias.

    Press and Wolf 2017, arXiv 1608.05859; Inan et al. 2017, arXiv 1611.01462.

    With `reverse=True` the input is float `(batch, time, output_dim)` and the output float32 logits
    `(batch, time, input_dim)`, under every dtype policy. Arguments are those of `TokenEmbedding`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True  # of the vectors that become logits

    def build(self, input_shape=None):
        super().build(input_shape)
        self.bias = self.add_weight(shape=(self.input_dim,), initializer="zeros", name="bias")

    # Keras' embedding saves its matrix alone.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["bias"] = self.bias

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.bias.assign(store["bias"])

    def call(self, inputs, reverse=False, training=None):
        if not reverse:
            return super().call(inputs, training=training)
        matrix, bias = self.softmax_weights()
        return ops.matmul(ops.cast(inputs, "float32"), ops.transpose(matrix)) + bias

    def softmax_weights(self):
        """The matrix, float32 `(input_dim, output_dim)`, and the bias, float32 `(input_dim,)`, of the logits."""
        with AutocastScope(None):
            return ops.cast(self.embeddings, "float32"), ops.cast(self.bias, "float32")

    def compute_output_shape(self, input_shape, reverse=False):
        return (*input_shape[:-1], self.input_dim) if reverse else super().compute_output_shape(input_shape)

    def compute_output_spec(self, inputs, reverse=False, training=None):
        dtype = "float32" if reverse else self.compute_dtype
        return keras.KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype)

    def compute_mask(self, inputs, mask=None, reverse=False):
        return mask if len(inputs.shape) > 2 else super().compute_mask(inputs, mask)
