"""The Lambda handler: TensorFlow Serving's REST API in a Lambda function.

Importing this module loads the model, in Lambda's init phase: beyond 10 s, Lambda runs it again as part of the first
request, under that request's timeout. Set the handler to ``serverless_dnn.lambda_rest.handler.handler``.
"""

import os
from pathlib import Path
from typing import Any

from serverless_dnn.lambda_rest.events import format_reply, parse_event
from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.ready_file import announce_ready
from serverless_dnn.runtime.errors import PayloadTooLargeError, ServingError, status_of
from serverless_dnn.runtime.http.messages import HttpReply
from serverless_dnn.runtime.http.rest_api import RestApi, error_body
from serverless_dnn.runtime.http.rest_options import RestOptions
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.logs import log_to_stderr
from serverless_dnn.runtime.repository.loading import start_repository
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.timing import Instance

# Where a container image keeps its model by default.
DEFAULT_BASE_PATH = Path("/opt/ml/model")
# Lambda rejects longer responses (6 MiB and 100 bytes, counted as JSON); the difference is left for the envelope.
_MAX_RESPONSE_BYTES = 6_291_556 - 4_096

keep_freed_memory()
log_to_stderr()
# CloudWatch's stream name is unique to each execution environment.
_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
_instance = Instance(id=_stream_name.rpartition("]")[2][-12:]) if _stream_name else Instance()
_settings = ServerSettings.from_environment(default_base_path=DEFAULT_BASE_PATH)
_repository = start_repository(_settings, _instance)
# Lambda sends one event at a time, and has its own limits on memory and size.
_admission = Admission(max_bytes=_settings.max_body_bytes)
_api = RestApi(_repository, _instance, _admission, RestOptions(_settings.max_body_bytes))
_default_path = f"/v1/models/{_settings.model_name or _repository.all()[0].model_name}:predict"
_instance.ready()
announce_ready(_settings.ready_file, os.environ.get("AWS_LAMBDA_RUNTIME_API", ""), 0)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one event.

    Args:
        event: An event from a function URL, an API or a load balancer, or a direct Invoke with a bare Predict body.
        _context: Lambda's context; unused.

    Returns:
        The reply in the format the event's sender expects; errors are replies too.
    """
    try:
        reply = _api.handle(parse_event(event, _default_path))
    except ServingError as error:
        reply = _error_reply(error)
    if (size := _encoded_bytes(reply)) > _MAX_RESPONSE_BYTES:
        reply = _error_reply(
            PayloadTooLargeError(
                f"the response of {size} bytes is larger than the {_MAX_RESPONSE_BYTES} Lambda allows: "
                "ask for fewer outputs, or accept application/x-npy or application/x-protobuf"
            )
        )
    return format_reply(reply, event)


def _encoded_bytes(reply: HttpReply) -> int:
    """The body's size inside the envelope: as a JSON string, or as base64."""
    if reply.content_type == JSON_TYPE:
        return len(reply.body) + reply.body.count(b'"') + reply.body.count(b"\\")
    return -(-len(reply.body) // 3) * 4


def _error_reply(error: ServingError) -> HttpReply:
    return HttpReply(status_of(error).http, JSON_TYPE, error_body(str(error)))
