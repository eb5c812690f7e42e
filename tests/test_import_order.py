"""Imports of keras_rnn go down only, those inside functions included, and no files import each other in a circle."""

from pathlib import Path

import pytest

import keras_rnn
from tests.support.import_graph import arrows_up, find_circle, imported_modules, read_graph

# The package's own __init__, "", is the table of public names: only the command line may import it.
RANKS = {"cli": 6, "": 5, "search": 4, "serving": 4, "training": 3, "tasks": 2, "models": 1, "layers": 0}
ABOVE = {"models", "tasks", "training", "search", "serving", "", "cli"}
SIDE_ROOMS = {"text": ABOVE, "datasets": ABOVE}

# Imports that break the order and have yet to go: (importer, imported).
ALLOWED: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def graph():
    return read_graph(Path(keras_rnn.__file__).parent)


def without(graph, edges):
    return {name: {target for target in targets if (name, target) not in edges} for name, targets in graph.items()}


def test_no_circle_of_files(graph):
    assert find_circle(without(graph, ALLOWED)) == []


def test_no_arrow_up(graph):
    assert arrows_up(without(graph, ALLOWED), RANKS, SIDE_ROOMS) == []


def test_what_is_allowed_is_still_there(graph):
    assert all(imported in graph[importer] for importer, imported in ALLOWED)


def test_every_folder_is_a_room(graph):
    folders = {name.split(".")[1] for name in graph if name.count(".") > 1}
    assert folders <= {*RANKS, *SIDE_ROOMS}


def test_the_graph_is_that_of_the_package(graph):
    assert "keras_rnn.search.plan" in graph["keras_rnn.search.tune"]
    assert "keras_rnn.search.layout" in graph["keras_rnn.search.plan"]  # from keras_rnn.search import layout
    assert "keras_rnn.search.ray_task" in graph["keras_rnn.search.ray_executor"]  # inside a function
    assert "keras_rnn.search.worker" in graph["keras_rnn.search.processes"]  # python -m
    assert "keras_rnn.search.tune" in graph["keras_rnn"]  # the table of public names


SOURCE = '''
import os
import p.low.a
from p.low import b, some_function
from . import sibling
from ..high.c import Class
if TYPE_CHECKING:
    import p.cli.main
else:
    import p.low.d

def lazy():
    """Not p.high.c."""
    from p.high import c
    import_module("p.low.e")
'''


def test_all_kinds_of_imports_are_read():
    known_modules = dict.fromkeys(
        ["p", "p.cli.main", "p.low", "p.low.a", "p.low.b", "p.low.d", "p.low.e", "p.high.c", "p.mid", "p.mid.sibling"]
    )
    modules = imported_modules(SOURCE, "p.mid.module", False, known_modules)
    assert modules == set(known_modules) - {"p", "p.cli.main", "p.mid"}
    assert imported_modules("from .sibling import x", "p.mid", True, known_modules) == {"p.mid.sibling"}


def test_a_circle_is_found():
    circle = find_circle({"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": set()})
    assert sorted(set(circle)) == ["a", "b", "c"]
    assert circle[0] == circle[-1]
    assert find_circle({"a": {"b", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}) == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("p.cli.main", "p.search.tune", True),
        ("p.search.tune", "p.layers.stack", True),
        ("p.search.tune", "p.search.plan", True),
        ("p.layers.stack", "p.text.vectorizer", True),
        ("p.text.vectorizer", "p.layers.stack", True),
        ("p.text.vectorizer", "p.datasets", True),
        ("p.models", "p.errors", True),
        ("p.errors", "p.checks", True),
        ("p.cli.main", "p", True),
        ("p", "p.training.train", True),
        ("p.search.tune", "p", False),
        ("p.training.train", "p.search.tune", False),
        ("p.search.tune", "p.serving.export", False),
        ("p.serving.export", "p.search.tune", False),
        ("p.text.vectorizer", "p.models", False),
        ("p.search.tune", "p.cli.main", False),
        ("p.errors", "p.text.vectorizer", False),
    ],
)
def test_an_arrow_up_is_found(importer, imported, allowed):
    assert arrows_up({importer: {imported}}, RANKS, SIDE_ROOMS) == ([] if allowed else [(importer, imported)])
