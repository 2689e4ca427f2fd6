"""The registry of content types for Predict over HTTP; new ones are added here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs import npy, predict_proto
from serverless_dnn.runtime.codecs.rest_json import PredictBody, decode_predict_json, encode_predict_json
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.saved_model.signature import Signature, find_signature

JSON_TYPE = "application/json"
NPY_TYPE = "application/x-npy"
PROTOBUF_TYPE = "application/x-protobuf"

Arrays = Mapping[str, NDArray[Any]]
# Raises if inputs do not match a signature, before they are decoded into arrays.
CheckInputs = Callable[[Signature, Mapping[str, Any]], object]


class ModelAnswer(NamedTuple):
    """A model's response.

    Attributes:
        model_name: The model that ran.
        version: Its version.
        signature_name: The signature that ran.
        outputs: Arrays by output name.
        by_row: Whether JSON uses the row format.
    """

    model_name: str
    version: int
    signature_name: str
    outputs: Arrays
    by_row: bool


@dataclass(frozen=True)
class ContentType:
    """How bodies of one type are decoded and encoded.

    Attributes:
        name: The media type.
        is_text: Whether it is text; some platforms transport text as is and everything else as base64.
        decode: Decodes a Predict request.
        encode: Encodes the response.
    """

    name: str
    is_text: bool
    decode: Callable[[bytes, Mapping[str, Signature], CheckInputs, DecodeBudget], PredictBody]
    encode: Callable[[ModelAnswer], bytes]


def _decode_json(
    body: bytes, signatures: Mapping[str, Signature], _check: CheckInputs, budget: DecodeBudget
) -> PredictBody:
    return decode_predict_json(body, signatures, budget)


def _encode_json(answer: ModelAnswer) -> bytes:
    return encode_predict_json(answer.outputs, by_row=answer.by_row)


def _decode_npy(
    body: bytes, signatures: Mapping[str, Signature], _check: CheckInputs, budget: DecodeBudget
) -> PredictBody:
    signature = find_signature(signatures, "")
    if len(signature.inputs) != 1:
        raise InvalidArgumentError(
            f"a .npy body holds one array, and signature {signature.name} takes {len(signature.inputs)}: "
            f"{', '.join(signature.inputs)}; send {JSON_TYPE} or {PROTOBUF_TYPE}"
        )
    array = npy.decode_npy(body)
    budget.hold(array.nbytes)
    return PredictBody(signature, {next(iter(signature.inputs)): array})


def _encode_npy(answer: ModelAnswer) -> bytes:
    if len(answer.outputs) != 1:
        raise InvalidArgumentError(
            f"a .npy response holds one array, and signature {answer.signature_name} returns "
            f"{', '.join(answer.outputs)}: accept {JSON_TYPE} or {PROTOBUF_TYPE}"
        )
    return npy.encode_npy(np.asarray(next(iter(answer.outputs.values()))))


def _decode_protobuf(
    body: bytes, signatures: Mapping[str, Signature], check: CheckInputs, budget: DecodeBudget
) -> PredictBody:
    request, tensors = predict_proto.split_predict_request(body, budget)
    signature = find_signature(signatures, request.model_spec.signature_name)
    inputs = predict_proto.decode_inputs(tensors, lambda given: check(signature, given), budget)
    return PredictBody(signature, inputs, tuple(request.output_filter))


def _encode_protobuf(answer: ModelAnswer) -> bytes:
    return predict_proto.encode_predict_response(
        answer.model_name, answer.version, answer.signature_name, answer.outputs
    )


_TYPES = (
    ContentType(JSON_TYPE, is_text=True, decode=_decode_json, encode=_encode_json),
    ContentType(NPY_TYPE, is_text=False, decode=_decode_npy, encode=_encode_npy),
    ContentType(PROTOBUF_TYPE, is_text=False, decode=_decode_protobuf, encode=_encode_protobuf),
)
CONTENT_TYPES: Mapping[str, ContentType] = {each.name: each for each in _TYPES}


def is_text(content_type: str) -> bool:
    """Whether bodies of a content type are text.

    Args:
        content_type: The media type, with or without parameters.

    Returns:
        True for any ``text/...`` type, and any kind of JSON, as well.
    """
    name = content_type.partition(";")[0].strip().lower()
    known = CONTENT_TYPES.get(name)
    return name.startswith(("text/", "application/json")) if known is None else known.is_text


def sent_type(content_type: str) -> ContentType:
    """The content type with which to decode a request's body.

    Args:
        content_type: Its media type without parameters.

    Returns:
        The type; JSON if it is unknown, since TensorFlow Serving's REST API parses every body as JSON.
    """
    return CONTENT_TYPES.get(content_type, CONTENT_TYPES[JSON_TYPE])


def wanted_type(accept: str, sent: ContentType, offered: Mapping[str, ContentType] = CONTENT_TYPES) -> ContentType:
    """The content type of a response.

    Args:
        accept: The ``Accept`` header; empty accepts everything.
        sent: The request's own type, or the one to answer in if the caller has no preference.
        offered: The types a response may have, by name.

    Returns:
        The accepted type with the highest weight, or the first of several. ``sent`` if everything is accepted, or
        nothing we can produce: TensorFlow Serving ignores this header.
    """
    best, best_weight = sent, 0.0
    for part in accept.split(","):
        name, *parameters = (item.strip().lower() for item in part.split(";"))
        weight = _weight(parameters)
        found = sent if name in ("*/*", "application/*") else offered.get(name)
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
