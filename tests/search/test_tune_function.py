import os
import shutil
from io import StringIO
from pathlib import Path

import cloudpickle
import keras
import keras_tuner
import numpy as np
import pytest
from rich.console import Console

from keras_rnn import UsageError, tune
from keras_rnn.search import layout, preparation, run_sweep
from keras_rnn.search import tune as tune_module
from keras_rnn.search.journal import locked
from keras_rnn.search.sweep import open_sweep
from keras_rnn.search.trial import ERROR, NAN_LOSS, Result
from keras_rnn.search.tune import SearchFailedError
from tests.support import tiny
from tests.support.sweeps import FakeExecutor, good_result

# Its dataset was passed, so it has a fingerprint; the sweep in fixtures/version_0_1, of a named dataset, has none.
SWEEP_0_1_0 = Path(__file__).parents[1] / "fixtures" / "sweep_0_1_0"
OPTIONS = {**tiny.SMALL, "hidden_size": [8, 4], "num_layers": [1, 2], "epochs": 2}


def run_search(out, dataset=None, **options):
    console = Console(file=StringIO(), width=200)
    options = options if "hypermodel" in options else {**OPTIONS, **options}
    sweep = tune(dataset or tiny.dataset(), out=out, console=console, **options)
    return sweep, console.file.getvalue()


def call_here(slot, function, *arguments):
    return function(*cloudpickle.loads(cloudpickle.dumps(arguments)), report=print)


class Executors(list):
    result = staticmethod(good_result)


@pytest.fixture
def no_processes(monkeypatch):
    """A search whose preparation is done here and whose trials end at once; `executors` are those it has made."""
    executors = Executors()

    class Slot:
        def __init__(self, environment, in_process):
            self.environment, self.in_process = environment, in_process

        def restart(self):
            pass

        def close(self):
            pass

    def executor(directory, slots, trial_timeout):
        executors.append(FakeExecutor(directory, executors.result, capacity=len(slots)))
        executors[-1].slots = slots
        return executors[-1]

    monkeypatch.setattr(run_sweep, "take_slot", Slot)
    monkeypatch.setattr(run_sweep, "call_in_slot", call_here)
    monkeypatch.setattr(run_sweep, "ProcessExecutor", executor)
    monkeypatch.setattr(preparation, "set_up_device", lambda threads: None)
    monkeypatch.setattr(tune_module, "write_report", lambda *arguments: None)
    return executors


def test_a_whole_sweep_trains_nothing_again_and_more_trials_are_added(tmp_path, no_processes):
    sweep, _ = run_search(tmp_path / "s", max_trials=2)
    journal = (tmp_path / "s" / layout.JOURNAL).read_bytes()
    repeated_sweep, _ = run_search(tmp_path / "s", max_trials=2)
    assert repeated_sweep.trials == sweep.trials
    assert (tmp_path / "s" / layout.JOURNAL).read_bytes() == journal
    longer_sweep, _ = run_search(tmp_path / "s", max_trials=3, workers=2)
    assert longer_sweep.trials[:2] == sweep.trials
    assert len(longer_sweep.trials) == 3
    assert (tmp_path / "s" / layout.JOURNAL).read_bytes().startswith(journal)
    assert [len(executor.started) for executor in no_processes] == [2, 0, 1]


def test_a_sweep_of_version_0_1_0_opens_and_is_resumed(tmp_path, no_processes):
    shutil.copytree(SWEEP_0_1_0, tmp_path / "s")
    opened_sweep = open_sweep(tmp_path / "s")
    assert [dict(trial.job.values) for trial in opened_sweep.trials] == [
        {"num_layers": 1, "hidden_size": 4},
        {"num_layers": 1, "hidden_size": 8},
    ]
    assert (opened_sweep.best.job.trial_id, opened_sweep.best.score, opened_sweep.best.best_epoch) == ("0000", 1.0, 2)
    assert opened_sweep.best.metrics["val_loss"] == 0.3400881684360004
    resumed_sweep, _ = run_search(tmp_path / "s", max_trials=3)
    assert resumed_sweep.trials[:2] == opened_sweep.trials
    assert [job.trial_id for job in no_processes[0].started] == ["0002"]


def test_a_space_that_is_searched_through_says_so(tmp_path, no_processes):
    _, output = run_search(tmp_path / "s", max_trials=9)
    assert "random found no other trials than these 4" in output


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
    "where a TextDataset is split": ({"limit": 20}, "a Dataset comes divided; it takes no limit"),
    "train_best of a HyperModel": ({**OWN_DATA, "train_best": True}, "train_best trains keras_rnn's own models again"),
    "fit_arguments of ours": ({"fit_arguments": {"x": 1}}, "fit_arguments takes a hypermodel beside it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_searched_is_refused_before_any_trial(case, tmp_path, no_processes):
    options, message = REFUSED[case]
    options = {"max_trials": 2, "dataset": tiny.dataset(), **({} if "hypermodel" in options else OPTIONS), **options}
    with pytest.raises(UsageError, match=message) as caught:
        tune(out=tmp_path / "s", console=Console(file=StringIO()), **options)
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
    no_processes.result = lambda job: good_result(job, history=[{"epoch": 1, "seconds": 1.0, "loss": 0.5}])

    def tune_up_to(max_units):
        def build_more(hp):
            hp.Int("more", 1, max_units)
            return build(hp)

        options = {**OWN_DATA, "hypermodel": build_more}
        return tune(out=tmp_path / "s", max_trials=1, console=Console(file=StringIO()), **options)

    assert sorted(tune_up_to(3).best.job.values) == ["more", "units"]
    with pytest.raises(UsageError, match="holds a sweep of another HyperModel: more was 1 to 3, now 1 to 4"):
        tune_up_to(4)
