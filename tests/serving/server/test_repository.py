import pytest

from keras_rnn.serving.server.repository import version_folders


@pytest.fixture
def make_versions(tmp_path):
    def make_versions(*versions):
        for version in versions:
            (tmp_path / "models" / version).mkdir(parents=True)
            (tmp_path / "models" / version / "saved_model.pb").touch()
        return tmp_path / "models"

    return make_versions


def test_models_and_their_versions(make_versions):
    root = make_versions("a/1", "a/10", "b/3")
    assert version_folders(root) == {"a": {1: root / "a/1", 10: root / "a/10"}, "b": {3: root / "b/3"}}


def test_one_model_s_own_folder(make_versions):
    root = make_versions("1", "2")
    assert version_folders(root) == {"models": {1: root / "1", 2: root / "2"}}


def test_a_model_may_have_a_number_for_its_name(make_versions):
    root = make_versions("a/1", "2024/1")
    assert version_folders(root) == {"2024": {1: root / "2024/1"}, "a": {1: root / "a/1"}}


def test_an_empty_folder_with_a_number_for_its_name_hides_no_model(make_versions):
    root = make_versions("a/1")
    (root / "7").mkdir()
    assert version_folders(root) == {"a": {1: root / "a/1"}}


def test_what_is_half_made_or_could_not_be_asked_for_is_left_out(make_versions):
    root = make_versions("a/1", "a/.2.99.tmp", "a/three", "a/-4", "a/05", ".hidden/1", "with:colon/1")
    (root / "a" / "6").mkdir()
    (root / "file").touch()
    assert version_folders(root) == {"a": {1: root / "a/1"}}
