"""The command, typed as a user types it: one run trained once, then everything that is done with it.

A process that imports TensorFlow takes seconds, so that what is no matter of the process itself runs in this one.
"""

import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_rnn.cli import main as cli
from keras_rnn.serving import saved_model_version
from tests.support import tiny
from tests.support.exported import check_here

COMMAND = Path(sys.executable).parent / "keras-rnn"
MODEL_OPTIONS = (
    "--model lstm_64 --cell gru --hidden-size 8 --embedding-size 8 --batch-size 16 --learning-rate 0.02 --dropout 0.1"
).split()


def keras_rnn(*arguments, cwd, **options):
    return subprocess.run(
        [COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=200, **options
    )


@pytest.fixture
def in_this_process(monkeypatch):
    """A function that runs the command in the folder `cwd` and returns its exit status; it prints where pytest does.

    What it exports is checked in this process, too.
    """
    monkeypatch.setattr(saved_model_version, "check_process", check_here)

    def run(*arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["keras-rnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code

    return run


def listing(run):
    return sorted(entry.name for entry in run.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with a CSV file and a run trained on it."""
    folder = tmp_path_factory.mktemp("cli")
    tiny.write_csv(folder / "rows.csv", tiny.split(320, 0))
    process = keras_rnn("train", "--data", "rows.csv", *MODEL_OPTIONS, "--epochs", 3, "--out", "run", cwd=folder)
    assert process.returncode == 0, process.stderr
    (folder / "train.listing").write_text(json.dumps(listing(folder / "run")))
    (folder / "train.out").write_text(process.stdout)
    (folder / "train.err").write_text(process.stderr)
    return folder


def test_help_is_quick_and_names_the_commands(tmp_path):
    seconds = []
    for _ in range(3):
        start_time = time.perf_counter()
        shown = keras_rnn("--help", cwd=tmp_path)
        seconds.append(time.perf_counter() - start_time)
    assert shown.returncode == 0
    for command in ("train", "evaluate", "predict", "export", "models", "datasets"):
        assert command in shown.stdout
    assert min(seconds) < 2  # about 0.3 s on an idle machine; TensorFlow alone takes longer than 2


def test_neither_the_package_nor_the_command_imports_tensorflow():
    script = "import sys, keras_rnn, keras_rnn.cli.main; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]


def test_train_says_what_it_does(folder):
    shown = (folder / "train.err").read_text()
    assert re.search(r"^run directory: run$", shown, re.M)
    assert re.search(r"^rows.csv: 2 classes, 259 train, 29 validation, 32 test rows, 12 token ids, ", shown, re.M)
    assert re.search(r"^device: CPU \(\d+ cores\); cuDNN: not used, no GPU is visible to TensorFlow$", shown, re.M)
    assert (
        len(re.findall(r"^epoch \d/3: loss [\d.]+, accuracy .*, val_accuracy [\d.]+, .* examples/s$", shown, re.M)) == 3
    )
    assert re.search(r"^test: accuracy 0\.\d+|1\.0+, loss", shown, re.M)
    assert "Traceback" not in shown
    assert "run run is complete" in (folder / "train.out").read_text()


def test_train_leaves_an_exported_model(folder):
    assert (folder / "run" / "saved_model" / "1" / "saved_model.pb").is_file()


def test_evaluate_prints_the_tables(folder):
    shown = keras_rnn("evaluate", "run", "--baseline", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    accuracy = json.loads((folder / "run" / "metrics.json").read_text())["test"]["accuracy"]
    assert f"test: accuracy {accuracy:.4f}, loss" in shown.stdout
    for part in (
        "majority class: accuracy",
        "TF-IDF + logistic regression: accuracy",
        "precision",
        "true \\ predicted",
    ):
        assert part in shown.stdout
    assert (folder / "run" / "confusion-test.png").is_file()


def test_predict_streams_json_lines_in_utf8_on_an_ascii_terminal_too(folder):
    texts = ["good film bad", "", "naïve café \udc80"]
    lines = "\n".join(texts).encode("utf-8", "surrogateescape") + b"\n"
    shown = subprocess.run(
        [COMMAND, "predict", "run", "-"],
        cwd=folder,
        input=lines,
        capture_output=True,
        timeout=100,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert shown.returncode == 0, shown.stderr
    rows = [json.loads(line) for line in shown.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == ["good film bad", "", "naïve café \ufffd"]
    for row in rows:
        assert set(row["probabilities"]) == {"negative", "positive"}
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)


def test_export_then_predict_with_the_saved_model(folder, in_this_process, capsys):
    assert in_this_process("export", "run", "--to", "saved_models/tiny", cwd=folder) == 0
    assert capsys.readouterr().out.strip() == "saved_models/tiny/1"
    check_process = keras_rnn("export", "--check", "saved_models/tiny", cwd=folder)
    assert check_process.returncode == 0, check_process.stderr
    difference = re.fullmatch(
        r"saved_models/tiny/1: 3 signatures, \d+ texts, largest difference (\S+)\n", check_process.stdout
    )
    assert float(difference[1]) <= 1e-5
    assert in_this_process("predict", "run", "good bad", "bad good", cwd=folder) == 0
    by_run = capsys.readouterr().out.splitlines()
    assert in_this_process("predict", "saved_models/tiny", "good bad", "bad good", cwd=folder) == 0
    by_export = capsys.readouterr().out.splitlines()
    assert len(by_run) == 2
    for left, right in zip(by_run, by_export, strict=True):
        left, right = json.loads(left), json.loads(right)
        assert left["label"] == right["label"]
        assert left["probabilities"] == pytest.approx(right["probabilities"], abs=1e-5)


def test_a_damaged_export_is_one_line_and_status_1(folder, tmp_path):
    version = shutil.copytree(folder / "run" / "saved_model" / "1", tmp_path / "1")
    (version / "variables" / "variables.index").unlink()
    check_process = keras_rnn("export", "--check", "1", cwd=tmp_path)
    assert check_process.returncode == 1
    (line,) = check_process.stderr.splitlines()
    assert line.startswith("keras-rnn: error: ")
    assert line.endswith("1/variables/variables.index is missing; the model card names it")


@pytest.mark.slow
def test_killed_here_and_there_the_same_command_with_resume_ends_the_same(folder, tmp_path, in_this_process, capsys):
    shutil.copy(folder / "rows.csv", tmp_path)
    command = ["train", "--data", "rows.csv", *MODEL_OPTIONS, "--epochs", "3", "--out", "run"]
    for line, further in (("run directory:", []), ("epoch 1/3", ["--resume"])):  # before there is data, and in training
        with subprocess.Popen(
            [COMMAND, *command, *further], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            for shown in process.stderr:
                if shown.startswith(line):
                    process.send_signal(signal.SIGKILL)
                    break
            else:
                pytest.fail(f"no line starts with {line!r}")
        assert process.returncode == -signal.SIGKILL
    assert in_this_process(*command, "--resume", cwd=tmp_path) == 0
    assert re.search(r"^going on after epoch \d$", capsys.readouterr().err, re.M)
    for name in ("metrics.json", "history.csv"):
        assert (tmp_path / "run" / name).read_text() == (folder / "run" / name).read_text()
    assert listing(tmp_path / "run") == json.loads((folder / "train.listing").read_text())


def test_a_full_disk_is_one_line_and_what_was_whole_stays(folder, tmp_path, in_this_process):
    def no_large_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    further = "--cell simple_rnn --embedding-size 64 --epochs 2 --out".split()
    options = [*MODEL_OPTIONS, *further, tmp_path / "run"]
    shown = keras_rnn("train", "--data", folder / "rows.csv", *options, cwd=tmp_path, preexec_fn=no_large_files)
    assert shown.returncode == 1
    last = shown.stderr.splitlines()[-1]
    assert last.startswith("keras-rnn: error: ")
    assert "File too large" in last
    assert "Traceback" not in shown.stderr
    assert not [entry for entry in (tmp_path / "run").iterdir() if ".tmp" in entry.name]
    resumed = ("train", "--data", folder / "rows.csv", *options, "--resume", "--no-export")
    assert in_this_process(*resumed, cwd=tmp_path) == 0


def test_arguments_that_are_not_utf8_and_an_ascii_terminal(folder, in_this_process, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert in_this_process("predict", "run", *map(os.fsdecode, (b"caf\xc3\xa9", b"\xff")), cwd=folder) == 0
    sys.stdout.flush()
    shown = sys.stdout.buffer.getvalue().decode()
    assert [json.loads(line)["text"] for line in shown.splitlines()] == ["café", "\ufffd"]


def test_without_arguments_it_shows_the_help_alone(tmp_path):
    shown = keras_rnn(cwd=tmp_path)
    assert "Usage: keras-rnn" in shown.stdout + shown.stderr
    assert "error" not in shown.stderr


def test_an_unknown_command_is_one_line(tmp_path):
    shown = keras_rnn("trian", cwd=tmp_path)
    assert shown.returncode == 2
    assert shown.stderr.splitlines()[-1].startswith("keras-rnn: error: No such command 'trian'")
    assert "Traceback" not in shown.stderr


def test_debug_shows_the_traceback(tmp_path, in_this_process, capsys):
    assert in_this_process("predict", "none", "text", "--debug", cwd=tmp_path) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "no model none" in shown.splitlines()[-1]


def test_a_closed_pipe_ends_quietly(folder):
    shown = subprocess.run(
        f"yes 'good film bad' | {COMMAND} predict run - | head -n 1",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert json.loads(shown.stdout)["text"] == "good film bad"
    assert "Traceback" not in shown.stderr
    assert "BrokenPipe" not in shown.stderr
