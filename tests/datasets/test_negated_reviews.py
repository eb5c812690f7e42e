import hashlib
import re
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest

from keras_rnn.datasets.negated_reviews import Sentence, judge, negated_reviews, polarity, withheld, write
from keras_rnn.datasets.negated_reviews_topics import TOPICS
from keras_rnn.datasets.negated_reviews_words import (
    BAD,
    COMPARATIVES,
    CONSTRUCTIONS,
    FEELINGS,
    GOOD,
    LINKS,
    QUALITIES,
    VERBS,
)
from keras_rnn.errors import UsageError

SUBJECTS = (("the film", "was"), ("the jokes", "were"), ("the cast", "was"))


@pytest.fixture(scope="module")
def dataset():
    return negated_reviews()


@pytest.fixture(scope="module")
def splits(dataset):
    named = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {**named, "held_out": dataset.extra["held_out"]}


def tokens(text):
    return re.sub(r"[^a-z ]", "", text.lower()).split()


def clauses(template, roles, *judgements, link=""):
    return Sentence(link, template, roles, judgements, shared_subject=False)


def phrases(template, roles, *judgements, link=""):
    return Sentence(link, template, roles, judgements, shared_subject=True)


GOOD_FILM = judge("{w}", "good")
BAD_FILM = judge("{w}", "bad")


@pytest.mark.parametrize(
    ("judgement", "text", "expected"),
    [
        (judge("{w}", "good"), "The film was good.", 1),
        (judge("{w}", "dull"), "The film was dull.", -1),
        (judge("not {w}", "good"), "The film was not good.", -1),
        (judge("not {w}", "dull"), "The film was not dull.", 1),
        (judge("never {w}", "dull"), "The film was never dull.", 1),
        (judge("never less than {w}", "good"), "The film was never less than good.", 1),
        (judge("anything but {w}", "good"), "The film was anything but good.", -1),
        (judge("nothing but {w}", "good"), "The film was nothing but good.", 1),
        (judge("never anything but {w}", "bad"), "The film was never anything but bad.", -1),
        (judge("not only {w} but also {v}", "witty", v="good"), "The film was not only witty but also good.", 1),
        (judge("neither {w} nor {v}", "witty", v="good"), "The film was neither witty nor good.", -1),
        (judge("more {w} than {x}", "dull", x="witty"), "The film was more dull than witty.", -1),
        (judge("less {w} than {x}", "dull", x="witty"), "The film was less dull than witty.", 1),
        (judge("no one would call {s} {w}", "bad"), "No one would call the film bad.", 1),
        (judge("{s} would have been {w} on another day", "good"), "The film would have been good on another day.", -1),
        (judge("{s} could not have been {w}", "better"), "The film could not have been better.", 1),
        (judge("{s} could have been {w}", "better"), "The film could have been better.", -1),
        (judge("{s} {was} not without {w}", "flair"), "The film was not without flair.", 1),
        (judge("{s} {was} without {w}", "flair"), "The film was without flair.", -1),
        (judge("{s} never failed to {base} {whom}", "impress", whom="us"), "The film never failed to impress us.", 1),
        (judge("{s} did not {base} {whom}", "bore", whom="us"), "The film did not bore us.", 1),
        (judge("it was hard not to {base} {s}", "like"), "It was hard not to like the film.", 1),
        (judge("{who} would have {past} {s} on another day", "like", who="I"), None, -1),
        (judge("not {w}", "good", "I cannot deny that"), "I cannot deny that the film was not good.", -1),
        (judge("not {w}", "good", "I doubt that"), "I doubt that the film was not good.", 1),
        (judge("{w}", "bad", "it would be wrong to say that"), "It would be wrong to say that the film was bad.", 1),
    ],
)
def test_a_construction_keeps_or_turns_the_charge_of_its_word(judgement, text, expected):
    sentences = [clauses("{0}", "+", judgement)]
    assert polarity(sentences) == judgement.polarity == expected
    assert write(sentences, SUBJECTS) == text or text is None


@pytest.mark.parametrize(
    ("sentences", "text", "expected"),
    [
        ([phrases("{0}, but {1}", "-+", judge("not {w}", "good"), judge("{w}", "cheap"))], "Not good, but cheap.", 1),
        ([phrases("{0}, but {1}", "-+", judge("{w}", "good"), judge("not {w}", "cheap"))], "Good, but not cheap.", -1),
        (
            [clauses("although {0}, {1}", "-+", GOOD_FILM, BAD_FILM)],
            "Although the film was good, the jokes were bad.",
            -1,
        ),
        (
            [clauses("{0}, although {1}", "+-", GOOD_FILM, BAD_FILM)],
            "The film was good, although the jokes were bad.",
            1,
        ),
        (
            [clauses("{0} and {1}, but {2}", "--+", GOOD_FILM, GOOD_FILM, BAD_FILM)],
            "The film was good and the jokes were good, but the cast was bad.",
            -1,
        ),
        (
            [clauses("{0}", "+", GOOD_FILM), clauses("{0}", "+", BAD_FILM, link="however,")],
            "The film was good. However, the jokes were bad.",
            -1,
        ),
        (
            [clauses("{0}", "+", GOOD_FILM), clauses("{0}", "+", BAD_FILM, link="granted,")],
            "The film was good. Granted, the jokes were bad.",
            1,
        ),
        (
            [
                clauses("{0}", "+", BAD_FILM),
                clauses("{0}", "+", GOOD_FILM, link="admittedly,"),
                clauses("{0}", "+", judge("not {w}", "good"), link="still,"),
            ],
            "The film was bad. Admittedly, the jokes were good. Still, the cast was not good.",
            -1,
        ),
    ],
)
def test_the_deciding_clause(sentences, text, expected):
    assert write(sentences, SUBJECTS) == text
    assert polarity(sentences) == expected


def test_no_word_has_two_charges_and_no_template_two_signs():
    charged = {charge: [] for charge in (1, -1)}
    for charge, adjectives in ((1, GOOD), (-1, BAD)):
        topic_words = {word for topic in TOPICS for word in (topic.good if charge == 1 else topic.bad)}
        charged[charge] += [*adjectives, *sorted(topic_words)]
        for entries in (COMPARATIVES, QUALITIES, VERBS, FEELINGS):
            charged[charge] += [entry if isinstance(entry, str) else entry[0] for entry in entries[charge]]
    words = charged[1] + charged[-1]
    assert len(words) == len(set(words)) > 200
    templates = [
        template for by_sign in CONSTRUCTIONS.values() for templates in by_sign.values() for template in templates
    ]
    assert len(templates) == len(set(templates)) > 80


def test_seed_0_is_the_same_everywhere(splits):
    digest = hashlib.sha256()
    for name, split in splits.items():
        for text, label in zip(split.texts, split.labels, strict=True):
            digest.update(f"{name}\t{label}\t{text}\n".encode())
    assert digest.hexdigest() == "3a8717a5629e5ae7ed3916ed9ae10967e5ace38a00b72da00455c2423c7f74c4"


def test_sizes_and_labels(dataset, splits):
    assert (dataset.name, dataset.class_names) == ("negated_reviews", ("negative", "positive"))
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 16_000,
        "validation": 2_000,
        "test": 2_000,
        "held_out": 2_000,
    }
    for split in splits.values():
        assert split.labels.dtype == np.int32
        assert set(split.labels.tolist()) == {0, 1}
        assert 0.45 < split.labels.mean() < 0.55


def test_no_text_occurs_twice_and_none_has_two_labels(splits):
    texts = [text for split in splits.values() for text in split.texts]
    assert len(set(texts)) == len(texts)
    labels = defaultdict(set)
    for split in splits.values():
        for text, label in zip(split.texts, split.labels, strict=True):
            labels[" ".join(tokens(text))].add(int(label))
    assert all(len(seen) == 1 for seen in labels.values())


def test_the_same_words_in_another_order_have_the_other_label(splits):
    for name, min_count in (("train", 3_000), ("test", 300)):
        labels_by_words = defaultdict(Counter)
        for text, label in zip(splits[name].texts, splits[name].labels, strict=True):
            labels_by_words[tuple(sorted(tokens(text)))][int(label)] += 1
        assert sum(min(counts[0], counts[1]) for counts in labels_by_words.values()) >= min_count


def test_vocabulary(splits):
    words = {name: {word for text in split.texts for word in tokens(text)} for name, split in splits.items()}
    assert 400 < len(words["train"]) < 900
    assert words["validation"] | words["test"] | words["held_out"] <= words["train"]


def test_held_out_texts_are_longer(splits):
    lengths = {name: [len(text.split()) for text in split.texts] for name, split in splits.items()}
    assert min(lengths["train"]) <= 4
    assert max(lengths["train"]) <= 30
    assert max(lengths["train"] + lengths["validation"] + lengths["test"]) < min(lengths["held_out"])


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        (r"(?:was|were) far from (\w+)", "far from {w}"),
        (r"(?:was|were) by no means (\w+)", "by no means {w}"),
        (r"(?:was|were) nothing short of (\w+)", "nothing short of {w}"),
        (r"nothing about (?:the |this )?\w+ was (\w+)", "nothing about {s} was {w}"),
        (r"would have been (\w+) on another day", "{s} would have been {w} on another day"),
        (r" did not lack (\w+)", "{s} did not lack {w}"),
        (r"it was hard not to (\w+)", "it was hard not to {base} {s}"),
    ],
)
def test_held_out_pairs_words_with_constructions_that_never_meet_elsewhere(splits, pattern, template):
    matches = {name: set(re.findall(pattern, "\n".join(split.texts))) for name, split in splits.items()}
    assert matches["held_out"]
    assert matches["train"]
    assert all(withheld(template, word) for word in matches["held_out"])
    assert not any(withheld(template, word) for name in ("train", "validation", "test") for word in matches[name])


def test_held_out_frames_clauses_that_are_never_framed_so_elsewhere(splits):
    def framed(split):
        frame = "(I doubt that|I cannot say that|no one believes that|nobody can deny that|it is true that)"
        text = "\n".join(split.texts)
        return set(
            re.findall(rf"(?i){frame} [\w ]+ (?:was|were) (not only|far from|nothing short|neither|less) ", text)
        )

    assert framed(splits["held_out"])
    assert not framed(splits["held_out"]) & framed(splits["train"])


def test_every_link_and_every_kind_of_sentence_occurs(splits):
    text = "\n".join(splits["train"].texts)
    openings = [f". {link[0].upper()}{link[1:]} " for links in LINKS.values() for link in links]
    inner = [", but ", ", yet ", ", although ", ", even though ", ", albeit ", "Although ", "Even though "]
    assert all(text.count(part) > 100 for part in openings + inner)


@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2)])
def test_a_bag_of_words_stays_below_80_percent(splits, ngrams):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=ngrams)
    train = splits["train"]
    model = LogisticRegression().fit(vectorizer.fit_transform(train.texts), train.labels)
    for name in ("test", "held_out"):
        accuracy = model.score(vectorizer.transform(splits[name].texts), splits[name].labels)
        assert 0.45 < accuracy < 0.7, name


def test_another_seed_gives_other_texts_and_rows_sets_the_size():
    small, other = negated_reviews(rows=100), negated_reviews(seed=1, rows=100)
    assert [len(split) for split in (small.train, small.validation, small.test, small.extra["held_out"])] == [
        80,
        10,
        10,
        10,
    ]
    assert list(small.test.texts) != list(other.test.texts)
    assert list(small.test.texts) == list(negated_reviews(rows=100).test.texts)


@pytest.mark.parametrize("rows", [99, 0, -1, 1e4, "20000", True, None])
def test_rows_takes_a_whole_number(rows):
    with pytest.raises(UsageError, match=re.escape(f"at least 100, got {rows!r}")):
        negated_reviews(rows=rows)


def test_importing_it_loads_no_tensorflow():
    code = "import sys, keras_rnn.datasets.negated_reviews; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
