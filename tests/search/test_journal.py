import json
import signal
import subprocess
import sys

import pytest

from keras_rnn.errors import UsageError
from keras_rnn.search.journal import Journal, locked, read_journal

HOLDER = """
import sys, time
from pathlib import Path
from keras_rnn.search.journal import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def write(path, *trials):
    journal = Journal(path)
    for trial in trials:
        journal.write("created", trial, values={"cell": "größer\n", "rate": 1e-4, "flag": True, "none": None})
    journal.close()


def test_what_is_written_is_read(path):
    assert read_journal(path) == []
    write(path, "0000", "0001")
    write(path, "0002")
    values = {"cell": "größer\n", "rate": 0.0001, "flag": True, "none": None}
    assert read_journal(path) == [
        {"event": "created", "trial": trial, "values": values} for trial in ("0000", "0001", "0002")
    ]
    assert len(path.read_text().splitlines()) == 3


def test_an_event_is_on_the_disk_at_once(path):
    journal = Journal(path)
    journal.write("created", "0000")
    assert [event["trial"] for event in read_journal(path)] == ["0000"]
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_line_never_happened(path, cut):
    write(path, "0000", "0001")
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    assert [event["trial"] for event in read_journal(path)] == ["0000"]
    write(path, "0001")
    assert path.read_bytes() == content


def test_a_journal_of_half_a_line_is_empty(path):
    path.write_bytes(b'{"event": "crea')
    assert read_journal(path) == []
    write(path, "0000")
    assert [event["trial"] for event in read_journal(path)] == ["0000"]


def test_a_damaged_line_is_an_error(path):
    write(path, "0000", "0001", "0002")
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1][:20]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(UsageError, match='line 2 of .*journal.jsonl is damaged: b\'{"event": "creat'):
        read_journal(path)


def test_figures_that_are_no_numbers_are_kept(path):
    journal = Journal(path)
    journal.write("ended", "0000", result={"loss": float("nan"), "rate": float("inf")})
    journal.close()
    (event,) = read_journal(path)
    assert event["result"]["loss"] != event["result"]["loss"]
    assert event["result"]["rate"] == float("inf")
    assert json.loads(path.read_text())["trial"] == "0000"


def test_one_process_holds_the_lock_until_it_dies(tmp_path):
    path = tmp_path / "sweep.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(UsageError, match=f"another process runs the sweep in {tmp_path}"), locked(path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with locked(path), pytest.raises(UsageError, match="another process runs"), locked(path):
        pass
    with locked(path):
        pass
