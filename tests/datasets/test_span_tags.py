import pytest

from keras_rnn.datasets.span_tags import are_span_tags, to_iob2


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # IOB2 stays.
        ("B-A I-A O B-A B-A I-A B-C", "B-A I-A O B-A B-A I-A B-C"),
        # IOB1: B- only between adjacent spans of one type.
        ("I-A I-A O I-A B-A I-A I-C", "B-A I-A O B-A B-A I-A B-C"),
        # IOBES, BILOU, BMES.
        ("B-A E-A O S-A B-A I-A E-A S-C", "B-A I-A O B-A B-A I-A I-A B-C"),
        ("B-A L-A O U-A B-A I-A L-A U-C", "B-A I-A O B-A B-A I-A I-A B-C"),
        ("B-A M-A E-A S-A", "B-A I-A I-A B-A"),
        # What no scheme allows, as the CoNLL scorer reads it.
        ("O I-A O", "O B-A O"),
        ("B-A I-C I-C", "B-A B-C I-C"),
        ("S-A I-A E-A E-A", "B-A B-A I-A B-A"),
        ("B-A O E-A", "B-A O B-A"),
        ("B-a-b I-a-b I-a", "B-a-b I-a-b B-a"),
        ("", ""),
    ],
)
def test_to_iob2(tags, expected):
    assert to_iob2([tags.split()]) == [expected.split()]


def test_a_span_does_not_go_on_in_the_next_sentence():
    assert to_iob2([["B-A"], ["I-A", "I-A"]]) == [["B-A"], ["B-A", "I-A"]]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-NP I-NP", True),
        ("I-PER", True),
        ("S-PER O", True),
        ("O", False),
        ("", False),
        ("NOUN VERB", False),
        ("B I O", False),
        ("B- O", False),
        ("B-NP X", False),
        ("X-NP O", False),
    ],
)
def test_span_tags_are_told_from_others(tags, expected):
    assert are_span_tags(tags.split()) is expected
