import csv
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from keras_rnn import UsageError, evaluate, open_run, train
from keras_rnn.datasets import Split, TextDataset
from keras_rnn.tasks.classification import evaluation, network
from keras_rnn.training import train as train_module
from keras_rnn.training.config import run_config
from keras_rnn.training.run_directory import Run, claim
from keras_rnn.training.train import TrainingDivergedError
from tests.support import tiny

ROOT = Path(__file__).parents[2]


def run_tiny(out, **options):
    """With the cell that is compiled soonest; gru and lstm are trained by the tests of the commands and of trials."""
    options = {**tiny.SMALL, "cell": "simple_rnn", "epochs": 3, **options}
    return train(tiny.dataset(), out=out, console=Console(quiet=True), **options)


@pytest.fixture(scope="module")
def traces() -> list[int]:
    """A 1 for each time that the training step of `unbroken` was traced."""
    return []


@pytest.fixture(scope="module")
def unbroken(traces, tmp_path_factory) -> Run:
    real = keras.Model.train_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "train_step", lambda self, data: traces.append(1) or real(self, data))
        return run_tiny(tmp_path_factory.mktemp("unbroken") / "run", dropout=0.2)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """`unbroken` has its pictures; to draw them for every further run would take a quarter of its time."""
    monkeypatch.setattr(evaluation, "plot_confusion", lambda *args: None)
    monkeypatch.setattr(train_module, "plot_history", lambda *args: None)


def history_of(run: Run) -> str:
    return (run.directory / "history.csv").read_text()


def weights_of(run: Run) -> list[np.ndarray]:
    return run.model.get_weights()


def same_run(one: Run, other: Run) -> None:
    assert history_of(one) == history_of(other)
    assert one.metrics == other.metrics
    assert one.sample_texts == other.sample_texts
    for weight, other_weight in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(weight, other_weight)


def test_a_run_directory_holds_what_it_says(unbroken):
    names = {entry.name for entry in unbroken.directory.iterdir()}
    assert names == {
        "classes.json",
        "config.json",
        "confusion-other.png",
        "confusion-test.png",
        "confusion-validation.png",
        "curves.png",
        "environment.json",
        "evaluation-other.json",
        "evaluation-test.json",
        "evaluation-validation.json",
        "history.csv",
        "logs",
        "metrics.json",
        "model.keras",
        "sample_texts.json",
        "vocabulary.json",
    }
    assert unbroken.class_names == tiny.CLASSES
    assert unbroken.config.training.epochs == 3
    vocabulary = json.loads((unbroken.directory / "vocabulary.json").read_text())
    assert set(vocabulary) == {"good", "bad", *tiny.FILLERS}
    samples = json.loads((unbroken.directory / "sample_texts.json").read_text())
    assert samples == unbroken.sample_texts
    texts = tiny.dataset().test.texts
    assert len(samples) == len(set(samples)) <= 17
    assert (samples[0], samples[-1]) == (texts[0], max(texts, key=len))
    assert set(samples) <= set(texts)
    environment = json.loads((unbroken.directory / "environment.json").read_text())
    assert environment["tensorflow"] == tf.__version__
    assert environment["seconds"] > environment["first_step_seconds"] > 0
    for picture in ("curves.png", "confusion-test.png"):
        assert (unbroken.directory / picture).read_bytes().startswith(b"\x89PNG")


def test_it_learns_the_order_of_words(unbroken):
    assert unbroken.metrics["test"]["accuracy"] > 0.9
    assert unbroken.metrics["other"]["accuracy"] > 0.9


def test_metrics_are_those_of_the_saved_text_model_on_the_raw_texts(unbroken):
    test = tiny.dataset().test
    logits = np.asarray(unbroken.model(tf.constant(list(test.texts))))
    assert unbroken.metrics["test"]["accuracy"] == pytest.approx((logits.argmax(-1) == test.labels).mean())
    loss = keras.losses.sparse_categorical_crossentropy(test.labels, logits, from_logits=True)
    assert unbroken.metrics["test"]["loss"] == pytest.approx(float(np.mean(loss)), abs=1e-5)


def test_the_tensorboard_log_has_each_epoch_once(unbroken):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(unbroken.directory / "logs"), size_guidance={"tensors": 0}).Reload()
    steps = [event.step for event in events.Tensors("val_accuracy")]
    with open(unbroken.directory / "history.csv", newline="") as file:
        assert steps == [int(row["epoch"]) for row in csv.DictReader(file)]


def test_the_training_step_is_traced_once(unbroken, traces):
    assert traces == [1]


def test_same_seed_same_run(unbroken, tmp_path):
    same_run(run_tiny(tmp_path / "again", dropout=0.2), unbroken)


def test_another_seed_is_another_run(unbroken, tmp_path):
    assert history_of(run_tiny(tmp_path / "other", dropout=0.2, seed=1)) != history_of(unbroken)


@pytest.mark.parametrize("broken_at", ["prepare_configured", "save_checkpoint", "write_history", "plot_history"])
def test_broken_anywhere_a_resumed_run_ends_as_an_unbroken_one(broken_at, unbroken, tmp_path, monkeypatch):
    class BrokenError(Exception):
        pass

    real, calls = getattr(train_module, broken_at), []

    def break_second_time(*args, **kwargs):
        calls.append(1)
        if len(calls) == (2 if broken_at in ("save_checkpoint", "write_history") else 1):
            raise BrokenError
        return real(*args, **kwargs)

    monkeypatch.setattr(train_module, broken_at, break_second_time)
    with pytest.raises(BrokenError):
        run_tiny(tmp_path / "run", dropout=0.2)
    monkeypatch.undo()
    with pytest.raises(UsageError, match="is not complete"):
        open_run(tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run already; add --resume"):
        run_tiny(tmp_path / "run", dropout=0.2)
    same_run(run_tiny(tmp_path / "run", dropout=0.2, resume=True), unbroken)
    assert not list((tmp_path / "run").glob("*cache*"))
    assert not (tmp_path / "run" / "checkpoint.npz").exists()


def test_batches_of_tokens_train_and_resume_to_the_same_metrics(tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    unbroken = run_tiny(tmp_path / "unbroken", batch_tokens=100)
    monkeypatch.setattr(train_module, "write_history", stop)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tmp_path / "run", batch_tokens=100)
    monkeypatch.undo()
    assert unbroken.metrics["test"]["accuracy"] > 0.8
    same_run(run_tiny(tmp_path / "run", batch_tokens=100, resume=True), unbroken)


@pytest.mark.parametrize("last", [2, 3])
def test_after_the_last_epoch_the_checkpoint_is_the_history_alone(last, unbroken, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    files = []
    real = train_module.save_checkpoint
    monkeypatch.setattr(
        train_module, "save_checkpoint", lambda path, *args: real(path, *args) or files.append(np.load(path).files)
    )
    monkeypatch.setattr(train_module, "should_stop", lambda history, patience, objective: len(history) == last)
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "plot_history", stop)
        with pytest.raises(KeyboardInterrupt):
            run_tiny(tmp_path / "run", dropout=0.2)
    assert ["ended" in names for names in files] == [False] * (last - 1) + [True]
    assert sorted(files[-1]) == ["ended", "history"]
    run = run_tiny(tmp_path / "run", dropout=0.2, resume=True)
    assert len(files) == run.metrics["epochs"] == last
    assert history_of(run).splitlines() == history_of(unbroken).splitlines()[: last + 1]


def test_machine_code_is_asked_for_before_the_model_is_traced(tmp_path, monkeypatch):
    compiled_layers = []
    monkeypatch.setattr(train_module, "compile_ahead", lambda model_layers: compiled_layers.extend(model_layers))
    monkeypatch.setattr(train_module, "_fit", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_tiny(tmp_path / "run", hidden_size=[3, 5], num_layers=2, bidirectional=True)
    assert [layer.units for layer in compiled_layers] == [3, 3, 5, 5]


def test_resuming_a_complete_run_changes_nothing(unbroken):
    state_before = {entry: entry.stat().st_mtime_ns for entry in unbroken.directory.rglob("*")}
    run_tiny(unbroken.directory, dropout=0.2, resume=True)
    assert {entry: entry.stat().st_mtime_ns for entry in unbroken.directory.rglob("*")} == state_before


def test_a_directory_of_another_config_is_refused(unbroken):
    with pytest.raises(UsageError, match=r"another config: hyperparameters was .*'dropout': 0.2.*; seed was 0, now 4"):
        run_tiny(unbroken.directory, resume=True, seed=4)


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty and holds no run"):
        run_tiny(tmp_path)
    with pytest.raises(UsageError, match="takes a directory, but is a file"):
        run_tiny(tmp_path / "thesis.tex")
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_checkpoint_is_named(tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "write_history", stop)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tmp_path / "run")
    monkeypatch.undo()
    checkpoint = tmp_path / "run" / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(UsageError, match=r"checkpoint.npz is no checkpoint of this run"):
        run_tiny(tmp_path / "run", resume=True)


def test_runs_are_numbered_and_resume_finds_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = Path("runs")
    configs = [run_config(seed=0), run_config(seed=0), run_config(seed=5)]
    claimed = [str(claim(config, None, "tiny/set-gru", resume=False)) for config in configs]
    assert claimed == ["runs/tiny_set-gru-1", "runs/tiny_set-gru-2", "runs/tiny_set-gru-3"]
    assert claim(configs[0], None, "tiny/set-gru", resume=True) == runs / "tiny_set-gru-2"
    assert claim(configs[2], None, "tiny/set-gru", resume=True) == runs / "tiny_set-gru-3"
    assert claim(run_config(seed=9), None, "tiny/set-gru", resume=True) == runs / "tiny_set-gru-4"


def test_early_stopping_ends_the_run_and_the_best_epoch_is_kept(tmp_path, monkeypatch):
    accuracies = iter([0.7, 0.9, 0.8, 0.8, 0.95])
    real = network.classification_metrics
    monkeypatch.setattr(network, "classification_metrics", lambda *args: {**real(*args), "accuracy": next(accuracies)})
    run = run_tiny(tmp_path / "run", epochs=5, patience=2)
    assert (run.metrics["epochs"], run.metrics["best_epoch"]) == (4, 2)


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
    with pytest.raises(TrainingDivergedError, match="the loss of epoch 1 is (nan|inf); a learning_rate below 1e\\+38"):
        run_tiny(tmp_path / "run", learning_rate=1e38)


def test_several_devices_train_and_resume_to_the_same_metrics(tmp_path):
    """Two logical CPUs, in a process of its own for they are set up before TensorFlow starts."""
    script = """
import shutil
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
real = tf.distribute.MirroredStrategy
tf.distribute.MirroredStrategy = lambda: real(["CPU:0", "CPU:1"])
from rich.console import Console
from keras_rnn import UsageError, train
from keras_rnn.tasks.classification import evaluation
from keras_rnn.training import train as train_module
from tests.support import tiny

evaluation.plot_confusion = train_module.plot_history = lambda *args: None

def run(out, **options):
    options = {**tiny.SMALL, "cell": "simple_rnn", "epochs": 2, "multi_gpu": True, **options}
    return train(tiny.dataset(), out=out, console=Console(quiet=True), **options)

write_history = train_module.write_history
def copy_then_write(history, path):
    if len(history) == 1:  # what the run leaves if it is killed here
        shutil.copytree(path.parent, sys.argv[1] + "/broken")
    write_history(history, path)
train_module.write_history = copy_then_write
unbroken = run(sys.argv[1] + "/unbroken").metrics
train_module.write_history = write_history
assert unbroken["epochs"] == 2
assert run(sys.argv[1] + "/broken", resume=True).metrics == unbroken
try:
    run(sys.argv[1] + "/odd", batch_size=15)
except UsageError as error:
    assert "batch_size takes a multiple of the 2 devices" in str(error), error
else:
    raise AssertionError("an odd batch_size was taken")
print("accuracy", unbroken["test"]["accuracy"])
"""
    process = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr[-3000:]
    assert "2 replicas" in json.loads((tmp_path / "unbroken" / "environment.json").read_text())["device"]
    assert float(process.stdout.split()[-1]) > 0.5


def test_a_dataset_of_ones_own_takes_no_loading_options(tmp_path):
    with pytest.raises(UsageError, match="takes none of the options that load and split"):
        run_tiny(tmp_path / "run", limit=10)


def test_a_dataset_whose_labels_have_no_class_is_refused():
    with pytest.raises(UsageError, match="labels of the train split take 0 to 1, got 0 to 2"):
        TextDataset("x", ("a", "b"), Split(["u", "v"], np.array([0, 2])), tiny.split(2, 0))


def test_evaluating_another_dataset_of_other_classes_is_refused(unbroken):
    other = dataclasses.replace(tiny.dataset(), class_names=("no", "yes"))
    with pytest.raises(UsageError, match="has the classes no, yes, but the run was trained on negative, positive"):
        evaluate(unbroken, dataset=other)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{}", r"config.json: a run's config lacks the field 'data'"),
        ("config.json", "[1]", r"config.json: a run's config takes an object, got \[1\]"),
        ("classes.json", "5", "classes.json takes a list of strings or numbers"),
        ("classes.json", '["one"', "classes.json is not JSON text"),
        ("classes.json", '["a", "b", "c"]', "classes.json names 3 classes, but the model has 2"),
        ("sample_texts.json", "{}", "sample_texts.json takes a list of texts"),
        ("metrics.json", "{}", "metrics.json does not hold the metrics of a run"),
        ("model.keras", "garbage", "model.keras is no model file of keras_rnn: it is no zip archive"),
    ],
)
def test_a_damaged_run_is_named(name, content, message, unbroken, tmp_path):
    shutil.copytree(unbroken.directory, tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    run = open_run(tmp_path / "run")
    with pytest.raises(UsageError, match=message):
        _ = run.config, run.metrics, run.sample_texts, run.model


def test_mixed_precision_trains_and_leaves_the_policy_alone(tmp_path):
    run = run_tiny(tmp_path / "run", cell="gru", mixed_precision=True)
    assert keras.config.dtype_policy().name == "float32"
    assert run.metrics["test"]["accuracy"] > 0.8


def test_pretrained_embeddings_reach_the_model(tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("good 1 2 3\nunseen 4 5 6\n")
    run = run_tiny(tmp_path / "run", epochs=1, embeddings=str(vectors), trainable_embeddings=False)
    vocabulary = [str(token) for token in run.model.get_layer("vectorizer").get_vocabulary()]
    weights = run.model.get_layer("token_model").get_layer("embedding").get_weights()[0]
    assert weights[vocabulary.index("good")].tolist() == [1, 2, 3]
    assert weights[vocabulary.index("unseen")].tolist() == [4, 5, 6]


def test_characters_train_as_well(tmp_path):
    assert run_tiny(tmp_path / "run", epochs=1, tokens="character", max_length=20).metrics["epochs"] == 1


def test_evaluate_on_the_raw_texts_gives_the_metrics_of_training(unbroken):
    evaluations = evaluate(unbroken, dataset=tiny.dataset(), baseline=True)
    assert set(evaluations) == {"test", "other"}
    for split, result in evaluations.items():
        assert result.accuracy == pytest.approx(unbroken.metrics[split]["accuracy"])
        assert result.loss == pytest.approx(unbroken.metrics[split]["loss"], abs=1e-5)
    labels = tiny.dataset().test.labels
    baselines = evaluations["test"].baselines
    majority = np.bincount(tiny.dataset().train.labels).argmax()
    assert baselines["majority class"] == pytest.approx((labels == majority).mean())
    assert baselines["TF-IDF + logistic regression"] < 0.75  # it cannot see the order


def test_evaluate_on_a_file(unbroken, tmp_path):
    path = tiny.write_csv(tmp_path / "fresh.csv", tiny.split(30, 9))
    state_before = (unbroken.directory / "evaluation-test.json").read_text()
    evaluation = evaluate(unbroken, data=path)["data-fresh"]
    assert evaluation.confusion.sum() == 30
    assert evaluation.accuracy == pytest.approx(np.trace(evaluation.confusion) / 30)
    saved_evaluation = json.loads((unbroken.directory / "evaluation-data-fresh.json").read_text())
    assert (unbroken.directory / "evaluation-test.json").read_text() == state_before
    assert saved_evaluation["confusion"] == evaluation.confusion.tolist()
