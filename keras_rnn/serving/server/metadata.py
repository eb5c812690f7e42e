"""Metadata and status of models, as TensorFlow Serving's messages."""

from grpc import StatusCode
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from keras_rnn.serving.server.manager import VersionState
from keras_rnn.serving.server.servable import Servable


def metadata_response(servable: Servable) -> tuple[GetModelMetadataResponse, SignatureDefMap]:
    """Returns the answer to GetModelMetadata, and the signatures that are packed in it."""
    signatures = SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature.definition)
    response = GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.metadata["signature_def"].Pack(signatures)
    return response, signatures


def status_response(states: dict[int, VersionState]) -> GetModelStatusResponse:
    response = GetModelStatusResponse()
    for version, state in states.items():
        entry = response.model_version_status.add()
        entry.version = version
        entry.state = ModelVersionStatus.State.Value(state.state)
        entry.status.error_code = (StatusCode.UNKNOWN if state.error else StatusCode.OK).value[0]
        entry.status.error_message = state.error
    return response
