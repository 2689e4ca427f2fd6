"""The content types of Predict over HTTP: the one place that knows them, and that another one is added to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs import npy, predict_proto
from serverless_dnn.runtime.codecs.rest_json import PredictBody, decode_predict_json, encode_predict_json
from serverless_dnn.runtime.errors import InvalidArgumentError, UnsupportedMediaTypeError
from serverless_dnn.runtime.saved_model.signature import Signature, find_signature

JSON_TYPE = "application/json"
NPY_TYPE = "application/x-npy"
PROTOBUF_TYPE = "application/x-protobuf"

Arrays = Mapping[str, NDArray[Any]]
# Raises when inputs do not fit a signature, before arrays are made of them.
CheckInputs = Callable[[Signature, Mapping[str, Any]], object]


class ModelAnswer(NamedTuple):
    """What a model answered.

    Attributes:
        model_name: The model that ran.
        version: Its version.
        signature_name: The signature that ran.
        outputs: Arrays by output name.
        by_row: Whether JSON is wanted row by row.
    """

    model_name: str
    version: int
    signature_name: str
    outputs: Arrays
    by_row: bool


@dataclass(frozen=True)
class ContentType:
    """How a body of one type is read and written.

    Attributes:
        name: The media type.
        is_text: Whether it is text, which some platforms carry as such and the rest as base64.
        decode: Reads a Predict request.
        encode: Writes the answer.
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
            f"a .npy answer holds one array, and signature {answer.signature_name} returns "
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
        content_type: With or without parameters.

    Returns:
        True also for every ``text/...``.
    """
    name = content_type.partition(";")[0].strip().lower()
    known = CONTENT_TYPES.get(name)
    return name.startswith("text/") if known is None else known.is_text


def sent_type(content_type: str) -> ContentType:
    """How to read a request's body.

    Args:
        content_type: Its media type without parameters.

    Returns:
        The type; JSON for one that is unknown, as TensorFlow Serving's REST API reads every body.
    """
    return CONTENT_TYPES.get(content_type, CONTENT_TYPES[JSON_TYPE])


def wanted_type(accept: str, sent: ContentType) -> ContentType:
    """The type of an answer.

    Args:
        accept: The ``Accept`` header; empty accepts all.
        sent: The request's own type.

    Returns:
        Of the types that are accepted, the one with the greatest weight, the first where several have it. The
        request's own where all are accepted, or none that we write: TensorFlow Serving ignores this header.
    """
    best, best_weight = sent, 0.0
    for part in accept.split(","):
        name, *parameters = (item.strip().lower() for item in part.split(";"))
        weight = _weight(parameters)
        offered = sent if name in ("*/*", "application/*") else CONTENT_TYPES.get(name)
        if offered is not None and weight > best_weight:
            best, best_weight = offered, weight
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


def refuse_other_types(content_type: str) -> None:
    """Refuse a body that is of none of the types.

    Args:
        content_type: Its media type without parameters.

    Raises:
        UnsupportedMediaTypeError: It is another one.
    """
    if content_type not in CONTENT_TYPES:
        raise UnsupportedMediaTypeError(
            f"Unsupported Media Type: {content_type or 'Unknown'}; send one of {', '.join(CONTENT_TYPES)}"
        )
