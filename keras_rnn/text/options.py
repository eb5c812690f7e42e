"""How texts become token ids, as one object of options."""

from dataclasses import dataclass, field
from pathlib import Path

from keras_rnn import checks

TOKENS = ("word", "character")


@dataclass(frozen=True)
class TextOptions:
    """How texts become token ids.

    Args:
        tokens: "word" or "character".
        vocabulary_size: the most token ids there may be, padding (0) and unknown (1) included.
        max_length: the most tokens of a text that are read, from its start.
        embeddings: a GloVe text file.

    Raises:
        UsageError: a value out of its range.
    """

    tokens: str = field(default="word", metadata={"help": "word or character. Default: word."})
    vocabulary_size: int = field(default=20_000, metadata={"help": "Token ids, padding and unknown included. [20000]"})
    max_length: int = field(default=400, metadata={"help": "Tokens of a text that are read. [400]"})
    embeddings: str | None = field(
        default=None, metadata={"help": "GloVe text of word vectors (.gz too).", "path": True}
    )

    def __post_init__(self):
        checks.one_of("tokens", self.tokens, TOKENS)
        checks.vocabulary_size(self.vocabulary_size)
        checks.whole_number("max_length", self.max_length)
        if self.embeddings is not None:
            object.__setattr__(self, "embeddings", str(Path(self.embeddings).absolute()))
