"""How a language model reads its text, as one object of options."""

from dataclasses import dataclass, field

from keras_rnn import checks

TOKENS = ("subword", "word", "character")
DIRECTIONS = ("forward", "backward")
STATES = ("document", "stream")


@dataclass(frozen=True)
class LanguageModelOptions:
    """How texts become token ids, and in which chunks a network reads them in training.

    Args:
        tokens: "subword" (byte pairs), "word" (what white space parts, and each line's end) or "character".
        vocabulary_size: the most token ids there may be, padding (0), unknown (1) and boundary (2) included.
        direction: "backward" reads every document from its end.
        chunk_length: tokens of a training step, over which gradients flow; the state is carried to the next step.
        random_chunks: draw the length of each step about `chunk_length`, as Merity et al. 2017 (arXiv 1708.02182) do.
        state: "document" begins each document with zeros, "stream" with the state that the last one left.

    Raises:
        UsageError: a value out of its range.
    """

    tokens: str = field(
        default="subword",
        metadata={"help": "word or character; of a language model subword, too. Default: word, or subword."},
    )
    vocabulary_size: int = field(
        default=4_000,
        metadata={"help": "Token ids, padding and unknown included. [20000; of a language model 4000]"},
    )
    direction: str = field(
        default="forward", metadata={"help": "backward: a language model reads texts from their end. [forward]"}
    )
    chunk_length: int = field(default=70, metadata={"help": "Tokens of a step of a language model. [70]"})
    random_chunks: bool = field(
        default=True,
        metadata={
            "option": "--random-chunks/--equal-chunks",
            "help": "Whether steps of a language model differ in length. [random]",
        },
    )
    state: str = field(
        default="document",
        metadata={"help": "stream: a language model's state is carried over a document's end. [document]"},
    )

    def __post_init__(self):
        checks.one_of("tokens", self.tokens, TOKENS)
        checks.vocabulary_size(self.vocabulary_size)
        checks.one_of("direction", self.direction, DIRECTIONS)
        checks.whole_number("chunk_length", self.chunk_length)
        checks.flag("random_chunks", self.random_chunks)
        checks.one_of("state", self.state, STATES)
