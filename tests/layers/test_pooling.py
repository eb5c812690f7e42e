import numpy as np
import pytest

from keras_rnn import AttentionPooling, SequencePooling, UsageError

SEQUENCE = np.array([[[1.0, -4.0], [3.0, -2.0], [99.0, 99.0]], [[5.0, -7.0], [99.0, 99.0], [99.0, 99.0]]], "float32")
MASK = np.array([[True, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [[2.0, -3.0], [5.0, -7.0]]),
        ("max", [[3.0, -2.0], [5.0, -7.0]]),
        ("mean_max", [[2.0, -3.0, 3.0, -2.0], [5.0, -7.0, 5.0, -7.0]]),
    ],
)
def test_masked_steps_do_not_count(pooling, expected):
    np.testing.assert_allclose(SequencePooling(pooling)(SEQUENCE, mask=MASK), expected)


def test_without_a_mask_every_step_counts():
    np.testing.assert_allclose(SequencePooling("mean")(SEQUENCE)[0], [103 / 3, 31.0], rtol=1e-6)
    np.testing.assert_allclose(SequencePooling("max")(SEQUENCE), [[99.0, 99.0], [99.0, 99.0]])


@pytest.mark.parametrize("pooling", ["mean", "max", "mean_max"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_without_any_real_step_stays_finite(pooling, dtype):
    pooled = SequencePooling(pooling, dtype=dtype)(SEQUENCE.astype(dtype), mask=np.zeros((2, 3), bool))
    assert np.isfinite(np.asarray(pooled)).all()


def test_attention_weights_by_the_softmax_of_the_scores():
    layer = AttentionPooling()
    layer.build(SEQUENCE.shape)
    kernel, bias, context = np.array([[0.1, -0.2], [0.3, 0.4]]), np.array([0.05, -0.1]), np.array([[0.7], [-0.3]])
    layer.set_weights([kernel, bias, context])
    scores = (np.tanh(SEQUENCE[0, :2] @ kernel + bias) @ context)[:, 0]
    weights = np.exp(scores) / np.exp(scores).sum()
    pooled = np.asarray(layer(SEQUENCE, mask=MASK))
    np.testing.assert_allclose(pooled[0], weights @ SEQUENCE[0, :2], rtol=1e-5)
    np.testing.assert_allclose(pooled[1], [5.0, -7.0], rtol=1e-5)


def test_an_unknown_pooling_is_named():
    with pytest.raises(UsageError, match="unknown pooling 'men'; did you mean 'mean'"):
        SequencePooling("men")
