import re

import pytest
import tensorflow_datasets as tfds

from keras_rnn.datasets.document_tfds import read_document_tfds
from keras_rnn.errors import UsageError

ROWS = {"train": ["b\r\nc", "", "é"], "validation": ["v"], "test": ["t"], "unsupervised": ["u"]}
# The features of each config, and its supervised pair.
CONFIGS = {
    "plain": (("body", "kind"), ("body", "kind")),
    "unlabelled": (("body", "note"), ("note", "note")),
    "only": (("something", "kind"), None),
    "titled": (("title", "description", "body"), None),
    "unclear": (("question", "answer"), None),
    "no_text": (("kind",), None),
    "no_train": (("body",), None),
    "no_test": (("body",), None),
    "empty_test": (("body",), None),
    "not_utf8": (("body",), None),
}


class TinyDocuments(tfds.core.GeneratorBasedBuilder):
    """A set made in memory, whose text is `NAME TEXT` in each text feature and whose `kind` is never labelled."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in CONFIGS]  # noqa: RUF012

    def _info(self):
        names, pair = CONFIGS[self.builder_config.name]
        kinds = {"kind": tfds.features.ClassLabel(names=["no", "yes"])}
        features = {name: kinds.get(name, tfds.features.Text()) for name in names}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=pair)

    def _split_generators(self, dl_manager):
        left_out = {"no_train": "train", "no_test": "test"}.get(self.builder_config.name)
        return {split: self._generate_examples(split) for split in ROWS if split != left_out}

    def _generate_examples(self, split):
        config = self.builder_config.name
        for number, text in enumerate(ROWS[split]):
            text = text and "{} " + text
            if (config, split) == ("empty_test", "test"):
                text = " "
            if (config, split) == ("not_utf8", "test"):
                text = b"\xff"
            yield (
                number,
                {
                    name: -1 if name == "kind" else text.replace("{}", name) if isinstance(text, str) else text
                    for name in self.info.features
                },
            )


def read(tmp_path, config, *columns):
    parts = read_document_tfds(f"tiny_documents/{config}", text_columns=columns, data_dir=tmp_path)
    return {split: sorted(part.texts) for split, part in parts.items()}


@pytest.mark.parametrize(
    ("config", "columns", "name"),
    [
        ("plain", (), "body"),
        ("unlabelled", (), "note"),
        ("unlabelled", ("body",), "body"),
        ("only", (), "something"),
        ("unclear", ("answer",), "answer"),
    ],
)
def test_the_texts_of_a_set(tmp_path, config, columns, name):
    assert read(tmp_path, config, *columns) == {
        "train": [f"{name} b\nc", f"{name} é"],
        "validation": [f"{name} v"],
        "test": [f"{name} t"],
    }


def test_features_are_joined(tmp_path):
    assert read(tmp_path, "titled")["test"] == ["title t description t"]
    assert read(tmp_path, "unclear", "question", "answer")["test"] == ["question t answer t"]


def test_empty_rows_are_counted_and_a_test_split_may_lack(tmp_path):
    parts = read_document_tfds("tiny_documents/no_test", data_dir=tmp_path)
    assert {split: (len(part.texts), part.empty) for split, part in parts.items()} == {
        "train": (2, 1),
        "validation": (1, 0),
    }


def test_known_sets_have_their_text(tmp_path):
    with tfds.testing.mock_data(num_examples=5):
        parts = read_document_tfds("ag_news_subset", data_dir=tmp_path)
    assert {split: len(part.texts) for split, part in parts.items()} == {"train": 5, "test": 5}
    assert all(isinstance(text, str) and " " in text for text in parts["train"].texts)


@pytest.mark.parametrize(
    ("config", "columns", "fault"),
    [
        (
            "unclear",
            (),
            "unclear does not say what its text is; it has the texts 'question', 'answer'; name one with --text-column",
        ),
        ("no_text", (), "tiny_documents/no_text does not say what its text is; it has none"),
        ("plain", ("kind",), "tiny_documents/plain has no text feature 'kind'; it has the texts 'body'"),
        ("no_train", (), "tiny_documents/no_train has no train split; it has 'test', 'unsupervised', 'validation'"),
        ("empty_test", (), "tiny_documents/empty_test: its test split holds no text in 'body'"),
        ("not_utf8", (), "tiny_documents/not_utf8: row 1 of its test split is not UTF-8 text"),
        ("plane", (), "unknown config of tiny_documents 'plane'; did you mean 'plain'"),
    ],
)
def test_faults(tmp_path, config, columns, fault):
    with pytest.raises(UsageError, match=re.escape(fault)) as error:
        read(tmp_path, config, *columns)
    assert "\n" not in str(error.value)
