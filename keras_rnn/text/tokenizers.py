"""The tokenizers of language models: what is learned from documents, and the layer that it makes.

Ids 0, 1 and 2 are padding, unknown and boundary; the pieces follow.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from keras_rnn import checks
from keras_rnn.errors import UsageError
from keras_rnn.text.character_tokenizer import CharacterTokenizer, count_characters
from keras_rnn.text.documents import document_parts
from keras_rnn.text.piece_tokenizer import FIRST_PIECE_ID, PieceTokenizer
from keras_rnn.text.subword_learning import learn_byte_pairs
from keras_rnn.text.subword_tokenizer import SubwordTokenizer
from keras_rnn.text.word_tokenizer import WordTokenizer, count_words

COUNTERS: dict[str, Callable[[Iterable[str]], Counter[str]]] = {"character": count_characters, "word": count_words}
TOKENIZERS = ("character", "word", "subword")


def learn_tokenizer(documents: Iterable[str], *, tokens: str, vocabulary_size: int) -> tuple[list[str], list[str]]:
    """The pieces and merges of a tokenizer for documents like these, as `make_tokenizer` takes them.

    The documents are read once, in parts. What stays in memory are their distinct characters or words.

    Args:
        documents: the training texts.
        tokens: "character" and "word" take the most frequent ones, "subword" learns byte pairs.
        vocabulary_size: the most ids that there may be, padding, unknown and boundary included: at least 5, and 259
            of subwords.

    Returns:
        The pieces of ids 3, 4, ..., and the merges, which are empty unless `tokens` is "subword".

    Raises:
        UsageError: `tokens` or `vocabulary_size` out of range, the documents hold fewer than two different tokens, or
            the package `tokenizers`, which learns byte pairs, is not installed.
    """
    _check_vocabulary_size(checks.one_of("tokens", tokens, TOKENIZERS), vocabulary_size)
    max_pieces = vocabulary_size - FIRST_PIECE_ID
    texts = (part for document in documents for part in document_parts(document))
    if tokens == "subword":
        return learn_byte_pairs(_not_empty(texts), max_pieces)
    counts = COUNTERS[tokens](texts)
    if len(counts) < 2:
        alone = f"one {tokens} alone, {next(iter(counts))!r}" if counts else f"no {tokens} at all"
        raise UsageError(f"the training texts hold {alone}; a language model takes at least two different ones")
    by_frequency = sorted(counts, key=lambda token: (-counts[token], token))
    return by_frequency[:max_pieces], []


def make_tokenizer(tokens: str, pieces: Sequence[str], merges: Sequence[str] = ()) -> PieceTokenizer:
    """The layer of what `learn_tokenizer` has learned: strings `(batch,)` to int32 ids `(batch, time)`.

    Raises:
        UsageError: `tokens` is no tokenizer, or the pieces and merges are none of it.
    """
    checks.one_of("tokens", tokens, TOKENIZERS)
    if tokens == "subword":
        return SubwordTokenizer(pieces, merges, name="tokenizer")
    if merges:
        raise UsageError(f"merges takes none of a {tokens} tokenizer, got {len(merges)}")
    return {"character": CharacterTokenizer, "word": WordTokenizer}[tokens](pieces, name="tokenizer")


def _check_vocabulary_size(tokens: str, vocabulary_size: int) -> None:
    checks.whole_number("vocabulary_size", vocabulary_size)
    least, kinds = (256, "256 bytes") if tokens == "subword" else (2, f"two {tokens}s")
    if vocabulary_size < FIRST_PIECE_ID + least:
        raise UsageError(
            f"vocabulary_size takes at least {FIRST_PIECE_ID + least} (padding, unknown, boundary and {kinds}),"
            f" got {vocabulary_size}"
        )


def _not_empty(texts: Iterable[str]) -> Iterator[str]:
    """The texts, and an error in place of an end without any."""
    text = None
    for text in texts:
        yield text
    if text is None:
        raise UsageError("the training texts hold no subword at all")
