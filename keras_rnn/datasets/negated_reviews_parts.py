"""What the grammar of `negated_reviews` puts together."""

from collections.abc import Mapping
from typing import NamedTuple

from keras_rnn.datasets.negated_reviews_words import FRAMES


class Construction(NamedTuple):
    """A template, its kind, what it does to the charge of its word, and its number among all constructions."""

    template: str
    kind: str
    sign: int
    number: int


class Word(NamedTuple):
    """A word that a construction takes, its charge, its number in its list, and the past form if it is a verb."""

    base: str
    charge: int
    number: int
    past: str = ""


class Judgement(NamedTuple):
    """One opinion, without its subject; `slots` is what fills the template beside the word, `frame` what opens it."""

    construction: Construction
    word: Word
    slots: Mapping[str, str]
    frame: str = ""

    @property
    def polarity(self) -> int:
        sign = -1 if self.frame in FRAMES[-1] else 1
        return self.word.charge * self.construction.sign * sign


class Sentence(NamedTuple):
    """A pattern over judgements, one for each role; `link` is what opens the sentence, if anything does."""

    link: str
    template: str
    roles: str
    judgements: tuple[Judgement, ...]
    shared_subject: bool
