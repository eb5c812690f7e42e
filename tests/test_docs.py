"""The pages hold what they say: each command and each block of Python runs, each option, name and link exists."""

import contextlib
import csv
import gzip
import importlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

import keras_rnn
from keras_rnn.cli import main as cli
from keras_rnn.datasets.negated_reviews import negated_reviews
from keras_rnn.layers import cells
from keras_rnn.models import registry
from keras_rnn.serving import saved_model_version
from tests.support import pages
from tests.support.exported import check_here
from tests.support.pages import PAGES, ROOT, Command, matches
from tests.support.serving import serving

# Commands that no test runs, and the reason.
NOT_RUN = {
    'pip install -e ".[test]"': "needs the network; CI begins with it",
    'pip install -e ".[serve]"': "needs the network; CI's install has the same packages",
    "pytest": "is this very run",
    "docker run": "needs Docker and the network",
    "python -m tests.layers.parity": "takes an hour; tests/layers/test_parity.py has the harness run fewer cases",
}
# Options of programs other than keras-rnn, named in prose.
OTHER_PROGRAMS = ("pip", "ray", "docker", "git", "ruff", "mypy")
# Options that pages name before the code has them; once it has, they go from here.
# In place of what the pages say: so little data and so small a model that a run takes seconds.
SMALL = {"limit": 60, "epochs": 1, "cell": "simple_rnn", "hidden_size": 4, "num_layers": 1, "bidirectional": False}
SMALL_LANGUAGE_MODEL = {"limit": 4, "epochs": 1, "hidden_size": 8, "embedding_size": 8, "vocabulary_size": 300}
SMALL_SWEEP = {"max_trials": 1, "epochs": 1, "reuse_workers": True, "workers": 1}
SMALL_BENCH = ["--seconds", "0.5", "--concurrency", "2"]
FILES = {"reviews.csv", "glove.6B.50d.txt.gz", "texts.txt"}  # that the pages take for the reader's own

COMMANDS = typer.main.get_command(cli.app)
SLOW = {"README.md", "docs/tuning.md"}


def options_of(command: str) -> set[str]:
    options = {"--help", "--debug"}
    for parameter in COMMANDS.commands[command].params:
        options |= {*parameter.opts, *parameter.secondary_opts}
    return options


ALL_OPTIONS = set().union(*map(options_of, COMMANDS.commands))


def write_files(folder: Path) -> None:
    """Files as the pages name them, small ones."""
    rows = negated_reviews().test
    with open(folder / "reviews.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(rows.texts[:200], rows.labels[:200], strict=True))
    (folder / "texts.txt").write_text("\n".join(rows.texts[:20]))
    with gzip.open(folder / "glove.6B.50d.txt.gz", "wt") as file:
        for number, word in enumerate(["good", "bad", "not", "but", "cheap"]):
            print(word, *(f"{(number + i) % 7 / 7:.3f}" for i in range(50)), file=file)
    shutil.copytree(ROOT / "saved_models", folder / "saved_models")


def small(options: dict) -> dict:
    """The options of a small sweep, of our models or of a HyperModel."""
    space = {} if "hypermodel" in options else {"hidden_size": [2, 4], "num_layers": 1, "limit": 60}
    return {**options, **SMALL_SWEEP, **space}


def here(dataset: str) -> str:
    """The embedded dataset in place of one that needs the network."""
    return "negated_reviews"


class Reader:
    """Someone who types what a page says, in `folder`."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, stack: contextlib.ExitStack):
        self.folder, self.patch, self.stack, self.server = folder, patch, stack, None
        self.namespace = {
            "__name__": "page",
            "series": np.random.default_rng(0).normal(size=(40, 5, 3)),
            "targets": np.zeros((40, 1)),
        }
        train, tune = keras_rnn.train, keras_rnn.tune

        def small_train(*args, **options):
            of_a_text = options.get("task") == "language_model"
            return train(*args, **{**options, **(SMALL_LANGUAGE_MODEL if of_a_text else SMALL)})

        patch.chdir(folder)
        patch.setattr(keras_rnn, "train", small_train)
        patch.setattr(keras_rnn, "tune", lambda *names, **options: tune(*map(here, names), **small(options)))
        patch.setattr(saved_model_version, "check_process", check_here)
        for entries in (registry._MODELS, cells._CELLS):
            patch.setattr(entries, "_entries", dict(entries._entries))

    def type(self, command: Command) -> None:
        """Runs the command; it has to succeed and to print what the page shows."""
        if any(command.text.startswith(text) for text in NOT_RUN):
            return
        words = shlex.split(command.text)
        if words[:2] == ["keras-rnn", "serve"]:
            self.serve(*words[2:])
            output = ""
        elif "keras-rnn" in words:
            output = self.keras_rnn(words)
        else:
            shell = subprocess.run(self.with_ports(command.text), shell=True, capture_output=True, text=True)
            assert shell.returncode == 0, shell.stderr
            output = shell.stdout
        if command.output:
            assert matches(output, command.output), output

    def keras_rnn(self, words: list[str]) -> str:
        """What the command prints; `echo TEXT |` may stand before it."""
        text = ""
        if words[0] == "echo":
            text, words = f"{words[1]}\n", words[words.index("|") + 1 :]
        assert words[0] == "keras-rnn"
        words = [self.with_ports(word) for word in words] + (SMALL_BENCH if words[1] == "bench-serve" else [])
        self.patch.setattr(sys, "argv", words)
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(stdout), pytest.raises(SystemExit) as exit_:
            cli.main()
        stdout.flush()
        assert exit_.value.code == 0, words
        return stdout.buffer.getvalue().decode()

    def serve(self, models: str, *options: str) -> None:
        """Starts a server. It takes the place of an earlier one, which may not know the models of now."""
        log = self.folder / "server.log"
        self.server = self.stack.enter_context(serving(self.folder / models, log, *options))

    def with_ports(self, text: str) -> str:
        """With the ports that the server has in place of the usual ones."""
        if not re.search(r":850[01]\b", text):
            return text
        if self.server is None:
            self.serve("saved_models")
        text = text.replace("localhost:", "127.0.0.1:")
        return text.replace(":8501", f":{self.server.rest_port}").replace(":8500", f":{self.server.grpc_port}")

    def execute(self, page: str, block: pages.Block) -> None:
        """Runs a block of Python after the page's earlier ones."""
        code = "\n" * (block.line - 1) + self.with_ports(block.text)
        exec(compile(code, page, "exec"), self.namespace)

    def read(self, page: str) -> None:
        for block in pages.blocks(page):
            if block.language == "python":
                self.execute(page, block)
            elif block.language in pages.SHELL:
                for command in pages.commands(block):
                    self.type(command)


@contextlib.contextmanager
def reader(folder: Path):
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        yield Reader(folder, patch, stack)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder of someone who has read docs/training.md."""
    folder = tmp_path_factory.mktemp("trained")
    write_files(folder)
    with reader(folder) as pupil:
        pupil.read("docs/training.md")
    return folder


def test_the_page_on_training_leaves_what_it_says(trained):
    assert keras_rnn.open_run(trained / "runs" / "reviews").class_names == ("0", "1")
    assert (trained / "runs" / "reviews" / "saved_model" / "1" / "saved_model.pb").is_file()
    assert (trained / "saved_models" / "reviews" / "1" / "saved_model.pb").is_file()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow) if page in SLOW else page
        for page in PAGES
        if page != "docs/training.md"
    ],
)
def test_a_page_runs(page, trained, tmp_path):
    if page == "README.md":  # which trains the run that it uses
        write_files(tmp_path)
    else:
        shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    with reader(tmp_path) as user:
        user.read(page)


@pytest.mark.parametrize("page", PAGES)
def test_the_command_line_takes_every_command_of_a_page(page):
    for command in pages.shell_commands(page):
        for words in pages.keras_rnn_arguments(command.text):
            context = COMMANDS.make_context("keras-rnn", list(words))
            COMMANDS.commands[words[0]].make_context(words[0], words[1:], parent=context)


@pytest.mark.parametrize("page", PAGES)
def test_the_prose_of_a_page_names_commands_and_options_that_exist(page):
    for code in pages.inline_code(page):
        words = code.split()
        if not words or words[0] in OTHER_PROGRAMS:
            continue
        options = ALL_OPTIONS
        if words[0] == "keras-rnn" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in COMMANDS.commands, code
            options = options_of(words[1])
        named_options = {re.split(r"[ =,]", word)[0] for word in words if word.startswith("--")}
        assert named_options <= options, code


@pytest.mark.parametrize("page", PAGES)
def test_the_prose_of_a_page_names_functions_that_exist(page):
    for code in pages.inline_code(page):
        for name in re.findall(r"\bkeras_rnn(?:\.\w+)+(?!\w|/|\.py)", code):
            value = keras_rnn
            for part in name.split(".")[1:]:
                value = getattr(value, part, None) or importlib.import_module(f"{value.__name__}.{part}")


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#]+)", pages.read(page)):
        assert link.startswith("https://") or ((ROOT / page).parent / link).exists(), link


def test_what_is_not_run_is_no_more_than_needed():
    commands = [command.text for page in PAGES for command in pages.shell_commands(page)]
    for text in NOT_RUN:
        assert any(command.startswith(text) for command in commands), f"{text} stands in no page"
    assert all(any(name in pages.read(page) for page in PAGES) for name in FILES)


def test_the_readme_is_short():
    assert len(pages.read("README.md").split()) < 1200
