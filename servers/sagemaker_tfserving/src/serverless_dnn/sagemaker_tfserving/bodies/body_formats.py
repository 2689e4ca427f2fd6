"""The bodies of invocations: what a request of each content type is decoded with, and what responses may be."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs.content_types import (
    CONTENT_TYPES,
    JSON_TYPE,
    CheckInputs,
    ContentType,
    ModelAnswer,
    wanted_type,
)
from serverless_dnn.runtime.codecs.rest_json import PredictBody
from serverless_dnn.runtime.errors import UnsupportedMediaTypeError
from serverless_dnn.runtime.http.body_formats import BodyFormats
from serverless_dnn.runtime.http.messages import HttpRequest
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.sagemaker_tfserving.bodies.csv_bodies import csv_examples, decode_csv, encode_csv
from serverless_dnn.sagemaker_tfserving.bodies.json_bodies import rewrite_json
from serverless_dnn.sagemaker_tfserving.bodies.proto_json import PROTO_JSON, is_proto_json

JSON_LINES_TYPE = "application/jsonlines"
CSV_TYPE = "text/csv"
_HEADERS = {"present": True, "absent": False}


def _json_type(name: str, *, by_line: bool) -> ContentType:
    json_type = CONTENT_TYPES[JSON_TYPE]

    def decode(
        body: bytes, signatures: Mapping[str, Signature], check: CheckInputs, budget: DecodeBudget
    ) -> PredictBody:
        return json_type.decode(rewrite_json(body, by_line=by_line), signatures, check, budget)

    return replace(json_type, name=name, decode=decode)


def _csv_type(*, header: bool | None) -> ContentType:
    decode = partial(_decode_csv, header=header)
    return ContentType(CSV_TYPE, is_text=True, decode=decode, encode=_encode_csv)


def _decode_csv(
    body: bytes,
    signatures: Mapping[str, Signature],
    _check: CheckInputs,
    budget: DecodeBudget,
    *,
    header: bool | None,
) -> PredictBody:
    return decode_csv(body, signatures, budget, header=header)


def _encode_csv(answer: ModelAnswer) -> bytes:
    return encode_csv(answer.outputs)


_JSON = _json_type(JSON_TYPE, by_line=False)
_JSON_TYPES = {
    JSON_TYPE: _JSON,
    JSON_LINES_TYPE: _json_type(JSON_LINES_TYPE, by_line=True),
    "application/jsons": _json_type("application/jsons", by_line=False),
}
_SENT: Mapping[str, ContentType] = {**CONTENT_TYPES, **_JSON_TYPES, CSV_TYPE: _csv_type(header=None)}
_OFFERED: Mapping[str, ContentType] = {name: _SENT[name] for name in (*CONTENT_TYPES, JSON_LINES_TYPE, CSV_TYPE)}


def _sent(request: HttpRequest) -> ContentType:
    name = request.content_type
    found = _SENT.get(name)
    if found is None:
        raise UnsupportedMediaTypeError(f"Unsupported Media Type: {name or 'Unknown'}; send one of {', '.join(_SENT)}")
    if name == JSON_TYPE and is_proto_json(request.body):
        return PROTO_JSON
    # RFC 4180, section 3.
    header = _HEADERS.get(_parameter(request, "header"))
    return found if header is None or name != CSV_TYPE else _csv_type(header=header)


def _parameter(request: HttpRequest, wanted: str) -> str:
    for part in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == wanted:
            return value.strip().strip('"').lower()
    return ""


def _wanted(request: HttpRequest, sent: ContentType) -> ContentType:
    if sent is PROTO_JSON:
        return wanted_type(request.headers.get("accept", ""), sent, {**_OFFERED, JSON_TYPE: PROTO_JSON})
    # As that container does: JSON unless the caller wants another type, whatever text was sent.
    return wanted_type(request.headers.get("accept", ""), _JSON if sent.is_text else sent, _OFFERED)


def _examples(request: HttpRequest, body: bytes) -> bytes:
    name = _sent(request).name
    if name == CSV_TYPE:
        return csv_examples(body)
    if name not in _JSON_TYPES:
        raise UnsupportedMediaTypeError(
            f"Unsupported Media Type: {name}; classify and regress take {', '.join((*_JSON_TYPES, CSV_TYPE))}"
        )
    return rewrite_json(body, key="examples", by_line=name == JSON_LINES_TYPE)


INVOCATION_BODIES = BodyFormats(sent=_sent, wanted=_wanted, examples=_examples)
"""The bodies of ``/invocations``."""
