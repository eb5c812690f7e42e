"""The log's lines, and a reader of them that does not read."""

import json
import logging
import subprocess
import sys
import warnings

import pytest

from keras_rnn.serving.server.logs import logging_json

log = logging.getLogger("keras_rnn.serve")


def lines_of(capfd):
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_a_line_is_one_json_object(capfd):
    with logging_json():
        log.info("two\nlines, %s", "é", extra={"fields": {"code": "OK", "text": "half a pair \ud800"}})
    (line,) = lines_of(capfd)
    assert len(line.pop("time")) == len("2026-01-01T00:00:00.000Z")
    assert line == {"level": "INFO", "message": "two\nlines, é", "code": "OK", "text": "half a pair \ud800"}


def test_an_exception_s_traceback_stands_in_its_line(capfd):
    with logging_json():
        try:
            raise RuntimeError("inside")
        except RuntimeError:
            log.exception("a request failed")
    (line,) = lines_of(capfd)
    assert (line["level"], line["message"]) == ("ERROR", "a request failed")
    assert line["traceback"].endswith("RuntimeError: inside")


@pytest.mark.filterwarnings("default")
def test_other_libraries_are_heard_when_something_is_wrong(capfd):
    with logging_json():
        logging.getLogger("uvicorn.error").info("started")
        logging.getLogger("uvicorn.error").error("failed")
        logging.getLogger("asyncio").error("never retrieved")
        warnings.warn("an overflow", RuntimeWarning, stacklevel=1)
    lines = lines_of(capfd)
    assert [line["message"] for line in lines[:2]] == ["failed", "never retrieved"]
    assert "RuntimeWarning: an overflow" in lines[2]["message"]
    assert log.propagate


def test_a_reader_that_does_not_read_holds_up_neither_the_server_nor_its_end():
    code = (
        "import logging; from keras_rnn.serving.server.logs import logging_json\n"
        "with logging_json():\n"
        "    for _ in range(5_000): logging.getLogger('keras_rnn.serve').info('a' * 1000)\n"
        "print('done')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.read() == b"done\n"
            assert process.wait(60) == 0
        finally:
            process.kill()
