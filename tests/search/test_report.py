from types import SimpleNamespace

import pytest

from keras_rnn.errors import UsageError
from keras_rnn.search import sweep
from keras_rnn.search.report import write_progress, write_report
from keras_rnn.search.sweep import redraw
from tests.support.trial_records import completed, failed

PICTURES = ["heatmap.png", "importance.png", "best_so_far.png"]


def names(paths):
    return [path.name for path in paths]


def test_progress_is_the_table_and_the_logs(tmp_path):
    assert names(write_progress(tmp_path, [failed(0, {"a": 1})])) == ["results.csv", "logs"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["logs", "results.csv"]


def test_there_are_pictures_once_a_trial_has_completed(tmp_path):
    records = [failed(0, {"a": 1})]
    assert names(write_report(tmp_path, records, "val_accuracy", "max")) == ["results.csv", "logs"]
    records.append(completed(1, 0.9, {"a": 2}))
    paths = write_report(tmp_path, records, "val_accuracy", "max")
    assert names(paths) == ["results.csv", "logs", *PICTURES]
    assert all(path.exists() for path in paths)


def test_redraw_takes_a_sweep_from_its_directory(tmp_path, monkeypatch):
    def open_sweep(directory):
        if directory != tmp_path:
            raise UsageError(f"no sweep in {directory}")
        return SimpleNamespace(
            directory=tmp_path, trials=[completed(0, 0.9, {"a": 2})], objective="val_accuracy", direction="max"
        )

    monkeypatch.setattr(sweep, "open_sweep", open_sweep)
    assert names(redraw(tmp_path)) == ["results.csv", "logs", *PICTURES]
    with pytest.raises(UsageError, match="no sweep in"):
        redraw(tmp_path / "elsewhere")
