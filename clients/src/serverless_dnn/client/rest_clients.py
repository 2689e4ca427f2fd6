"""The HTTP clients: TensorFlow Serving's REST API, Lambda's Invoke API, and SageMaker's InvokeEndpoint.

They differ only in the URL and the envelope; the bodies are the same.
"""

import base64
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import orjson
import urllib3
from numpy.typing import ArrayLike, DTypeLike

from serverless_dnn.client.bodies import CONTENT_TYPES, BodyFormat, decode_body, encode_body
from serverless_dnn.client.errors import (
    ConnectError,
    DeadlineError,
    RequestError,
    ResponseError,
    ServerError,
    StatusCode,
    code_of_http_status,
)
from serverless_dnn.client.messages import MAX_RESPONSE_BYTES, ModelAddress
from serverless_dnn.client.prediction import Prediction, Timing
from serverless_dnn.client.server_timing import parse_server_timing

DEFAULT_TIMEOUT_S = 60.0
# SageMaker returns this for every container error, with the container's own status in the body.
_MODEL_ERROR_STATUS = 424
Signer = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]
"""Takes method, URL, headers and body, and returns the headers to send."""


@dataclass(frozen=True)
class HttpOptions:
    """Options of an HTTP client.

    Attributes:
        body_format: ``json``, ``npy`` or ``protobuf``.
        output_name: The name for a single output: JSON and npy do not carry it.
        output_dtype: The type of numbers in JSON responses; ``None`` means float64 and int64.
        timeout_s: The default timeout of a call.
        connections: Connections kept open for concurrent calls.
        max_response_bytes: The largest accepted response.
        headers: Sent with every call.
        signer: Signs each request, for example ``serverless_dnn.client.aws.sigv4_signer``.
    """

    body_format: BodyFormat = "json"
    output_name: str = "predictions"
    output_dtype: DTypeLike | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    connections: int = 64
    max_response_bytes: int = MAX_RESPONSE_BYTES
    headers: Mapping[str, str] | None = None
    signer: Signer | None = None


@dataclass(frozen=True)
class _Exchange:
    """An HTTP request or response, either the platform's or the one inside its envelope."""

    headers: Mapping[str, str]
    body: bytes
    status: int = 200


class _HttpClient(ABC):
    """The base of the HTTP clients: connection pool, timing, errors."""

    def __init__(self, base_url: str, path: str, model: str | ModelAddress, options: HttpOptions | None) -> None:
        self._options = options or HttpOptions()
        self._address = model if isinstance(model, ModelAddress) else ModelAddress(model)
        if self._address.output_filter and self._options.body_format != "protobuf":
            raise RequestError("only protobuf bodies carry an output_filter: set body_format='protobuf'")
        self._base_url, self._path = base_url.rstrip("/"), path
        self._output_dtype = None if self._options.output_dtype is None else np.dtype(self._options.output_dtype)
        self._pool = urllib3.connection_from_url(self._base_url, maxsize=self._options.connections, retries=False)

    @abstractmethod
    def _wrap(self, request: _Exchange) -> _Exchange:
        """Put a Predict request into the platform's envelope."""

    @abstractmethod
    def _unwrap(self, response: _Exchange) -> _Exchange:
        """Take a Predict response out of the platform's envelope."""

    def predict(self, inputs: Mapping[str, ArrayLike], *, timeout_s: float | None = None) -> Prediction:
        """Run the model once; see ``Client.predict``."""
        begin_ns = time.perf_counter_ns()
        content_type = CONTENT_TYPES[self._options.body_format]
        body = encode_body(self._options.body_format, self._address, inputs)
        wrapped = self._wrap(_Exchange({"content-type": content_type, "accept": content_type}, body))
        sent_ns = time.perf_counter_ns()
        received = self._send(wrapped, self._options.timeout_s if timeout_s is None else timeout_s)
        received_ns = time.perf_counter_ns()
        answer = self._unwrap(received)
        if answer.status >= 300:
            raise ServerError(code_of_http_status(answer.status), _error_text(answer.body), answer.status)
        outputs, version = decode_body(
            answer.headers.get("content-type", ""), answer.body, self._options.output_name, self._output_dtype
        )
        server = answer.headers.get("server-timing")
        timing = Timing.between(
            (begin_ns, sent_ns, received_ns, time.perf_counter_ns()),
            bytes_sent=len(wrapped.body),
            bytes_received=len(received.body),
            server=parse_server_timing(server) if server else None,
        )
        return Prediction(outputs, timing, version)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def _send(self, request: _Exchange, timeout_s: float) -> _Exchange:
        url = self._base_url + self._path
        headers = {**request.headers, **(self._options.headers or {})}
        if self._options.signer is not None:
            headers = dict(self._options.signer("POST", url, headers, request.body))
        limit = self._options.max_response_bytes
        try:
            response = self._pool.urlopen(
                "POST",
                self._path,
                body=request.body,
                headers=headers,
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
                preload_content=False,
            )
            body = response.read(limit + 1)
        # First, since urllib3 treats a refused connection as a timeout.
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProtocolError) as error:
            raise ConnectError(f"cannot reach {self._base_url}: {error}") from None
        except urllib3.exceptions.TimeoutError:
            raise DeadlineError(f"no answer from {self._base_url} within {timeout_s} s") from None
        except urllib3.exceptions.HTTPError as error:
            raise ResponseError(f"no answer that can be read from {self._base_url}: {error}") from None
        if len(body) > limit:
            response.close()
            raise ResponseError(f"the answer is larger than the {limit} bytes this client takes")
        response.release_conn()
        return _Exchange({name.lower(): value for name, value in response.headers.items()}, body, response.status)


class RestClient(_HttpClient):
    """TensorFlow Serving's REST API: TensorFlow Serving itself, ``sdnn-model-server``, a Lambda function's URL.

    Args:
        base_url: ``http://host:port`` or ``https://...``.
        model: The model, by name or in full.
        options: The client's options.
    """

    def __init__(self, base_url: str, model: str | ModelAddress, options: HttpOptions | None = None) -> None:
        address = model if isinstance(model, ModelAddress) else ModelAddress(model)
        super().__init__(base_url, predict_path(address), address, options)

    def _wrap(self, request: _Exchange) -> _Exchange:
        return request

    def _unwrap(self, response: _Exchange) -> _Exchange:
        return response


class LambdaClient(_HttpClient):
    """A Lambda function via AWS's Invoke API, using the envelope of a function URL (format 2.0).

    Args:
        base_url: ``https://lambda.REGION.amazonaws.com``, or a local platform's.
        function: The function's name.
        model: The model, by name or in full.
        options: The client's options; AWS itself needs a ``signer``.
    """

    def __init__(
        self, base_url: str, function: str, model: str | ModelAddress, options: HttpOptions | None = None
    ) -> None:
        super().__init__(base_url, f"/2015-03-31/functions/{quote(function, safe='')}/invocations", model, options)
        self._event_path = predict_path(self._address)

    def _wrap(self, request: _Exchange) -> _Exchange:
        text = self._options.body_format == "json"
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self._event_path,
            "rawQueryString": "",
            "headers": request.headers,
            "requestContext": {"http": {"method": "POST", "path": self._event_path, "protocol": "HTTP/1.1"}},
            "body": request.body.decode() if text else base64.b64encode(request.body).decode("ascii"),
            "isBase64Encoded": not text,
        }
        return _Exchange({"content-type": "application/json"}, orjson.dumps(event))

    def _unwrap(self, response: _Exchange) -> _Exchange:
        if response.status >= 300:
            return response
        try:
            result: Any = orjson.loads(response.body)
            if "x-amz-function-error" in response.headers:
                raise ServerError(StatusCode.UNKNOWN, f"{result.get('errorType')}: {result.get('errorMessage')}", 200)
            body = base64.b64decode(result["body"]) if result.get("isBase64Encoded") else result["body"].encode()
            return _Exchange(result.get("headers", {}), body, result["statusCode"])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ResponseError(f"the function's answer is not an HTTP answer: {error!r}") from None


class SageMakerClient(_HttpClient):
    """A SageMaker endpoint via InvokeEndpoint; custom attributes select the model.

    Args:
        base_url: ``https://runtime.sagemaker.REGION.amazonaws.com``, or a local platform's.
        endpoint: The endpoint's name.
        model: The model, by name or in full.
        options: The client's options; AWS itself needs a ``signer``.
    """

    def __init__(
        self, base_url: str, endpoint: str, model: str | ModelAddress, options: HttpOptions | None = None
    ) -> None:
        super().__init__(base_url, f"/endpoints/{quote(endpoint, safe='')}/invocations", model, options)
        attributes = f"tfs-model-name={self._address.name}"
        if self._address.version is not None:
            attributes += f",tfs-model-version={self._address.version}"
        self._attributes = attributes

    def _wrap(self, request: _Exchange) -> _Exchange:
        headers = {**request.headers, "x-amzn-sagemaker-custom-attributes": self._attributes}
        return _Exchange(headers, request.body)

    def _unwrap(self, response: _Exchange) -> _Exchange:
        # This is the only container header that SageMaker passes through.
        attributes = response.headers.get("x-amzn-sagemaker-custom-attributes")
        headers = {**response.headers, "server-timing": attributes} if attributes else response.headers
        if response.status == _MODEL_ERROR_STATUS:
            document = orjson.loads(response.body or b"{}")
            message = str(document.get("OriginalMessage", "the container failed without a message"))
            return _Exchange(headers, message.encode(), int(document.get("OriginalStatusCode", response.status)))
        return _Exchange(headers, response.body, response.status)


def predict_path(address: ModelAddress) -> str:
    """The path of a model's Predict method in TensorFlow Serving's REST API.

    Args:
        address: The model.

    Returns:
        For example ``/v1/models/mobilenet_v1/versions/3:predict``.
    """
    path = f"/v1/models/{quote(address.name, safe='')}"
    if address.version is not None:
        path += f"/versions/{address.version}"
    elif address.label is not None:
        path += f"/labels/{quote(address.label, safe='')}"
    return f"{path}:predict"


def _error_text(body: bytes) -> str:
    """The message in an error body from TensorFlow Serving, SageMaker or Lambda, or else the raw text."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:1000].decode("utf-8", "replace")
    if isinstance(document, dict):
        for key in ("error", "OriginalMessage", "Message", "message"):
            if isinstance(document.get(key), str):
                return str(document[key])
    return body[:1000].decode("utf-8", "replace")
