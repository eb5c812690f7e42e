"""Malformed gRPC requests: bytes that are no message, and messages that contradict themselves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from hypothesis import strategies as st
from inputs import MODEL
from malformed_rest import _mutated
from outcome import Outcome
from server import Server
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

ANSWER_SECONDS = 10
BAD_STATUSES = ("INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "UNAVAILABLE")

PREDICT = "/tensorflow.serving.PredictionService/Predict"
CLASSIFY = "/tensorflow.serving.PredictionService/Classify"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


@dataclass(frozen=True)
class Call:
    method: str
    message: bytes
    metadata: tuple[tuple[str, str], ...] = ()


_int64 = st.integers(-(2**63), 2**63 - 1)
_sizes = st.sampled_from([-1, -(2**63), 0, 1, 2, 3, 2**20, 2**31, 2**40, 2**62, 2**63 - 1])
_shapes = st.lists(_sizes, max_size=4) | st.lists(st.just(1), max_size=300) | st.just([2**32, 2**32])


@st.composite
def _tensors(draw) -> TensorProto:
    """Dtype, shape and content drawn apart, so that they seldom agree."""
    tensor = TensorProto(
        dtype=draw(st.sampled_from([7, 7, 7, 0, 1, 2, 3, 8, 9, 19, 20, 21, 107]) | st.integers(0, 200))
    )
    for size in draw(_shapes):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = draw(st.sampled_from([False, False, False, True]))
    tensor.version_number = draw(st.sampled_from([0, -1, 2**31 - 1]))
    tensor.string_val.extend(draw(st.lists(st.binary(max_size=30), max_size=4)))
    tensor.int_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)))
    tensor.float_val.extend(draw(st.lists(st.floats(width=32), max_size=3)))
    tensor.tensor_content = draw(st.sampled_from([b""]) | st.binary(max_size=40))
    return tensor


_names = st.sampled_from([MODEL, MODEL, MODEL, "", "../" + MODEL, "\x00", "m" * 5000]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)
_signatures = st.sampled_from(["serving_default", "classify", "", "__saved_model_init_op"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)


def _spec(draw, message) -> None:
    message.model_spec.name = draw(_names)
    message.model_spec.signature_name = draw(_signatures)
    kind = draw(st.sampled_from(["none", "none", "version", "label"]))
    if kind == "version":
        message.model_spec.version.value = draw(_int64 | st.just(1))
    if kind == "label":
        message.model_spec.version_label = draw(_names)


@st.composite
def _predictions(draw) -> Call:
    request = PredictRequest()
    _spec(draw, request)
    if draw(st.booleans()):  # the server must check the rest of the request, too
        request.model_spec.Clear()
        request.model_spec.name = MODEL
    for name in draw(st.lists(st.sampled_from(["text", "text", "text", "", "other", "n" * 3000]), max_size=2)):
        request.inputs[name].CopyFrom(draw(_tensors()))
    request.output_filter.extend(draw(st.lists(st.sampled_from(["label", "other", "", "label"]), max_size=3)))
    return Call(PREDICT, request.SerializeToString())


@st.composite
def _classifications(draw) -> Call:
    request = ClassificationRequest()
    _spec(draw, request)
    if draw(st.booleans()):
        request.model_spec.Clear()
        request.model_spec.name = MODEL
        request.model_spec.signature_name = "classify"
    examples = request.input.example_list.examples
    if draw(st.booleans()):
        examples = request.input.example_list_with_context.examples
    for _ in range(draw(st.integers(0, 3))):
        features = examples.add().features
        for name in draw(st.lists(st.sampled_from(["text", "text", "other", ""]), max_size=2)):
            kind = draw(st.sampled_from(["bytes", "bytes", "int64", "float", "none"]))
            if kind == "bytes":
                features.feature[name].bytes_list.value.extend(draw(st.lists(st.binary(max_size=20), max_size=3)))
            elif kind == "int64":
                features.feature[name].int64_list.value.extend(draw(st.lists(_int64, max_size=3)))
            elif kind == "float":
                features.feature[name].float_list.value.extend(draw(st.lists(st.floats(width=32), max_size=3)))
            else:
                features.feature[name].Clear()
    return Call(CLASSIFY, request.SerializeToString())


@st.composite
def _questions(draw) -> Call:
    if draw(st.booleans()):
        request = GetModelStatusRequest()
        _spec(draw, request)
        return Call(STATUS, request.SerializeToString())
    request = GetModelMetadataRequest()
    _spec(draw, request)
    request.metadata_field.extend(draw(st.lists(st.sampled_from(["signature_def", "", "other"]), max_size=3)))
    return Call(METADATA, request.SerializeToString())


def _good_prediction() -> bytes:
    request = PredictRequest()
    request.model_spec.name = MODEL
    request.inputs["text"].dtype = 7
    request.inputs["text"].tensor_shape.dim.add(size=1)
    request.inputs["text"].string_val.append(b"not good, but cheap")
    return request.SerializeToString()


_services = ["tensorflow.serving.PredictionService", "tensorflow.serving.ModelService", "tensorflow.serving.Other", ""]
_known = st.sampled_from([PREDICT, CLASSIFY, METADATA, STATUS])
_unknown = st.builds(
    "/{}/{}".format,
    st.sampled_from(_services),
    st.sampled_from(
        ["Regress", "MultiInference", "HandleReloadConfigRequest", "predict", "", "../Predict", "x" * 2000]
    ),
)
_metadata = st.lists(
    st.tuples(
        st.sampled_from(["authorization", "x-a", "user-agent", "content-type"]), st.just("a" * 3000) | st.just("")
    ),
    max_size=3,
).map(tuple)

REQUESTS = st.one_of(
    _predictions(),
    _classifications(),
    _questions(),
    st.builds(Call, _known, st.binary(max_size=300)),
    st.builds(Call, st.sampled_from([PREDICT, CLASSIFY]), _mutated(_good_prediction())),
    st.builds(Call, _unknown, st.just(_good_prediction())),
    st.builds(Call, _known, st.just(_good_prediction()), _metadata),
    st.builds(Call, _known, st.integers(900_000, 5_000_000).map(bytes)),
)


@contextmanager
def asking(server: Server) -> Iterator[Callable[[Call], Outcome]]:
    """Yields a function that makes a call with an unchanged message and returns the outcome."""
    with grpc.insecure_channel(server.grpc.removeprefix("grpc://")) as channel:

        def ask(call: Call) -> Outcome:
            try:
                answer = channel.unary_unary(call.method)(call.message, timeout=ANSWER_SECONDS, metadata=call.metadata)
                status = "OK"
            except grpc.RpcError as error:
                answer, status = error.details(), error.code().name
            is_bad = status in BAD_STATUSES or "Traceback" in repr(answer)
            return Outcome(status, is_bad, repr(call), repr(answer))

        yield ask
