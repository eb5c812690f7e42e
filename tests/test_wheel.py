"""The package as `pip install .` installs it: a wheel, in an environment that does not see the source tree."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEFAULT_MODEL = Path("share/keras_rnn/saved_models/negated_reviews")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of a copy of the source tree, where no earlier build has left anything."""
    source = tmp_path_factory.mktemp("source") / "keras_rnn"
    for folder in ("keras_rnn", "saved_models"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    wheels = source.parent / "wheels"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", wheels]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, source], check=True)
    return next(wheels.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel in it; the other packages are those of this environment.

    A line of a .pth file adds their folder, without the .pth files there: they may name the source tree.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True
    )
    other_paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(packages.stdout.decode().strip(), "others.pth").write_text("\n".join(other_paths))
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], check=True)
    return folder


def run(environment: Path, folder: Path, command: str, text: str = "") -> subprocess.CompletedProcess:
    """The result of a command of the environment, run in `folder` with `text` as standard input."""
    program, *arguments = command.split()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [environment / "bin" / program, *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        env=variables,
    )


def test_the_wheel_holds_every_module_the_model_the_types_and_the_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "keras_rnn").rglob("*.py")}
    assert modules | {"keras_rnn/py.typed"} <= names
    assert not {name for name in names if name.startswith(("tests/", "experiments/"))}
    model = ROOT / "saved_models" / "negated_reviews"
    files = {f"{DEFAULT_MODEL}/{path.relative_to(model)}" for path in model.rglob("*") if path.is_file()}
    (data,) = {name.split("/")[0] for name in names if ".data/" in name}
    assert files <= {name.removeprefix(f"{data}/data/") for name in names}
    assert any(name.endswith("LICENSE") for name in names)


def test_the_command_is_installed(environment, tmp_path):
    process = run(environment, tmp_path, "keras-rnn --help")
    assert process.returncode == 0, process.stderr
    assert "bench-serve" in process.stdout
    code = "import keras_rnn; print(keras_rnn.__file__)"
    (tmp_path / "where.py").write_text(code)
    process = run(environment, tmp_path, "python where.py")
    assert Path(process.stdout.strip()).is_relative_to(environment)


@pytest.mark.slow
def test_the_pretrained_model_is_found_from_another_folder(environment, tmp_path):
    process = run(environment, tmp_path, "keras-rnn predict", text="Not good, but cheap.\n")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["label"] == "positive"
    check_process = run(environment, tmp_path, f"keras-rnn export --check {environment / DEFAULT_MODEL}")
    assert "3 signatures, 19 texts" in check_process.stdout, check_process.stderr


def test_without_the_pretrained_model_predict_says_what_to_do(environment, tmp_path):
    model = environment / DEFAULT_MODEL
    moved_model = model.rename(tmp_path / "elsewhere")
    process = run(environment, tmp_path, "keras-rnn predict", text="Not good, but cheap.\n")
    moved_model.rename(model)
    assert process.returncode == 2
    assert "name a RUN, which `keras-rnn train` makes" in process.stderr
    assert len(process.stderr.splitlines()) == 1
