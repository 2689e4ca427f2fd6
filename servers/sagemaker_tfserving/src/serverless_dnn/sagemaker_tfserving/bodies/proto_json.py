"""TensorFlow Serving's protobuf messages written as JSON: a PredictRequest in, a PredictResponse out.

The form is protobuf's own JSON mapping (https://protobuf.dev/programming-guides/json/), with tensors as base64 text:
what ``MessageToJson`` makes of the messages that a gRPC client would send. The paper sends this to SageMaker.
"""

import re
from collections.abc import Mapping

from google.protobuf import json_format

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.v1 import predict_pb2
from serverless_dnn.runtime.codecs.content_types import (
    CONTENT_TYPES,
    JSON_TYPE,
    PROTOBUF_TYPE,
    CheckInputs,
    ContentType,
    ModelAnswer,
)
from serverless_dnn.runtime.codecs.rest_json import PredictBody
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.saved_model.signature import Signature

_PROTOBUF = CONTENT_TYPES[PROTOBUF_TYPE]
# Fields that no body of TensorFlow Serving's REST API has; they come before the tensors' values.
_FIELD = re.compile(rb'"(?:modelSpec|model_spec|tensorShape|tensor_shape)"\s*:')
_LOOKED_AT_BYTES = 4096


def is_proto_json(body: bytes) -> bool:
    """Whether a JSON body is a message rather than TensorFlow Serving's own JSON.

    Args:
        body: The text.
    """
    return _FIELD.search(body, 0, _LOOKED_AT_BYTES) is not None


def _decode(body: bytes, signatures: Mapping[str, Signature], check: CheckInputs, budget: DecodeBudget) -> PredictBody:
    budget.hold(2 * len(body))
    try:
        request = json_format.Parse(body, predict_pb2.PredictRequest())
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgumentError(f"the body is not a PredictRequest in JSON: {str(error)[:200]}") from None
    return _PROTOBUF.decode(request.SerializeToString(), signatures, check, budget)


def _encode(answer: ModelAnswer) -> bytes:
    response = predict_pb2.PredictResponse.FromString(_PROTOBUF.encode(answer))
    return json_format.MessageToJson(response, indent=None).encode()


PROTO_JSON = ContentType(JSON_TYPE, is_text=True, decode=_decode, encode=_encode)
"""A PredictRequest and a PredictResponse as JSON."""
