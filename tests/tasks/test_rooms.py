"""Training, sweeps, serving and the command line know tasks by their interface alone."""

import ast
from pathlib import Path

import pytest

import keras_rnn
from keras_rnn.tasks import get_contract, get_task, list_tasks

PACKAGE = Path(keras_rnn.__file__).parent
TASK_WORDS = {"class_names", "num_classes", "confusion", "probabilities", "accuracy", "tag_names", *list_tasks()}
# TensorFlow Serving's own words stand in the server: its Classify, and the labels of versions.
FILES = [
    path
    for room in ("training", "search", "serving", "cli")
    for path in sorted((PACKAGE / room).rglob("*.py"))
    if "server" not in path.parts
]


def words_of(source: str) -> set[str]:
    """The names and strings of a source, without docstrings, cut into words."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words.update(node.value.split())
        for field in ("id", "attr", "arg", "name"):
            words.add(str(getattr(node, field, "")))
    return words


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_above_tasks_names_none(path):
    assert not words_of(path.read_text(encoding="utf-8")) & TASK_WORDS


def test_a_name_of_a_task_would_be_seen():
    assert words_of('def f(class_names):\n    "tagging"\n    return {"confusion": x.accuracy}') & TASK_WORDS == {
        "class_names",
        "confusion",
        "accuracy",
    }


@pytest.mark.parametrize("name", list_tasks())
def test_a_task_is_whole(name):
    task, contract = get_task(name), get_contract(name)
    assert task.name == name
    assert task.objective.metric in task.reported_metrics
    assert set(task.card_facts) <= set(task.run_files)
    assert all(hasattr(contract, part) for part in ("TEXT_OPTIONS", "signatures", "check_answers", "calls"))
    from keras_rnn.datasets import list_datasets
    from keras_rnn.models import get_model_entry

    assert get_model_entry(task.default_model).task == name
    assert task.default_dataset in list_datasets(name)
