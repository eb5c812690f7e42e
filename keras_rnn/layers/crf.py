"""The linear-chain conditional random field (CRF) as a layer, and the layer that decodes tags.

`CRF` writes all that is needed to score a path into one tensor, its chain scores. Losses, metrics and decoders are
functions of that tensor: they hold no reference to the layer that made it.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_rnn.checks import one_of, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.layers.crf_functions import FORBIDDEN, PADDING_TAG, marginals, viterbi_decode

HEADS = ("crf", "softmax")


def iob2_constraints(tag_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """What the IOB2 scheme allows: I-X stands after B-X or I-X alone, and never at the start.

    Names that do not begin with "I-" may stand anywhere.

    Returns:
        bool `(tags, tags)`, whether the column's tag may follow the row's, and bool `(tags,)`, whether a tag may be
        the first.
    """
    may_start = np.array([not name.startswith("I-") for name in tag_names], bool)
    may_follow = np.tile(may_start, (len(tag_names), 1))
    for index, name in enumerate(tag_names):
        if not may_start[index]:
            may_follow[:, index] = [previous in (f"B-{name[2:]}", name) for previous in tag_names]
    return may_follow, may_start


@keras.saving.register_keras_serializable("keras_rnn")
class CRF(keras.layers.Layer):
    """Scores of the tags at each step, `(batch, time, num_tags)`, to chain scores, which hold the transitions as well.

    Chain scores are float32 `(batch, num_tags + 2 + time, num_tags)`. Of each row the first `num_tags` rows are the
    transitions, from the row's tag to the column's; then come the scores of a tag at the start, those at the end, and
    the input. `keras_rnn.layers.crf_functions` has the equations. The output's Keras mask is the input's,
    `(batch, time)`.

    Weights: transitions `(num_tags, num_tags)`, starts and ends `(num_tags,)`, all zeros at first. All of it is
    float32 under every dtype policy, unless `dtype` says otherwise.

    Args:
        num_tags: at least 2.
        tag_names: one name a tag; transitions and starts that `iob2_constraints` rules out are `FORBIDDEN`. None
            rules out nothing.

    Raises:
        UsageError: `tag_names` are not as many as `num_tags`.
    """

    def __init__(self, num_tags: int, tag_names: Sequence[str] | None = None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.num_tags = whole_number("num_tags", num_tags, minimum=2)
        if tag_names is not None and len(tag_names) != num_tags:
            raise UsageError(f"tag_names takes {num_tags} names, one a tag, got {len(tag_names)}")
        self.tag_names = None if tag_names is None else [str(name) for name in tag_names]
        self.supports_masking = True

    def build(self, input_shape):
        if input_shape[-1] != self.num_tags:
            raise UsageError(f"CRF takes the scores of {self.num_tags} tags, got an input of shape {input_shape}")
        self.transitions = self.add_weight(shape=(self.num_tags,) * 2, initializer="zeros", name="transitions")
        self.starts = self.add_weight(shape=(self.num_tags,), initializer="zeros", name="starts")
        self.ends = self.add_weight(shape=(self.num_tags,), initializer="zeros", name="ends")

    def call(self, emissions):
        table = ops.concatenate([self.transitions, self.starts[None], self.ends[None]], axis=0)
        if self.tag_names is not None:
            may_follow, may_start = iob2_constraints(self.tag_names)
            is_allowed = np.concatenate([may_follow, may_start[None], np.ones((1, self.num_tags), bool)])
            table = ops.where(is_allowed, table, FORBIDDEN)
        tables = ops.broadcast_to(table, (ops.shape(emissions)[0], *table.shape))
        return ops.concatenate([tables, emissions], axis=1)

    def compute_output_shape(self, input_shape):
        batch, time, tags = input_shape
        return (batch, None if time is None else time + tags + 2, tags)

    def get_config(self):
        return {**super().get_config(), "num_tags": self.num_tags, "tag_names": self.tag_names}


def split_chain_scores(chain_scores):
    """Emissions `(batch, time, tags)`, transitions `(tags, tags)`, starts and ends `(tags,)` of chain scores."""
    tags = chain_scores.shape[-1]
    # Every row has the same table. Its shape is known where that of the chain scores is not.
    table = ops.reshape(ops.mean(chain_scores[:, : tags + 2], axis=0), (tags + 2, tags))
    return chain_scores[:, tags + 2 :], table[:tags], table[tags], table[tags + 1]


@keras.saving.register_keras_serializable("keras_rnn")
class TagDecoder(keras.layers.Layer):
    """The output of a head to tags, and to the probability of every tag.

    For chain scores (`head="crf"`) the tags are the path of the highest score, and the marginals are those of the
    field; for logits `(batch, time, tags)` (`head="softmax"`) they are the highest logits, and their softmax.

    Returns a dict:

        tags: int32 `(batch, time)`, `PADDING_TAG` at masked steps.
        marginals: float32 `(batch, time, tags)`, the probability of each tag at each step, zeros at masked ones.
    """

    def __init__(self, head: str, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.head = one_of("head", head, HEADS)
        self.supports_masking = True

    def call(self, scores, mask=None):
        if self.head == "crf":
            chain = split_chain_scores(scores)
            return {"tags": viterbi_decode(*chain, mask), "marginals": marginals(*chain, mask)}
        tags, probabilities = ops.cast(ops.argmax(scores, axis=-1), "int32"), ops.softmax(scores)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            tags, probabilities = ops.where(mask, tags, PADDING_TAG), ops.where(mask[:, :, None], probabilities, 0.0)
        return {"tags": tags, "marginals": probabilities}

    def compute_mask(self, inputs, mask=None):
        return {"tags": mask, "marginals": mask}

    def compute_output_spec(self, scores, mask=None):
        batch, time, tags = scores.shape
        if self.head == "crf" and time is not None:
            time -= tags + 2
        return {
            "tags": keras.KerasTensor((batch, time), "int32"),
            "marginals": keras.KerasTensor((batch, time, tags), "float32"),
        }

    def get_config(self):
        return {**super().get_config(), "head": self.head}
