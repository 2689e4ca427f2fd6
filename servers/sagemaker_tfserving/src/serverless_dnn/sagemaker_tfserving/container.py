"""The routes of the container: ``/ping``, ``/invocations``, and ``/models`` of multi-model endpoints.

The contract is SageMaker's (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html); the
custom attributes that select a model are those of the TensorFlow Serving container that AWS published.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ServingError,
    UnavailableError,
)
from serverless_dnn.runtime.http.bodies import compress, inflate
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest
from serverless_dnn.runtime.http.rest_api import INTERNAL_MESSAGE, RestApi, error_reply
from serverless_dnn.runtime.http.rest_options import RestOptions
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.timing import Instance, PhaseTimer
from serverless_dnn.sagemaker_tfserving.custom_attributes import (
    CUSTOM_ATTRIBUTES,
    MAX_CHARACTERS,
    InvocationTarget,
    read_target,
)
from serverless_dnn.sagemaker_tfserving.multi_model import MultiModel
from serverless_dnn.sagemaker_tfserving.script.inference_script import InferenceScript

_MODEL = re.compile(r"/models/(?P<name>[^/:]+)(?P<invoke>/invoke)?")
# The path of SageMaker's own API, so that its SDK can call a container that runs on this machine.
_ENDPOINT = re.compile(r"/endpoints/[^/]+/invocations")
_SHOWN_MODELS = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Script:
    """A user's script and the servers it may call.

    Attributes:
        script: The script.
        next_ports: Returns a pair of gRPC and REST ports on loopback: each request gets another, in turn.
    """

    script: InferenceScript
    next_ports: Callable[[], tuple[int, int]]


@dataclass(frozen=True)
class Container:
    """Answers SageMaker's requests.

    Attributes:
        repository: The models.
        api: Runs predictions.
        instance: Identifies this process in every response.
        admission: Admits invocations.
        options: The limits of invocations.
        default_model: The model of requests that name none; ``None`` if there are several to choose from.
        why_away: Why predictions cannot be made now; empty if they can.
        script: The user's script, if there is one.
        multi_model: The models of a multi-model endpoint, if it is one.
    """

    repository: ModelRepository
    api: RestApi
    instance: Instance
    admission: Admission
    options: RestOptions
    default_model: str | None
    why_away: Callable[[], str]
    script: Script | None = None
    multi_model: MultiModel | None = None

    def handle(self, request: HttpRequest) -> HttpReply:
        """Answer a request.

        Args:
            request: The request.

        Returns:
            The reply; errors are replies too.
        """
        try:
            return self._route(request, request.path.rstrip("/"))
        except ServingError as error:
            return error_reply(error)
        except Exception:  # noqa: BLE001 - no traceback may reach a caller
            _log.exception("a request failed because of a bug in this server")
            return error_reply(InternalError(INTERNAL_MESSAGE))

    def _route(self, request: HttpRequest, path: str) -> HttpReply:
        if path == "/ping":
            # In a thread of its own, without waiting for anything.
            return HttpReply(503 if self.why_away() else 200, "", b"")
        if request.method == "POST" and (path == "/invocations" or _ENDPOINT.fullmatch(path)):
            if self.multi_model is not None:
                raise InvalidArgumentError("Invocation request does not contain model name.")
            return self._invoke(request, None)
        if self.multi_model is not None and (path == "/models" or path.startswith("/models/")):
            return self._change(request, path, self.multi_model)
        if path.startswith("/v1/"):
            # SageMaker never asks for it; whoever runs the container on her own machine does.
            return self.api.handle(request)
        raise NotFoundError("Not Found")

    def _change(self, request: HttpRequest, path: str, models: MultiModel) -> HttpReply:
        found = _MODEL.fullmatch(path)
        if path != "/models" and found is None:
            raise NotFoundError("Not Found")
        name = unquote(found["name"]) if found is not None else ""
        match request.method, found is not None, found is not None and found["invoke"] is not None:
            case "GET", False, _:
                return models.list()
            case "POST", False, _:
                return models.load(request.body)
            case "GET", True, False:
                return models.describe(name)
            case "DELETE", True, False:
                return models.unload(name)
            case "POST", True, True:
                models.check_loaded(name)
                return self._invoke(request, name)
        raise NotFoundError("Not Found")

    def _invoke(self, request: HttpRequest, model_name: str | None) -> HttpReply:
        target = read_target(request.headers)
        if why := self.why_away():
            raise UnavailableError(why)
        if model_name is not None:
            target = replace(target, model_name=model_name)
        if target.description:
            return _with_timing(self._describe(target))
        if target.content_encoding:
            request = replace(request, headers={**request.headers, "content-encoding": target.content_encoding})
        if self.script is not None:
            return self._run_script(request, target, self.script)
        reply = self.api.infer(request, target.method, lambda: self._find(target))
        return _with_timing(compress(reply, target.accept_encoding or request.headers.get("accept-encoding", "")))

    def _describe(self, target: InvocationTarget) -> HttpReply:
        is_metadata = target.description == "metadata"
        return self.api.describe(self._name(target), target.version, target.label, metadata=is_metadata)

    def _find(self, target: InvocationTarget) -> Servable:
        return self.repository.get(self._name(target), target.version, target.label)

    def _name(self, target: InvocationTarget) -> str:
        name = target.model_name or self.default_model
        if name is None:
            names = sorted({servable.model_name for servable in self.repository.all()})
            shown = ", ".join(names[:_SHOWN_MODELS]) + (", ..." if len(names) > _SHOWN_MODELS else "")
            raise InvalidArgumentError(
                f"this endpoint serves several models ({shown}): name one with the custom attribute "
                "tfs-model-name=NAME, or set SAGEMAKER_TFS_DEFAULT_MODEL_NAME"
            )
        return name

    def _run_script(self, request: HttpRequest, target: InvocationTarget, script: Script) -> HttpReply:
        timer = PhaseTimer()
        try:
            # The script's own calls to the model are admitted apart: they must not wait for a place that this holds.
            with self.admission.admit(len(request.body)) as place, timer.phase("script"):
                body = inflate(request, self.options.max_body_bytes, place.budget)
                context = self._context(request, target, len(body), script.next_ports())
                reply = script.script.call(body, context, Deadline.after(self.options.timeout_s))
        except ServingError as error:
            reply = error_reply(error)
        timing = {"server-timing": self.instance.server_timing(timer)}
        return _with_timing(replace(reply, headers={**reply.headers, **timing}))

    def _context(
        self, request: HttpRequest, target: InvocationTarget, body_bytes: int, ports: tuple[int, int]
    ) -> Mapping[str, Any]:
        names = (servable.model_name for servable in self.repository.all())
        # A script may choose the model by itself, so none has to be named.
        name = target.model_name or self.default_model or next(names, "")
        version = "" if target.version is None else f"/versions/{target.version}"
        label = "" if target.label is None else f"/labels/{target.label}"
        grpc_port, rest_port = ports
        return {
            "model_name": name,
            "model_version": None if target.version is None else str(target.version),
            "method": target.method,
            "rest_uri": f"http://127.0.0.1:{rest_port}/v1/models/{name}{version}{label}:{target.method}",
            "grpc_port": str(grpc_port),
            "custom_attributes": request.headers.get(CUSTOM_ATTRIBUTES),
            "request_content_type": request.headers.get("content-type") or JSON_TYPE,
            "accept_header": request.headers.get("accept") or JSON_TYPE,
            "content_length": body_bytes,
        }


def _with_timing(reply: HttpReply) -> HttpReply:
    # The only custom response header of a container that reaches the caller of InvokeEndpoint.
    timing = reply.headers["server-timing"][:MAX_CHARACTERS]
    return replace(reply, headers={**reply.headers, "X-Amzn-SageMaker-Custom-Attributes": timing})
