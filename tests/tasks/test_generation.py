"""Texts that a small language model writes, held against a loop in NumPy that reads the whole text for every token."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.tasks.language_model.contract import MAX_CALL_LENGTH
from keras_rnn.tasks.language_model.generation import generator_of
from keras_rnn.tasks.language_model.predictions import MAX_LENGTH, Sampling, generate_function
from keras_rnn.tasks.language_model.sampling import uniform_numbers
from keras_rnn.text.character_tokenizer import CharacterTokenizer
from keras_rnn.text.word_tokenizer import WordTokenizer
from tests.models.language_models import VARIANTS, build, reference
from tests.tasks.test_sampling import reference_probabilities

LETTERS = "abcdefghijklmnopqrst"  # ids 3 to 22
OPTION_TYPES = {"length": "int32", "temperature": "float32", "top_k": "int32", "top_p": "float32", "seed": "int32"}
DEFAULTS = {"length": 12, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}


def add_to_boundary(network, value):
    bias = network.get_layer("embedding").weights[1]
    bias.assign_add(value * (np.arange(bias.shape[0]) == 2))


def generator_for(variant: str, tokenizer=None):
    """A network that hardly ever ends a text, and its Generator."""
    network = build(variant)
    add_to_boundary(network, -20.0)
    trace = lambda function, spec, inlined=False: function  # noqa: E731
    return network, generator_of(tokenizer or CharacterTokenizer(list(LETTERS), name="tokenizer"), network, trace)


@pytest.fixture(scope="module", params=["tied_lstm", "projected_gru"])
def model(request):
    """The variant, the network, its generator, and `generate` as a graph."""
    network, generator = generator_for(request.param)
    return request.param, network, generator, generate_function(generator)


def arrays(rows, **options):
    return {
        name: tf.constant(np.broadcast_to(np.asarray({**DEFAULTS, **options}[name], dtype), rows))
        for name, dtype in OPTION_TYPES.items()
    }


def written(generate, prompts, **options):
    """What `generate` gives, as a dict of lists."""
    outputs = generate(tf.constant(prompts, tf.string, (len(prompts),)), **arrays(len(prompts), **options))
    return {name: value.numpy().tolist() for name, value in outputs.items()}


def ids_of(text):
    return [2, *(3 + LETTERS.index(letter) for letter in text)]


def reference_text(variant, network, prompt, *, length, temperature, top_k, top_p, seed):
    """Ids and log-probabilities, by the whole network for every token."""
    ids, chosen, log_probabilities = ids_of(prompt), [], []
    while len(chosen) < length and 2 not in chosen:
        states = {name: np.zeros((1, network.input[name].shape[1])) for name in network.input if name != "token_ids"}
        logits = reference(network, VARIANTS[variant], np.array([ids]), states)[0][0, -1]
        if temperature == 0:
            token = 2 + int(np.argmax(logits[2:]))
        else:
            block, place = divmod(len(chosen), 64)
            uniform = tf.random.stateless_uniform([64], [seed, block], alg="philox").numpy()[place]
            probabilities = reference_probabilities(logits, temperature, top_k, top_p)
            token = int(np.searchsorted(np.cumsum(probabilities), uniform, side="right"))
        ids.append(token)
        chosen.append(token)
        log_probabilities.append(logits[token])
    return chosen, log_probabilities


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 0.6, "top_k": 5},
        {"temperature": 1.4, "top_p": 0.8, "seed": 3},
    ],
    ids=str,
)
def test_texts_are_those_of_a_loop_over_whole_texts(model, options):
    variant, network, _, generate = model
    prompts = ["", "a", "abcabc", "tsr"]
    outputs = written(generate, prompts, **options)
    for row, prompt in enumerate(prompts):
        ids, log_probabilities = reference_text(variant, network, prompt, **{**DEFAULTS, **options})
        padding = [0] * (len(outputs["tokens"][row]) - len(ids))
        assert outputs["tokens"][row] == ids + padding
        np.testing.assert_allclose(outputs["log_probabilities"][row], [*log_probabilities, *padding], atol=1e-4)
        assert outputs["text"][row].decode() == "".join(LETTERS[token - 3] for token in ids if token > 2)


def test_a_rows_text_depends_on_nothing_but_itself(model):
    """Not on the rows beside it, on how many there are, nor on how long the text gets."""
    generate = model[3]
    prompts = ["a", "bcd", "", "a", "abcdefghij" * 9, "a"]
    options = {
        "length": [150, 20, 3, 150, 0, 150],
        "temperature": [1.0, 0.0, 2.0, 1.0, 1.0, 0.7],
        "top_k": [0, 3, 0, 0, 2, 10],
        "top_p": [1.0, 0.5, 0.9, 1.0, 1.0, 0.95],
        "seed": [5, 6, 7, 5, 9, 2**31 - 1],
    }
    together = written(generate, prompts, **options)
    assert together["tokens"][0] == together["tokens"][3] != together["tokens"][5]
    for row, prompt in enumerate(prompts):
        alone = written(generate, [prompt], **{name: values[row] for name, values in options.items()})
        assert alone["text"][0] == together["text"][row]
        tokens = alone["tokens"][0]
        assert together["tokens"][row] == tokens + [0] * (len(together["tokens"][row]) - len(tokens))
    for length in (1, 64, 65, 149):
        shorter = written(generate, ["a"], length=length, seed=5)
        assert shorter["tokens"][0] == together["tokens"][0][:length]


def test_the_same_seed_writes_the_same_text_and_another_another(model):
    texts = written(model[3], ["abc"] * 6, length=40, seed=[1, 1, 2, 3, 4, 1])["text"]
    assert texts[0] == texts[1] == texts[5]
    assert len(set(texts)) == 4


def test_prefill_step_and_uniforms_write_the_same_text(model):
    """The tokens one by one, as a server writes many texts together: rows come and go."""
    generator, generate = model[2:]
    prompts, seeds = ["abc", "", "q"], [4, 5, 6]
    expected = written(generate, prompts, length=70, temperature=0.9, top_p=0.9, seed=seeds)
    read = [generator.prefill(tf.constant([prompt])) for prompt in prompts]
    state, token = (tf.concat([one[name] for one in read], 0) for name in ("state", "token"))
    step = tf.function(generator.step, autograph=False)
    options = list(arrays(3, temperature=0.9, top_p=0.9).values())[1:4]
    tokens, pieces, log_probabilities = [], [], []
    for index in range(70):
        uniforms = uniform_numbers(tf.constant(seeds), index // 64, 1)[:, index % 64]
        outputs = step(token, state, uniforms, *options)
        token, state = outputs["token"], outputs["state"]
        tokens.append(token.numpy())
        pieces.append(outputs["piece"].numpy())
        log_probabilities.append(outputs["log_probability"].numpy())
    for row in range(3):
        ids = [int(token[row]) for token in tokens]
        length = ids.index(2) + 1 if 2 in ids else len(ids)
        assert expected["tokens"][row][:length] == ids[:length]
        assert expected["text"][row] == b"".join(piece[row] for piece in pieces[:length])
        actual = [value[row] for value in log_probabilities[:length]]
        np.testing.assert_allclose(actual, expected["log_probabilities"][row][:length], atol=1e-5)


def test_prefill_gives_the_state_before_the_last_token(model):
    variant, network, generator, _ = model
    read = generator.prefill(tf.constant(["abcd", "", "t"]))
    assert read["token"].numpy().tolist() == [6, 2, 22]
    assert read["length"].numpy().tolist() == [4, 0, 1]
    names = [name for name in network.input if name != "token_ids"]
    zeros = {name: np.zeros((3, network.input[name].shape[1])) for name in names}
    states = reference(network, VARIANTS[variant], np.array([[2, 3, 4, 5], [0] * 4, [2, 0, 0, 0]]), zeros)[1]
    expected = np.concatenate([states[f"state_{index}"] for index in range(len(names))], axis=1)
    np.testing.assert_allclose(read["state"], expected, atol=1e-5)
    assert not read["state"].numpy()[1].any()


def test_unknown_characters_and_long_prompts_are_read(model):
    outputs = written(model[3], ["☃é!", "abcdefghijklmnopqrst" * 500, "ab\x00", b"\xff\xfeab"], length=4)
    assert [len(tokens) for tokens in outputs["tokens"]] == [4] * 4


@pytest.mark.parametrize("length", [0, -7])
def test_length_0_writes_nothing(model, length):
    outputs = written(model[3], ["abc", ""], length=length)
    assert outputs == {"tokens": [[], []], "log_probabilities": [[], []], "text": [b"", b""]}


def test_no_prompts_have_no_texts(model):
    assert written(model[3], [])["text"] == []


def test_the_boundary_ends_a_text(model):
    network, generate = model[1], model[3]
    add_to_boundary(network, 22.0)
    try:
        outputs = written(generate, ["a"] * 16, length=80, seed=np.arange(16))
    finally:
        add_to_boundary(network, -22.0)
    lengths = [tokens.index(2) + 1 for tokens in outputs["tokens"]]
    assert len(set(lengths)) > 3
    assert len(outputs["tokens"][0]) == max(lengths) < 80  # the loop ends with the last text
    for length, tokens, text in zip(lengths, outputs["tokens"], outputs["text"], strict=True):
        assert not any(tokens[length:])
        assert len(text) == length - 1
    assert all(value == 0 for value in outputs["log_probabilities"][0][lengths[0] :])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_nan_are_an_error(temperature):
    network, generator = generator_for("tied_lstm")
    network.get_layer("embedding").weights[1].assign(np.full(23, np.nan))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the network's logits are not finite"):
        written(generate_function(generator), ["a"], temperature=temperature)


@pytest.mark.parametrize(
    ("prompt", "words", "text"),
    [
        ("", ["the", "cat"], "the cat"),
        ("so", ["the", "cat"], " the cat"),
        ("so ", ["the", "cat"], "the cat"),
        ("one\ntwo", ["the", "cat"], " the cat"),
        ("one\n", ["the", "cat"], "the cat"),
        ("one\ntwo\t", ["the", "cat"], "the cat"),
        ("so", ["the", "\n", "cat", "\n", "\n", "the"], " the\ncat\n\nthe"),
        ("so", ["\n", "cat"], "\ncat"),
        ("é", ["the"], " the"),
        ("so", [], ""),
    ],
)
def test_words_stand_apart(prompt, words, text):
    tokenizer = WordTokenizer(["the", "cat", "\n", *LETTERS[3:]], name="tokenizer")
    _, generator = generator_for("tied_lstm", tokenizer)
    ids = tf.constant([[3 + tokenizer.pieces.index(word) for word in words] + [2, 0]], tf.int32)
    assert generator.following_text(tf.constant([prompt]), ids).numpy()[0].decode() == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length takes a whole number of at least 1, got 0"),
        ({"length": 1_000_000}, f"length takes at most {MAX_LENGTH:,} tokens, got 1,000,000"),
        ({"temperature": -0.1}, "temperature takes a number of at least 0, got -0.1"),
        ({"temperature": float("nan")}, "temperature takes a number of at least 0, got nan"),
        ({"top_k": -1}, "top_k takes a whole number of at least 0, got -1"),
        ({"top_p": 0}, "top_p takes a number above 0 and up to 1, got 0"),
        ({"top_p": 1.1}, "top_p takes a number above 0 and up to 1, got 1.1"),
        ({"seed": -1}, "seed takes a whole number of at least 0, got -1"),
        ({"seed": 2**31}, "seed takes a whole number below 2\\*\\*31, got 2147483648"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        Sampling(**options)


def test_a_call_writes_so_many_tokens_at_most():
    generate = generate_function(generator_for("tied_lstm")[1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="length takes at most 10000 tokens a call"):
        generate(tf.constant(["a"]), **arrays(1, length=MAX_CALL_LENGTH + 1))
