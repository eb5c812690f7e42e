import keras
import keras_tuner
import numpy as np
import pytest

from keras_rnn.datasets import Split, TextDataset
from keras_rnn.errors import UsageError
from keras_rnn.search import layout, preparation
from keras_rnn.search.preparation import check_models, declared_space, explore_space, prepare_data
from keras_rnn.search.program import Program, write_program
from keras_rnn.search.space import search_space
from keras_rnn.training.config import run_config
from tests.support import tiny

X = np.zeros((4, 2), np.float32)
DATA = {"x": X, "y": X[:, :1], "validation_data": (X, X[:, :1]), "batch_size": 2}


def no_report(value):
    raise AssertionError("nothing is reported")


def model(units=1, metrics=("mae",)):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", metrics=list(metrics), run_eagerly=True)
    return model


def hypermodel(build, **methods):
    return type("Mine", (keras_tuner.HyperModel,), {"build": lambda self, hp: build(hp), **methods})()


def explored(directory, build, objective="val_loss", space=None, fit_arguments=DATA, **methods):
    space = space or keras_tuner.HyperParameters()
    config = {**space.get_config(), "values": {}}
    program = Program(hypermodel(build, **methods), config, objective, "min", fit_arguments=fit_arguments)
    with pytest.MonkeyPatch.context() as patch:  # the file has a copy, which would not tell the test what it saw
        patch.setattr(preparation, "read_program", lambda path: program)
        return explore_space(directory, no_report)


def units(hp):
    return model(hp.Int("units", 1, 4))


def names(config):
    return [entry["config"]["name"] for entry in config["space"]]


def test_every_value_of_ours_is_built_once():
    options, space = search_space({**tiny.SMALL, "hidden_size": [8, 4], "pooling": ["last", "mean"]})
    check_models(options, {**space.get_config(), "values": {}}, no_report)


@pytest.mark.parametrize(
    ("option", "values", "message"),
    [
        ("cell", ["gru", "lstn"], "lstn"),
        ("hidden_size", [8, 0], "hidden_size takes .* got 0"),
        ("pooling", ["last", "best"], "best"),
        ("dropout", [0.5, 1.5], "dropout takes .* got 1.5"),
    ],
)
def test_a_value_that_a_model_refuses_shows(option, values, message):
    options = {name: value for name, value in tiny.SMALL.items() if name != option}
    options, space = search_space({**options, option: values})
    with pytest.raises(UsageError, match=message):
        check_models(options, {**space.get_config(), "values": {}}, no_report)


def test_token_ids_are_made_once(tmp_path):
    config, folder = run_config(dataset="tiny"), tmp_path / layout.DATA
    facts = prepare_data(config, tiny.dataset(), folder, no_report)
    assert facts == "tiny: 2 classes, 192 train, 48 validation, 40 test, 24 other rows, 12 token ids"
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert prepare_data(config, None, folder, no_report) == facts
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_a_dataset_without_rows_is_refused(tmp_path):
    empty = TextDataset("empty", tiny.CLASSES, tiny.split(8, 0), Split([], np.zeros(0, np.int32)), None)
    with pytest.raises(UsageError, match="dataset 'empty' has no validation rows"):
        prepare_data(run_config(dataset="empty"), empty, tmp_path / layout.DATA, no_report)
    assert list(tmp_path.iterdir()) == []


def test_what_building_declares_is_the_space(tmp_path):
    assert names(explored(tmp_path, units)) == ["units"]
    beforehand = keras_tuner.HyperParameters()
    beforehand.Fixed("units", 3)
    config = explored(tmp_path, units, space=beforehand)
    assert [entry["class_name"] for entry in config["space"]] == ["Fixed"]
    assert config["values"] == {}


def test_conditional_hyperparameters_are_found_in_all_branches():
    def build(hp):
        if hp.Choice("kind", ["a", "b", "c"]) == "c" and hp.Boolean("of_c"):
            hp.Int("of_c_true", 1, 3)
        with hp.conditional_scope("kind", ["b"]):
            if hp.Boolean("of_b"):
                with hp.conditional_scope("of_b", [True]):
                    hp.Int("of_b_true", 1, 3)
        for layer in range(1, hp.Int("layers", 1, 3) + 1):
            with hp.conditional_scope("layers", list(range(layer, 4))):
                assert hp.Int(f"units_{layer}", 2, 5) in (2, 5)
        return model()

    space = declared_space(hypermodel(build), keras_tuner.HyperParameters())
    conditions = {entry.name: len(entry.conditions) for entry in space.space}
    assert conditions == {
        "kind": 0, "of_b": 1, "of_b_true": 2, "of_c": 0, "of_c_true": 0,
        "layers": 0, "units_1": 1, "units_2": 1, "units_3": 1,
    }  # fmt: skip


def test_a_space_given_beforehand_has_values_when_it_builds(tmp_path):
    beforehand = keras_tuner.HyperParameters()
    beforehand.Choice("layers", [1, 2, 3], default=2)
    for layer in (1, 2, 3):
        with beforehand.conditional_scope("layers", list(range(layer, 4))):
            beforehand.Int(f"units_{layer}", 2, 5)
    built_values = []

    def build(hp):
        layers = hp.get("layers")
        built_values.append((layers, [hp.get(f"units_{layer}") for layer in range(1, layers + 1)]))
        return model()

    assert names(explored(tmp_path, build, space=beforehand)) == ["layers", "units_1", "units_2", "units_3"]
    assert built_values[0] == built_values[-1] == (2, [2, 2])
    assert {layers for layers, _ in built_values} == {1, 2, 3}


def raises(*_, **__):
    raise ValueError("no such layer")


def test_a_build_that_raises_shows_at_once(tmp_path):
    with pytest.raises(UsageError, match="^HyperModel.build raises ValueError: no such layer"):
        explored(tmp_path, raises)


def test_a_build_that_raises_in_a_branch_shows_with_the_values(tmp_path):
    def build(hp):
        kind = hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["b"]):
            hp.Int("of_b", 1, 3)
        return raises() if kind == "b" else model()

    with pytest.raises(UsageError, match=r"build raises ValueError: no such layer \(with {'kind': 'b', 'of_b': [13]}"):
        explored(tmp_path, build)


def test_a_build_that_returns_no_model(tmp_path):
    with pytest.raises(UsageError, match="HyperModel.build takes to return a keras.Model, got int"):
        explored(tmp_path, lambda hp: hp.Int("units", 1, 4))


def test_a_fit_that_raises_shows_at_once(tmp_path):
    with pytest.raises(UsageError, match="^HyperModel.fit raises ValueError: no such layer"):
        explored(tmp_path, units, fit=raises)


def test_data_that_do_not_fit_show_at_once(tmp_path):
    mismatched_data = {"x": np.zeros((4, 3), np.float32), "y": X[:, :1]}
    with pytest.raises(UsageError, match="^HyperModel.fit raises ValueError: "):
        explored(tmp_path, units, fit_arguments=mismatched_data)


def test_an_objective_that_is_never_reported_is_named_with_those_that_are(tmp_path):
    message = "never reports the objective 'val_accuracy'; it reports loss, mae, val_loss, val_mae"
    with pytest.raises(UsageError, match=message):
        explored(tmp_path, units, "val_accuracy")


def test_a_fit_that_keeps_callbacks_to_itself_is_taken_at_its_word(tmp_path):
    def fit(self, hp, model, **_):
        return {"anything": 1.0}

    assert names(explored(tmp_path, units, "anything", fit=fit)) == ["units"]
    with pytest.raises(UsageError, match="never reports the objective 'val_loss'; it reports anything"):
        explored(tmp_path, units, fit=fit)


def test_nothing_to_search(tmp_path):
    with pytest.raises(UsageError, match="nothing to search: neither the HyperModel nor `hyperparameters` declares"):
        explored(tmp_path, lambda hp: model())


def test_token_ids_are_at_hand_when_it_builds(tmp_path):
    prepare_data(run_config(dataset="tiny"), tiny.dataset(), tmp_path / layout.DATA, no_report)

    class Mine(keras_tuner.HyperModel):
        def build(self, hp):
            assert self.data.vocabulary_size == 12
            model = keras.Sequential(
                [
                    keras.Input((None,), dtype="int32"),
                    keras.layers.Embedding(self.data.vocabulary_size, hp.Choice("size", [2, 3])),
                    keras.layers.GlobalAveragePooling1D(),
                    keras.layers.Dense(len(self.data.class_names)),
                ]
            )
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile("sgd", loss=loss, metrics=["accuracy"], run_eagerly=True)
            return model

    space = {**keras_tuner.HyperParameters().get_config(), "values": {}}
    write_program(Program(Mine(), space, "val_accuracy", "max", batch_size=16), tmp_path / layout.PROGRAM)
    assert names(explore_space(tmp_path, no_report)) == ["size"]
