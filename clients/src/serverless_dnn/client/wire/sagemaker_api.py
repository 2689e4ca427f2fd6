"""SageMaker's InvokeEndpoint: custom attributes select model, version and method."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from serverless_dnn.client.errors import RequestError, code_of_http_status, server_error
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.bodies import load_json
from serverless_dnn.client.wire.exchange import Request, Response
from serverless_dnn.client.wire.rest_api import JSON, RestApi, http_error

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
# https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html: a serverless endpoint's limit, each way.
MAX_BODY_BYTES = 4 << 20
# SageMaker answers with this status for every error of a container, with the container's own in the body.
_MODEL_ERROR_STATUS = 424
_MAX_ATTRIBUTES_CHARACTERS = 1024


class SageMakerApi(RestApi):
    """TensorFlow Serving's REST API behind SageMaker's ``/invocations``.

    Args:
        endpoint: The endpoint's name; empty for a container on its own.
        output_name: Without a signature, the name of a single output.
        output_dtype: Without a signature, the type of JSON numbers.
    """

    name = "SageMaker"

    def __init__(
        self, endpoint: str, output_name: str = "predictions", output_dtype: np.dtype[Any] | None = None
    ) -> None:
        super().__init__(output_name, output_dtype)
        self._path = f"/endpoints/{quote(endpoint, safe='')}/invocations" if endpoint else "/invocations"
        self.max_request_bytes = MAX_BODY_BYTES if endpoint else None

    def wrap(self, request: Request, address: ModelAddress) -> Request:
        """See ``RestApi``."""
        attributes = [f"tfs-model-name={address.name}"]
        if address.version is not None:
            attributes.append(f"tfs-model-version={address.version}")
        elif address.label is not None:
            attributes.append(f"tfs-model-label={address.label}")
        if request.method == "POST":
            attributes.append(f"tfs-method={request.path.rpartition(':')[2]}")
        else:
            attributes.append(f"sdnn-method={'metadata' if request.path.endswith('/metadata') else 'status'}")
        text = ",".join(attributes)
        if "," in (address.label or "") or "," in address.name or len(text) > _MAX_ATTRIBUTES_CHARACTERS:
            raise RequestError("SageMaker's custom attributes hold 1,024 characters, and names without commas")
        # A GET has no body, which InvokeEndpoint must have.
        body = request.body or b"{}"
        return Request("POST", self._path, body, {"content-type": JSON, **request.headers, CUSTOM_ATTRIBUTES: text})

    def unwrap(self, response: Response) -> Response:
        """See ``Wire``."""
        # This is the only container header that SageMaker passes through.
        attributes = response.headers.get(CUSTOM_ATTRIBUTES)
        headers = {**response.headers, "server-timing": attributes} if attributes else response.headers
        if response.status == _MODEL_ERROR_STATUS:
            raise _model_error(Response(response.body, headers, response.status))
        return Response(response.body, headers, response.status)


def _model_error(response: Response) -> Exception:
    """What the container said, if SageMaker tells; a container that crashed or was cut off said nothing."""
    try:
        document = load_json(response.body, "an error")
        status, message = int(document["OriginalStatusCode"]), document["OriginalMessage"]
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the answer as it is says more than that
        return http_error(response)
    if not 300 <= status <= 599:
        return http_error(response)
    request_id = response.headers.get("x-amzn-requestid", "")
    return server_error(code_of_http_status(status), _inner(message), http_status=status, request_id=request_id)


def _inner(message: Any) -> str:
    """The message of a JSON error that the container answered with, or the text itself."""
    if not isinstance(message, str) or not message:
        return "the container failed without a message"
    try:
        document = load_json(message.encode("utf-8", "replace"), "an error")
    except Exception:  # noqa: BLE001 - it need not be JSON
        return message
    found = document.get("error") if isinstance(document, Mapping) else None
    return found if isinstance(found, str) else message
