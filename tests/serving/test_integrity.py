import json
import subprocess
import sys
from hashlib import sha256

import pytest

from keras_rnn.serving.integrity import ExportError, file_hashes, verify_files


@pytest.fixture
def version(tmp_path):
    """Files at the paths of a SavedModel's, and a card with their hashes."""
    version = tmp_path / "1"
    contents = {"saved_model.pb": b"graph", "variables/variables.index": b"", "assets/words.txt": b"a\nb\n"}
    for name, content in {**contents, "fingerprint.pb": b"not hashed"}.items():
        (version / name).parent.mkdir(parents=True, exist_ok=True)
        (version / name).write_bytes(content)
    (version / "assets.extra").mkdir()
    hashes = {name: sha256(content).hexdigest() for name, content in contents.items()}
    (version / "assets.extra" / "model_card.json").write_text(json.dumps({"sha256": hashes}))
    return version


def test_the_graph_the_variables_and_the_assets_are_hashed(version):
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    assert file_hashes(version) == card["sha256"]
    verify_files(version)
    verify_files(str(version))


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index", "assets/words.txt"])
def test_a_file_that_changed_or_is_missing_is_named(version, name):
    (version / name).write_bytes(b"something else")
    with pytest.raises(ExportError, match=f"{name} is not the file that was exported"):
        verify_files(version)
    (version / name).unlink()
    with pytest.raises(ExportError, match=f"{name} is missing"):
        verify_files(version)


def test_a_foreign_saved_model_passes(version):
    (version / "saved_model.pb").write_bytes(b"something else")
    card = version / "assets.extra" / "model_card.json"
    card.write_text('{"class_names": ["a", "b"]}')
    verify_files(version)
    card.unlink()
    verify_files(version)


@pytest.mark.parametrize("content", ["{", "[]", '{"sha256": 3}', "\xff"])
def test_a_damaged_card_is_named(version, content):
    (version / "assets.extra" / "model_card.json").write_text(content, encoding="latin-1")
    with pytest.raises(ExportError, match="model_card.json is no model card"):
        verify_files(version)


def test_neither_tensorflow_nor_keras_is_imported():
    script = "import sys, keras_rnn.serving.integrity; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["False", "False"]
