"""What a user may get wrong on the command line: one line that names it, exit status 2, nothing lost."""

import sys

import pytest

from keras_rnn.cli import main as cli
from tests.support import tiny


def write(name, content):
    def make(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


ROWS = "text,label\ngood,1\nbad,0\nfine,1\npoor,0\n"

# (what is made first, the command, words of the error)
CASES = {
    "no such file": (None, "train --data none.csv", ["none.csv", "no such file"]),
    "empty file": (write("a.csv", ""), "train --data a.csv", ["a.csv", "empty"]),
    "header only": (write("a.csv", "text,label\n"), "train --data a.csv", ["a.csv", "header and no rows"]),
    "one row": (write("a.csv", "text,label\ngood,1\n"), "train --data a.csv", ["a.csv", "at least 2 rows", "got 1"]),
    "one class": (write("a.csv", "text,label\nx,1\ny,1\n"), "train --data a.csv", ["a.csv", "two classes", "'1'"]),
    "missing column": (write("a.csv", ROWS), "train --data a.csv --text-column body", ["no column 'body'", "'text'"]),
    "bad UTF-8": (write("a.csv", b"text,label\ngood,1\nb\xffd,0\n"), "train --data a.csv", ["line 3", "not UTF-8"]),
    "NUL bytes": (write("a.csv", b"text,label\ngood,1\nb\x00d,0\n"), "train --data a.csv", ["line 3", "NUL"]),
    "cut gzip": (write("a.csv.gz", b"\x1f\x8b\x08\x00abc"), "train --data a.csv.gz", ["a.csv.gz", "damaged or cut"]),
    "label only in test": (
        lambda folder: (write("d/train.csv", ROWS)(folder), write("d/test.csv", "text,label\nx,2\n")(folder)),
        "train --data d",
        ["test.csv", "line 2", "label '2' is none of the classes '0', '1'"],
    ),
    "unknown dataset": (None, "train --dataset imdb_review", ["'imdb_review'", "'imdb_reviews'"]),
    "unknown model": (None, "train --model bilstm_2x46", ["'bilstm_2x46'", "'bilstm_2x64'"]),
    "unknown cell": (None, "train --cell lsmt", ["'lsmt'", "'lstm'"]),
    "unknown pooling": (None, "train --pooling meen", ["'meen'", "'mean'"]),
    "hidden size 0": (None, "train --hidden-size 0", ["hidden_size", "at least 1", "got 0"]),
    "hidden size of words": (None, "train --hidden-size big", ["--hidden-size", "'big'"]),
    "sizes not as many as layers": (None, "train --hidden-size 4,5 --num-layers 3", ["one a layer (3 here)", "[4, 5]"]),
    "vocabulary too small": (None, "train --vocabulary-size 2", ["vocabulary_size", "at least 3", "got 2"]),
    "no epochs": (None, "train --epochs 0", ["epochs", "at least 1", "got 0"]),
    "epochs of words": (None, "train --epochs many", ["--epochs", "integer"]),
    "unknown option": (None, "train --epoch 3", ["No such option", "--epoch"]),
    "both data and dataset": (None, "train --data a --dataset b", ["takes --dataset or --data, got both: 'b' and 'a'"]),
    "no embeddings file": (None, "train --embeddings none.txt", ["no embeddings file", "none.txt"]),
    "ragged embeddings": (
        write("v.txt", "the 1 2\nof 1\n"),
        "train --embeddings v.txt",
        ["v.txt", "line 2", "1 numbers after 'of', but the first line has 2"],
    ),
    "out is a file": (write("f", "x"), "train --out f", ["f", "takes a directory, but is a file"]),
    "out is somebody's folder": (write("d/x", "x"), "train --out d", ["d", "is not empty and holds no run"]),
    "out below a file": (write("f", "x"), "train --out f/run", ["cannot make the run directory f/run"]),
    "a seed too large": (None, "train --seed 5000000000", ["seed", "2**32", "5000000000"]),
    "columns without data": (write("d/config.json", "{}"), "evaluate d --label-column y", ["not complete"]),
    "brackets are no markup": (None, "evaluate h[/b]", ["no run directory h[/b]"]),
    "no run": (None, "evaluate none", ["no run directory none"]),
    "a folder that is no run": (write("d/x", "x"), "evaluate d", ["d is no run directory"]),
    "an unfinished run": (write("d/config.json", "{}"), "evaluate d", ["not complete", "--resume"]),
    "no model": (None, "predict none text", ["no model none"]),
    "no model file": (write("m.keras", "x"), "predict m.keras text", ["m.keras is no model file of keras_rnn"]),
    "export without a place": (None, "export run", ["--to"]),
    "check beside an export": (None, "export run --to m --check m", ["--check DIR takes neither RUN nor --to"]),
    "check of a version": (None, "export --check m --version 1", ["--check DIR takes neither"]),
    "check of no version": (None, "export --check none", ["none is no version of a SavedModel"]),
    "check of a folder of none": (write("m/x", "x"), "export --check m", ["m is no version of a SavedModel"]),
    "check of a foreign SavedModel": (
        write("m/1/saved_model.pb", "x"),
        "export --check m",
        ["m/1 has no assets.extra/check.json"],
    ),
    "no such pattern": (None, "models zzz*", ["no model matches 'zzz*'"]),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_names_it(case, tmp_path, monkeypatch, capfd):
    make, command, words = CASES[case]
    if make:
        make(tmp_path)
    paths_before = sorted(path for path in tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["keras-rnn", *command.split()])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2
    shown = capfd.readouterr().err
    errors = [line for line in shown.splitlines() if line.startswith("keras-rnn: error: ")]
    assert len(errors) == 1
    assert shown.splitlines()[-1] == errors[0]
    for word in words:
        assert word in errors[0]
    assert "Traceback" not in shown
    assert sorted(path for path in tmp_path.rglob("*") if path != tmp_path / "runs") == paths_before


def test_a_config_written_by_another_command_is_refused_with_the_difference(tmp_path, monkeypatch, capfd):
    tiny.write_csv(tmp_path / "rows.csv", tiny.split(40, 0))
    monkeypatch.chdir(tmp_path)
    command = "train --data rows.csv --out run --no-export --epochs 1 --model bag_of_embeddings".split()

    def run(*further):
        monkeypatch.setattr(sys, "argv", ["keras-rnn", *command, *further])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, capfd.readouterr().err.splitlines()[-1]

    assert run()[0] == 0
    assert run() == (
        2,
        "keras-rnn: error: run holds a run already; add --resume to go on with it, or give another --out",
    )
    status, line = run("--resume", "--seed", "3")
    assert status == 2
    assert line == "keras-rnn: error: run holds a run of another config: seed was 0, now 3"
    assert run("--resume")[0] == 0
