"""Runs and sweeps of language models: a broken run goes on as if nothing had been, and what cannot be is refused."""

import re
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from keras_rnn import UsageError, evaluate, open_run, train, tune
from keras_rnn.tasks.language_model import evaluation
from keras_rnn.training import train as train_module
from tests.support.little_texts import SMALL, many_texts, one_text, text

OPTIONS = {
    **SMALL,
    "tokens": "character",
    "epochs": 3,
    "embedding_dropout": 0.1,
    "input_dropout": 0.1,
    "output_dropout": 0.2,
    "weight_dropout": 0.2,
    "activity_penalty": 1.0,
}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(evaluation, "write", lambda *args: None)
    monkeypatch.setattr(train_module, "plot_history", lambda *args: None)


def run_little(out, dataset=None, **options):
    return train(dataset or many_texts(), out=out, console=Console(quiet=True), **{**OPTIONS, **options})


def history_of(run):
    return (run.directory / "history.csv").read_text()


@pytest.mark.parametrize("options", [{}, {"state": "stream", "averaging": 0.9}], ids=str)
def test_a_broken_run_ends_as_an_unbroken_one(options, tmp_path, monkeypatch):
    """With every kind of dropout, chunks of random lengths, and the state that a stream hands on."""

    class BrokenError(Exception):
        pass

    unbroken, real = run_little(tmp_path / "unbroken", **options), train_module.write_history

    def break_second_time(history, path):
        if len(history) == 2:
            raise BrokenError
        real(history, path)

    monkeypatch.setattr(train_module, "write_history", break_second_time)
    with pytest.raises(BrokenError):
        run_little(tmp_path / "run", **options)
    monkeypatch.setattr(train_module, "write_history", real)
    with pytest.raises(UsageError, match="is not complete"):
        open_run(tmp_path / "run")
    resumed = run_little(tmp_path / "run", **options, resume=True)
    assert resumed.metrics == unbroken.metrics
    assert history_of(resumed) == history_of(unbroken)
    assert len(history_of(unbroken).splitlines()) == 4
    for one, other in zip(resumed.model.get_weights(), unbroken.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_sweep_finds_and_trains_the_best(tmp_path):
    (tmp_path / "farm.txt").write_text(text(100, 0))
    console = Console(file=StringIO(), width=200)
    options = {**SMALL, "tokens": "character", "hidden_size": [4, 12], "max_trials": 2, "algorithm": "grid"}
    sweep = tune(
        data=tmp_path / "farm.txt",
        out=tmp_path / "sweep",
        console=console,
        reuse_workers=True,
        train_best=True,
        **options,
    )
    assert [trial.status for trial in sweep.trials] == ["completed"] * 2
    assert (sweep.objective, sweep.direction) == ("val_loss", "min")
    assert sweep.best.score == min(trial.score for trial in sweep.trials)
    assert {"loss", "val_loss", "val_perplexity"} <= set(sweep.best.metrics)
    assert sweep.run.metrics["validation"]["loss"] == sweep.best.score
    assert evaluate(sweep.run)["test"].perplexity == pytest.approx(sweep.run.metrics["test"]["perplexity"])
    assert re.search(r"farm.txt: \d+ token ids, [\d,]+ train, ", console.file.getvalue())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_length": 0}, "chunk_length takes a whole number of at least 1, got 0"),
        ({"direction": "up"}, "unknown direction 'up'"),
        ({"tokens": "letters"}, "unknown tokens 'letters'"),
        ({"state": "none"}, "unknown state 'none'"),
        ({"random_chunks": 1}, "random_chunks takes True or False, got 1"),
        ({"vocabulary_size": 4}, "vocabulary_size takes at least 5"),
        ({"tokens": "subword", "vocabulary_size": 258}, "vocabulary_size takes at least 259"),
        ({"model": "gru_crf"}, "unknown model 'gru_crf'"),
        ({"bidirectional": True}, "unknown option 'bidirectional'"),
    ],
)
def test_options_that_cannot_be_are_named(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        run_little(tmp_path / "run", one_text(), **options)
    assert not (tmp_path / "run").exists()
