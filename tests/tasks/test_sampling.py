"""The choice of the next token, held against NumPy: what may be chosen, how often, and by which random numbers."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chi2

from keras_rnn.tasks.language_model.sampling import sample, uniform_numbers

SIZE = 12
LOGITS = np.array([9.0, 8.0, 0.3, 2.0, -1.0, 1.2, 2.1, -3.0, 0.0, 1.9, -0.5, 0.7], np.float32)
FORBIDDEN = [0, 1]  # padding and unknown
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def chosen_of(logits, uniforms, temperature=1.0, top_k=0, top_p=1.0):
    """The tokens and log-probabilities that `sample` gives rows of logits, options for all or one a row."""
    rows = len(uniforms)
    logits = np.broadcast_to(np.asarray(logits, np.float32), (rows, np.shape(logits)[-1]))
    options = [
        tf.constant(np.broadcast_to(np.asarray(value, dtype), rows))
        for value, dtype in ((temperature, np.float32), (top_k, np.int32), (top_p, np.float32))
    ]
    tokens, log_probabilities = sample(tf.constant(logits), tf.constant(np.float32(uniforms)), *options)
    return tokens.numpy(), log_probabilities.numpy()


def reference_probabilities(logits, temperature=1.0, top_k=0, top_p=1.0):
    """Probabilities `(tokens,)` in float64: first the `top_k` most probable, then the fewest that reach `top_p`."""
    scaled = np.float64(logits) / temperature
    allowed = [token for token in range(len(logits)) if token not in FORBIDDEN]
    kept = sorted(allowed, key=lambda token: (-scaled[token], token))
    if top_k > 0:
        kept = kept[:top_k]
    weights = np.exp(scaled[kept] - scaled[kept].max())
    weights /= weights.sum()
    enough, total = 0, 0.0
    while enough < len(kept) and (enough == 0 or total < top_p or top_p >= 1):
        total += weights[enough]
        enough += 1
    probabilities = np.zeros(len(logits))
    probabilities[kept[:enough]] = weights[:enough] / weights[:enough].sum()
    return probabilities


OPTIONS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0},
    {"top_k": 3},
    {"top_k": 1},
    {"top_p": 0.6},
    {"top_p": 0.95},
    {"top_k": 4, "top_p": 0.7},
    {"temperature": 0.7, "top_k": 5, "top_p": 0.9},
    {"temperature": 3.0, "top_k": 8, "top_p": 0.5},
]


@pytest.fixture(scope="module")
def uniforms():
    return uniform_numbers(tf.range(313), 5, 1).numpy().reshape(-1)[:20_000]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tokens_are_drawn_as_often_as_they_are_probable(options, uniforms):
    """The chi-square test of 20,000 draws, which one set of fair draws in a thousand fails."""
    tokens, _ = chosen_of(LOGITS, uniforms, **options)
    counts, expected = np.bincount(tokens, minlength=SIZE), 20_000 * reference_probabilities(LOGITS, **options)
    assert not counts[expected == 0].any()
    possible = expected > 0
    statistic = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert statistic <= chi2.ppf(0.999, possible.sum() - 1) or possible.sum() == 1


@pytest.mark.parametrize(("rows", "size"), [(4000, SIZE), (300, 1000)])
def test_the_token_is_where_the_cumulated_probabilities_pass_the_number(rows, size):
    """Rows of other logits and options in one batch, filtered ones beside others; some logits are equal."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (rows, size)).astype(np.float32)
    logits[::3] = logits[::3].round(1)
    options = {
        "temperature": rng.choice([0.3, 0.8, 1.0, 1.7], rows),
        "top_k": rng.choice([0, 1, 2, 5, 100], rows),
        "top_p": rng.choice([0.1, 0.5, 0.9, 1.0], rows),
    }
    uniforms = rng.random(rows)
    tokens, log_probabilities = chosen_of(logits, uniforms, **options)
    for row in range(rows):
        probabilities = reference_probabilities(logits[row], **{name: value[row] for name, value in options.items()})
        cumulated = np.cumsum(probabilities)
        if np.abs(cumulated - uniforms[row]).min() > 1e-5:  # or float32 may fall on either side
            assert tokens[row] == np.searchsorted(cumulated, uniforms[row], side="right")
    network = logits - np.log(np.exp(np.float64(logits)).sum(-1, keepdims=True))
    np.testing.assert_allclose(log_probabilities, network[np.arange(rows), tokens], atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_rows_token_is_the_same_beside_any_others(options):
    uniforms = np.random.default_rng(1).random(50)
    alone = [chosen_of(LOGITS, [uniform], **options)[0][0] for uniform in uniforms]
    others = np.random.default_rng(2).normal(0, 3, (50, SIZE))
    mixed = {
        name: np.concatenate([np.full(50, options.get(name, default)), np.full(50, other)])
        for name, default, other in (("temperature", 1.0, 0.0), ("top_k", 0, 2), ("top_p", 1.0, 0.3))
    }
    among, _ = chosen_of(
        np.concatenate([np.tile(LOGITS, (50, 1)), others]), np.concatenate([uniforms, uniforms]), **mixed
    )
    assert among[:50].tolist() == alone


def test_temperature_0_is_greedy_beside_others():
    temperatures = [0.0, 5.0, 0.0, 5.0]
    tokens, log_probabilities = chosen_of(LOGITS, [0.99, 0.99, 0.0, 0.0], temperatures, 0, 0.9)
    assert (tokens[0], tokens[2]) == (6, 6)  # the highest logit but for padding and unknown
    assert tokens[1] != 6 != tokens[3]
    expected = LOGITS[6] - np.log(np.exp(np.float64(LOGITS)).sum())
    np.testing.assert_allclose(log_probabilities[[0, 2]], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_p": 1e-6},
        {"top_p": 1e-45},  # the smallest that float32 has
        {"top_p": 0.0},  # out of range, and still a token
        {"top_p": -1.0},
        {"temperature": 1e-3},
        {"temperature": 1e-38},
        {"temperature": 1e-45},
        {"temperature": -1.0},
    ],
    ids=str,
)
def test_the_narrowest_choices_are_greedy(options):
    uniforms = [0.0, 0.3, 0.7, BELOW_ONE]
    assert chosen_of(LOGITS, uniforms, **options)[0].tolist() == [6] * 4
    assert chosen_of(LOGITS * 1000, uniforms, **options)[0].tolist() == [6] * 4


def test_of_equally_probable_tokens_the_lower_ids_come_first():
    logits = np.zeros(SIZE, np.float32)
    uniforms = np.linspace(0, BELOW_ONE, 40)
    assert set(chosen_of(logits, uniforms, top_k=1)[0]) == {2}
    assert set(chosen_of(logits, uniforms, top_k=3)[0]) == {2, 3, 4}
    assert set(chosen_of(logits, uniforms, top_p=0.35)[0]) == {2, 3, 4, 5}
    assert set(chosen_of(logits, uniforms, temperature=0.0)[0]) == {2}
    assert set(chosen_of(logits, uniforms)[0]) == set(range(2, SIZE))


@pytest.mark.parametrize("top_k", [0, -3, SIZE, 10**9])
def test_a_top_k_of_none_or_of_more_than_all_keeps_all(top_k):
    uniforms = np.linspace(0, BELOW_ONE, 500)
    assert chosen_of(LOGITS, uniforms, top_k=top_k)[0].tolist() == chosen_of(LOGITS, uniforms)[0].tolist()


@pytest.mark.parametrize(
    "options", [*OPTIONS, {"temperature": 0.0}, {"temperature": 1e30}, {"temperature": np.inf}], ids=str
)
def test_padding_and_unknown_are_never_chosen(options):
    """Though they are all but certain, and at both ends of the random numbers."""
    logits = np.full(SIZE, -30.0, np.float32)
    logits[FORBIDDEN] = [50.0, 40.0]
    tokens, _ = chosen_of(logits, [0.0, 1e-30, 0.5, 1 - 1e-6, BELOW_ONE], **options)
    assert tokens.min() >= 2
    assert tokens.max() < SIZE
    last = np.full(SIZE, -30.0, np.float32)
    last[-1] = 50.0
    assert chosen_of(last, [1e-6, BELOW_ONE])[0].tolist() == [SIZE - 1] * 2


def test_the_boundary_may_be_chosen():
    logits = np.full(SIZE, -30.0, np.float32)
    logits[2] = 0.0
    assert chosen_of(logits, [0.0, BELOW_ONE], [1.0, 0.0])[0].tolist() == [2, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_raise(value, temperature):
    logits = np.tile(LOGITS, (3, 1))
    logits[1, 7] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match="the network's logits are not finite"):
        chosen_of(logits, [0.5] * 3, temperature)


def test_a_large_vocabulary_has_a_token_for_every_number():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (8, 50_000))
    for uniform in (0.0, 0.5, 1 - 1e-7, BELOW_ONE):
        tokens, log_probabilities = chosen_of(logits, [uniform] * 8, 1.0, 0, [1.0, 0.9] * 4)
        assert ((tokens >= 2) & (tokens < 50_000)).all()
        assert log_probabilities.min() > -40


# The random numbers


def test_a_seed_has_its_numbers_whatever_stands_beside_it():
    alone = uniform_numbers(tf.constant([7]), 0, 3).numpy()
    assert alone.shape == (1, 192)
    among = uniform_numbers(tf.constant([1, 7, 2**31 - 1, -5, 7]), 0, 4).numpy()
    np.testing.assert_array_equal(among[1, :192], alone[0])
    np.testing.assert_array_equal(among[4, :192], alone[0])
    np.testing.assert_array_equal(uniform_numbers(tf.constant([7]), 2, 1).numpy()[0], alone[0, 128:])
    assert len(np.unique(among[[0, 1, 2, 3]])) > 1000


def test_they_are_those_that_the_docstring_says():
    expected = tf.random.stateless_uniform([64], seed=[11, 3], alg="philox").numpy()
    np.testing.assert_array_equal(uniform_numbers(tf.constant([11]), 3, 1).numpy()[0], expected)


def test_they_are_uniform():
    numbers = tf.function(uniform_numbers)(tf.range(1000), 0, 2).numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=50, range=(0, 1))[0]
    assert ((counts - 2560) ** 2 / 2560).sum() < chi2.ppf(0.999, 49)
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.1  # of one seed and the next


def test_no_blocks_are_no_numbers():
    assert uniform_numbers(tf.constant([1, 2]), 0, 0).shape == (2, 0)
