import configparser
import importlib
import pkgutil
from pathlib import Path

import pytest

import keras_rnn

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there():
    for name in keras_rnn.__all__:
        assert getattr(keras_rnn, name) is not None
        assert name in dir(keras_rnn)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'keras_rnn' has no attribute 'lstm_please'"):
        _ = keras_rnn.lstm_please


def test_every_module_is_in_a_package_that_is_installed():
    names = [module.name for module in pkgutil.walk_packages(keras_rnn.__path__, "keras_rnn.")]
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "keras_rnn").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert files <= set(names)
    for name in names:
        importlib.import_module(name)


def test_every_import_of_the_package_is_a_declared_dependency():
    """A dependency that only comes along with another one may go with it."""
    import ast
    import sys

    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    base, serve, ray, subword = (
        {line.split(">=")[0].split("[")[0] for line in lines.splitlines()}
        for lines in (
            setup["options"]["install_requires"],
            setup["options.extras_require"]["serve"],
            setup["options.extras_require"]["ray"],
            setup["options.extras_require"]["subword"],
        )
    )
    serve_paths = [ROOT / "keras_rnn" / "serving" / "server", ROOT / "keras_rnn" / "serving" / "bench_clients.py"]
    modules = {
        "google": "protobuf",
        "grpc": "grpcio",
        "keras_tuner": "keras-tuner",
        "prometheus_client": "prometheus-client",
        "sklearn": "scikit-learn",
        "tensorflow_datasets": "tensorflow-datasets",
        "tensorflow_serving": "tensorflow-serving-api",
    }
    for path in (ROOT / "keras_rnn").rglob("*.py"):
        declared = base | serve if any(path.is_relative_to(folder) for folder in serve_paths) else base
        if path.match("search/ray_*.py"):
            declared = base | ray
        if path.name == "subword_learning.py":
            declared = base | subword
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top == "keras_rnn":
                    continue
                assert modules.get(top, top) in declared, f"{path.relative_to(ROOT)} imports {name}"
