import pytest
from rich.console import Console

from keras_rnn import train
from keras_rnn.search import layout
from keras_rnn.search.hypermodel import RunHyperModel
from keras_rnn.search.program import Program
from keras_rnn.search.run_trial import run_trial
from keras_rnn.search.space import search_space
from keras_rnn.search.trial import Job
from keras_rnn.tasks.classification import evaluation
from keras_rnn.text.options import TextOptions
from keras_rnn.training import train as train_module
from keras_rnn.training.prepare import prepare
from tests.support import tiny


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


EPOCHS = 3


OPTIONS = {**tiny.SMALL, "epochs": EPOCHS, "dropout": 0.2}


VALUES = {"cell": "lstm", "hidden_size_1": 4}


class TestOurModels:
    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, tmp_path_factory):
        return prepare(
            tiny.dataset(), TextOptions(), tmp_path_factory.mktemp("prepared") / "data", task="classification"
        )

    @pytest.fixture(scope="class")
    @classmethod
    def program(cls):
        options = {name: value for name, value in OPTIONS.items() if name != "hidden_size"}
        fixed, space = search_space(
            {**options, "cell": ["gru", "lstm"], "hidden_size": [8, 4]}, hidden_size_per_layer=True
        )
        return Program(
            RunHyperModel(fixed),
            {**space.get_config(), "values": {}},
            "val_accuracy",
            "max",
            threads=2,
            keep_checkpoints=True,
        )

    @pytest.fixture(scope="class")
    @classmethod
    def unbroken(cls, program, data, tmp_path_factory):
        return run_trial(program, data, Job("0000", VALUES, EPOCHS), tmp_path_factory.mktemp("unbroken"))

    def test_a_trial_reports_what_train_reports(self, unbroken, tmp_path, monkeypatch):
        monkeypatch.setattr(evaluation, "plot_confusion", lambda *args: None)
        monkeypatch.setattr(train_module, "plot_history", lambda *args: None)
        options = {**OPTIONS, "cell": "lstm", "hidden_size": [4]}
        run = train(tiny.dataset(), out=tmp_path / "run", console=Console(quiet=True), **options)
        assert unbroken.failure is None, unbroken.traceback
        expected = (run.directory / "history.csv").read_text().splitlines()
        rows = [",".join(str(row[name]) for name in expected[0].split(",")) for row in unbroken.history]
        assert rows == expected[1:]
        best = run.metrics["best_epoch"]
        assert unbroken.history[best - 1]["val_accuracy"] == run.metrics["validation"]["accuracy"]
        assert unbroken.parameters == run.model.count_params()

    def test_a_promoted_one_is_one_trained_straight_on(self, program, unbroken, data, tmp_path):
        run_trial(program, data, Job("0000", VALUES, 1), tmp_path / "source")
        promoted = run_trial(
            program,
            data,
            Job("0001", VALUES, EPOCHS, 1, "0000"),
            tmp_path / "promoted",
            tmp_path / "source" / layout.CHECKPOINT,
        )
        assert without_seconds(promoted.history) == without_seconds(unbroken.history)

    def test_it_stops_where_its_patience_ends(self, program, data, tmp_path):
        options = {**program.hypermodel.options, "patience": 1, "learning_rate": 1e-30, "epochs": 9}
        patient = Program(RunHyperModel(options), program.space, "val_accuracy", "max")
        result = run_trial(patient, data, Job("0000", VALUES, 9), tmp_path)
        assert result.failure is None
        assert len(result.history) == 2
