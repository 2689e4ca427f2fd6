"""Predict over HTTP, whatever the platform around it: a body of one of three content types in, one out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.codecs import npy, predict_proto
from serverless_dnn.runtime.codecs.rest_json import decode_predict_json, encode_predict_json
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, UnsupportedMediaTypeError
from serverless_dnn.runtime.http.bodies import inflate
from serverless_dnn.runtime.http.messages import JSON_TYPE, HttpRequest
from serverless_dnn.runtime.inference.predictor import predict
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature
from serverless_dnn.runtime.timing import PhaseTimer

_ENCODABLE = (JSON_TYPE, npy.CONTENT_TYPE, predict_proto.CONTENT_TYPE)


def predict_over_http(
    request: HttpRequest,
    servable: Servable,
    timer: PhaseTimer,
    *,
    max_body_bytes: int,
    deadline_ns: int | None = None,
) -> tuple[str, bytes]:
    """Decode a body, predict, and encode the answer in the type asked for.

    Args:
        request: JSON (the default), ``.npy`` or protobuf, perhaps gzipped.
        servable: The model to run.
        timer: Takes each phase.
        max_body_bytes: The largest inflated body, and the largest array in it.
        deadline_ns: Until when the call may wait, on the clock of ``time.perf_counter_ns``.

    Returns:
        The answer's content type and body.

    Raises:
        ServingError: The body or the call is wrong, or the engine failed.
    """
    with timer.phase("decode"):
        body = inflate(request, max_body_bytes)
        sent, wanted = request.content_type, _wanted_type(request)
        signature, inputs, output_filter, by_row = _decode(body, sent, servable, max_body_bytes)
    outputs = predict(servable, signature, inputs, timer, output_filter, deadline_ns=deadline_ns)
    with timer.phase("encode"):
        return wanted, _encode(wanted, servable, signature, outputs, by_row=by_row)


def find_rest_signature(servable: Servable, name: str) -> Signature:
    """A signature by the name a JSON body gives.

    Args:
        servable: The model.
        name: Empty means ``serving_default``.

    Returns:
        The signature.

    Raises:
        InvalidArgumentError: The model has no such signature; the text is that of TensorFlow Serving's REST API.
    """
    try:
        return servable.signature(name)
    except FailedPreconditionError:
        raise InvalidArgumentError(
            f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def. '
            f"This model has: {', '.join(servable.signatures)}"
        ) from None


def _wanted_type(request: HttpRequest) -> str:
    """The first type we can write among those accepted; the request's own type when all are welcome."""
    sent = request.content_type if request.content_type in _ENCODABLE else JSON_TYPE
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    for media_type in accepted:
        if media_type in _ENCODABLE:
            return media_type
        if media_type in ("*/*", "application/*", ""):
            return sent
    raise UnsupportedMediaTypeError(f"Accept must allow one of {', '.join(_ENCODABLE)}, got {', '.join(accepted)}")


def _decode(
    body: bytes, content_type: str, servable: Servable, max_bytes: int
) -> tuple[Signature, Mapping[str, NDArray[Any]], tuple[str, ...], bool]:
    if content_type == npy.CONTENT_TYPE:
        signature = servable.signature("")
        if len(signature.inputs) != 1:
            raise InvalidArgumentError(
                f"a .npy body holds one array, and signature {signature.name} takes {len(signature.inputs)}: "
                f"{', '.join(signature.inputs)}; send {JSON_TYPE} or {predict_proto.CONTENT_TYPE}"
            )
        return signature, {next(iter(signature.inputs)): npy.decode_npy(body)}, (), False
    if content_type == predict_proto.CONTENT_TYPE:
        request, inputs = predict_proto.decode_predict_request(body, max_bytes=max_bytes)
        signature = servable.signature(request.model_spec.signature_name)
        return signature, inputs, tuple(request.output_filter), False
    decoded = decode_predict_json(body, lambda name: find_rest_signature(servable, name))
    return decoded.signature, decoded.inputs, (), decoded.by_row


def _encode(
    content_type: str, servable: Servable, signature: Signature, outputs: Mapping[str, NDArray[Any]], *, by_row: bool
) -> bytes:
    if content_type == npy.CONTENT_TYPE:
        if len(outputs) != 1:
            raise InvalidArgumentError(
                f"a .npy answer holds one array, and signature {signature.name} returns {', '.join(outputs)}: "
                f"accept {JSON_TYPE} or {predict_proto.CONTENT_TYPE}"
            )
        return npy.encode_npy(np.asarray(next(iter(outputs.values()))))
    if content_type == predict_proto.CONTENT_TYPE:
        return predict_proto.encode_predict_response(servable.model_name, servable.version, signature.name, outputs)
    return encode_predict_json(outputs, by_row=by_row)
