import dataclasses
import hashlib
import io
import socket
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_rnn.datasets import load_dataset
from keras_rnn.errors import UsageError

AG_URL = "https://drive.google.com/uc?export=download&id=0Bz8a_Dbh9QhbUDNpeUdjb0wxRms"
AG_TRAIN = [(1 + row % 4, f"Title {row}", f'About, "{row}"') for row in range(40)]
AG_TEST = [(3, "Tëst", "one"), (1, "Test", "two")]


class TinyTexts(tfds.core.GeneratorBasedBuilder):
    """A set made in memory, with what the built-in ones lack: other splits, and labels that are missing."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name)
        for name in ("plain", "no_test", "unlabelled_test", "unlabelled_row", "no_pair")
    ]

    def _info(self):
        features = {
            "body": tfds.features.Text(),
            "extra": tfds.features.Sequence(tfds.features.Text()),
            "stars": tfds.features.Scalar(np.int32),
            "kind": tfds.features.ClassLabel(names=["no", "yes"]),
        }
        pair = None if self.builder_config.name == "no_pair" else ("body", "kind")
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=pair)

    def _split_generators(self, dl_manager):
        rows = {"train": 20, "validation": 3, "test": 2}
        if self.builder_config.name == "no_test":
            del rows["test"]
        return {split: self._generate_examples(split, count) for split, count in rows.items()}

    def _generate_examples(self, split, count):
        for row in range(count):
            unlabelled = (self.builder_config.name, split) == ("unlabelled_test", "test")
            unlabelled |= (self.builder_config.name, split, row) == ("unlabelled_row", "train", 4)
            label = -1 if unlabelled else row % 2
            yield row, {"body": f"{split} {row}", "extra": ["x"] * row, "stars": row, "kind": label}


@pytest.fixture
def tfds_dirs(tmp_path):
    """Folders of this test for prepared sets and for files put there by hand."""
    (tmp_path / "manual").mkdir()
    return {"tfds_data_dir": tmp_path / "tfds", "tfds_manual_dir": tmp_path / "manual"}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(address, *_, **__):
        raise socket.gaierror(-2, f"no such host: {address}")

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)


def write_ag_news_archive(folder) -> bytes:
    with tarfile.open(folder / "ag_news_csv.tar.gz", "w:gz") as archive:
        for name, rows in {"train": AG_TRAIN, "test": AG_TEST}.items():
            lines = ['"{}","{}","{}"\n'.format(*(str(field).replace('"', '""') for field in row)) for row in rows]
            data = "".join(lines).encode()
            member = tarfile.TarInfo(f"ag_news_csv/{name}.csv")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return (folder / "ag_news_csv.tar.gz").read_bytes()


def test_ag_news_from_an_archive_in_the_manual_folder(tfds_dirs, no_network, monkeypatch):
    archive = write_ag_news_archive(tfds_dirs["tfds_manual_dir"])
    # TFDS checks size and checksum of the real archive; here it is told those of the small one.
    known = tfds.builder_cls("ag_news_subset").url_infos
    small = dataclasses.replace(
        known[AG_URL], size=tfds.core.utils.Size(len(archive)), checksum=hashlib.sha256(archive).hexdigest()
    )
    monkeypatch.setitem(known, AG_URL, small)

    data = load_dataset("ag_news_subset", **tfds_dirs)

    assert data.name == "ag_news_subset"
    assert data.class_names == ("World", "Sports", "Business", "Sci/Tech")
    expected = {f"{title} {description}": label - 1 for label, title, description in AG_TRAIN}
    loaded = dict(
        zip(
            [*data.train.texts, *data.validation.texts],
            [*data.train.labels.tolist(), *data.validation.labels.tolist()],
            strict=True,
        )
    )
    assert loaded == expected
    assert np.bincount(data.validation.labels).tolist() == [1, 1, 1, 1]
    assert sorted(zip(data.test.texts, data.test.labels.tolist(), strict=True)) == [("Test two", 0), ("Tëst one", 2)]

    # Prepared by now, it needs neither network nor archive.
    titles = load_dataset("ag_news_subset", tfds_data_dir=tfds_dirs["tfds_data_dir"], text_columns=["title"])
    assert sorted(titles.test.texts) == ["Test", "Tëst"]


def test_another_archive_is_refused_by_its_checksum(tfds_dirs, no_network):
    write_ag_news_archive(tfds_dirs["tfds_manual_dir"])
    with pytest.raises(UsageError) as error:
        load_dataset("ag_news_subset", **tfds_dirs)
    assert "a file is not the one that TFDS knows by size and checksum" in str(error.value)
    assert "ag_news_csv.tar.gz" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "host", "file"),
    [
        ("ag_news_subset", "drive.google.com", "ag_news_csv.tar.gz"),
        ("imdb_reviews", "ai.stanford.edu", "aclImdb_v1.tar.gz"),
        ("glue/sst2", "dl.fbaipublicfiles.com", "SST-2.zip"),
    ],
)
def test_without_network_it_says_at_once_what_to_do(tfds_dirs, no_network, name, host, file):
    with pytest.raises(UsageError) as error:
        load_dataset(name, tfds_data_dir=tfds_dirs["tfds_data_dir"])
    put = f"put '{file}' into a folder and give it as --tfds-manual-dir"
    assert str(error.value) == f"cannot download {name}: no connection to {host}; {put}"
    with pytest.raises(UsageError, match=f"--tfds-manual-dir .*manual takes '{file}'"):
        load_dataset(name, **tfds_dirs)


def test_a_download_that_fails_says_what_to_do(tfds_dirs, no_network, monkeypatch):
    def fail(self, **_):
        raise ConnectionError("reset by peer\nand more")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UsageError, match=r"cannot prepare imdb_reviews \(reset by peer\); put 'aclImdb_v1.tar.gz'"):
        load_dataset("imdb_reviews", tfds_data_dir=tfds_dirs["tfds_data_dir"])


@pytest.mark.parametrize(
    ("name", "class_names"),
    [
        ("ag_news_subset", ("World", "Sports", "Business", "Sci/Tech")),
        ("imdb_reviews", ("neg", "pos")),
        ("glue/sst2", ("negative", "positive")),
    ],
)
def test_mocked_sets(no_network, name, class_names):
    with tfds.testing.mock_data(num_examples=50):
        data = load_dataset(name)
    assert data.class_names == class_names
    assert (len(data.train) + len(data.validation), len(data.test)) == (50, 50)
    assert all(isinstance(text, str) and text for text in data.train.texts)


@pytest.mark.parametrize(
    ("config", "validation", "test"),
    [
        ("plain", ["validation 0", "validation 1", "validation 2"], ["test 0", "test 1"]),
        ("no_test", None, ["validation 0", "validation 1", "validation 2"]),
        ("unlabelled_test", None, ["validation 0", "validation 1", "validation 2"]),
    ],
)
def test_any_other_set_by_its_supervised_pair(tmp_path, config, validation, test):
    data = load_dataset(f"tiny_texts/{config}", tfds_data_dir=tmp_path)
    assert data.class_names == ("no", "yes")
    assert sorted(data.test.texts) == test
    if validation is None:  # cut from the training rows
        assert all(text.startswith("train ") for text in data.validation.texts)
        assert (len(data.train), len(data.validation)) == (18, 2)
    else:
        assert sorted(data.validation.texts) == validation
        assert len(data.train) == 20
    assert all(
        int(text.split()[1]) % 2 == label for text, label in zip(data.train.texts, data.train.labels, strict=True)
    )


def test_any_other_set_by_named_features(tmp_path):
    data = load_dataset("tiny_texts/no_pair", tfds_data_dir=tmp_path, text_columns=["body"], label_column="kind")
    assert sorted(data.test.texts) == ["test 0", "test 1"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "tiny_texts/no_pair",
            {},
            "does not say what its text and label are; it has the texts 'body' and the labels 'kind'",
        ),
        ("tiny_texts/plain", {"text_columns": ["extra"]}, "has no text feature 'extra'; it has the texts 'body'"),
        (
            "tiny_texts/plain",
            {"label_column": "stars"},
            "has no label feature 'stars'; it has the texts 'body' and the labels",
        ),
        ("tiny_texts/plane", {}, "unknown config of tiny_texts 'plane'; did you mean 'plain'?"),
        ("tiny_texts/unlabelled_row", {}, "of its train split has no label"),
        ("tiny_texts/plain:9.9.9", {}, "TFDS cannot make 'tiny_texts/plain:9.9.9'"),
        ("ag_news_subset/x", {}, "unknown dataset 'ag_news_subset/x'; ag_news_subset has no configs"),
        ("ag_news", {}, "unknown dataset 'ag_news'; did you mean 'ag_news_subset'"),
        ("zzzzzzzz", {}, "it takes one of: ag_news_subset, glue/sst2, imdb_reviews, negated_reviews"),
        ("imdb_reviews", {"tfds_manual_dir": "nowhere"}, "--tfds-manual-dir nowhere: no such folder"),
    ],
)
def test_bad_names_and_features(tmp_path, no_network, name, options, words):
    with pytest.raises(UsageError) as error:
        load_dataset(name, tfds_data_dir=tmp_path, **options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
