import json

import numpy as np
import pytest

from keras_rnn import UsageError
from keras_rnn.training.config import config_from_dict, config_to_dict, differences, run_config


def test_options_find_their_section():
    config = run_config(dataset="imdb_reviews", epochs=2, model="lstm_64", hidden_size=(8, 4), max_length=50)
    assert config.data.dataset == "imdb_reviews"
    assert config.training.epochs == 2
    assert config.text.max_length == 50
    assert config.model.model == "lstm_64"
    assert config.model.hyperparameters == {"hidden_size": [8, 4], "num_layers": 2}


def test_the_registered_training_settings_come_before_the_defaults():
    assert run_config(model="lesson_tf3_lstm_8").training.epochs == 1
    assert run_config(model="lesson_tf3_lstm_8", epochs=4).training.epochs == 4


def test_one_hidden_size_a_layer_says_how_many_layers():
    assert run_config(hidden_size=[8, 4]).model.hyperparameters == {"hidden_size": [8, 4], "num_layers": 2}
    assert run_config(hidden_size=[8, 4], num_layers=3).model.hyperparameters["num_layers"] == 3


def test_numpy_numbers_become_python_ones():
    config = run_config(epochs=np.int64(2), learning_rate=np.float32(0.5))
    assert json.dumps(config_to_dict(config)["training"])
    assert config.training.epochs == 2


def test_one_text_column_may_be_a_string():
    assert run_config(data="rows.csv", text_columns="body").data.text_columns == ("body",)


def test_json_round_trip():
    config = run_config(text_columns=("title", "body"), data="rows.csv", hidden_size=[4, 4], seed=3)
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


def test_the_config_of_a_run_from_before_batch_tokens_is_read():
    values = config_to_dict(run_config())
    del values["training"]["batch_tokens"]
    assert config_from_dict(values) == run_config()


def test_differences_name_the_field_and_both_values():
    lines = differences(run_config(epochs=2), run_config(epochs=3, hidden_size=8))
    assert lines == ["hyperparameters was {}, now {'hidden_size': 8}", "epochs was 2, now 3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "unknown option 'epoch'; did you mean 'epochs'"),
        ({"epochs": 0}, "epochs takes a whole number of at least 1, got 0"),
        ({"batch_size": 1.5}, "batch_size takes a whole number"),
        ({"batch_tokens": 0}, "batch_tokens takes a whole number of at least 1, got 0"),
        (
            {"batch_tokens": 100, "multi_gpu": True},
            "batch_tokens and multi_gpu exclude each other: .* got batch_tokens 100",
        ),
        ({"learning_rate": 0}, "learning_rate takes a number above 0, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate takes a number above 0, got nan"),
        ({"learning_rate_decay": "cos"}, "unknown learning_rate_decay 'cos'; did you mean 'cosine'"),
        ({"vocabulary_size": 2}, "vocabulary_size takes at least 3"),
        ({"tokens": "char"}, "unknown tokens 'char'; did you mean 'character'"),
        ({"validation_fraction": 1}, "validation_fraction takes a number between 0 and 1"),
        ({"limit": 1}, "limit takes a whole number of at least 2, got 1"),
        ({"seed": 2**32}, r"seed takes a whole number below 2\*\*32, got 4294967296"),
        ({"seed": -1}, "seed takes a whole number of at least 0, got -1"),
        ({"model": "bistm_64"}, "unknown model 'bistm_64'; did you mean 'bilstm_64'"),
        ({"dataset": "a", "data": "b"}, "takes --dataset or --data, got both: 'a' and 'b'"),
        ({"use_cudnn": False}, "unknown option 'use_cudnn'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        run_config(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(modle={}), "unknown field of a run's config 'modle'; did you mean 'model'"),
        (lambda d: d["training"].update(epoch=1), "unknown field of a run's training config 'epoch'"),
        (lambda d: d["training"].pop("epochs"), "a run's training config lacks the field 'epochs'"),
        (lambda d: d.pop("text"), "a run's config lacks the field 'text'"),
        (lambda d: d.update(data=None), "a run's data config takes an object, got None"),
        (lambda d: d["data"].update(data=5), "a run's config holds a value of a wrong kind"),
        (lambda d: d["model"].update(model=["a"]), "a run's config holds a value of a wrong kind"),
        (
            lambda d: d["model"]["hyperparameters"].update(cel="lstm"),
            "unknown hyperparameter .*'cel'; did you mean 'cell'",
        ),
    ],
)
def test_a_damaged_config_file_is_named(change, message):
    values = config_to_dict(run_config())
    change(values)
    with pytest.raises(UsageError, match=message):
        config_from_dict(values)
