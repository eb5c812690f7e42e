"""`keras-rnn tune` as it is typed; what it asks of `keras_rnn.tune` is recorded, and no trial runs."""

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import keras_rnn
from keras_rnn import Range
from keras_rnn.cli import main as cli
from keras_rnn.cli import tune
from keras_rnn.search.trial import COMPLETED, Job, TrialRecord


def swept(directory, run=None):
    best = TrialRecord(Job("0001", {"cell": "gru", "learning_rate": 0.00123456}, 2), COMPLETED, 1, 0.91237, 2)
    return SimpleNamespace(directory=Path(directory), trials=[best, best], best=best, objective="val_accuracy", run=run)


@pytest.fixture
def command(monkeypatch, capfd, tmp_path):
    """Types a command in an empty folder: its exit status, what `tune` was asked, standard output and error."""
    arguments = {}

    def record(**options):
        arguments.update(options)
        task = SimpleNamespace(example="not good, but cheap")
        run = SimpleNamespace(directory=Path("s/best"), task=task) if options.get("train_best") else None
        return swept(options.get("out", "sweeps/a"), run)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras_rnn, "tune", record)
    monkeypatch.setattr(tune, "import_tensorflow", lambda: None)
    monkeypatch.setattr(tune, "early_slot", contextlib.nullcontext)

    def run(line):
        monkeypatch.setattr(sys, "argv", ["keras-rnn", *line.split()])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        shown = capfd.readouterr()
        return SimpleNamespace(status=exit_.value.code, asked=arguments, out=shown.out, err=shown.err)

    return run


def test_what_is_typed_is_what_tune_is_asked(command):
    typed = command(
        "tune s --dataset negated_reviews --cell lstm,gru --num-layers 1,2,3 --hidden-size 32:128:log --dropout 0.2"
        " --bidirectional true,false --learning-rate 1e-4:1e-2:log --batch-size 64 --hidden-size-per-layer --epochs 2"
        " --algorithm grid --max-trials 5 --workers 2 --retries 0 --trial-timeout 60 --no-header --text-column a"
    )
    assert typed.status == 0
    assert typed.asked == {
        "out": "s",
        "dataset": "negated_reviews",
        "cell": ["lstm", "gru"],
        "num_layers": [1, 2, 3],
        "hidden_size": Range(32, 128, log=True),
        "dropout": 0.2,
        "bidirectional": [True, False],
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "batch_size": 64,
        "hidden_size_per_layer": True,
        "epochs": 2,
        "algorithm": "grid",
        "max_trials": 5,
        "workers": 2,
        "retries": 0,
        "trial_timeout": 60.0,
        "header": False,
        "text_columns": ["a"],
    }


def test_what_is_not_typed_is_left_to_tune(command):
    assert command("tune").asked == {}
    assert command("tune --out s --executor ray --ray-address auto").asked == {
        "out": "s",
        "executor": "ray",
        "ray_address": "auto",
    }


def test_every_open_option_is_one_of_search_and_of_the_command():
    from inspect import signature

    from keras_rnn.cli.hyperparameters import FROM_PYTHON_ALONE
    from keras_rnn.cli.options import searched_options
    from keras_rnn.models import list_models
    from keras_rnn.search.space import SEARCHED_TRAINING, check_names, search_space
    from keras_rnn.training.hyperparameters import hyperparameter_names

    searched_names = set(searched_options())
    assert searched_names <= set(signature(tune.tune).parameters)
    names = set().union(*(hyperparameter_names(model) for model in list_models()))
    assert searched_names == (names | set(SEARCHED_TRAINING)) - FROM_PYTHON_ALONE
    check_names(search_space({"cell": ["lstm"]})[1], "bilstm_64")


def test_the_end_names_the_best_trial_the_files_and_the_next_command(command, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "results.csv").touch()
    (tmp_path / "s" / "heatmap.png").touch()
    assert command("tune s --cell lstm,gru --limit 10").out.splitlines() == [
        "best of 2 trials: 0001, val_accuracy 0.9124: gru, learning_rate 0.00123",
        "s/results.csv",
        "s/heatmap.png",
        "to train it into a run directory: keras-rnn tune s --cell lstm,gru --limit 10 --train-best",
    ]


def test_after_train_best_the_next_command_is_a_prediction(command):
    typed = command("tune s --cell lstm,gru --train-best")
    assert typed.asked["train_best"] is True
    assert typed.out.splitlines()[-1] == ("run s/best is complete; try: keras-rnn predict s/best 'not good, but cheap'")


def test_report_draws_anew(command, monkeypatch):
    def redraw(directory):
        return [Path(directory) / "results.csv", Path(directory) / "logs"]

    monkeypatch.setitem(sys.modules, "keras_rnn.search.sweep", SimpleNamespace(redraw=redraw))
    typed = command("tune s --report")
    assert (typed.status, typed.asked, typed.out) == (0, {}, "s/results.csv\ns/logs\n")


def test_a_sweep_of_failures_alone_is_exit_status_1(command, monkeypatch):
    def record(**options):
        raise RuntimeError("all 3 trials failed: out of memory")

    monkeypatch.setattr(keras_rnn, "tune", record)
    typed = command("tune s --cell lstm,gru")
    assert (typed.status, typed.err) == (1, "keras-rnn: error: all 3 trials failed: out of memory\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tune a --out b", "DIR and --out are the same and exclude each other, got a and b"),
        ("tune --report", "tune --report takes DIR alone, whose sweep it draws anew, got no DIR"),
        ("tune s --report --cell lstm --text-column a", "draws anew, got --cell, --text-column"),
        ("tune --report --out s", "got --out"),
        ("tune s --ray-address auto", "--ray-address takes --executor ray beside it, got --executor process"),
        ("tune s --hidden-size 1,,2", "--hidden-size takes a value, a choice like 1,2,3 or a range"),
        ("tune s --learning-rate 1e-2:1e-4", "--learning-rate got '1e-2:1e-4': a range takes low below high"),
        ("tune s --learning-rate 0:1:log", "a log range takes low above 0, got 0"),
        ("tune s --cell lstm,lstm", "--cell takes each value once, got 'lstm' twice"),
        ("tune s --epochs 1,2", "--epochs"),
        ("tune s --hiden-size 8", "No such option"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_loaded(command, monkeypatch, line, words):
    def loaded():
        raise AssertionError("TensorFlow is loaded")

    monkeypatch.setattr(tune, "import_tensorflow", loaded)
    typed = command(line)
    assert typed.status == 2
    assert typed.asked == {}
    assert typed.err.startswith("keras-rnn: error: ")
    assert typed.err.count("\n") == 1
    assert words in typed.err
