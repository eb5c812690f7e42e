"""Export formats are found by name. A new format is one function."""

import sys

import pytest

from keras_rnn import UsageError, export, list_exporters, register_exporter
from keras_rnn.cli import main as cli
from keras_rnn.registry import Registry
from keras_rnn.serving import exporters


@pytest.fixture
def weights_format(monkeypatch):
    """Adds the format "weights" for the time of a test."""
    registry = Registry("export format")
    registry.add("saved_model", exporters.get_exporter("saved_model"))
    monkeypatch.setattr(exporters, "_EXPORTERS", registry)

    @register_exporter("weights")
    def write(run, folder, name):
        folder.mkdir()
        run.model.save_weights(folder / f"{name}.weights.h5")


def test_a_saved_model_is_the_only_format_yet():
    assert list_exporters() == ["saved_model"]


def test_a_format_of_ones_own_is_exported_in_versions(run, tmp_path, weights_format):
    assert list_exporters() == ["saved_model", "weights"]
    assert list_exporters("w*") == ["weights"]
    for number in ("1", "2"):
        version = export(run, tmp_path / "tiny", format="weights")
        assert version == tmp_path / "tiny" / number
        assert [file.name for file in version.iterdir()] == ["tiny.weights.h5"]


def test_the_command_line_takes_a_format(run, tmp_path, weights_format, monkeypatch, capsys):
    command = ["keras-rnn", "export", str(run.directory), "--to", str(tmp_path / "tiny"), "--format", "weights"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"{tmp_path}/tiny/1\n"
    assert (tmp_path / "tiny" / "1" / "tiny.weights.h5").is_file()


def test_a_taken_name_and_an_unknown_one_are_refused(run, tmp_path):
    with pytest.raises(UsageError, match="'saved_model' is registered already"):
        register_exporter("saved_model")(print)
    with pytest.raises(UsageError, match="unknown export format 'savedmodel'; did you mean 'saved_model'"):
        export(run, tmp_path / "m", format="savedmodel")
    assert not (tmp_path / "m").exists()
