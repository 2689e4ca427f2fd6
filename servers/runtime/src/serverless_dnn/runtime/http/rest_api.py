"""TensorFlow Serving's REST API on any HTTP platform: paths in, replies out, errors as its JSON.

Paths and rules follow https://www.tensorflow.org/tfx/serving/api_rest and the server's own request handler
(tensorflow_serving/model_servers/http_rest_api_handler.cc).
"""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.codecs.examples_json import (
    decode_examples_json,
    encode_classifications_json,
    encode_regressions_json,
)
from serverless_dnn.runtime.codecs.rest_json import find_rest_signature
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import InternalError, InvalidArgumentError, NotFoundError, ServingError, status_of
from serverless_dnn.runtime.http.bodies import inflate
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest
from serverless_dnn.runtime.http.predict import predict_over_http
from serverless_dnn.runtime.http.rest_options import RestOptions
from serverless_dnn.runtime.http.transfer_request import read_transfer_request
from serverless_dnn.runtime.inference.admission import Admission, Place
from serverless_dnn.runtime.inference.classify_regress import classify, regress
from serverless_dnn.runtime.inference.servable import Servable, servable_spec
from serverless_dnn.runtime.repository.model_info import model_status, signature_map
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.saved_model.model_folder import is_version
from serverless_dnn.runtime.timing import Instance, PhaseTimer

INTERNAL_MESSAGE = "internal error: the server's log has the details"
"""What a caller is told of a bug."""
_log = logging.getLogger(__name__)
_MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_INFERENCE = re.compile(_MODEL + r":(?P<method>predict|classify|regress)", re.IGNORECASE)
_METADATA = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)


class RestApi:
    """Serves requests for a repository's models.

    Args:
        repository: The models.
        instance: Identifies this process in every response.
        admission: Admits predictions.
        options: Formats and limits.
        observer: Called when a request ends, with its method, the name of its status, and its timer.
    """

    def __init__(
        self,
        repository: ModelRepository,
        instance: Instance,
        admission: Admission,
        options: RestOptions,
        *,
        observer: Callable[[str, str, PhaseTimer], None] | None = None,
    ) -> None:
        self._repository = repository
        self._instance = instance
        self._admission = admission
        self._options = options
        self._observer = observer

    def handle(self, request: HttpRequest, deadline: Deadline | None = None) -> HttpReply:
        """Route a request by its path and answer it.

        Args:
            request: The request.
            deadline: How long its caller waits; by default the options say.

        Returns:
            The reply; errors are replies too.
        """
        return self.answer(lambda timer: self._route(request, timer, deadline))

    def infer(self, request: HttpRequest, method: str, find_servable: Callable[[], Servable]) -> HttpReply:
        """Answer an inference request whose model is not named by its path.

        Args:
            request: The request.
            method: ``predict``, ``classify`` or ``regress``.
            find_servable: Returns the model, or raises.

        Returns:
            The reply; errors are replies too.
        """
        return self.answer(lambda timer: self._in_place(request, timer, method, find_servable, None))

    def describe(self, name: str, version: int | None, label: str | None, *, metadata: bool) -> HttpReply:
        """Tell about a model that is not named by a path.

        Args:
            name: The model.
            version: Its version; ``None`` for the newest, or for all in a status.
            label: A label that refers to a version.
            metadata: Whether to tell its metadata instead of its status.

        Returns:
            The reply; errors are replies too.
        """
        return self.answer(lambda _: (JSON_TYPE, self._description(name, version, label, metadata=metadata)))

    def answer(self, work: Callable[[PhaseTimer], tuple[str, bytes]]) -> HttpReply:
        """Run the work of one request and turn its result or error into a reply with timing.

        Args:
            work: Takes the request's timer and returns content type and body.

        Returns:
            The reply.
        """
        timer = PhaseTimer()
        try:
            reply, outcome = HttpReply(200, *work(timer)), "OK"
        except ServingError as error:
            reply, outcome = error_reply(error), status_of(error).name
        except Exception:  # noqa: BLE001 - no traceback may reach a caller
            _log.exception("a request failed because of a bug in this server")
            reply, outcome = error_reply(InternalError(INTERNAL_MESSAGE)), "INTERNAL"
        if self._observer is not None:
            self._observer("REST", outcome, timer)
        return replace(reply, headers={"server-timing": self._instance.server_timing(timer)})

    def _route(self, request: HttpRequest, timer: PhaseTimer, deadline: Deadline | None) -> tuple[str, bytes]:
        if not request.path.lower().startswith("/v1/"):
            raise NotFoundError(f"there is nothing at {request.path}: try /v1/models/NAME:predict")
        # TensorFlow Serving matches the path together with its query, so any query makes a request malformed.
        if request.query:
            raise _malformed(request)
        if request.method == "POST" and (match := _INFERENCE.fullmatch(request.path)):
            method = match["method"].lower()
            timer.method = method.capitalize()
            named = _parts(match)
            return self._in_place(request, timer, method, lambda: self._repository.get(**named), deadline)
        if request.method == "GET" and (match := _METADATA.fullmatch(request.path)):
            return JSON_TYPE, self._description(**_parts(match), metadata=match["metadata"] is not None)
        if request.method == "GET" and request.path.rstrip("/").lower() == "/v1/models":
            raise InvalidArgumentError("Missing model name in request.")
        raise _malformed(request)

    def _in_place(
        self,
        request: HttpRequest,
        timer: PhaseTimer,
        method: str,
        find: Callable[[], Servable],
        deadline: Deadline | None,
    ) -> tuple[str, bytes]:
        """Admit and run a prediction; failures count against its model once that is found."""
        deadline = deadline or Deadline.after(self._options.timeout_s)
        with self._admission.admit(len(request.body)) as place:
            servable = find()
            timer.model = servable.model_name
            urls = None if self._options.transfers is None else read_transfer_request(request.body)
            if self._options.transfers is None or urls is None:
                return self._run(request, servable, method, timer, place, deadline)
            from serverless_dnn.runtime.http.transfers import fetch_inputs

            with timer.phase("download"):
                request = fetch_inputs(request, urls, self._options.transfers, deadline, place.budget)
            content_type, body = self._run(request, servable, method, timer, place, deadline)
            if urls.outputs_url is None:
                return content_type, body
            with timer.phase("upload"):
                self._options.transfers.upload(urls.outputs_url, content_type, body, deadline)
            return JSON_TYPE, _print({"uploaded": {"content_type": content_type, "bytes": len(body)}})

    def _run(
        self,
        request: HttpRequest,
        servable: Servable,
        method: str,
        timer: PhaseTimer,
        place: Place,
        deadline: Deadline,
    ) -> tuple[str, bytes]:
        if method == "predict":
            return predict_over_http(request, servable, timer, place, self._options, deadline)
        with timer.phase("decode"):
            body = inflate(request, self._options.max_body_bytes, place.budget)
            name, given = decode_examples_json(self._options.bodies.examples(request, body), place.budget)
            signature = find_rest_signature(servable.signatures, name)
        if method == "classify":
            return JSON_TYPE, encode_classifications_json(classify(servable, signature, given, timer, deadline))
        return JSON_TYPE, encode_regressions_json(regress(servable, signature, given, timer, deadline))

    def _description(self, name: str, version: int | None, label: str | None, *, metadata: bool) -> bytes:
        if not metadata:
            return _print(message_to_dict(model_status(self._repository, name, version)))
        servable = self._repository.get(name, version, label)
        spec = servable_spec(servable)
        return _print(
            {
                "model_spec": {"name": spec.name, "signature_name": "", "version": str(spec.version.value)},
                "metadata": {"signature_def": message_to_dict(signature_map(servable))},
            }
        )


def error_body(message: str) -> bytes:
    """An error body in TensorFlow Serving's format.

    Args:
        message: The message the caller sees.

    Returns:
        ``{"error": message}`` as JSON.
    """
    return _print({"error": message})


def error_reply(error: ServingError) -> HttpReply:
    """The reply to a request that failed.

    Args:
        error: Why.

    Returns:
        The error's status, and its message in TensorFlow Serving's format.
    """
    return HttpReply(status_of(error).http, JSON_TYPE, error_body(str(error)))


def message_to_dict(message: Message) -> dict[str, Any]:
    """A message as TensorFlow Serving prints it: every field, by its name in the .proto.

    Args:
        message: The message.

    Returns:
        What to print as JSON.
    """
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _parts(match: re.Match[str]) -> dict[str, Any]:
    version, label = match["version"], match["label"]
    if version and not is_version(version):
        raise InvalidArgumentError(f"Failed to convert version: {version[:30]} to numeric.")
    return {
        "name": unquote(match["model"]),
        "version": int(version) if version else None,
        "label": unquote(label) if label else None,
    }


def _malformed(request: HttpRequest) -> InvalidArgumentError:
    query = f"?{request.query}" if request.query else ""
    return InvalidArgumentError(f"Malformed request: {request.method} {request.path}{query}")


def _print(value: object) -> bytes:
    # A lone surrogate, which UTF-8 cannot encode, is written as a JSON escape.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
