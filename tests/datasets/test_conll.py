import gzip
import re

import pytest

from keras_rnn.datasets.conll import read_conll
from keras_rnn.errors import UsageError

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- -X- O

BRUSSELS NNP I-NP I-LOC
"""
CONLL_2002 = "Melbourne NP B-LOC\n( Fpa O\nAustralia NP B-LOC\n\n- Fg O\n"
CONLL_2000 = "He PRP B-NP\nreckons VBZ B-VP\n# # B-NP\n1.8 CD I-NP\n\n# # B-NP\n2 CD I-NP\n"
CONLLU = """# newdoc id = one
# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\t_\t_\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_
5.1\tomitted\t_\tVERB\t_\t_\t_\t_\t_\t_

# sent_id = 2
1\t#\t#\tSYM\t_\t_\t0\troot\t_\tSpaceAfter=No
2\tNew York\tNew York\tPROPN\t_\t_\t1\tobj\t_\t_
"""


def write(tmp_path, content, name="data.txt"):
    content = content.encode() if isinstance(content, str) else content
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def sentences(path, **columns):
    """Each sentence as `token/tag token/tag`."""
    tokens, tags = read_conll(path, **columns)
    return [[f"{token}/{tag}" for token, tag in zip(*pair, strict=True)] for pair in zip(tokens, tags, strict=True)]


def test_conll_2003(tmp_path):
    path = write(tmp_path, CONLL_2003, "eng.train")
    expected = [["EU/I-ORG", "rejects/O", "German/I-MISC"], ["Peter/I-PER", "Blackburn/I-PER"], ["BRUSSELS/I-LOC"]]
    assert sentences(path) == expected
    assert sentences(path, tag_column=1)[0] == ["EU/NNP", "rejects/VBZ", "German/JJ"]
    assert sentences(path, token_column=-3, tag_column=-2)[1] == ["NNP/I-NP", "NNP/I-NP"]


def test_conll_2002_and_2000(tmp_path):
    assert sentences(write(tmp_path, CONLL_2002)) == [["Melbourne/B-LOC", "(/O", "Australia/B-LOC"], ["-/O"]]
    chunks = [["He/B-NP", "reckons/B-VP", "#/B-NP", "1.8/I-NP"], ["#/B-NP", "2/I-NP"]]
    assert sentences(write(tmp_path, CONLL_2000)) == chunks


@pytest.mark.parametrize("name", ["es.conllu", "es.txt.gz"])
def test_conllu_is_known_by_its_rows(tmp_path, name):
    path = write(tmp_path, CONLLU, name)
    first = ["vamos/VERB", "nos/PRON", "a/ADP", "el/DET", "mar/NOUN"]
    assert sentences(path) == [first, ["#/SYM", "New York/PROPN"]]
    assert sentences(path, tag_column=7)[1] == ["#/root", "New York/obj"]


def test_outside_conllu_a_hash_opens_a_row(tmp_path):
    assert sentences(write(tmp_path, "# # I-NP\n1 CD I-NP\n")) == [["#/I-NP", "1/I-NP"]]
    assert sentences(write(tmp_path, "1\ta\tO\n1-2\tb\tO\n# x\ty\tO\n"), token_column=0)[0] == ["1/O", "1-2/O", "# x/O"]


def test_words_and_tags_divided_by_tabs_may_hold_spaces(tmp_path):
    assert sentences(write(tmp_path, "New York\tB-city\nnow \tO\n")) == [["New York/B-city", "now/O"]]


def test_spaces_of_other_scripts_divide_nothing(tmp_path):
    assert sentences(write(tmp_path, "10\u00a0000 B-n\n\u3000  O\n\u2028\tO\n")) == [
        ["10\u00a0000/B-n", "\u3000/O", "\u2028/O"]
    ]


@pytest.mark.parametrize(
    "content",
    [
        "a O\nb O\n\nc O\n",
        "a O\nb O\n\nc O",
        "\n\na O\nb O\n\n\n\nc O\n\n\n",
        "a O\r\nb O\r\n\r\nc O\r\n",
        "a O\nb O\n   \nc O\n \t \n",
        "a\tO\nb\tO\n\t\nc\tO\n",
        "\ufeffa O\nb O\n\nc O\n",
        "  a   O  \nb \t O\n\nc O\n",
        "\ufeff-DOCSTART-\n\na O\nb O\n-DOCSTART- -X- O O\nc O\n",
    ],
)
@pytest.mark.parametrize("name", ["data.txt", "data.conll.gz"])
def test_ends_of_sentences_and_of_lines(tmp_path, content, name):
    assert sentences(write(tmp_path, content, name)) == [["a/O", "b/O"], ["c/O"]]


@pytest.mark.parametrize(
    ("content", "columns", "fault"),
    [
        ("", {}, ": holds no row; it takes a token and its tag a line"),
        ("\n \n-DOCSTART- -X- O\n\n", {}, ": holds no row; it takes a token and its tag a line"),
        ("\na\nb\n", {}, ", line 2: takes a token and its tag, got one column: 'a'"),
        ("a O\n\nb N O\n", {}, ", line 3: takes 2 columns like line 1, got 3"),
        ("\na\tO\nb O\n", {}, ", line 3: takes 2 columns like line 2, got 1"),
        ("a N O\n", {"tag_column": 3}, ", line 1: no column 4; it has 3, numbered from 1 (or from -1, the last)"),
        ("a N O\n", {"token_column": -4}, ", line 1: no column -4; it has 3, numbered from 1 (or from -1, the last)"),
        ("a N O\n", {"tag_column": -3}, ", line 1: column 1 of 3 is both token and tag"),
        ("a\tO\nb\t \n", {}, ", line 2: its tag is empty"),
        ("a\tO\n\tO\n", {}, ", line 2: its token is empty"),
        ("a O\rb O\r", {}, ", line 1: a carriage return stands inside the line; lines end in \\n or \\r\\n"),
        (
            "# id 1 en\na _ _ O\n\n# id 2 en\nb _ _ O\n",
            {},
            ', line 1: every sentence starts with "#"; only CoNLL-U files may hold comments',
        ),
        (b"a O\nb\xff O\n", {}, ", line 2: not UTF-8 (byte 0xff); the file takes UTF-8 text"),
        (CONLLU.replace("2\tnos\tnosotros\t", "2\tnos\t"), {}, ", line 6: takes 10 columns like line 5, got 9"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, content, columns, fault):
    path = write(tmp_path, content)
    with pytest.raises(UsageError, match=f"^{re.escape(str(path) + fault)}$"):
        read_conll(path, **columns)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere.txt: cannot be read"):
        read_conll(tmp_path / "nowhere.txt")
