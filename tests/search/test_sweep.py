from io import StringIO

import pytest
from rich.console import Console

from keras_rnn import UsageError, evaluate, export, predict, tune
from keras_rnn.search.sweep import open_sweep
from keras_rnn.serving import saved_model_version
from tests.support import tiny
from tests.support.exported import check_here

OPTIONS = {**tiny.SMALL, "hidden_size": [8, 4], "num_layers": [1, 2], "epochs": 2}


REPORTS = ["best_so_far.png", "heatmap.png", "importance.png", "results.csv"]


def run_search(out, dataset=None, **options):
    console = Console(file=StringIO(), width=200)
    options = options if "hypermodel" in options else {**OPTIONS, **options}
    sweep = tune(dataset or tiny.dataset(), out=out, console=console, **options)
    return sweep, console.file.getvalue()


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two trials in processes of their own, and the best of them trained again."""
    return run_search(tmp_path_factory.mktemp("swept") / "sweep", max_trials=2, workers=2, train_best=True)


def test_a_sweep_leaves_what_people_want(swept):
    sweep, output = swept
    assert [trial.status for trial in sweep.trials] == ["completed", "completed"]
    assert sweep.best.score == max(trial.score for trial in sweep.trials)
    assert {entry.name for entry in sweep.directory.iterdir()} == {
        *REPORTS, "sweep.json", "journal.jsonl", "program.pkl", "sweep.lock", "data", "trials", "logs", "best"
    }  # fmt: skip
    assert sorted(path.name for path in (sweep.directory / "trials" / "0001").iterdir()) == [
        "history.csv",
        "output.txt",
    ]
    table = (sweep.directory / "results.csv").read_text().splitlines()
    assert table[0].startswith("trial,status,num_layers,hidden_size,parameters,")
    assert len(table) == 3
    assert f"sweep directory: {sweep.directory}" in output
    assert "tiny: 2 classes, 192 train, 48 validation" in output
    assert "hidden_size: 8, 4" in output


def test_the_best_trial_trained_again_is_what_it_was(swept):
    sweep, _ = swept
    best, run = sweep.best, sweep.run
    assert run.directory == sweep.directory / "best"
    assert run.metrics["validation"]["accuracy"] == best.score == best.metrics["val_accuracy"]
    assert run.metrics["validation"]["loss"] == best.metrics["val_loss"]
    assert run.metrics["best_epoch"] == best.best_epoch
    assert run.model.count_params() == best.result.parameters
    assert sweep.best_options == best.job.values


def test_its_run_is_one_like_any(swept, tmp_path):
    run = swept[0].run
    assert evaluate(run.directory, dataset=tiny.dataset())["test"].accuracy == run.metrics["test"]["accuracy"]
    (prediction,) = predict(run.directory, ["good film bad"])
    assert prediction.label in tiny.CLASSES


@pytest.mark.slow
def test_its_run_can_be_exported(swept, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model_version, "check_process", check_here)  # here, not in a process of its own
    assert (export(swept[0].run, tmp_path / "model") / "saved_model.pb").is_file()


def test_a_sweep_is_opened_as_it_was(swept):
    sweep, _ = swept
    opened_sweep = open_sweep(sweep.directory)
    assert (opened_sweep.best, opened_sweep.trials, opened_sweep.objective, opened_sweep.direction) == (
        sweep.best, sweep.trials, "val_accuracy", "max"
    )  # fmt: skip
    assert opened_sweep.run.metrics == sweep.run.metrics
    with pytest.raises(UsageError, match="no sweep in"):
        open_sweep(sweep.directory / "trials")
