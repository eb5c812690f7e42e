import errno

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.search import layout
from keras_rnn.search.program import Program, read_program, write_program
from keras_rnn.search.run_trial import run_trial
from keras_rnn.search.trial import ERROR, NAN_LOSS, NO_SPACE, OUT_OF_MEMORY, TIME_OUT, Job

X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(32, 2)


Y = X.sum(axis=1, keepdims=True)


NAMES = ("loss", "mae", "val_loss", "val_mae")


class Linear(keras_tuner.HyperModel):
    """Learns a sum; what a test wants otherwise it puts in the place of `before_build` and `fit`."""

    resumable = True

    def before_build(self, hp):
        pass

    def build(self, hp):
        self.before_build(hp)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.1), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(hp.get("rate")), loss="mse", metrics=["mae"], run_eagerly=True)
        return model


def program(hypermodel=None, **fields):
    space = keras_tuner.HyperParameters()
    space.Choice("rate", [0.1, 0.2])
    data = {"x": X, "y": Y, "validation_data": (X, Y), "batch_size": 16}
    options = {"objective": "val_loss", "direction": "min", "fit_arguments": data, "threads": 2}
    return Program(hypermodel or Linear(), {**space.get_config(), "values": {}}, **{**options, **fields})


def job(epochs=2, **fields):
    return Job("0000", {"rate": 0.1}, epochs, **fields)


def linear(**methods):
    return type("Changed", (Linear,), methods)()


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


class Stop(KeyboardInterrupt):
    pass


def stop_at(epoch):
    """A report that breaks the attempt off, before the epoch's checkpoint is written."""

    def report(row):
        if row["epoch"] == epoch:
            raise Stop

    return report


def test_a_trial_says_what_came_of_it(tmp_path):
    reports = []
    result = run_trial(program(), None, job(), tmp_path / "0000", report=reports.append)
    assert (result.failure, result.error, result.traceback, result.space) == (None, "", "", None)
    assert result.history == reports
    assert [row["epoch"] for row in reports] == [1, 2]
    assert all(set(row) == {"epoch", "seconds", *NAMES} for row in reports)
    assert result.parameters == 3
    assert result.seconds > sum(row["seconds"] for row in reports) > 0
    assert 50e6 < result.peak_memory < 50e9
    assert result.device == "CPU (2 threads)"
    assert list((tmp_path / "0000").iterdir()) == []


def test_it_is_the_same_each_time_and_another_with_another_seed(tmp_path):
    def run(name, **fields):
        return without_seconds(run_trial(program(**fields), None, job(), tmp_path / name).history)

    assert run("once") == run("again") != run("other", seed=1)


def test_a_trial_broken_off_goes_on_from_its_last_epoch(tmp_path):
    unbroken = run_trial(program(), None, job(4), tmp_path / "unbroken")
    with pytest.raises(Stop):
        run_trial(program(), None, job(4), tmp_path / "broken", report=stop_at(3))
    reports = []
    resumed = run_trial(program(), None, job(4), tmp_path / "broken", report=reports.append)
    assert [row["epoch"] for row in reports] == [3, 4]
    assert without_seconds(resumed.history) == without_seconds(unbroken.history)
    assert resumed.seconds > sum(row["seconds"] for row in resumed.history)


def test_a_promoted_trial_is_one_trained_straight_on(tmp_path):
    keeping = program(keep_checkpoints=True)
    straight = run_trial(program(), None, job(4), tmp_path / "straight")
    run_trial(keeping, None, job(2), tmp_path / "source")
    checkpoint = tmp_path / "source" / layout.CHECKPOINT
    previous = checkpoint.read_bytes()
    reports = []
    promoted = run_trial(
        keeping, None, job(4, initial_epoch=2, source="s"), tmp_path / "promoted", checkpoint, reports.append
    )
    assert [row["epoch"] for row in reports] == [3, 4]
    assert without_seconds(promoted.history) == without_seconds(straight.history)
    assert checkpoint.read_bytes() == previous
    assert (tmp_path / "promoted" / layout.CHECKPOINT).is_file()
    # Broken off itself, it goes on from its own state, not from its source's.
    with pytest.raises(Stop):
        run_trial(keeping, None, job(4, source="s"), tmp_path / "broken", checkpoint, stop_at(4))
    resumed = run_trial(keeping, None, job(4, source="s"), tmp_path / "broken", checkpoint)
    assert without_seconds(resumed.history) == without_seconds(straight.history)


def raising(error):
    def before_build(self, hp):
        raise error

    return before_build


@pytest.mark.parametrize(
    ("error", "failure", "line"),
    [
        (MemoryError(), OUT_OF_MEMORY, "MemoryError"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\n and more"),
            OUT_OF_MEMORY,
            "ResourceExhaustedError: OOM when allocating",
        ),
        (KeyError("no such thing"), ERROR, "KeyError: 'no such thing'"),
        (ValueError("one line\nanother"), ERROR, "ValueError: one line"),
    ],
)
def test_what_building_raises_is_a_failure_with_its_name(error, failure, line, tmp_path):
    result = run_trial(program(linear(before_build=raising(error))), None, job(), tmp_path)
    assert (result.failure, result.error, result.history) == (failure, line, [])
    assert ("raise error" in result.traceback) == (failure == ERROR)
    assert result.parameters is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_to_be_told_to_stop_is_no_failure(error, tmp_path):
    with pytest.raises(error):
        run_trial(program(linear(before_build=raising(error()))), None, job(), tmp_path)


def test_an_exception_in_training_keeps_the_epochs_before_it(tmp_path):
    def report(row):
        if row["epoch"] == 3:
            raise OSError("the disk is full")

    result = run_trial(program(), None, job(4), tmp_path, report=report)
    assert (result.failure, result.error) == (ERROR, "OSError: the disk is full")
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert result.parameters == 3
    assert (tmp_path / layout.CHECKPOINT).is_file()


def test_a_loss_that_is_no_number_ends_the_trial_at_once(tmp_path):
    data = {"x": X, "y": Y * np.nan, "batch_size": 16}
    result = run_trial(program(fit_arguments=data, objective="loss"), None, job(), tmp_path)
    assert (result.failure, result.error) == (NAN_LOSS, "the loss is nan in epoch 1, step 1")
    assert result.traceback == ""


def test_a_validation_loss_that_is_no_number_does_too(tmp_path):
    data = {"x": X, "y": Y, "validation_data": (X, Y * np.inf), "batch_size": 16}
    result = run_trial(program(fit_arguments=data), None, job(), tmp_path)
    assert (result.failure, result.error) == (NAN_LOSS, "val_loss is inf after epoch 1")
    assert len(result.history) == 1


def test_a_trial_whose_time_is_up_ends_after_the_step(tmp_path):
    result = run_trial(program(trial_timeout=1e-3), None, job(), tmp_path)
    assert (result.failure, result.error) == (TIME_OUT, "not done after 0.001 s")


def test_an_objective_that_is_never_reported_is_named_with_those_that_are(tmp_path):
    result = run_trial(program(objective="val_f1"), None, job(), tmp_path)
    assert result.failure == ERROR
    assert result.error == (
        "UsageError: training never reports the objective 'val_f1'; it reports loss, mae, val_loss, val_mae"
    )


def history(self, hp, model, *, epochs, callbacks, **arguments):
    return model.fit(epochs=epochs, **arguments)


RETURNED = {
    "a History": (history, 2),
    "a dict": (lambda self, hp, model, **_: {"val_loss": 0.25, "extra": 7}, 1),
    "a float": (lambda self, hp, model, **_: 0.25, 1),
    "numpy's float": (lambda self, hp, model, **_: np.float32(0.25), 1),
    "an int": (lambda self, hp, model, **_: 1, 1),
    "a list": (lambda self, hp, model, **_: [0.125, np.float64(0.375)], 1),
}


@pytest.mark.parametrize("kind", RETURNED)
def test_a_fit_that_keeps_callbacks_to_itself_is_taken_at_its_word(kind, tmp_path):
    fit, epochs = RETURNED[kind]
    reports = []
    result = run_trial(program(linear(fit=fit)), None, job(), tmp_path, report=reports.append)
    assert result.failure is None, result.traceback
    assert result.history == reports
    assert [row["epoch"] for row in reports] == list(range(1, epochs + 1))
    if kind == "a History":
        assert set(reports[0]) == {"epoch", "seconds", *NAMES}
    else:
        expected = {"val_loss": 1.0 if kind == "an int" else 0.25} | ({"extra": 7.0} if kind == "a dict" else {})
        assert without_seconds(reports) == [{"epoch": 1, **expected}]


@pytest.mark.parametrize(("returned", "error"), [(None, "it returned NoneType"), ({}, "the objective 'val_loss'")])
def test_a_fit_that_tells_nothing_is_an_error(returned, error, tmp_path):
    result = run_trial(program(linear(fit=lambda self, hp, model, **_: returned)), None, job(), tmp_path)
    assert result.failure == ERROR
    assert error in result.error


def test_what_building_declares_goes_back_to_the_oracle(tmp_path):
    def before_build(self, hp):
        with hp.conditional_scope("rate", [0.1]):
            hp.Int("more", 3, 9)

    result = run_trial(program(linear(before_build=before_build)), None, job(1), tmp_path)
    assert [entry["config"]["name"] for entry in result.space["space"]] == ["rate", "more"]
    assert result.space["values"] == {"rate": 0.1, "more": 3}


def test_building_returns_a_model(tmp_path):
    result = run_trial(program(linear(build=lambda self, hp: "model")), None, job(), tmp_path)
    assert result.error == "TypeError: HyperModel.build takes to return a keras.Model, got str"


class Unbuilt(keras_tuner.HyperModel):
    """As in many a tutorial: the model does not know its input until it is trained."""

    def build(self, hp):
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", loss="mse", run_eagerly=True)
        return model


def test_a_model_that_is_built_by_training_starts_over_where_it_was_broken_off(tmp_path):
    unbroken = run_trial(program(Unbuilt()), None, job(3), tmp_path / "unbroken")
    assert unbroken.failure is None
    assert unbroken.parameters == 3
    with pytest.raises(Stop):
        run_trial(program(Unbuilt()), None, job(3), tmp_path / "broken", report=stop_at(3))
    repeated = run_trial(program(Unbuilt()), None, job(3), tmp_path / "broken")
    assert without_seconds(repeated.history) == without_seconds(unbroken.history)


def test_such_a_model_is_promoted_from_the_start(tmp_path):
    keeping = program(Unbuilt(), keep_checkpoints=True)
    run_trial(keeping, None, job(1), tmp_path / "source")
    checkpoint = tmp_path / "source" / layout.CHECKPOINT
    result = run_trial(keeping, None, job(2, source="s"), tmp_path / "promoted", checkpoint)
    straight = run_trial(keeping, None, job(2), tmp_path / "straight")
    assert result.failure is None
    assert without_seconds(result.history) == without_seconds(straight.history)


def test_a_hypermodel_starts_over_unless_it_says_that_it_is_resumable(tmp_path):
    not_resumable = program(linear(resumable=False))
    with pytest.raises(Stop):
        run_trial(not_resumable, None, job(3), tmp_path, report=stop_at(3))
    reports = []
    run_trial(not_resumable, None, job(3), tmp_path, report=reports.append)
    assert [row["epoch"] for row in reports] == [1, 2, 3]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_fault_of_the_trial_s(number, tmp_path):
    result = run_trial(program(linear(before_build=raising(OSError(number, "full")))), None, job(), tmp_path)
    assert result.failure == NO_SPACE
    assert "full" in result.error


def test_a_user_s_callbacks_come_first_and_may_add_what_is_reported(tmp_path):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_extra"] = 10.0 * (epoch + 1)

    data = {**program().fit_arguments, "callbacks": [Adds()]}
    result = run_trial(program(objective="val_extra", fit_arguments=data), None, job(), tmp_path)
    assert [row["val_extra"] for row in result.history] == [10.0, 20.0]


def test_a_program_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "program.pkl"
    threshold = 0.25

    class Local(Linear):
        def fit(self, hp, model, **arguments):
            return threshold

    write_program(program(Local()), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["program.pkl"]
    loaded = read_program(path)
    assert run_trial(loaded, None, job(), tmp_path / "0000").history[0]["val_loss"] == 0.25
    hp = loaded.hyperparameters()
    hp.Choice("other", [1])
    assert [entry.name for entry in loaded.hyperparameters().space] == ["rate"]
