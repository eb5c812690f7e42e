import pytest
import tensorflow_datasets as tfds

from keras_rnn.datasets.tagged_tfds import load_tagged_tfds
from keras_rnn.errors import UsageError

TAGS = ["O", "B-city", "I-city"]
ROWS = {
    "train": [(["to", "New", "York"], [0, 2, 2]), ([], []), (["é"], [0])],
    "validation": [(["Rome"], [1])],
    "test": [(["Cape", "Town", "now"], [1, 2, 0])],
}
TRAIN = {"tokens": [["to", "New", "York"], ["é"]], "tags": [["O", "B-city", "I-city"], ["O"]]}
VALIDATION = {"tokens": [["Rome"]], "tags": [["B-city"]]}
TEST = {"tokens": [["Cape", "Town", "now"]], "tags": [["B-city", "I-city", "O"]]}


class TinySentences(tfds.core.GeneratorBasedBuilder):
    """A set made in memory, whose configs lack or spoil what the plain one has."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name)
        for name in ("plain", "texts", "two_taggings", "no_tokens", "no_train", "untagged_test", "untagged", "uneven")
    ]

    def _info(self):
        sequence, text = tfds.features.Sequence, tfds.features.Text
        name = self.builder_config.name
        features = {
            "id": text(),
            "lemmas" if name == "no_tokens" else "words": sequence(text()),
            "marks" if name in ("two_taggings", "texts") else "tags": sequence(
                text() if name == "texts" else tfds.features.ClassLabel(names=TAGS)
            ),
        }
        if name in ("two_taggings", "no_tokens"):
            features["kinds"] = sequence(text() if name == "no_tokens" else tfds.features.ClassLabel(names=["n", "v"]))
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        splits = ["test"] if self.builder_config.name == "no_train" else list(ROWS)
        return {split: self._generate_examples(split) for split in splits}

    def _generate_examples(self, split):
        _, token_key, tag_key, *more = self.info.features
        name = self.builder_config.name
        for number, (tokens, tags) in enumerate(ROWS[split]):
            if name == "texts":
                tags = [TAGS[tag] for tag in tags]
            if (name, split) == ("untagged_test", "test") or (name, split, number) == ("untagged", "train", 0):
                tags = [-1] * len(tags)
            if (name, split, number) == ("uneven", "train", 0):
                tags = tags[1:]
            yield number, {"id": "x", token_key: tokens, tag_key: tags} | {key: ["n"] * len(tokens) for key in more}


def load(tmp_path, config, **options):
    splits = load_tagged_tfds(f"tiny_sentences/{config}", data_dir=tmp_path, **options)
    return {name: sorted(zip(*columns.values(), strict=True)) for name, columns in splits.items()}


def rows(columns):
    return sorted(zip(*columns.values(), strict=True))


@pytest.mark.parametrize(
    ("config", "options"),
    [("plain", {}), ("texts", {}), ("two_taggings", {"tag_column": "marks"}), ("plain", {"token_column": "words"})],
)
def test_sequences_become_columns(tmp_path, config, options):
    expected = {"train": rows(TRAIN), "validation": rows(VALIDATION), "test": rows(TEST)}
    assert load(tmp_path, config, **options) == expected


def test_tags_that_mark_no_spans_stay(tmp_path):
    assert load(tmp_path, "two_taggings", tag_column="kinds")["test"] == [(["Cape", "Town", "now"], ["n", "n", "n"])]


def test_a_test_split_without_tags_gives_way_to_the_validation_split(tmp_path):
    assert load(tmp_path, "untagged_test") == {"train": rows(TRAIN), "test": rows(VALIDATION)}


@pytest.mark.parametrize(
    ("config", "options", "fault"),
    [
        ("two_taggings", {}, "does not say what its tags are; it has the sequences 'marks', 'kinds'; name one with"),
        ("no_tokens", {}, "does not say what its tokens are; it has the sequences 'lemmas', 'kinds'; name one with"),
        ("plain", {"token_column": "id"}, "has no feature 'id' for tokens; it has the sequences 'words'"),
        ("plain", {"tag_column": "words"}, "has no feature 'words' for tags; it has the sequences 'tags'"),
        ("no_train", {}, "has no train split; it has 'test'"),
        ("untagged", {}, "of its train split has a token without a tag"),
        ("uneven", {}, "of its train split takes one tag a token, got 3 tokens and 2 tags"),
        ("plane", {}, "unknown config of tiny_sentences 'plane'; did you mean 'plain'?"),
    ],
)
def test_faults(tmp_path, config, options, fault):
    with pytest.raises(UsageError) as error:
        load(tmp_path, config, **options)
    assert fault in str(error.value)
    assert "\n" not in str(error.value)
