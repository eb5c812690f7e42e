import os
import signal
import subprocess
import sys
import time
import uuid
from io import StringIO

import cloudpickle
import keras
import keras_tuner
import numpy as np
import psutil
import pytest
from rich.console import Console

from keras_rnn import UsageError, evaluate, export, predict, search
from keras_rnn.cli import main as cli
from keras_rnn.search import layout, preparation, running
from keras_rnn.search import sweep as sweep_module
from keras_rnn.search.journal import locked, read_journal
from keras_rnn.search.sweep import SearchFailedError, open_sweep
from keras_rnn.search.trial import ERROR, NAN_LOSS, Result
from keras_rnn.serving import saved_model_version
from tests.support import tiny
from tests.support.executors import wait_until
from tests.support.exported import check_here
from tests.support.sweeps import FakeExecutor, good

PATIENCE = 240  # seconds, on a machine that is busy with other things
OPTIONS = {**tiny.SMALL, "hidden_size": [8, 4], "num_layers": [1, 2], "epochs": 2}
REPORTS = ["best_so_far.png", "heatmap.png", "importance.png", "results.csv"]


def run_search(out, dataset=None, **options):
    console = Console(file=StringIO(), width=200)
    options = options if "hypermodel" in options else {**OPTIONS, **options}
    sweep = search(dataset or tiny.dataset(), out=out, console=console, **options)
    return sweep, console.file.getvalue()


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two trials in processes of their own, and the best of them trained again."""
    return run_search(tmp_path_factory.mktemp("swept") / "sweep", max_trials=2, workers=2, train_best=True)


def test_a_sweep_leaves_what_people_want(swept):
    sweep, printed = swept
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
    assert f"sweep directory: {sweep.directory}" in printed
    assert "tiny: 2 classes, 192 train, 48 validation" in printed
    assert "hidden_size: 8, 4" in printed


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
    monkeypatch.setattr(saved_model_version, "check_process", check_here)
    assert (export(swept[0].run, tmp_path / "model") / "saved_model.pb").is_file()


def test_a_sweep_is_opened_as_it_was(swept):
    sweep, _ = swept
    opened = open_sweep(sweep.directory)
    assert (opened.best, opened.trials, opened.objective, opened.direction) == (
        sweep.best, sweep.trials, "val_accuracy", "max"
    )  # fmt: skip
    assert opened.run.metrics == sweep.run.metrics
    with pytest.raises(UsageError, match="no sweep in"):
        open_sweep(sweep.directory / "trials")


def call_here(slot, function, *arguments):
    return function(*cloudpickle.loads(cloudpickle.dumps(arguments)), report=print)


class Executors(list):
    result = staticmethod(good)


@pytest.fixture
def no_processes(monkeypatch):
    """A search whose preparation is done here and whose trials end at once; `executors` are those it has made."""
    made = Executors()

    class Slot:
        def __init__(self, environment, in_process):
            self.environment, self.in_process = environment, in_process

        def restart(self):
            pass

        def close(self):
            pass

    def executor(directory, slots, trial_timeout):
        made.append(FakeExecutor(directory, made.result, capacity=len(slots)))
        made[-1].slots = slots
        return made[-1]

    monkeypatch.setattr(running, "take_slot", Slot)
    monkeypatch.setattr(running, "call", call_here)
    monkeypatch.setattr(running, "ProcessExecutor", executor)
    monkeypatch.setattr(preparation, "set_up_device", lambda threads: None)
    monkeypatch.setattr(sweep_module, "write_report", lambda *arguments: None)
    return made


def test_a_whole_sweep_trains_nothing_again_and_more_trials_are_added(tmp_path, no_processes):
    sweep, _ = run_search(tmp_path / "s", max_trials=2)
    journal = (tmp_path / "s" / layout.JOURNAL).read_bytes()
    again, _ = run_search(tmp_path / "s", max_trials=2)
    assert again.trials == sweep.trials
    assert (tmp_path / "s" / layout.JOURNAL).read_bytes() == journal
    more, _ = run_search(tmp_path / "s", max_trials=3, workers=2)
    assert more.trials[:2] == sweep.trials
    assert len(more.trials) == 3
    assert (tmp_path / "s" / layout.JOURNAL).read_bytes().startswith(journal)
    assert [len(executor.started) for executor in no_processes] == [2, 0, 1]


def test_a_space_that_is_searched_through_says_so(tmp_path, no_processes):
    _, printed = run_search(tmp_path / "s", max_trials=9)
    assert "random found no other trials than these 4" in printed


def test_a_search_takes_what_it_is_told(tmp_path, no_processes, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep, _ = run_search(None, algorithm="grid", reuse_workers=True, workers=2, hidden_size_per_layer=True)
    assert str(sweep.directory) == os.path.join("sweeps", "tiny-gru_64-grid")
    assert len(sweep.trials) == 2 + 4
    (executor,) = no_processes
    assert [slot.in_process for slot in executor.slots] == [True, True]
    assert {slot.environment["CUDA_VISIBLE_DEVICES"] for slot in executor.slots} == {"-1"}
    assert sweep.best_options["hidden_size"] in ([8], [4], [8, 8], [8, 4], [4, 8], [4, 4])
    assert not list(sweep.directory.glob("trials/*/checkpoint.npz"))


def test_a_sweep_of_which_all_fails_says_why(tmp_path, no_processes):
    failures = {"0000": NAN_LOSS, "0001": ERROR}
    no_processes.result = lambda job: Result(failures[job.trial_id], "it went wrong", "Traceback")
    with pytest.raises(SearchFailedError) as caught:
        run_search(tmp_path / "s", max_trials=2, retries=0)
    error = tmp_path / "s" / "trials" / "0001" / "error.txt"
    assert str(caught.value) == f"all 2 trials failed, the last of them: error: it went wrong; see {error}"
    assert "Traceback" in error.read_text()
    assert (tmp_path / "s" / "results.csv").read_text().count("failed") == 2


def build(hp):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, 3)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", run_eagerly=True)
    return model


def raises(*_, **__):
    raise ValueError("no such layer")


X = np.zeros((4, 2), np.float32)
OWN_DATA = {"hypermodel": build, "fit_arguments": {"x": X, "y": X[:, :1]}, "objective": "loss", "dataset": None}
OF_KERAS_TUNER = keras_tuner.HyperParameters()
OF_KERAS_TUNER.Choice("hiden_size", [8])
REFUSED = {
    "an unknown hyperparameter": ({"hyperparameters": OF_KERAS_TUNER}, "unknown hyperparameter 'hiden_size'; did you"),
    "an empty choice": ({"cell": []}, "cell takes at least one value to choose from, got none"),
    "low above high": ({"hidden_size": "64:8"}, "a range takes low below high, got low 64 and high 8"),
    "a log range over zero": ({"learning_rate": "0:1:log"}, "a log range takes low above 0, got 0"),
    "no workers": ({"workers": 0}, "workers takes a whole number of at least 1, got 0"),
    "more GPUs than there are": ({"gpus": 7}, "gpus takes at most the 0 that TensorFlow sees, got 7"),
    "an objective that is never reported": ({"objective": "f1"}, "it reports loss, accuracy, val_loss, val_accuracy"),
    "one that is never reported by a HyperModel": (
        {**OWN_DATA, "objective": "accuracy"},
        "'accuracy'; it reports loss, val_loss",
    ),
    "a build that raises": ({**OWN_DATA, "hypermodel": raises}, "HyperModel.build raises ValueError: no such layer"),
    "a value that no model takes": ({"cell": ["gru", "lstn"]}, "lstn"),
    "a dataset that is not there": ({"dataset": "imbd_reviews"}, "imbd_reviews"),
    "where a TextDataset is split": ({"limit": 20}, "a TextDataset comes as it is; it takes no limit"),
    "train_best of a HyperModel": ({**OWN_DATA, "train_best": True}, "train_best trains keras_rnn's own models again"),
    "fit_arguments of ours": ({"fit_arguments": {"x": 1}}, "fit_arguments takes a hypermodel beside it"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_searched_is_refused_before_any_trial(what, tmp_path, no_processes):
    given, message = REFUSED[what]
    given = {"max_trials": 2, "dataset": tiny.dataset(), **({} if "hypermodel" in given else OPTIONS), **given}
    with pytest.raises(UsageError, match=message) as caught:
        search(out=tmp_path / "s", console=Console(file=StringIO()), **given)
    assert "\n" not in str(caught.value)
    assert no_processes == []
    assert not (tmp_path / "s").exists()


def test_another_sweep_and_a_second_driver_are_refused(tmp_path, no_processes):
    run_search(tmp_path / "s", max_trials=2)
    journal = (tmp_path / "s" / layout.JOURNAL).read_bytes()
    with pytest.raises(UsageError, match="holds another sweep: .*num_layers was 1, 2, now 1, 2, 3"):
        run_search(tmp_path / "s", max_trials=2, num_layers=[1, 2, 3])
    with locked(tmp_path / "s" / layout.LOCK), pytest.raises(UsageError, match="another process runs the sweep in"):
        run_search(tmp_path / "s", max_trials=3)
    assert (tmp_path / "s" / layout.JOURNAL).read_bytes() == journal


def test_a_hypermodel_that_declares_another_space_is_refused(tmp_path, no_processes):
    no_processes.result = lambda job: good(job, history=[{"epoch": 1, "seconds": 1.0, "loss": 0.5}])

    def search_of(most):
        def build_so(hp):
            hp.Int("more", 1, most)
            return build(hp)

        options = {**OWN_DATA, "hypermodel": build_so}
        return search(out=tmp_path / "s", max_trials=1, console=Console(file=StringIO()), **options)

    assert sorted(search_of(3).best.job.values) == ["more", "units"]
    with pytest.raises(UsageError, match="holds a sweep of another HyperModel: more was 1 to 3, now 1 to 4"):
        search_of(4)


# As in a notebook: a class of __main__, data of one's own, no `if __name__ == "__main__"`.
SCRIPT = """
import sys
import keras, keras_tuner, numpy as np
import keras_rnn

x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
scale = 2

class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.layers.Dense(scale * hp.Choice("units", [1, 2])), keras.layers.Dense(1)])
        model.compile("sgd", loss="mse", run_eagerly=True)
        return model

    def fit(self, hp, model, *arguments, **further):
        if hp.get("units") == 2:
            raise ValueError("not two")
        return model.fit(*arguments, **further)

sweep = keras_rnn.search(
    hypermodel=Mine(), fit_arguments={"x": x, "y": x[:, :1], "validation_split": 0.5}, objective="val_loss",
    algorithm="grid", epochs=2, retries=1, out=sys.argv[1],
)
assert [trial.status for trial in sweep.trials] == ["completed", "failed"], sweep.trials
assert sweep.trials[1].attempts == 2 and sweep.trials[1].result.error == "ValueError: not two"
assert sweep.trials[0].result.parameters == 2 * 2 + 2 + 3
assert len(sweep.trials[0].result.history) == 2 and sweep.direction == "min"
"""


def test_a_script_of_one_s_own(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ran = subprocess.run([sys.executable, script, tmp_path / "s"], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" in (tmp_path / "s" / "trials" / "0001" / "error.txt").read_text()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_csv(tmp_path_factory.mktemp("data") / "tiny.csv", tiny.split(300, 0))


@pytest.fixture
def family(monkeypatch):
    """A function that finds the processes that the test has begun, and all that these have."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("KERAS_RNN_TEST", mark)

    def family():
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("KERAS_RNN_TEST") == mark:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    return family


@pytest.fixture
def tune(data, tmp_path):
    """The words of a command whose sweep may take long."""
    sizes = ["--hidden-size", "4,8", "--embedding-size", "4"]
    return ["tune", str(tmp_path / "s"), "--data", str(data), *sizes, "--cell", "simple_rnn"]


@pytest.mark.slow
def test_a_sweep_that_is_ended_leaves_no_process_and_can_be_gone_on_with(tune, family, tmp_path):
    command = [sys.executable, "-m", "keras_rnn.cli.main", *tune, "--max-trials", "1"]
    command += ["--epochs", "100000", "--patience", "100000"]
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
        driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        checkpoint = tmp_path / "s" / "trials" / "0000" / layout.CHECKPOINT
        began = time.time()
        deadline = time.monotonic() + PATIENCE
        while not checkpoint.exists() or checkpoint.stat().st_mtime <= began:
            assert driver.poll() is None, driver.stderr.read()
            assert time.monotonic() < deadline, "the trial has not come to an epoch's end"
            time.sleep(0.1)
        assert len(family()) >= 3  # the driver, the slot, the trial
        driver.send_signal(number)
        _, printed = driver.communicate(timeout=60)
        assert driver.returncode == status
        assert "Traceback" not in printed
        wait_until(lambda: not family(), f"all processes ended after {number}", 10)
        assert len(read_journal(tmp_path / "s" / layout.JOURNAL)) == 1


@pytest.mark.slow
def test_a_command_whose_trials_all_fail_has_status_1(tune, family, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["keras-rnn", *tune, "--trial-timeout", "0.001", "--max-trials", "2"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("keras-rnn: error: all 2 trials failed, the last of them: time-out: ")
    wait_until(lambda: not family(), "all processes ended", 10)
