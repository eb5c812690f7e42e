"""Span tags: schemes that mark where a span of tokens begins and ends, and their conversion to IOB2.

A span tag is "O", or a prefix, "-" and the type of the span. IOB2 uses B- for the first token of every span and I-
for the others. IOB1, as in CoNLL-2003's own files, uses B- only between two adjacent spans of one type. IOBES and
BILOU mark the last token and spans of one token too.
"""

from collections.abc import Iterable, Sequence

OUTSIDE = "O"
# What each prefix says of its token: whether a span begins there, and whether it ends there.
PREFIXES = {
    "B": (True, False),
    "I": (False, False),
    "M": (False, False),  # the I of BMES
    "E": (False, True),
    "L": (False, True),  # the E of BILOU
    "S": (True, True),
    "U": (True, True),  # the S of BILOU
}


def are_span_tags(tags: Iterable[str]) -> bool:
    """Whether all of the tags are span tags, and one of them at least is not "O". Parts of speech are not."""
    distinct = set(tags)
    return bool(distinct - {OUTSIDE}) and all(
        tag == OUTSIDE or (tag[:1] in PREFIXES and tag[1:2] == "-" and len(tag) > 2) for tag in distinct
    )


def to_iob2(tags: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same spans in IOB2, from IOB1, IOB2, IOBES, BILOU or BMES; none of them needs to be named.

    Sequences that a scheme does not allow are read as the CoNLL scorer reads them: a tag that continues no span of
    its type begins one. So I-X after O, after a span of another type, or after a span that has ended becomes B-X, and
    a span that is not ended ends where the next one begins.

    Parameters:
        tags: span tags (see `are_span_tags`), one list a sentence.
    """
    return [_sentence_to_iob2(sentence) for sentence in tags]


def _sentence_to_iob2(tags: Sequence[str]) -> list[str]:
    iob2_tags = []
    open_type = None
    for tag in tags:
        if tag == OUTSIDE:
            iob2_tags.append(OUTSIDE)
            open_type = None
            continue
        begins, ends = PREFIXES[tag[0]]
        span_type = tag[2:]
        iob2_tags.append(f"B-{span_type}" if begins or span_type != open_type else f"I-{span_type}")
        open_type = None if ends else span_type
    return iob2_tags
