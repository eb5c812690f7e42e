"""`negated_reviews`: short reviews whose label depends on word order, written by a seeded grammar.

The texts are synthetic. They show whether a model reads words in order, and say nothing about sentiment in the
real world: a bag of words, or of pairs of words, stays near 60 %, while a small LSTM passes 97 % in five epochs.

The rule behind a label, which has no noise and no exceptions:

- A word has a charge (good +1, dull -1), which a construction keeps or turns over: "not dull" and "never less than
  good" are positive, "far from good" and "would have been good on another day" are negative. What stands before
  the clause counts too: "I doubt that it was not good" is positive.
- Of opposing clauses, the one after "but" or "yet" decides, or the one that "although", "even though" or "albeit"
  does not open: "not good, but cheap" is positive, "good, but not cheap" negative.
- Of several sentences, the last that "however", "still" and their like open decides, or else the first one; what
  is conceded ("granted", "admittedly") does not count, and what is added ("moreover") agrees.

Every held-out text is longer than every other text, and pairs words with constructions, and constructions with what
stands before them, that never meet elsewhere; at the default size, all its words occur in the training split.
"""

import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from keras_rnn.datasets.dataset import Split, TextDataset
from keras_rnn.datasets.negated_reviews_parts import Construction, Judgement, Sentence, Word
from keras_rnn.datasets.negated_reviews_topics import TOPICS, Topic
from keras_rnn.datasets.negated_reviews_words import (
    BAD,
    CLAUSE_PATTERNS,
    COMPANY,
    COMPARATIVES,
    CONSTRUCTIONS,
    FEELINGS,
    FRAMES,
    GOOD,
    LINKS,
    PHRASE_PATTERNS,
    QUALITIES,
    TIMES,
    VERBS,
    WHO,
    WHOM,
)
from keras_rnn.errors import UsageError

LONGEST_TEXT = 30  # words; held-out texts are longer than this, all others are not
MAIN_SIZES = (1, 1, 1, 1, 2, 2, 2, 2, 3, 3)  # judgements a text, drawn evenly
HELD_OUT_SIZES = (4, 4, 5)
# How often a construction keeps the charge of its word. At one half, words alone would say nothing at all, and an
# LSTM would need several epochs to find where to begin.
KEEP_RATE = 0.8
FRAME_RATE = 0.35  # how often "I doubt that" or the like opens a clause that allows it
LAYOUTS = ("{review}", "{review}", "{review}", "{fact} {review}", "{review} {fact}")
WITHHELD_PERIOD = 6  # of the pairs of a word and a construction, this share is withheld for the held-out split

KIND_WEIGHTS = {
    "phrase": 8,
    "adjective": 4,
    "verb": 3,
    "feeling": 3,
    "quality": 2,
    "unreal": 1,
    "comparative": 1,
}
KINDS = tuple(kind for kind, weight in KIND_WEIGHTS.items() for _ in range(weight))
FRAMED_KINDS = ("phrase", "quality", "verb")  # "I doubt that it would have been good" has no clear reading
WORDS = {"comparative": COMPARATIVES, "quality": QUALITIES, "verb": VERBS, "feeling": FEELINGS}  # else adjectives


def negated_reviews(seed: int = 0, rows: int = 20_000) -> TextDataset:
    """The dataset: `rows` reviews cut 80/10/10 into train, validation and test, and a tenth more held out.

    The seed is the grammar's. No text occurs twice, and each split is roughly half positive.
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 100:
        raise UsageError(f"rows takes a whole number of at least 100, got {rows!r}")
    rng = random.Random(seed)
    seen_texts: set[str] = set()
    tenth = rows // 10
    test = _split(rng, tenth, seen_texts)
    validation = _split(rng, tenth, seen_texts)
    train = _split(rng, rows - 2 * tenth, seen_texts)
    held_out = _split(rng, tenth, seen_texts, held_out=True)
    return TextDataset(
        "negated_reviews", ("negative", "positive"), train, validation, test, extra={"held_out": held_out}
    )


def judge(template: str, word: str, frame: str = "", **more_slots: str) -> Judgement:
    """What a construction makes of a word (a verb in base form), perhaps behind a frame such as "I doubt that"."""
    lexicon_word = _lexicon()[word]
    slots = {"base": lexicon_word.base, "past": lexicon_word.past} if lexicon_word.past else {"w": lexicon_word.base}
    return Judgement(_constructions()[template], lexicon_word, {**slots, **more_slots}, frame)


def polarity(sentences: Sequence[Sentence]) -> int:
    """The label rule: +1 for positive, -1 for negative."""
    verdict = 0
    for sentence in sentences:
        if not sentence.link or sentence.link in LINKS["override"]:
            verdict = sentence.judgements[sentence.roles.index("+")].polarity
    return verdict


def write(sentences: Sequence[Sentence], subjects: Sequence[tuple[str, str]]) -> str:
    """The text of the sentences; `subjects` are (noun, was or were), used one after another."""
    remaining_subjects = iter(subjects)
    return " ".join(_capital(_clauses(sentence, remaining_subjects)) + "." for sentence in sentences)


def withheld(template: str, word: str) -> bool:
    """Whether this word (a verb in base form) meets this construction in the held-out split alone."""
    return (_constructions()[template].number + _lexicon()[word].number) % WITHHELD_PERIOD == 0


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _clauses(sentence: Sentence, subjects: Iterator[tuple[str, str]]) -> str:
    if sentence.shared_subject:
        phrases = [judgement.construction.template.format(**judgement.slots) for judgement in sentence.judgements]
        noun, verb = next(subjects) if "{s}" in sentence.template else ("", "")
        text = sentence.template.format(*phrases, s=noun, was=verb)
    else:
        text = sentence.template.format(*(_clause(judgement, *next(subjects)) for judgement in sentence.judgements))
    return f"{sentence.link} {text}".lstrip()


def _clause(judgement: Judgement, noun: str, verb: str) -> str:
    template = judgement.construction.template
    if judgement.construction.kind == "phrase":
        template = "{s} {was} " + template
    return f"{judgement.frame} {template.format(s=noun, was=verb, **judgement.slots)}".lstrip()


@cache
def _constructions() -> dict[str, Construction]:
    flat = [
        (template, kind, sign)
        for kind, templates_by_sign in CONSTRUCTIONS.items()
        for sign, templates in templates_by_sign.items()
        for template in templates
    ]
    return {entry[0]: Construction(*entry, number) for number, entry in enumerate(flat)}


@cache
def _lexicon() -> dict[str, Word]:
    """All charged words. Each list is numbered on its own, so that any construction meets some of it in any split."""
    lists = [
        (1, [*GOOD, *dict.fromkeys(word for topic in TOPICS for word in topic.good)]),
        (-1, [*BAD, *dict.fromkeys(word for topic in TOPICS for word in topic.bad)]),
        *(entry for words_by_charge in WORDS.values() for entry in words_by_charge.items()),
    ]
    words: dict[str, Word] = {}
    for charge, entries in lists:
        for number, entry in enumerate(entries):
            base, past = (entry, "") if isinstance(entry, str) else entry
            words[base] = Word(base, charge, number, past)
    return words


@cache
def _choices(template: str, charge: int, topic: Topic, held_out: bool) -> tuple[str, ...]:
    """The words a construction may meet in this split, verbs in base form."""
    kind = _constructions()[template].kind
    entries = WORDS[kind][charge] if kind in WORDS else _adjectives(topic, charge)
    words = [entry if isinstance(entry, str) else entry[0] for entry in entries]
    return tuple(word for word in words if withheld(template, word) == held_out)


@cache
def _adjectives(topic: Topic, charge: int) -> tuple[str, ...]:
    # Its own words count twice: they tell a hotel from a book.
    return GOOD + 2 * topic.good if charge == 1 else BAD + 2 * topic.bad


@cache
def _frames(template: str, sign: int, held_out: bool) -> tuple[str, ...]:
    number = _constructions()[template].number
    return tuple(frame for i, frame in enumerate(FRAMES[sign], number) if (i % WITHHELD_PERIOD == 0) == held_out)


@cache
def _patterns(size: int) -> tuple[tuple[str, str, bool], ...]:
    clauses = [(template, roles, False) for template, roles in CLAUSE_PATTERNS if len(roles) == size]
    phrases = [(template, roles, True) for template, roles in PHRASE_PATTERNS if len(roles) == size]
    return tuple(clauses + phrases)


def _subjects(rng: random.Random, topic: Topic) -> list[tuple[str, str]]:
    """One thing and its aspects, with their verbs, in any order."""
    subject = f"{_pick(rng, ('the', 'this'))} {_pick(rng, topic.things)}"
    aspects = [(f"the {noun}", "was") for noun in topic.aspects]
    plurals = [(f"the {noun}", "were") for noun in topic.plurals]
    return _shuffled(rng, [(subject, "was"), ("it", "was"), *aspects, *plurals])


def _pick(rng: random.Random, items: Sequence):
    # random() is the one method whose sequence Python promises to keep from version to version.
    return items[int(rng.random() * len(items))]


def _shuffled(rng: random.Random, items: Sequence) -> list:
    return sorted(items, key=lambda _: rng.random())


def _split(rng: random.Random, count: int, seen_texts: set[str], held_out: bool = False) -> Split:
    rows: list[tuple[str, int]] = []
    while len(rows) < count:
        rows += _reviews(rng, held_out, seen_texts)
    rows = _shuffled(rng, rows[:count])
    return Split([text for text, _ in rows], np.array([label for _, label in rows], dtype=np.int32))


def _reviews(rng: random.Random, held_out: bool, seen_texts: set[str]) -> list[tuple[str, int]]:
    """A new review and, where it has one, its twin: the same words in another order with the other label."""
    topic = _pick(rng, TOPICS)
    sentences = _plan(rng, topic, held_out)
    if _repeats_a_word(sentences):
        return []
    subjects = _subjects(rng, topic)
    fact = f"{_capital(_pick(rng, topic.facts))} {_pick(rng, TIMES)} {_pick(rng, COMPANY)}".rstrip() + "."
    layout = _pick(rng, LAYOUTS)
    reviews = []
    for version in (sentences, _twin(sentences, held_out)):
        if version is None:
            continue
        text = layout.format(fact=fact, review=write(version, subjects))
        if text in seen_texts or (len(text.split()) > LONGEST_TEXT) != held_out:
            continue
        seen_texts.add(text)
        reviews.append((text, int(polarity(version) == 1)))
    return reviews


def _plan(rng: random.Random, topic: Topic, held_out: bool) -> list[Sentence]:
    remaining = _pick(rng, HELD_OUT_SIZES if held_out else MAIN_SIZES)
    sentences: list[Sentence] = []
    side = _pick(rng, (1, -1))
    move = ""
    while remaining:
        size = _pick(rng, [size for size in (1, 2, 2, 3) if size <= remaining])
        remaining -= size
        link = ""
        if sentences:
            # What is added after a concession could belong to either side.
            move = "override" if move == "concede" else _pick(rng, ("override", "override", "concede", "add"))
            side = side if move == "add" else -side
            link = _pick(rng, LINKS[move])
        sentences.append(_sentence(rng, topic, held_out, link, side, size))
    return sentences


def _repeats_a_word(sentences: Sequence[Sentence]) -> bool:
    """Whether the text would contradict or repeat itself, as in "never dull, but dull indeed"."""
    words = [
        judgement.slots[slot]
        for sentence in sentences
        for judgement in sentence.judgements
        for slot in ("w", "v", "x", "base")
        if slot in judgement.slots
    ]
    return len(set(words)) < len(words)


def _sentence(rng: random.Random, topic: Topic, held_out: bool, link: str, side: int, size: int) -> Sentence:
    template, roles, shared_subject = _pick(rng, _patterns(size))
    # "I doubt that it was good and it was cheap" would leave open what is doubted.
    frames = not shared_subject and " and " not in template
    judgements = tuple(
        _judgement(rng, topic, held_out, side if role == "+" else -side, shared_subject, frames) for role in roles
    )
    return Sentence(link, template, roles, judgements, shared_subject)


def _judgement(rng: random.Random, topic: Topic, held_out: bool, target: int, phrase: bool, frames: bool) -> Judgement:
    """A judgement of polarity `target`."""
    kind = "phrase" if phrase else _pick(rng, KINDS)
    frame_sign = 0
    if frames and kind in FRAMED_KINDS and rng.random() < FRAME_RATE:
        frame_sign = _pick(rng, (1, -1))
        target *= frame_sign
    sign = 1 if 1 in CONSTRUCTIONS[kind] and rng.random() < KEEP_RATE else -1
    charge = target * sign
    template = _pick(rng, CONSTRUCTIONS[kind][sign])
    word = _pick(rng, _choices(template, charge, topic, held_out))
    frame = _pick(rng, _frames(template, frame_sign, held_out)) if frame_sign else ""
    fillers = {"v": _adjectives(topic, charge), "x": _adjectives(topic, -charge), "whom": WHOM, "who": WHO}
    slots = {slot: _pick(rng, choices) for slot, choices in fillers.items() if f"{{{slot}}}" in template}
    return judge(template, word, frame, **slots)


def _twin(sentences: Sequence[Sentence], held_out: bool) -> list[Sentence] | None:
    """The same words with the other label, for texts of two opposing judgements."""
    judgements = [judgement for sentence in sentences for judgement in sentence.judgements]
    if len(judgements) != 2 or judgements[0].polarity == judgements[1].polarity:
        return None
    new_judgements = iter(_exchanged(*judgements, held_out))
    return [sentence._replace(judgements=tuple(next(new_judgements) for _ in sentence.roles)) for sentence in sentences]


def _exchanged(first: Judgement, second: Judgement, held_out: bool) -> tuple[Judgement, Judgement]:
    """From "not good, but cheap" to "good, but not cheap" where the split may have it, else "cheap, but not good"."""
    first_construction, second_construction = first.construction, second.construction
    is_plain = all(set(judgement.slots) == {"w"} and not judgement.frame for judgement in (first, second))
    if (
        is_plain
        and first_construction.kind == second_construction.kind
        and first_construction.sign != second_construction.sign
    ):
        pairs = ((second_construction.template, first.word.base), (first_construction.template, second.word.base))
        if all(withheld(*pair) == held_out for pair in pairs):
            return judge(*pairs[0]), judge(*pairs[1])
    return second, first
