"""The two routes of a SageMaker container as a Flask application.

The contract is SageMaker's (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html); the
custom attributes that select a model are those of the TensorFlow Serving container SageMaker ships.
"""

import re
from collections.abc import Mapping

from flask import Flask, Response, request

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE, refuse_other_types
from serverless_dnn.runtime.errors import InvalidArgumentError, UnimplementedError
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest
from serverless_dnn.runtime.http.rest_api import RestApi, error_body
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.memory_limit import memory_for_requests
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.saved_model.model_folder import is_version
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.timing import Instance

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
# SageMaker passes at most this many characters of custom attributes (InvokeEndpoint API).
_MAX_ATTRIBUTES_CHARACTERS = 1024
_ATTRIBUTE = re.compile(r"tfs-(?P<name>[a-z\-]+)=(?P<value>[^,]+)")


def create_app(repository: ModelRepository, instance: Instance, settings: ServerSettings) -> Flask:
    """Make the application.

    Args:
        repository: The loaded models.
        instance: Identifies this process in every response.
        settings: How to serve.

    Returns:
        A WSGI application with ``/ping`` and ``/invocations``.
    """
    app = Flask(__name__)
    # One byte more than allowed, so that the API's own check responds with a message that states the limit.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes + 1
    admission = Admission(memory_bytes=memory_for_requests(), max_bytes=settings.max_body_bytes)
    api = RestApi(repository, instance, admission, max_body_bytes=settings.max_body_bytes)
    # As upstream: requests that name no model go to the first one found.
    default_name = settings.model_name or repository.all()[0].model_name

    @app.get("/ping")
    def ping() -> Response:
        return Response(status=200)

    @app.post("/invocations")
    def invocations() -> Response:
        http_request = HttpRequest(
            method="POST",
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.get_data(),
        )
        return _respond(api.predict(http_request, lambda: _find_servable(repository, default_name, http_request)))

    @app.errorhandler(404)
    @app.errorhandler(405)
    def not_found(_error: Exception) -> Response:
        return Response(error_body("Not Found"), 404, content_type=JSON_TYPE)

    @app.errorhandler(413)
    def too_large(_error: Exception) -> Response:
        message = f"the body is larger than the {settings.max_body_bytes} bytes this server accepts"
        return Response(error_body(message), 413, content_type=JSON_TYPE)

    return app


def _find_servable(repository: ModelRepository, default_name: str, http_request: HttpRequest) -> Servable:
    refuse_other_types(http_request.content_type)
    attributes = _attributes(http_request.headers)
    if (method := attributes.get("method", "predict")) != "predict":
        raise UnimplementedError(f"tfs-method={method} is not offered: send predict")
    version = attributes.get("model-version")
    if version is not None and not is_version(version):
        raise InvalidArgumentError(f"tfs-model-version must be a number, got {version!r}")
    return repository.get(attributes.get("model-name", default_name), None if version is None else int(version))


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    found = _ATTRIBUTE.finditer(headers.get(CUSTOM_ATTRIBUTES, ""))
    return {match["name"]: match["value"].strip() for match in found}


def _respond(reply: HttpReply) -> Response:
    response = Response(reply.body, reply.status, content_type=reply.content_type)
    timing = reply.headers["server-timing"]
    response.headers["Server-Timing"] = timing
    # The only custom response header of a container that reaches the caller of InvokeEndpoint.
    response.headers["X-Amzn-SageMaker-Custom-Attributes"] = timing[:_MAX_ATTRIBUTES_CHARACTERS]
    return response
