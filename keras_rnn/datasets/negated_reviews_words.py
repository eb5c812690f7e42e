"""The words and constructions of `negated_reviews`: data only, read by its grammar.

A sign says what a construction does to the charge of its word: +1 keeps it, -1 turns it over. In a template, `{s}`
is the subject, `{was}` its verb, `{w}` the word, `{v}` another word of its charge and `{x}` one of the opposite
charge; `{base}` and `{past}` are the forms of a verb, `{whom}` and `{who}` its people.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GOOD = _words(
    """good great lovely excellent superb wonderful delightful impressive pleasant fine splendid brilliant fantastic
    marvellous charming remarkable agreeable memorable outstanding satisfying terrific perfect exceptional admirable
    appealing enjoyable nice magnificent convincing sublime"""
)
BAD = _words(
    """bad poor awful terrible dreadful disappointing mediocre horrible unpleasant weak annoying lousy ghastly dismal
    pathetic forgettable unconvincing tiresome shoddy irritating feeble unbearable atrocious disastrous inferior
    unimpressive frustrating lacklustre miserable appalling"""
)

TIMES = (
    "last week",
    "in May",
    "on a rainy Sunday",
    "two years ago",
    "in the summer",
    "over the holidays",
    "on Friday evening",
    "for my birthday",
    "a month ago",
    "during our trip",
)
COMPANY = (
    "with my sister",
    "with two friends",
    "with my brother",
    "with some colleagues",
    "with our neighbours",
    "",
)

COMPARATIVES = {
    1: ("better", "nicer", "finer", "stronger", "livelier", "smarter"),
    -1: ("worse", "poorer", "weaker", "sillier", "sloppier", "duller"),
}
QUALITIES = {
    1: _words("charm character spirit warmth flair elegance merit polish sparkle appeal substance finesse"),
    -1: _words("clutter nonsense mess trouble pretension padding carelessness confusion hype disorder fuss"),
}
VERBS = {  # base and past form; their subject is the thing reviewed
    1: (
        ("impress", "impressed"),
        ("delight", "delighted"),
        ("excite", "excited"),
        ("please", "pleased"),
        ("amaze", "amazed"),
        ("thrill", "thrilled"),
        ("satisfy", "satisfied"),
        ("fascinate", "fascinated"),
        ("enchant", "enchanted"),
    ),
    -1: (
        ("bore", "bored"),
        ("annoy", "annoyed"),
        ("disappoint", "disappointed"),
        ("irritate", "irritated"),
        ("frustrate", "frustrated"),
        ("disgust", "disgusted"),
        ("exhaust", "exhausted"),
        ("infuriate", "infuriated"),
        ("depress", "depressed"),
    ),
}
FEELINGS = {  # base and past form; their object is the thing reviewed
    1: (
        ("like", "liked"),
        ("enjoy", "enjoyed"),
        ("love", "loved"),
        ("admire", "admired"),
        ("recommend", "recommended"),
        ("praise", "praised"),
        ("appreciate", "appreciated"),
    ),
    -1: (
        ("hate", "hated"),
        ("dislike", "disliked"),
        ("regret", "regretted"),
        ("resent", "resented"),
        ("detest", "detested"),
        ("loathe", "loathed"),
        ("despise", "despised"),
    ),
}
WHOM = ("us", "me", "everyone", "my family", "my friends", "the children", "my parents", "our group")
WHO = ("I", "we", "my wife", "my friends", "my parents", "the critics")

# kind -> sign -> templates. A phrase follows "{s} {was}", or stands on its own.
CONSTRUCTIONS = {
    "phrase": {
        1: (
            "{w}",
            "really {w}",
            "truly {w}",
            "simply {w}",
            "{w} indeed",
            "without doubt {w}",
            "never less than {w}",
            "never anything but {w}",
            "nothing but {w}",
            "nothing short of {w}",
            "both {w} and {v}",
            "not only {w} but also {v}",
            "{w} rather than {x}",
            "more {w} than {x}",
        ),
        -1: (
            "not {w}",
            "not really {w}",
            "not remotely {w}",
            "not at all {w}",
            "never {w}",
            "far from {w}",
            "anything but {w}",
            "by no means {w}",
            "nowhere near {w}",
            "hardly {w}",
            "no longer {w}",
            "neither {w} nor {v}",
            "not so much {w} as {x}",
            "less {w} than {x}",
        ),
    },
    "adjective": {
        1: (
            "everything about {s} was {w}",
            "{s} could not have been more {w}",
            "everyone would call {s} {w}",
            "{s} never failed to be {w}",
            "{s} proved to be {w}",
            "{s} turned out to be {w}",
        ),
        -1: (
            "nothing about {s} was {w}",
            "{s} could not have been less {w}",
            "no one would call {s} {w}",
            "{s} failed to be {w}",
            "{s} did not prove to be {w}",
            "{s} {was}n't {w}",
        ),
    },
    "unreal": {
        -1: (
            "{s} would have been {w} ten years ago",
            "{s} would have been {w} on another day",
            "{s} would have been {w} for anyone else",
            "{s} might have been {w}",
            "{s} used to be {w}",
            "{s} {was} supposed to be {w}",
        ),
    },
    "comparative": {
        1: ("{s} could not have been {w}", "{s} had never been {w}", "nothing could have been {w} than {s}"),
        -1: (
            "{s} could have been {w}",
            "{s} should have been {w}",
            "almost anything would have been {w} than {s}",
        ),
    },
    "quality": {
        1: (
            "{s} had {w}",
            "{s} had plenty of {w}",
            "{s} {was} not without {w}",
            "{s} did not lack {w}",
            "{s} {was} never short of {w}",
            "there was no lack of {w} in {s}",
        ),
        -1: (
            "{s} had no {w}",
            "{s} lacked {w}",
            "{s} {was} without {w}",
            "{s} never had much {w}",
            "{s} {was} free of {w}",
            "there was hardly any {w} in {s}",
        ),
    },
    "verb": {
        1: (
            "{s} {past} {whom}",
            "{s} always {past} {whom}",
            "{s} never failed to {base} {whom}",
            "{s} did not fail to {base} {whom}",
            "everything about {s} {past} {whom}",
        ),
        -1: (
            "{s} did not {base} {whom}",
            "{s} never {past} {whom}",
            "{s} failed to {base} {whom}",
            "{s} hardly {past} {whom}",
            "nothing about {s} {past} {whom}",
        ),
    },
    "feeling": {
        1: (
            "{who} {past} {s}",
            "it was hard not to {base} {s}",
            "{who} could not help but {base} {s}",
            "there was every reason to {base} {s}",
        ),
        -1: (
            "{who} did not {base} {s}",
            "{who} never {past} {s}",
            "nobody {past} {s}",
            "it was hard to {base} {s}",
            "{who} wanted to {base} {s}",
            "{who} would have {past} {s} on another day",
            "there was no reason to {base} {s}",
        ),
    },
}

# sign -> what may stand before a clause that states a fact.
FRAMES = {
    1: (
        "I must say that",
        "I cannot deny that",
        "nobody can deny that",
        "no one doubts that",
        "there is no doubt that",
        "it is true that",
        "we found that",
    ),
    -1: (
        "I cannot say that",
        "I doubt that",
        "nobody could claim that",
        "no one believes that",
        "it is not true that",
        "it would be wrong to say that",
        "we never found that",
    ),
}

# (template, roles): "+" states the judgement of the sentence, "-" its opposite.
CLAUSE_PATTERNS = (
    ("{0}", "+"),
    ("{0}, but {1}", "-+"),
    ("{0}, yet {1}", "-+"),
    ("although {0}, {1}", "-+"),
    ("{0}, although {1}", "+-"),
    ("even though {0}, {1}", "-+"),
    ("{0}, even though {1}", "+-"),
    ("{0}, and {1}", "++"),
    ("{0}, and on top of that, {1}", "++"),
    ("{0} and {1}, but {2}", "--+"),
    ("{0}, but {1} and {2}", "-++"),
    ("although {0}, {1} and {2}", "-++"),
    ("{0} and {1}, although {2}", "++-"),
    ("{0}, but {1}, although {2}", "-+-"),
)
# The same for phrases that share a subject, or have none.
PHRASE_PATTERNS = (
    ("{0}, but {1}", "-+"),
    ("{s} {was} {0}, but {1}", "-+"),
    ("{s} {was} {0}, yet {1}", "-+"),
    ("although {0}, {s} {was} {1}", "-+"),
    ("{s} {was} {0}, although {1}", "+-"),
    ("{s} {was} {0}, albeit {1}", "+-"),
)
# What opens a later sentence, by what that sentence does to the verdict so far.
LINKS = {
    "override": ("however,", "still,", "even so,", "nevertheless,", "all the same,", "in the end,"),
    "concede": ("granted,", "admittedly,", "to be fair,", "of course,"),
    "add": ("moreover,", "what is more,", "besides,", "in addition,"),
}
