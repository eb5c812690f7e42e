"""TensorFlow Serving's gRPC services, asked by its own stubs over real sockets."""

import contextlib

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from grpc import StatusCode
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.support.serving import busy, until

TIMEOUT = 60


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield channel


@pytest.fixture(scope="module")
def prediction(channel):
    return PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model_service(channel):
    return ModelServiceStub(channel)


def request_of(model="echo", signature="", version=None, label=None, output_filter=(), **inputs):
    request = PredictRequest(output_filter=output_filter)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(value if isinstance(value, TensorProto) else tf.make_tensor_proto(value))
    return request


def proto(text):
    return text_format.Parse(text, TensorProto())


@contextlib.contextmanager
def refused(code, words):
    with pytest.raises(grpc.RpcError) as error:
        yield
    assert error.value.code() == code, error.value
    assert words in error.value.details()


def outputs(response):
    return {name: tf.make_ndarray(value).tolist() for name, value in response.outputs.items()}


def test_predict(prediction):
    response = prediction.Predict(request_of(text=["abc", "é"]), TIMEOUT)
    both = [b"abc", "é".encode()]
    assert outputs(response) == {"echo": both, "echo_bytes": both, "length": [3, 2], "version": [2, 2]}
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("echo", 2, "serving_default")


def test_bytes_that_are_no_text_go_through(prediction):
    response = prediction.Predict(request_of(text=[b"\xff\0"], output_filter=["echo"]), TIMEOUT)
    assert outputs(response) == {"echo": [b"\xff\0"]}


def test_predict_with_several_inputs(prediction):
    request = request_of(signature="numbers", x=np.array([[1, 2.5]], np.float32), y=np.array([3], np.int64))
    response = prediction.Predict(request, TIMEOUT)
    assert outputs(response) == {"sum": [6.5]}
    assert response.model_spec.signature_name == "numbers"


@pytest.mark.parametrize(
    ("spec", "version"), [({}, 2), ({"version": 1}, 1), ({"version": 2}, 2), ({"label": "old"}, 1)]
)
def test_the_latest_version_answers_unless_another_is_named(spec, version, prediction):
    response = prediction.Predict(request_of(text=["a"], output_filter=["version"], **spec), TIMEOUT)
    assert outputs(response) == {"version": [version]}
    assert response.model_spec.version.value == version


def test_a_text_model_answers_what_the_model_answers(prediction, classifier):
    texts = ["a good film", "", "bad"]
    expected = tf.nn.softmax(classifier(tf.constant(texts))).numpy()
    response = prediction.Predict(request_of("classifier", text=texts), TIMEOUT)
    np.testing.assert_allclose(tf.make_ndarray(response.outputs["probabilities"]), expected, atol=1e-6)
    names = np.array([b"negative", b"neutral", b"positive"], object)
    assert outputs(response)["label"] == names[expected.argmax(axis=-1)].tolist()


VALUES = {
    "packed": 'dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } tensor_content: "\\0\\0\\0@\\0\\0\\0@"',
    "one by one": "dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } float_val: [2, 2]",
    "one for all": "dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } float_val: 2",
}


@pytest.mark.parametrize("case", VALUES)
def test_values_in_each_form_of_a_tensor(case, prediction):
    response = prediction.Predict(request_of(signature="total", x=proto(VALUES[case])), TIMEOUT)
    assert outputs(response) == {"total": 4.0}


TENSORS = {
    "nothing at all": ("", "do not fit its dtype and shape"),
    "no shape": ('dtype: DT_STRING string_val: "a"', "input text takes the shape (None), got ()"),
    "no elements": ("dtype: DT_STRING tensor_shape { dim { size: 0 } }", "takes at least one element"),
    "rank unknown": ('dtype: DT_STRING tensor_shape { unknown_rank: true } string_val: "a"', "takes a known shape"),
    "a size of -1": ('dtype: DT_STRING tensor_shape { dim { size: -1 } } string_val: "a"', "none of them negative"),
    "nine sizes": ("dtype: DT_STRING tensor_shape {" + "dim { size: 1 }" * 9 + '} string_val: "a"', "at most 8 sizes"),
    "one text for a thousand million": (
        'dtype: DT_STRING tensor_shape { dim { size: 1000000000 } } string_val: "a"',
        "elements",
    ),
    "one text for a million": ('dtype: DT_STRING tensor_shape { dim { size: 1000000 } } string_val: "a"', "at most"),
    "a product beyond 64 bits": (
        'dtype: DT_STRING tensor_shape { dim { size: 4294967296 } dim { size: 4294967296 } } string_val: "a"',
        "elements",
    ),
    "more texts than told": (
        'dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: ["a", "b"]',
        "do not fit its dtype and shape",
    ),
    "texts as raw memory": (
        'dtype: DT_STRING tensor_shape { dim { size: 1 } } tensor_content: "12345678"',
        "do not fit its dtype and shape",
    ),
    "no dtype": ('tensor_shape { dim { size: 1 } } string_val: "a"', "do not fit its dtype and shape"),
    "a dtype that no value has": ("dtype: DT_RESOURCE tensor_shape { dim { size: 1 } }", "do not fit its dtype"),
    "numbers": ("dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 1", "input text takes string, got int32"),
    "halves": ("dtype: DT_HALF tensor_shape { dim { size: 1 } } half_val: 1", "takes string, got float16"),
    "two sizes": ('dtype: DT_STRING tensor_shape { dim { size: 1 } dim { size: 1 } } string_val: "a"', "got (1, 1)"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_a_tensor_that_is_not_what_it_says_is_refused(case, prediction):
    text, words = TENSORS[case]
    with refused(StatusCode.INVALID_ARGUMENT, words):
        prediction.Predict(request_of(text=proto(text)), TIMEOUT)


def test_numbers_fewer_than_told_are_refused(prediction):
    short = proto('dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } tensor_content: "1234"')
    with refused(StatusCode.INVALID_ARGUMENT, "do not fit its dtype and shape"):
        prediction.Predict(request_of(signature="total", x=short), TIMEOUT)


REQUESTS = {
    "no model": (request_of(""), StatusCode.INVALID_ARGUMENT, "Missing model name in request"),
    "a model that there is not": (request_of("none"), StatusCode.NOT_FOUND, "request: Latest(none)"),
    "a name that leads elsewhere": (request_of("../echo"), StatusCode.NOT_FOUND, "request: Latest(../echo)"),
    "a version that there is not": (request_of(version=7), StatusCode.NOT_FOUND, "request: Specific(echo, 7)"),
    "version 0": (request_of(version=0), StatusCode.NOT_FOUND, "request: Specific(echo, 0)"),
    "version -1": (request_of(version=-1), StatusCode.NOT_FOUND, "request: Specific(echo, -1)"),
    "a version that is broken": (request_of("broken", version=2), StatusCode.NOT_FOUND, "Specific(broken, 2)"),
    "a label that there is not": (request_of(label="new"), StatusCode.INVALID_ARGUMENT, "version label: new"),
    "a signature that there is not": (
        request_of(signature="x", text=["a"]),
        StatusCode.INVALID_ARGUMENT,
        'Serving signature name: "x" not found in signature def',
    ),
    "no inputs": (request_of(), StatusCode.INVALID_ARGUMENT, "takes the inputs text, got none"),
    "an input of another name": (request_of(words=["a"]), StatusCode.INVALID_ARGUMENT, "inputs text, got words"),
    "an input more": (request_of(text=["a"], more=["b"]), StatusCode.INVALID_ARGUMENT, "text, got more, text"),
    "an output that there is not": (
        request_of(text=["a"], output_filter=["echo", "x"]),
        StatusCode.INVALID_ARGUMENT,
        "output_filter names x, which is no output",
    ),
    "what the model refuses": (
        request_of(text=["refuse"]),
        StatusCode.INVALID_ARGUMENT,
        "the model does not take this input",
    ),
    "what fails inside": (request_of(text=["crash"]), StatusCode.INTERNAL, "internal error"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_that_cannot_be_served_is_refused(case, prediction):
    request, code, words = REQUESTS[case]
    with refused(code, words):
        prediction.Predict(request, TIMEOUT)


def test_an_id_beyond_the_vocabulary_is_the_client_s_error(prediction):
    request = request_of("classifier", "tokens", token_ids=np.array([[10**9]], np.int32))
    with refused(StatusCode.INVALID_ARGUMENT, "the model does not take this input"):
        prediction.Predict(request, TIMEOUT)


def classification(examples, context=None, signature="classify"):
    request = ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "classifier", signature
    message = request.input.example_list
    if context is not None:
        message = request.input.example_list_with_context
        message.context.features.feature["text"].bytes_list.value.append(context)
    for text in examples:
        example = message.examples.add()
        if text is not None:
            example.features.feature["text"].bytes_list.value.append(text)
    return request


@pytest.mark.parametrize(
    ("examples", "context", "texts"),
    [
        ([b"good", b"bad"], None, ["good", "bad"]),
        ([None, None], b"good", ["good", "good"]),
        ([None, b"bad"], b"good", ["good", "bad"]),
    ],
    ids=["examples", "context", "both"],
)
def test_classify(examples, context, texts, prediction, classifier):
    expected = tf.nn.softmax(classifier(tf.constant(texts))).numpy()
    response = prediction.Classify(classification(examples, context), TIMEOUT)
    rows = [row.classes for row in response.result.classifications]
    assert [[one.label for one in row] for row in rows] == [["negative", "neutral", "positive"]] * 2
    np.testing.assert_allclose([[one.score for one in row] for row in rows], expected, atol=1e-6)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("classifier", 1, "classify")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ClassificationRequest(), "Missing model name"),
        (classification([]), "Input is empty"),
        (classification([], b"good"), "Input is empty"),
        (classification([None]), "the model does not take this input"),
        (classification([b"good"], signature=""), "the signature serving_default is none for classify"),
        (classification([b"good"], signature="x"), 'Serving signature name: "x" not found'),
    ],
)
def test_a_classification_that_cannot_be_done_is_refused(request_, words, prediction):
    with refused(StatusCode.INVALID_ARGUMENT, words):
        prediction.Classify(request_, TIMEOUT)


def metadata_request(model, *fields):
    request = GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def test_metadata(prediction):
    response = prediction.GetModelMetadata(metadata_request("classifier", "signature_def"), TIMEOUT)
    assert (response.model_spec.name, response.model_spec.version.value) == ("classifier", 1)
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "tokens", "classify"}
    default = signatures.signature_def["serving_default"]
    assert default.method_name == "tensorflow/serving/predict"
    assert default.inputs["text"].dtype == tf.string.as_datatype_enum
    assert set(default.outputs) == {"label", "probabilities"}


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (metadata_request("echo"), StatusCode.INVALID_ARGUMENT, "must specify at least one metadata_field"),
        (metadata_request("echo", "size"), StatusCode.INVALID_ARGUMENT, "Metadata field size is not supported"),
        (metadata_request("none", "signature_def"), StatusCode.NOT_FOUND, "Latest(none)"),
    ],
)
def test_metadata_that_there_is_not(request_, code, words, prediction):
    with refused(code, words):
        prediction.GetModelMetadata(request_, TIMEOUT)


def status_request(model, version=None, label=None):
    request = GetModelStatusRequest()
    request.model_spec.CopyFrom(request_of(model, version=version, label=label).model_spec)
    return request


@pytest.mark.parametrize(
    ("request_", "states"),
    [
        (status_request("echo"), [(2, "AVAILABLE", 0), (1, "AVAILABLE", 0)]),
        (status_request("echo", version=1), [(1, "AVAILABLE", 0)]),
        (status_request("echo", label="old"), [(1, "AVAILABLE", 0)]),
        (status_request("broken"), [(2, "END", 2), (1, "AVAILABLE", 0)]),
    ],
)
def test_status(request_, states, model_service):
    statuses = model_service.GetModelStatus(request_, TIMEOUT).model_version_status
    assert [
        (one.version, ModelVersionStatus.State.Name(one.state), one.status.error_code) for one in statuses
    ] == states


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (status_request("none"), StatusCode.NOT_FOUND),
        (status_request("echo", version=7), StatusCode.NOT_FOUND),
        (status_request("echo", label="new"), StatusCode.INVALID_ARGUMENT),
        (GetModelStatusRequest(), StatusCode.NOT_FOUND),
    ],
)
def test_the_status_of_what_there_is_not(request_, code, model_service):
    with refused(code, ""):
        model_service.GetModelStatus(request_, TIMEOUT)


PREDICTION = "/tensorflow.serving.PredictionService/"


@pytest.mark.parametrize("method", ["Predict", "Classify", "GetModelMetadata"])
@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"garbage", b"\x0a\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_message_are_the_client_s_error(method, body, channel):
    with refused(StatusCode.INVALID_ARGUMENT, "the message is no "):
        channel.unary_unary(PREDICTION + method)(body, timeout=TIMEOUT)


@pytest.mark.parametrize("method", ["Regress", "MultiInference", "None"])
def test_methods_that_are_not_served(method, channel):
    with refused(StatusCode.UNIMPLEMENTED, ""):
        channel.unary_unary(PREDICTION + method)(b"", timeout=TIMEOUT)


def test_a_deadline_ends_a_request_and_takes_it_from_the_queue(prediction, server, tmp_path):
    with busy(server, tmp_path / "open") as first:
        with refused(StatusCode.DEADLINE_EXCEEDED, ""):
            prediction.Predict(request_of(text=["a"]), timeout=0.2)
        until(lambda: server.metrics()["keras_rnn_queue_length"] == 0)
        assert not first.done()


def test_a_call_that_the_client_cancels_leaves_the_queue(prediction, server, tmp_path):
    with busy(server, tmp_path / "open") as first:
        second = prediction.Predict.future(request_of(text=["a", "b"]), TIMEOUT)
        until(lambda: server.metrics()["keras_rnn_queue_length"] == 2)
        second.cancel()
        until(lambda: server.metrics()["keras_rnn_queue_length"] == 0)
        assert not first.done()
