"""What version 0.1.0 left on disk opens, resumes and serves: see tests/fixtures/version_0_1/README.md."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import check_export, evaluate, load_predictor, load_text_model, open_run, open_sweep
from tests.support.serving import serving

FIXTURES = Path(__file__).parent / "fixtures" / "version_0_1"
SMALL = "--embedding-size 4 --vocabulary-size 50 --max-length 4 --limit 60 --batch-size 8"
LSTM = f"{SMALL} --cell lstm --hidden-size 4 --learning-rate 0.01 --epochs 4 --patience 4 --seed 3"
SPACE = f"{SMALL} --cell lstm,gru --hidden-size 2,4 --num-layers 1 --learning-rate 1e-3:1e-2:log"
SWEEP = f"{SPACE} --max-trials 3 --epochs 3 --seed 5"

TEXTS = ["the not good but cheap", "It was never dull.", "Although the food", ""]
LOGITS = [
    [-0.06279235, 0.14546657],
    [-0.1431233, 0.05958632],
    [-0.05895451, -0.11209343],
    [-0.08003714, -0.06521248],
]
PROBABILITIES = [
    [0.44812262, 0.5518774],
    [0.44949543, 0.5505046],
    [0.5132816, 0.4867184],
    [0.4962939, 0.5037061],
]
LABELS = ["positive", "positive", "negative", "positive"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the fixtures, for a test may write into a run."""
    return Path(shutil.copytree(FIXTURES, tmp_path_factory.mktemp("version_0_1") / "copy"))


def keras_rnn(command: str, folder: Path) -> str:
    """What the command prints on standard error, run in `folder`."""
    arguments = [sys.executable, "-m", "keras_rnn.cli.main", *command.split()]
    process = subprocess.run(arguments, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stderr


def rows_of(path: Path) -> list[dict[str, float]]:
    with open(path, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_a_run_opens(folder):
    run = open_run(folder / "run")
    assert run.class_names == ("negative", "positive")
    assert run.metrics["epochs"] == 6
    assert run.config.model.hyperparameters == {
        "cell": "gru",
        "hidden_size": 4,
        "bidirectional": False,
        "embedding_size": 4,
    }
    assert run.config.training.learning_rate == 0.03
    assert len(run.sample_texts) == 17


def test_a_text_model_gives_its_logits(folder):
    logits = load_text_model(folder / "run" / "model.keras")(tf.constant(TEXTS))
    np.testing.assert_allclose(logits, LOGITS, atol=1e-5)


def test_a_run_is_evaluated_as_it_was(folder):
    evaluations = evaluate(folder / "run")
    assert list(evaluations) == ["test", "held_out"]
    metrics = json.loads((FIXTURES / "run" / "metrics.json").read_text())
    for split, evaluation in evaluations.items():
        assert evaluation.accuracy == pytest.approx(metrics[split]["accuracy"], abs=1e-3)
        assert evaluation.loss == pytest.approx(metrics[split]["loss"], abs=1e-5)


def test_a_run_that_was_killed_resumes(folder):
    """With what stands in its cache and its checkpoint: the epochs that are there do not run again."""
    with pytest.raises(Exception, match="is not complete"):
        open_run(folder / "interrupted_run")
    output = keras_rnn(f"train {LSTM} --no-export --out interrupted_run --resume", folder)
    assert "going on after epoch 2" in output
    run = open_run(folder / "interrupted_run")
    history = rows_of(run.directory / "history.csv")
    assert history[:2] == rows_of(FIXTURES / "interrupted_run" / "history.csv")
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["loss"] for row in history[2:]] == pytest.approx([0.68795115, 0.68514848], abs=1e-4)
    assert [row["val_loss"] for row in history[2:]] == pytest.approx([0.69344608, 0.69346583], abs=1e-4)
    assert run.metrics["test"]["loss"] == pytest.approx(0.69378896, abs=1e-4)
    assert run.metrics["held_out"]["loss"] == pytest.approx(0.69353806, abs=1e-4)


def test_a_sweep_that_was_killed_opens_and_resumes(folder):
    directory = folder / "interrupted_sweep"
    with np.load(directory / "trials" / "0002" / "checkpoint.npz") as arrays:
        checkpoint = json.loads(str(arrays["history"]))
    sweep_before = open_sweep(directory)
    assert [trial.status for trial in sweep_before.trials] == ["completed", "completed", "running"]
    assert (sweep_before.best.job.trial_id, sweep_before.best.score) == ("0001", 0.5025)
    output = keras_rnn(f"tune {SWEEP} --out interrupted_sweep", folder)
    assert "trial 0002 started" in output
    assert "trial 0001 started" not in output
    sweep_after = open_sweep(directory)
    assert sweep_after.trials[:2] == sweep_before.trials[:2]
    assert [trial.status for trial in sweep_after.trials] == ["completed"] * 3
    assert sweep_after.trials[2].job.values == {
        "cell": "lstm",
        "hidden_size": 2,
        "learning_rate": 0.0012788762957583637,
    }
    history = rows_of(directory / "trials" / "0002" / "history.csv")
    assert history[0]["seconds"] == checkpoint[0]["seconds"]  # the epoch that was done did not run again
    assert [row["loss"] for row in history] == pytest.approx([0.69327641, 0.69249338, 0.69226968], abs=1e-4)
    assert sweep_after.best_options == {"cell": "lstm", "hidden_size": 4, "learning_rate": 0.0028338675844960712}
    assert len((directory / "results.csv").read_text().splitlines()) == 4


def test_an_export_passes_its_check(folder):
    check = check_export(folder / "saved_models" / "small")
    assert (check.signatures, check.texts) == (3, 19)


@pytest.mark.parametrize("path", ["run", "run/model.keras", "saved_models/small", "saved_models/small/1"])
def test_predictors_give_the_probabilities(path, folder):
    predictor = load_predictor(folder / path)
    assert predictor.class_names == ("negative", "positive")
    np.testing.assert_allclose(predictor.probabilities(TEXTS), PROBABILITIES, atol=1e-5)


def test_an_export_is_served(folder, tmp_path):
    with serving(folder / "saved_models", tmp_path / "log") as server:
        assert server.served == ["small/1"]
        answer = server.post("/v1/models/small:predict", {"instances": TEXTS})
        assert answer.status == 200
        predictions = answer.json["predictions"]
        np.testing.assert_allclose([row["probabilities"] for row in predictions], PROBABILITIES, atol=1e-5)
        assert [row["label"] for row in predictions] == LABELS
        tokens = server.post("/v1/models/small:predict", {"signature_name": "tokens", "instances": [[2, 5, 1, 6]]})
        assert np.shape(tokens.json["predictions"]) == (1, 2)
        np.testing.assert_allclose(tokens.json["predictions"], [LOGITS[0]], atol=1e-5)
