import json
import os

import keras_tuner
import pytest

from keras_rnn.datasets import TextDataset
from keras_rnn.errors import UsageError
from keras_rnn.search import layout
from keras_rnn.search.journal import locked
from keras_rnn.search.plan import claim_directory, make_plan, read_identity
from keras_rnn.search.ranges import Range
from tests.support import tiny

OPTIONS = {"dataset": "negated_reviews", "cell": ["lstm", "gru"], "num_layers": [1, 2], "hidden_size": 8, "epochs": 2}


def plan(
    hypermodel=None,
    hyperparameters=None,
    objective="val_accuracy",
    algorithm="random",
    sizes=False,
    in_memory=None,
    **options,
):
    """OPTIONS and those given; one given as None is left out."""
    merged = {} if hypermodel is not None else OPTIONS
    options = {name: value for name, value in {**merged, **options}.items() if value is not None}
    return make_plan(
        options,
        dataset=in_memory,
        hypermodel=hypermodel,
        hyperparameters=hyperparameters,
        objective=objective,
        algorithm=algorithm,
        hidden_size_per_layer=sizes,
    )


def space(**choices):
    hyperparameters = keras_tuner.HyperParameters()
    for name, values in choices.items():
        hyperparameters.Choice(name, values)
    return hyperparameters


def build(hp):
    raise AssertionError("a plan builds nothing")


REFUSED = {
    "an unknown hyperparameter": ({"hiden_size": [8, 16]}, "unknown hyperparameter 'hiden_size'; did you mean 'hidden"),
    "an unknown option": ({"hiden_size": 8}, "hiden_size"),
    "an unknown hyperparameter in a space": (
        {"hyperparameters": space(hiden_size=[8])},
        "unknown hyperparameter 'hiden_size'",
    ),
    "an empty choice": ({"cell": []}, "cell takes at least one value to choose from, got none"),
    "a repeated value": ({"cell": ["gru", "gru"]}, "cell takes each value once, got 'gru' twice"),
    "low above high": ({"hidden_size": "64:8"}, "hidden_size got '64:8': a range takes low below high, got low 64 and"),
    "a log range over zero": ({"learning_rate": "0:1:log"}, "a log range takes low above 0, got 0"),
    "a bad value in a choice": ({"learning_rate": [0.1, -0.1]}, "learning_rate takes a number above 0, got -0.1"),
    "a bad end of a range": ({"batch_size": Range(0, 8)}, "batch_size takes a whole number of at least 1, got 0"),
    "epochs that are searched": ({"epochs": [1, 2]}, "epochs takes a single value in a sweep"),
    "a vocabulary that is searched": ({"vocabulary_size": [10, 20]}, "vocabulary_size takes a single value in a sweep"),
    "nothing to search": ({"cell": "gru", "num_layers": 1}, "nothing to search: give at least one option several val"),
    "an option given twice": (
        {"hyperparameters": space(cell=["lstm"])},
        "cell is given twice: as an option and among the hyperparameters",
    ),
    "an unknown algorithm": ({"algorithm": "bayes"}, "unknown algorithm 'bayes'; did you mean 'bayesian'?"),
    "an objective that is never reported": (
        {"objective": "val_f1"},
        "training never reports the objective 'val_f1'; it reports loss, accuracy, val_loss, val_accuracy",
    ),
    "an objective that is no name": (
        {"objective": 3},
        "objective takes the name of a metric or a keras_tuner.Objective",
    ),
    "an objective of unknown direction": (
        {"hypermodel": build, "objective": "val_f1"},
        r"objective 'val_f1' may be better high or low; keras_tuner.Objective\('val_f1', \"max\"\) says which",
    ),
    "a hypermodel that is none": ({"hypermodel": 3}, "hypermodel takes a keras_tuner.HyperModel or a function, got 3"),
    "an option that a hypermodel has in its place": (
        {"hypermodel": build, "hidden_size": [8]},
        "unknown option beside a HyperModel 'hidden_size'",
    ),
    "sizes a layer of a hypermodel": ({"hypermodel": build, "sizes": True}, "hidden_size_per_layer is of keras_rnn's"),
    "sizes a layer of a fixed size": (
        {"sizes": True},
        "hidden_size_per_layer takes a choice or a range of hidden_size",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_plan_is_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        plan(**arguments)


def test_a_plan_of_our_models():
    sweep_plan = plan(learning_rate=Range(1e-4, 1e-2, log=True))
    assert sweep_plan.is_builtin
    assert sweep_plan.objective == keras_tuner.Objective("val_accuracy", "max")
    assert sorted(entry.name for entry in sweep_plan.hyperparameters.space) == ["cell", "learning_rate", "num_layers"]
    assert sweep_plan.config.training.epochs == 2
    assert sweep_plan.config.model.hyperparameters == {"hidden_size": 8}
    assert sweep_plan.hypermodel.options == {"dataset": "negated_reviews", "hidden_size": 8, "epochs": 2}
    assert json.loads(json.dumps(sweep_plan.identity())) == sweep_plan.identity()


def test_a_space_may_be_given_as_keras_tuner_has_it():
    sweep_plan = plan(hyperparameters=space(learning_rate=[0.1, 0.2]))
    assert [entry.name for entry in sweep_plan.hyperparameters.space] == ["num_layers", "cell", "learning_rate"]


def test_a_hypermodel_is_taken_as_it_is_and_a_function_becomes_one():
    class Mine(keras_tuner.HyperModel):
        def build(self, hp):
            build(hp)

    mine = Mine()
    assert plan(mine).hypermodel is mine
    assert plan(mine).identity()["hypermodel"] == "Mine"
    function_plan = plan(build, hyperparameters=space(units=[1]), batch_size=4, seed=3, epochs=7)
    assert function_plan.identity()["hypermodel"] == "build"
    assert not function_plan.is_builtin
    assert function_plan.config.training.epochs == 7
    with pytest.raises(AssertionError, match="a plan builds nothing"):
        function_plan.hypermodel.build(None)


def test_objectives_have_a_direction():
    assert plan(objective="val_loss").objective.direction == "min"
    assert plan(build, objective=keras_tuner.Objective("val_f1", "max")).objective.name == "val_f1"


def claim(sweep_plan, directory):
    with claim_directory(sweep_plan, directory):
        pass


def test_a_directory_is_claimed_and_taken_up_again(tmp_path):
    directory = tmp_path / "deep" / "sweep"
    claim(plan(), directory)
    assert read_identity(directory) == plan().identity()
    (directory / ".results.1.tmp.csv").touch()
    with claim_directory(plan(), directory), pytest.raises(UsageError, match="another process runs the sweep in"):
        claim(plan(), directory)
    assert sorted(entry.name for entry in directory.iterdir()) == [layout.SWEEP, layout.LOCK]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"algorithm": "grid"}, "algorithm was 'random', now 'grid'"),
        ({"objective": "val_loss"}, "objective was 'val_accuracy', now 'val_loss'; direction was 'max', now 'min'"),
        ({"epochs": 3}, "epochs was 2, now 3"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"hidden_size": 16}, "hyperparameters was {'hidden_size': 8}, now {'hidden_size': 16}"),
        ({"cell": ["gru", "lstm"]}, "cell was lstm, gru, now gru, lstm"),
        ({"num_layers": [1, 2, 3]}, "num_layers was 1, 2, now 1, 2, 3"),
        ({"dropout": [0.1, 0.2]}, "dropout is new: 0.1, 0.2"),
        ({"cell": None}, "cell is gone, it was lstm, gru"),
        ({"epochs": 3, "algorithm": "grid"}, "algorithm was 'random', now 'grid'; epochs was 2, now 3"),
        ({"hypermodel": build}, "hypermodel was None, now 'build'"),
    ],
)
def test_another_sweep_is_refused_with_what_differs(arguments, message, tmp_path):
    claim(plan(), tmp_path)
    (tmp_path / layout.JOURNAL).touch()
    previous = (tmp_path / layout.SWEEP).read_bytes()
    with pytest.raises(UsageError, match=f"^{tmp_path} holds another sweep: .*{message}.*; give another directory"):
        claim(plan(**arguments), tmp_path)
    assert (tmp_path / layout.SWEEP).read_bytes() == previous


def test_a_sweep_that_has_tried_nothing_yet_may_become_another(tmp_path):
    claim(plan(), tmp_path)
    claim(plan(seed=1), tmp_path)
    assert read_identity(tmp_path) == plan(seed=1).identity()


def test_changed_data_make_another_sweep(tmp_path):
    path = tiny.write_csv(tmp_path / "tiny.csv", tiny.split(8, 0))

    def file_plan():
        return plan(dataset=None, data=str(path))

    previous = file_plan()
    assert file_plan().identity() == previous.identity()
    claim(previous, tmp_path / "s")
    (tmp_path / "s" / layout.JOURNAL).touch()
    tiny.write_csv(path, tiny.split(9, 0))
    with pytest.raises(UsageError, match="holds another sweep: the data has changed; give"):
        claim(file_plan(), tmp_path / "s")
    first_plan, equal_plan, other_plan = (
        plan(dataset="tiny", in_memory=TextDataset("tiny", tiny.CLASSES, tiny.split(8, seed), tiny.split(4, 1), None))
        for seed in (0, 0, 1)
    )
    assert first_plan.identity() == equal_plan.identity() != other_plan.identity()


def test_what_is_no_sweep_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is not empty and holds no sweep; give another directory"):
        claim(plan(), tmp_path)
    with pytest.raises(UsageError, match="thesis.txt takes a directory, but is a file"):
        claim(plan(), tmp_path / "thesis.txt")
    with pytest.raises(UsageError, match="cannot make the sweep's directory"):
        claim(plan(), tmp_path / "thesis.txt" / "sweep")
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_new_directory_goes_again_where_the_sweep_cannot_begin(tmp_path):
    for name, error, stays in (("usage", UsageError, False), ("other", RuntimeError, True)):
        with pytest.raises(error), claim_directory(plan(), tmp_path / name):
            raise error("no")
        assert (tmp_path / name).exists() == stays
    claim(plan(), tmp_path / "begun")
    (tmp_path / "begun" / layout.JOURNAL).touch()
    with pytest.raises(UsageError), claim_directory(plan(), tmp_path / "begun"):
        raise UsageError("no")
    assert (tmp_path / "begun" / layout.JOURNAL).exists()


def test_a_lock_left_by_a_killed_driver_is_no_hindrance(tmp_path):
    (tmp_path / layout.LOCK).touch()  # killed before it wrote sweep.json
    claim(plan(), tmp_path)
    assert read_identity(tmp_path)["algorithm"] == plan().algorithm
    with locked(tmp_path / layout.LOCK), pytest.raises(UsageError, match="another process runs the sweep"):
        claim(plan(), tmp_path)


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"config": 3, "space": 4}'])
def test_a_damaged_identity_is_an_error(damage, tmp_path):
    with pytest.raises(UsageError, match=f"no sweep in {tmp_path}: it has no sweep.json"):
        read_identity(tmp_path)
    (tmp_path / layout.SWEEP).write_text(damage)
    (tmp_path / layout.JOURNAL).touch()
    with pytest.raises(UsageError, match="sweep.json does not describe a sweep: "):
        claim(plan(), tmp_path)
