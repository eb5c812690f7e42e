import csv
from dataclasses import replace

from keras_rnn.search.results import write_results
from tests.support.trial_records import completed, failed, running


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_a_trial_that_ended_by_id(tmp_path):
    learning_rate = 0.1 + 0.2  # a float that takes all its digits
    records = [
        failed(2, {"cell": "gru", "num_layers": 1}, error='a "quoted", line\nand another'),
        completed(
            1,
            0.9,
            {"cell": "lstm", "hidden_size": None, "learning_rate": learning_rate},
            peak_memory=812_345_678,
            seconds=31.2345,
        ),
        running(3, {"cell": "lstm"}),
    ]
    write_results(records, tmp_path / "results.csv")
    first, second = table(tmp_path / "results.csv")
    assert first == {
        "trial": "0001",
        "status": "completed",
        "cell": "lstm",
        "hidden_size": "None",
        "learning_rate": "0.30000000000000004",
        "num_layers": "",
        "parameters": "1000",
        "loss": "0.5",
        "val_accuracy": "0.9",
        "best_epoch": "2",
        "epochs": "3",
        "attempts": "1",
        "seconds": "31.2",
        "peak_memory_mb": "812",
        "device": "CPU",
        "error": "",
    }
    assert list(first)[:6] == ["trial", "status", "cell", "hidden_size", "learning_rate", "num_layers"]
    assert (second["trial"], second["status"]) == ("0002", "failed")
    assert second["error"] == 'NaN loss: a "quoted", line and another'
    assert (second["num_layers"], second["learning_rate"], second["val_accuracy"]) == ("1", "", "")
    assert (second["best_epoch"], second["epochs"], second["parameters"], second["peak_memory_mb"]) == ("", "0", "", "")


def test_continued_trials_name_their_source(tmp_path):
    source = completed(0, 0.8, {"units": 8})
    record = completed(1, 0.9, {"units": 8})
    write_results([source], tmp_path / "results.csv")
    assert "source" not in table(tmp_path / "results.csv")[0]
    record = replace(record, job=replace(record.job, source="0000", initial_epoch=1))
    write_results([source, record], tmp_path / "results.csv")
    first, second = table(tmp_path / "results.csv")
    assert (first["source"], first["initial_epoch"]) == ("", "0")
    assert (second["source"], second["initial_epoch"]) == ("0000", "1")


def test_a_hyperparameter_that_shares_the_name_of_another_column(tmp_path):
    write_results([completed(0, 0.9, {"loss": "mse", "epochs": 7})], tmp_path / "results.csv")
    (row,) = table(tmp_path / "results.csv")
    assert (row["hyperparameter loss"], row["loss"]) == ("mse", "0.5")
    assert (row["hyperparameter epochs"], row["epochs"]) == ("7", "3")


def test_before_any_trial_there_is_a_header(tmp_path):
    write_results([], tmp_path / "results.csv")
    assert (tmp_path / "results.csv").read_text().startswith("trial,status,parameters,best_epoch,")


def test_trials_beyond_four_digits_come_last(tmp_path):
    write_results([completed(10_000, 0.9, {}), completed(9_999, 0.9, {})], tmp_path / "results.csv")
    assert [row["trial"] for row in table(tmp_path / "results.csv")] == ["9999", "10000"]
