"""Lambda's Invoke API, with the envelope of a function URL around requests (format 2.0)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from serverless_dnn.client.errors import ResponseError, StatusCode, server_error
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.bodies import dump_json, load_json
from serverless_dnn.client.wire.exchange import Request, Response
from serverless_dnn.client.wire.rest_api import JSON, RestApi, http_error

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB, synchronous, of the event's text.
MAX_EVENT_BYTES = 6 << 20


class LambdaApi(RestApi):
    """TensorFlow Serving's REST API inside events of Lambda's Invoke API.

    Args:
        function: The function's name or ARN.
        output_name: Without a signature, the name of a single output.
        output_dtype: Without a signature, the type of JSON numbers.
    """

    name = "Lambda"
    max_request_bytes = MAX_EVENT_BYTES

    def __init__(
        self, function: str, output_name: str = "predictions", output_dtype: np.dtype[Any] | None = None
    ) -> None:
        super().__init__(output_name, output_dtype)
        self._path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"

    def wrap(self, request: Request, _address: ModelAddress) -> Request:
        """See ``RestApi``."""
        is_text = request.headers.get("content-type", JSON) == JSON
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": request.path,
            "rawQueryString": "",
            "headers": request.headers,
            "requestContext": {"http": {"method": request.method, "path": request.path, "protocol": "HTTP/1.1"}},
            "body": request.body.decode() if is_text else base64.b64encode(request.body).decode("ascii"),
            "isBase64Encoded": not is_text,
        }
        return Request("POST", self._path, dump_json(event), {"content-type": JSON})

    def unwrap(self, response: Response) -> Response:
        """See ``Wire``."""
        if response.status >= 300:
            raise http_error(response)
        result = load_json(response.body, "a function's result")
        if "x-amz-function-error" in response.headers:
            told = result if isinstance(result, dict) else {}
            kind, text = told.get("errorType", "Error"), told.get("errorMessage", "no message")
            request_id = response.headers.get("x-amzn-requestid", "")
            raise server_error(StatusCode.INTERNAL, f"the function failed: {kind}: {text}", request_id=request_id)
        try:
            body, headers = result["body"], result.get("headers") or {}
            content = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
            inner = {str(name).lower(): str(value) for name, value in headers.items()}
            return Response(content, {**_request_id(response.headers), **inner}, int(result.get("statusCode", 200)))
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ResponseError(f"the function's result is not an HTTP response in an envelope: {error!r}") from None


def _request_id(headers: Mapping[str, str]) -> dict[str, str]:
    return {"x-amzn-requestid": headers["x-amzn-requestid"]} if "x-amzn-requestid" in headers else {}
