"""A softmax over a large vocabulary that costs little for frequent tokens."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_rnn.checks import whole_number
from keras_rnn.errors import UsageError

WIDTH_DIVISOR = 4  # a cluster's vectors have a quarter of the width of those of the cluster before it


@keras.saving.register_keras_serializable("keras_rnn")
class AdaptiveSoftmax(keras.layers.Layer):
    """Log-probabilities of a vocabulary that is ordered by frequency: float `(..., width)` to float32 `(..., tokens)`.

    Grave et al. 2017, arXiv 1609.04309. The head is a softmax over the tokens below the first cutoff and one entry for
    each cluster of the others. A cluster is a softmax over its tokens, of a projection of the input:

        p(token) = p(cluster in the head) * p(token in the cluster)

    The first cluster projects to `width // 4` features, the second to `width // 16`, and so on, but at least to one.

    Args:
        vocabulary_size: tokens there are.
        cutoffs: increasing ids; the first token of each cluster.

    Raises:
        UsageError: `cutoffs` do not increase, or are not between 1 and `vocabulary_size - 1`.
    """

    def __init__(self, vocabulary_size: int, cutoffs: Sequence[int], **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.supports_masking = True
        self.vocabulary_size = vocabulary_size
        self.cutoffs = checked_cutoffs(cutoffs)
        if not self.cutoffs or self.cutoffs[-1] >= vocabulary_size:
            raise UsageError(f"adaptive_cutoffs takes ids below vocabulary_size {vocabulary_size}, got {list(cutoffs)}")

    def build(self, input_shape):
        width, head_size = input_shape[-1], self.cutoffs[0] + len(self.cutoffs)
        self.head_kernel = self.add_weight(shape=(width, head_size), initializer="glorot_uniform", name="head_kernel")
        self.head_bias = self.add_weight(shape=(head_size,), initializer="zeros", name="head_bias")
        self.clusters = []
        for index, (first, end) in enumerate(self.cluster_bounds()):
            features = max(1, width // WIDTH_DIVISOR ** (index + 1))
            shapes = {"projection": (width, features), "kernel": (features, end - first), "bias": (end - first,)}
            self.clusters.append(
                [
                    self.add_weight(
                        shape=shape,
                        initializer="zeros" if name == "bias" else "glorot_uniform",
                        name=f"{name}_{index}",
                    )
                    for name, shape in shapes.items()
                ]
            )

    def cluster_bounds(self) -> list[tuple[int, int]]:
        """The first token of each cluster, and the one behind its last."""
        return list(zip(self.cutoffs, [*self.cutoffs[1:], self.vocabulary_size], strict=True))

    def call(self, inputs):
        head = ops.log_softmax(self.head_logits(inputs))
        parts = [head[..., : self.cutoffs[0]]]
        for index in range(len(self.clusters)):
            cluster = head[..., self.cutoffs[0] + index, None]
            parts.append(cluster + ops.log_softmax(self.cluster_logits(index, inputs)))
        return ops.concatenate(parts, axis=-1)

    def head_logits(self, inputs):
        """Float32 `(..., cutoffs[0] + clusters)`."""
        return ops.matmul(ops.cast(inputs, "float32"), self.head_kernel) + self.head_bias

    def cluster_logits(self, index: int, inputs):
        """Float32 `(..., tokens of the cluster)`."""
        projection, kernel, bias = self.clusters[index]
        return ops.matmul(ops.matmul(ops.cast(inputs, "float32"), projection), kernel) + bias

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((*inputs.shape[:-1], self.vocabulary_size), "float32")

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size, "cutoffs": list(self.cutoffs)}


def checked_cutoffs(cutoffs: Sequence[int]) -> tuple[int, ...]:
    """UsageError where the cutoffs are not whole numbers from 1 that increase."""
    values = tuple(whole_number("adaptive_cutoffs", cutoff) for cutoff in cutoffs)
    if list(values) != sorted(set(values)):
        raise UsageError(f"adaptive_cutoffs takes ids that increase, got {list(cutoffs)}")
    return values
