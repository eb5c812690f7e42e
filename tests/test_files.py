import json

import pytest

from keras_rnn.files import atomic_write, write_json


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_an_error_of_the_disk_names_the_file(tmp_path):
    def fill(path):
        with atomic_write(path) as temp_path:
            temp_path.write_text("part")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"cannot write .*value.bin: No space left on device"):
        fill(tmp_path / "value.bin")
    assert list(tmp_path.iterdir()) == []
