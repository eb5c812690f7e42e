"""TensorFlow Serving's gRPC services: PredictionService and ModelService.

This module parses the messages: gRPC would answer INTERNAL to bytes that are no message.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow.core.example.example_pb2 import Example
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec

from keras_rnn.serving.server.errors import ServingError, internal, invalid, too_late, unauthenticated
from keras_rnn.serving.server.inference import Server, classify, join_context, predict, signature_of
from keras_rnn.serving.server.metadata import metadata_response, status_response
from keras_rnn.serving.server.metrics import Metrics
from keras_rnn.serving.server.observe import Record, observed
from keras_rnn.serving.server.servable import Servable, Signature, row_count
from keras_rnn.serving.server.settings import ServerSettings
from keras_rnn.serving.server.tensors import array_from_proto, proto_from_array
from keras_rnn.serving.server.tokens import is_allowed

log = logging.getLogger("keras_rnn.serve")

Method = Callable[[Server, Message, Record], Awaitable[Message]]


def generic_handlers(server: Server, metrics: Metrics) -> list[grpc.GenericRpcHandler]:
    """Returns the services for a `grpc.aio` server."""
    services = {
        "tensorflow.serving.PredictionService": {
            "Predict": (predict_pb2.PredictRequest, _predict),
            "Classify": (classification_pb2.ClassificationRequest, _classify),
            "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, _metadata),
        },
        "tensorflow.serving.ModelService": {
            "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, _status),
        },
    }
    return [
        grpc.method_handlers_generic_handler(
            service,
            {
                # a stream of one message: the wait for it has a limit, too
                name: grpc.stream_unary_rpc_method_handler(
                    _handler(server, metrics, name, request, method), response_serializer=lambda response: response
                )
                for name, (request, method) in methods.items()
            },
        )
        for service, methods in services.items()
    ]


def _handler(server: Server, metrics: Metrics, name: str, request_type: type[Message], method: Method):
    async def handle(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        with observed(metrics, server.settings.access_log, "gRPC", context.peer()) as record:
            record.method = name
            try:
                _authenticate(server, context)
                async with asyncio.timeout(server.settings.timeout_seconds):
                    request = _parse(request_type, await anext(messages))
                    return (await method(server, request, record)).SerializeToString()
            except ServingError as error:
                record.error = error.with_traceback(None)  # the traceback holds the message and the error itself
            except TimeoutError:
                record.error = too_late()
            except StopAsyncIteration:
                record.error = invalid("the request has no message")
            except Exception:
                log.exception("a request failed")
                record.error = internal()
        return await context.abort(record.error.code, record.error.message)

    return handle


def _authenticate(server: Server, context: grpc.aio.ServicerContext) -> None:
    if not server.tokens:
        return
    metadata = context.invocation_metadata() or ()
    authorization = next((value for key, value in metadata if key == "authorization"), "")
    if isinstance(authorization, str):
        authorization = authorization.encode()
    if not is_allowed(authorization, server.tokens):
        raise unauthenticated()


def _parse(request_type: type[Message], body: bytes) -> Message:
    try:
        return request_type.FromString(body)
    except DecodeError:
        raise invalid(f"the message is no {request_type.__name__}") from None


def _version(spec: ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None


@contextmanager
def _use(server: Server, spec: ModelSpec, record: Record) -> Iterator[Servable]:
    if not spec.name:
        raise invalid("Missing model name in request")
    with server.manager.use(spec.name, _version(spec), spec.version_label or None) as servable:
        record.model, record.version = servable.name, servable.version
        yield servable


async def _predict(server: Server, request, record: Record) -> Message:
    with _use(server, request.model_spec, record) as servable:
        server.scheduler.check_room()
        signature = signature_of(servable, request.model_spec.signature_name)
        _check_names(request.inputs, signature)  # first: a request may hold any number of arrays
        inputs = {name: array_from_proto(proto) for name, proto in request.inputs.items()}
        record.rows = row_count(inputs)
        output_names = list(request.output_filter)
        for name in output_names:
            if name not in signature.definition.outputs:
                raise invalid(f"output_filter names {name[:100]}, which is no output of the signature")
        outputs = await predict(server, servable, signature, inputs)
        response = predict_pb2.PredictResponse()
        for name in output_names or outputs:
            response.outputs[name].CopyFrom(proto_from_array(outputs[name]))
        _fill_model_spec(response.model_spec, servable, signature.name)
        return response


def _check_names(names: Iterable[str], signature: Signature) -> None:
    if set(names) != set(signature.inputs):
        received = ", ".join(sorted(name[:100] for name in names)[:10]) or "none"
        raise invalid(f"the signature takes the inputs {', '.join(sorted(signature.inputs))}, got {received}")


async def _classify(server: Server, request, record: Record) -> Message:
    with _use(server, request.model_spec, record) as servable:
        server.scheduler.check_room()
        signature = signature_of(servable, request.model_spec.signature_name)
        examples = _examples(request.input, server.settings)
        record.rows = len(examples)
        classes, scores = await classify(server, servable, signature, examples)
        response = classification_pb2.ClassificationResponse()
        for labels, values in zip(classes, scores.tolist(), strict=True):
            row = response.result.classifications.add()
            for label, score in zip(labels, values, strict=True):
                row.classes.add(label=label.decode("utf-8", errors="replace"), score=score)
        _fill_model_spec(response.model_spec, servable, signature.name)
        return response


def _examples(message: Input, settings: ServerSettings) -> list[bytes]:
    """Returns the serialized examples, each after the features of its context."""
    with_context = message.example_list_with_context
    examples = with_context.examples if message.HasField("example_list_with_context") else message.example_list.examples
    return join_context(with_context.context.SerializeToString(), examples, Example.SerializeToString, settings)


async def _metadata(server: Server, request, record: Record) -> Message:
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field[:100]} is not supported")
    with _use(server, request.model_spec, record) as servable:
        return metadata_response(servable)[0]


async def _status(server: Server, request, record: Record) -> Message:
    spec = request.model_spec
    states = server.manager.version_states(spec.name, _version(spec), spec.version_label or None)
    record.model = spec.name
    return status_response(states)


def _fill_model_spec(spec: ModelSpec, servable: Servable, signature: str) -> None:
    spec.name, spec.signature_name = servable.name, signature
    spec.version.value = servable.version
