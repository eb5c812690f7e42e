import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.layers.crf import CRF, TagDecoder, iob2_constraints, split_chain_scores
from keras_rnn.layers.crf_functions import FORBIDDEN, log_likelihood, log_partition, marginals, viterbi_decode

BATCH, TIME, TAGS = 6, 4, 3
NO_MASK = np.ones((BATCH, TIME), bool)
RIGHT_PADDED = np.arange(TIME) < np.array([4, 3, 2, 1, 1, 0])[:, None]
ANY_MASK = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 0, 0]], bool)
MASKS = {"none": NO_MASK, "right-padded": RIGHT_PADDED, "any": ANY_MASK}
NAMES = ["B-X", "I-X", "O", "B-Y", "I-Y"]


def random_chain(seed=0, scale=1.0, constrained=False, tags=TAGS, time=TIME, batch=BATCH):
    """Emissions, transitions, starts and ends."""
    rng = np.random.default_rng(seed)
    shapes = (batch, time, tags), (tags, tags), (tags,), (tags,)
    emissions, transitions, starts, ends = (rng.normal(0, scale, shape).astype("float32") for shape in shapes)
    if constrained:
        may_follow, may_start = iob2_constraints(NAMES[:tags])
        transitions, starts = np.where(may_follow, transitions, FORBIDDEN), np.where(may_start, starts, FORBIDDEN)
    return emissions, transitions, starts, ends


def all_paths(row, emissions, transitions, starts, ends, mask):
    """The real steps of a row, and the score of each path through them, in float64."""
    steps = np.flatnonzero(mask[row])
    scores = {}
    for path in itertools.product(range(emissions.shape[2]), repeat=len(steps)):
        score = np.float64(0)
        if path:
            score += starts[path[0]] + ends[path[-1]] + sum(emissions[row, steps, path].astype("float64"))
            score += sum(float(transitions[pair]) for pair in itertools.pairwise(path))
        scores[path] = score
    return steps, scores


def reference(chain, mask):
    """log Z, the best path, the marginals and the paths' scores of each row, from all paths."""
    totals, best, probabilities, paths = [], [], [], []
    for row in range(len(mask)):
        steps, scores = all_paths(row, *chain, mask)
        totals.append(np.logaddexp.reduce(list(scores.values())))
        best.append(np.full(mask.shape[1], -1))
        best[-1][steps] = max(scores, key=scores.get)
        probabilities.append(np.zeros(chain[0].shape[1:]))
        for path, score in scores.items():
            probabilities[-1][steps, path] += np.exp(score - totals[-1])
        paths.append((steps, scores))
    return np.array(totals), np.array(best), np.array(probabilities), paths


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_all_paths_give_the_same(name, constrained, scale):
    chain, mask = random_chain(scale=scale, constrained=constrained), MASKS[name]
    totals, best, probabilities, paths = reference(chain, mask)
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(log_partition(*chain, mask), totals, **tolerance)
    np.testing.assert_array_equal(viterbi_decode(*chain, mask), best)
    np.testing.assert_allclose(marginals(*chain, mask), probabilities, rtol=1e-4, atol=1e-5 * max(1, scale / 30))
    tags = np.random.default_rng(1).integers(0, TAGS, mask.shape)
    expected = [scores[tuple(tags[row, steps])] for row, (steps, scores) in enumerate(paths)] - totals
    np.testing.assert_allclose(log_likelihood(tags, *chain, mask), expected, rtol=1e-5, atol=1e-5 * max(1, scale))


@pytest.mark.parametrize("time", [1, 2, 5])
def test_no_mask_is_a_mask_of_real_steps(time):
    chain = random_chain(time=time)
    mask = np.ones((BATCH, time), bool)
    totals, best, probabilities, _ = reference(chain, mask)
    np.testing.assert_allclose(log_partition(*chain), totals, rtol=1e-5)
    np.testing.assert_array_equal(viterbi_decode(*chain), best)
    np.testing.assert_allclose(marginals(*chain), probabilities, atol=1e-5)


def test_a_row_without_a_real_step_has_one_path_of_probability_1():
    chain, empty_mask = random_chain(), np.zeros((BATCH, TIME), bool)
    np.testing.assert_array_equal(log_partition(*chain, empty_mask), np.zeros(BATCH))
    np.testing.assert_array_equal(log_likelihood(np.zeros((BATCH, TIME), "int32"), *chain, empty_mask), np.zeros(BATCH))
    np.testing.assert_array_equal(viterbi_decode(*chain, empty_mask), np.full((BATCH, TIME), -1))
    assert not np.asarray(marginals(*chain, empty_mask)).any()


def test_two_steps_by_hand():
    # Scores: AA 1 + 2 + 0.5 = 3.5, AB 1 + 0 - 1 = 0, BA 0 + 2 + 0 = 2, BB 0 + 0 + 1 = 1.
    chain = np.array([[[1, 0], [2, 0]]], "float32"), np.array([[0.5, -1], [0, 1]], "float32"), np.zeros(2), np.zeros(2)
    total = np.log(np.exp(3.5) + np.exp(0) + np.exp(2) + np.exp(1))
    np.testing.assert_allclose(log_partition(*chain), [total], rtol=1e-6)
    np.testing.assert_allclose(log_likelihood(np.array([[1, 0]]), *chain), [2 - total], rtol=1e-6)
    np.testing.assert_array_equal(viterbi_decode(*chain), [[0, 0]])
    np.testing.assert_allclose(marginals(*chain)[0, 0, 0], np.exp([3.5, 0]).sum() / np.exp(total), rtol=1e-6)


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_gradients_are_finite_differences(name, constrained):
    chain, mask = random_chain(constrained=constrained), MASKS[name]
    tags = np.random.default_rng(1).integers(0, TAGS, (BATCH, TIME))
    weights = np.linspace(0.5, 1.5, BATCH).astype("float32")
    variables = [tf.Variable(scores) for scores in chain]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weights * log_likelihood(tags, *variables, mask))
    gradients = [gradient.numpy() for gradient in tape.gradient(loss, variables)]

    def loss_at(chain):
        paths = reference(chain, mask)[3]
        values = [
            scores[tuple(tags[row, steps])] - np.logaddexp.reduce(list(scores.values()))
            for row, (steps, scores) in enumerate(paths)
        ]
        return float(np.sum(weights * values))

    rng, step = np.random.default_rng(2), 1e-4
    chain = [scores.astype("float64") for scores in chain]
    for scores, gradient in zip(chain, gradients, strict=True):
        direction = rng.normal(size=scores.shape)
        original = scores.copy()
        scores += step * direction
        loss_above = loss_at(chain)
        scores[...] = original - step * direction
        loss_below = loss_at(chain)
        scores[...] = original
        np.testing.assert_allclose(
            np.sum(gradient * direction), (loss_above - loss_below) / (2 * step), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_gradients_of_extreme_scores_are_finite(scale):
    variables = [tf.Variable(scores) for scores in random_chain(scale=scale, constrained=True)]
    tags = np.full((BATCH, TIME), 1)  # I-X throughout, which is forbidden
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(log_likelihood(tags, *variables, RIGHT_PADDED))
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(loss, variables))


def test_masked_scores_are_not_read():
    emissions, *rest = random_chain()
    other_emissions = np.where(ANY_MASK[:, :, None], emissions, 77).astype("float32")
    tags = np.ones((BATCH, TIME), "int32")
    for function in (log_partition, marginals, viterbi_decode):
        np.testing.assert_array_equal(function(emissions, *rest, ANY_MASK), function(other_emissions, *rest, ANY_MASK))
    np.testing.assert_array_equal(
        log_likelihood(tags, emissions, *rest, ANY_MASK),
        log_likelihood(np.where(ANY_MASK, tags, -1), other_emissions, *rest, ANY_MASK),
    )


def test_shapes_unknown_at_trace_time_are_looped_over_not_unrolled():
    variables = random_chain()[1:]

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, None, TAGS)),
            tf.TensorSpec((None, None), tf.bool),
        ]
    )
    def run(tags, emissions, mask):
        chain = emissions, *variables, mask
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            likelihood = log_likelihood(tags, *chain)
        return likelihood, tape.gradient(likelihood, emissions), viterbi_decode(*chain), marginals(*chain)

    operations = [operation.type for operation in run.get_concrete_function().graph.get_operations()]
    # Forward-backward, which gives the gradient as well; Viterbi, there and back; forward-backward again.
    assert sum(kind in ("While", "StatelessWhile") for kind in operations) == 4
    for batch, time in [(1, 1), (3, 7)]:
        emissions = random_chain(batch=batch, time=time)[0]
        tags, mask = np.zeros((batch, time), "int32"), np.ones((batch, time), bool)
        likelihood, gradient, path, probabilities = run(tags, emissions, mask)
        np.testing.assert_allclose(likelihood, log_likelihood(tags, emissions, *variables, mask), rtol=1e-5)
        np.testing.assert_allclose(gradient, np.eye(TAGS)[tags] - probabilities, atol=1e-5)
        np.testing.assert_array_equal(path, viterbi_decode(emissions, *variables, mask))


def test_iob2_constraints():
    may_follow, may_start = iob2_constraints(NAMES)
    np.testing.assert_array_equal(may_start, [True, False, True, True, False])
    np.testing.assert_array_equal(
        may_follow,
        np.array(  # B-X, I-X, O, B-Y, I-Y
            [
                [1, 1, 1, 1, 0],
                [1, 1, 1, 1, 0],
                [1, 0, 1, 1, 0],
                [1, 0, 1, 1, 1],
                [1, 0, 1, 1, 1],
            ],
            bool,
        ),
    )


def crf_layer(chain, tag_names=None, **options):
    layer = CRF(chain[0].shape[-1], tag_names, **options)
    layer.build(chain[0].shape)
    layer.set_weights(chain[1:])
    return layer


def test_chain_scores_hold_what_they_were_made_of():
    chain = random_chain(tags=5)
    chain_scores = crf_layer(chain)(chain[0])
    assert chain_scores.shape == (BATCH, 5 + 2 + TIME, 5)
    for part, expected in zip(split_chain_scores(chain_scores), chain, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-6)
    _, transitions, starts, ends = split_chain_scores(crf_layer(chain, NAMES)(chain[0]))
    may_follow, may_start = iob2_constraints(NAMES)
    np.testing.assert_allclose(transitions, np.where(may_follow, chain[1], FORBIDDEN), rtol=1e-6)
    np.testing.assert_allclose(starts, np.where(may_start, chain[2], FORBIDDEN), rtol=1e-6)
    np.testing.assert_allclose(ends, chain[3], rtol=1e-6)


def test_forbidden_transitions_never_come_out():
    emissions, *weights = random_chain(tags=5, time=9, batch=40, scale=3.0)
    scores = crf_layer((emissions, *weights), NAMES)(emissions)
    decoded = TagDecoder("crf")(scores)
    may_follow, may_start = iob2_constraints(NAMES)
    tags = np.asarray(decoded["tags"])
    assert may_start[tags[:, 0]].all()
    assert may_follow[tags[:, :-1], tags[:, 1:]].all()
    assert np.asarray(decoded["marginals"])[:, 0, ~may_start].max() == 0
    unconstrained_path = np.asarray(viterbi_decode(emissions, *weights))
    assert not may_follow[unconstrained_path[:, :-1], unconstrained_path[:, 1:]].all()


def test_the_layer_computes_in_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        chain = random_chain(tags=5)
        layer, decoder = crf_layer(chain, NAMES), TagDecoder("crf")
        scores = layer(tf.cast(chain[0], "float16"))
        decoded = decoder(scores)
    finally:
        keras.config.set_dtype_policy(policy)
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert scores.dtype == decoded["marginals"].dtype == tf.float32
    half = (chain[0].astype("float16"), *split_chain_scores(scores)[1:])
    np.testing.assert_array_equal(decoded["tags"], viterbi_decode(*half))
    np.testing.assert_allclose(decoded["marginals"], marginals(*half), atol=1e-6)


def test_softmax_head_takes_the_highest_logit_of_each_step():
    logits = random_chain()[0]
    decoded = TagDecoder("softmax")(logits, mask=RIGHT_PADDED)
    np.testing.assert_array_equal(decoded["tags"], np.where(RIGHT_PADDED, logits.argmax(-1), -1))
    exponentials = np.exp(logits)
    expected = exponentials / exponentials.sum(-1, keepdims=True) * RIGHT_PADDED[:, :, None]
    np.testing.assert_allclose(decoded["marginals"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CRF(1), "num_tags takes a whole number of at least 2, got 1"),
        (lambda: CRF(3, ["O"]), "tag_names takes 3 names, one a tag, got 1"),
        (lambda: CRF(3)(np.zeros((1, 2, 4), "float32")), "CRF takes the scores of 3 tags, got an input of shape"),
        (lambda: TagDecoder("crv"), "unknown head 'crv'; did you mean 'crf'"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()
