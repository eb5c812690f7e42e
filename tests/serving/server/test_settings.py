import pytest

from keras_rnn import UsageError
from keras_rnn.serving.server.settings import ServerSettings, label_versions
from keras_rnn.serving.server.tokens import is_allowed, read_tokens

BAD = {
    "no folder": ({"models": "none"}, "no folder of models none"),
    "port below 0": ({"rest_port": -1}, "rest_port takes a whole number of at least 0, got -1"),
    "port above 65535": ({"grpc_port": 65536}, "grpc_port takes a port from 0 to 65535, got 65536"),
    "one port for two": ({"rest_port": 8500}, "rest_port and grpc_port take two ports, got 8500 for both"),
    "a name for a host": ({"host": "example.org"}, "host takes an IP address or localhost, got 'example.org'"),
    "no host": ({"host": ""}, "host takes an IP address or localhost, got ''"),
    "batches of none": ({"max_batch_size": 0}, "max_batch_size takes a whole number of at least 1, got 0"),
    "no threads": ({"model_threads": 0}, "model_threads takes a whole number of at least 1, got 0"),
    "no queue": ({"max_queue": 0}, "max_queue takes a whole number of at least 1, got 0"),
    "no requests": ({"max_in_flight": 0}, "max_in_flight takes a whole number of at least 1, got 0"),
    "half a byte": ({"max_body_bytes": 0.5}, "max_body_bytes takes a whole number of at least 1, got 0.5"),
    "no texts": ({"max_texts": 0}, "max_texts takes a whole number of at least 1, got 0"),
    "empty texts": ({"max_text_bytes": 0}, "max_text_bytes takes a whole number of at least 1, got 0"),
    "bodies that do not fit": (
        {"max_body_bytes": 10, "max_buffered_bytes": 131_091},
        "max_buffered_bytes takes at least 2 \\* \\(65536 \\+ max_body_bytes\\), .*; got 131091 < 131092",
    ),
    "texts that cannot wait": ({"max_texts": 9, "max_queue": 8}, "max_queue takes at least max_texts, .*; got 8 < 9"),
    "negative delay": ({"max_delay_ms": -1.0}, "max_delay_ms takes a number above 0, got -1.0"),
    "delay without end": ({"max_delay_ms": float("inf")}, "max_delay_ms takes a number above 0, got inf"),
    "delay of no number": ({"max_delay_ms": float("nan")}, "max_delay_ms takes a number above 0, got nan"),
    "no time": ({"timeout_seconds": 0}, "timeout_seconds takes a number above 0, got 0"),
    "no grace": ({"grace_seconds": -1}, "grace_seconds takes a number above 0, got -1"),
    "no pause": ({"poll_seconds": 0}, "poll_seconds takes a number above 0, got 0"),
    "label without a model": ({"labels": ("stable=1",)}, "label takes MODEL:LABEL=VERSION, got 'stable=1'"),
    "label without a version": ({"labels": ("m:stable=x",)}, "label takes MODEL:LABEL=VERSION, got 'm:stable=x'"),
    "label of a path": ({"labels": ("../m:stable=1",)}, "label takes MODEL:LABEL=VERSION, got '../m:stable=1'"),
    "label twice": ({"labels": ("m:a=1", "m:a=2")}, "label 'a' of model 'm' is given twice"),
    "certificate alone": (
        {"tls_certificate": __file__},
        "tls_certificate and tls_key are given together or not at all",
    ),
    "key alone": ({"tls_key": __file__}, "tls_certificate and tls_key are given together or not at all"),
    "no key file": ({"tls_certificate": __file__, "tls_key": "none"}, "tls_key: no readable file none"),
    "no token file": ({"token_file": "none"}, "token_file: no readable file none"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_named(case, tmp_path):
    settings, message = BAD[case]
    with pytest.raises(UsageError, match=f"^{message}$"):
        ServerSettings(**{"models": tmp_path, **settings})


def test_by_default_only_this_machine_is_served(tmp_path):
    settings = ServerSettings(tmp_path)
    assert settings.host == "127.0.0.1"
    assert (settings.rest_port, settings.grpc_port) == (8501, 8500)  # TensorFlow Serving's


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "0.0.0.0"])
def test_hosts(host, tmp_path):
    assert ServerSettings(tmp_path, host=host, max_delay_ms=0).host == host


def test_labels():
    assert label_versions(("a:stable=1", "a:canary=12", "b:stable=3")) == {
        ("a", "stable"): 1,
        ("a", "canary"): 12,
        ("b", "stable"): 3,
    }


def test_tokens_stand_one_a_line(tmp_path):
    file = tmp_path / "tokens"
    file.write_bytes(b"\n one \r\ntwo\n\n")
    assert read_tokens(file) == (b"one", b"two")
    assert read_tokens(None) == ()


def test_a_token_file_without_tokens_is_no_licence(tmp_path):
    (tmp_path / "tokens").write_text(" \n\n")
    with pytest.raises(UsageError, match="tokens holds no token"):
        read_tokens(tmp_path / "tokens")


@pytest.mark.parametrize("header", [b"Bearer one", b"bearer two", b"Bearer  two "])
def test_a_known_token_is_let_in(header):
    assert is_allowed(header, (b"one", b"two"))


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Bearer ", b"Bearer on", b"Bearer onee", b"Basic one", b"one", b"Bearer one two", b"\xff"],
)
def test_anything_else_is_not(header):
    assert not is_allowed(header, (b"one", b"two"))
