"""The pieces and merges of byte-level byte-pair encoding, learned by the package `tokenizers`."""

import json
from collections.abc import Iterable
from typing import Any

from keras_rnn.errors import UsageError
from keras_rnn.text.subword_pattern import PATTERN

MIN_PAIR_COUNT = 2  # a pair that stands in the texts once is no piece


def library_tokenizer(pieces: Iterable[str] = (), merges: Iterable[str] = ()) -> Any:
    """A `tokenizers.Tokenizer` that has no piece yet, or these, and numbers them from 0 on.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    except ImportError as error:
        raise UsageError('subwords are learned by the package tokenizers: pip install "keras-rnn[subword]"') from error
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    pairs: list[Any] = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs) if vocabulary else models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def learn_byte_pairs(texts: Iterable[str], max_pieces: int) -> tuple[list[str], list[str]]:
    """The 256 bytes and the merges of the most frequent pairs, up to `max_pieces` pieces.

    The package keeps the distinct words of all texts in memory, not the texts.

    Raises:
        UsageError: the package is not installed.
    """
    tokenizer = library_tokenizer()
    from tokenizers import pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=max_pieces,
        min_frequency=MIN_PAIR_COUNT,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return pieces, [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
