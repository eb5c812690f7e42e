"""Versions that appear and disappear while a server serves them."""

import json
import shutil
import threading

import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_rnn.serving.layout import MODEL_CARD, WARMUP_REQUESTS
from tests.support.echo import write_echo_model
from tests.support.serving import busy, until

ABC = {"instances": ["abc"]}


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """A folder with versions 1, 2, 9 and 10 of a model, which tests copy."""
    folder = tmp_path_factory.mktemp("stock")
    for version in (1, 2, 9, 10):
        write_echo_model(folder, version)
    return folder


@pytest.fixture
def publish(stock, models, server):
    """A function that publishes a version by a rename, after `spoil` has changed it, and waits for its state."""

    def publish(model, version, state="AVAILABLE", spoil=lambda folder: None):
        temp_folder = models / model / f".{version}.tmp"
        shutil.copytree(stock / str(version), temp_folder)
        spoil(temp_folder)
        temp_folder.rename(models / model / str(version))
        wait_for(server, model, version, state)

    return publish


def wait_for(server, model, version, state):
    def reached():
        answer = server.get(f"/v1/models/{model}/versions/{version}")
        return answer.status == 200 and answer.json["model_version_status"][0]["state"] == state

    until(reached)


def version_of(answer):
    assert answer.status == 200, answer.body
    return answer.json["predictions"][0]["version"]


def predict(server, model):
    return server.post(f"/v1/models/{model}:predict", ABC)


def test_a_new_version_takes_over_without_a_request_lost(server, publish):
    publish("taken", 9)
    answers, enough = [], threading.Event()

    def ask_on():
        while not enough.is_set():
            answers.append(predict(server, "taken"))

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        until(lambda: len(answers) > 3)
        publish("taken", 10)
        count = len(answers)
        until(lambda: len(answers) > count + 3)
    finally:
        enough.set()
        asking.join()
    versions = [version_of(answer) for answer in answers]
    assert versions == sorted(versions)
    assert set(versions) == {9, 10}
    wait_for(server, "taken", 9, "END")
    assert predict(server, "taken").json["predictions"][0]["version"] == 10
    answer = server.post("/v1/models/taken/versions/9:predict", ABC)
    assert (answer.status, answer.json) == (404, {"error": "Servable not found for request: Specific(taken, 9)"})


def test_a_new_model_is_served_and_a_removed_one_is_not(server, publish, models):
    assert predict(server, "second").status == 404
    publish("second", 1)
    assert version_of(predict(server, "second")) == 1
    assert version_of(predict(server, "labelled")) == 1
    (models / "second").rename(models / ".removed")
    wait_for(server, "second", 1, "END")
    assert predict(server, "second").status == 404
    assert server.get("/readyz").status == 200


def test_a_removed_version_rolls_the_model_back(server, publish, models):
    publish("rolled", 1)
    publish("rolled", 2)
    wait_for(server, "rolled", 1, "END")
    (models / "rolled" / "2").rename(models / "rolled" / ".2")
    wait_for(server, "rolled", 2, "END")
    assert version_of(predict(server, "rolled")) == 1
    (models / "rolled" / ".2").rename(models / "rolled" / "2")
    wait_for(server, "rolled", 2, "AVAILABLE")
    assert version_of(predict(server, "rolled")) == 2


def test_a_label_keeps_its_version(server, publish):
    publish("labelled", 2)
    assert version_of(predict(server, "labelled")) == 2
    for path in ("labels/stable", "versions/1"):
        assert version_of(server.post(f"/v1/models/labelled/{path}:predict", ABC)) == 1
    states = server.get("/v1/models/labelled").json["model_version_status"]
    assert [(one["version"], one["state"]) for one in states] == [("2", "AVAILABLE"), ("1", "AVAILABLE")]


def cut_short(folder):
    content = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(content[: len(content) // 2])


def with_other_hash(folder):
    (folder / MODEL_CARD).write_text(json.dumps({"sha256": {"saved_model.pb": "0" * 64}}))


def with_no_card(folder):
    (folder / MODEL_CARD).write_text("[1")


def with_bad_warm_up(folder):
    (folder / WARMUP_REQUESTS).write_bytes(b"these are no records of requests")


def with_failing_warm_up(folder):
    log = PredictionLog()
    log.predict_log.request.inputs["text"].CopyFrom(tf.make_tensor_proto(["crash"]))
    with tf.io.TFRecordWriter(str(folder / WARMUP_REQUESTS)) as file:
        file.write(log.SerializeToString())


@pytest.mark.parametrize("spoil", [cut_short, with_other_hash, with_no_card, with_bad_warm_up, with_failing_warm_up])
def test_a_broken_version_leaves_the_one_before_in_force_until_it_is_mended(spoil, server, publish, models, stock):
    model = spoil.__name__
    publish(model, 1)
    publish(model, 2, "END", spoil)
    assert version_of(predict(server, model)) == 1
    broken_version = server.get(f"/v1/models/{model}/versions/2").json["model_version_status"][0]
    assert broken_version["status"] == {"error_code": "UNKNOWN", "error_message": "the version could not be loaded"}
    error_messages = [line["message"] for line in server.log() if line["level"] == "ERROR"]
    assert [line for line in error_messages if line.startswith(f"cannot load version 2 of model {model}: ")]
    shutil.rmtree(models / model / "2")
    shutil.copytree(stock / "2", models / model / "2")
    wait_for(server, model, 2, "AVAILABLE")
    assert version_of(predict(server, model)) == 2
    wait_for(server, model, 1, "END")


def test_a_broken_version_is_tried_once_until_its_files_change(server, publish, models):
    publish("once", 1, "END", cut_short)
    tries = len([line for line in server.log() if "model once" in line["message"]])
    publish("meanwhile", 1)
    publish("meanwhile", 2)
    assert len([line for line in server.log() if "model once" in line["message"]]) == tries == 1


def test_a_request_on_an_old_version_is_answered_by_it(server, publish, tmp_path):
    publish("slow", 1)
    with busy(server, tmp_path / "open", "/v1/models/slow:predict") as old:
        publish("slow", 2)
        wait_for(server, "slow", 1, "UNLOADING")
        assert server.post("/v1/models/slow/versions/1:predict", ABC).status == 404
        assert not old.done()
    assert version_of(old.result()) == 1
    assert version_of(predict(server, "slow")) == 2
    wait_for(server, "slow", 1, "END")


def test_unloaded_versions_are_counted_no_more(server, publish):
    loaded_before = server.metrics()["keras_rnn_versions_loaded"]
    publish("counted", 1)
    assert server.metrics()["keras_rnn_versions_loaded"] == loaded_before + 1
    publish("counted", 2)
    until(lambda: server.metrics()["keras_rnn_versions_loaded"] == loaded_before + 1)
