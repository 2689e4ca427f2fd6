"""TensorFlow Serving's REST API, and what the platforms' envelopes have in common."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike

from serverless_dnn.client.errors import ResponseError, ServerError, code_of_http_status, server_error
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import BodyFormat
from serverless_dnn.client.specs import Class, Signature, VersionStatus
from serverless_dnn.client.wire.bodies import CONTENT_TYPES, WireFormat, decode_body, dump_json, encode_body, load_json
from serverless_dnn.client.wire.exchange import Example, Outputs, Request, Response, Wire

JSON = CONTENT_TYPES["json"]
_SHOWN_CHARACTERS = 1000
# Where platforms and proxies put what they call a request.
_REQUEST_IDS = ("x-amzn-requestid", "x-amz-request-id", "x-request-id", "x-cloud-trace-context")


class RestApi(Wire):
    """TensorFlow Serving's REST API.

    Args:
        output_name: Without a signature, the name of a single output.
        output_dtype: Without a signature, the type of JSON numbers.
    """

    name = "REST"

    def __init__(self, output_name: str = "predictions", output_dtype: np.dtype[Any] | None = None) -> None:
        self._output_name = output_name
        self._output_dtype = output_dtype

    def wrap(self, request: Request, _address: ModelAddress) -> Request:
        """Put a request into the platform's envelope; this API has none.

        Args:
            request: The request.
        """
        return request

    def predict(
        self,
        address: ModelAddress,
        inputs: Mapping[str, ArrayLike],
        body_format: BodyFormat,
        signature: Signature | None,
    ) -> Request:
        """See ``Wire``."""
        wire_format: WireFormat = "json" if body_format == "auto" else body_format
        body = encode_body(wire_format, address, inputs, signature)
        content_type = CONTENT_TYPES[wire_format]
        return self._post(address, "predict", body, content_type)

    def read_outputs(self, response: Response, address: ModelAddress, signature: Signature | None) -> Outputs:
        """See ``Wire``."""
        inner = self._checked(response)
        arrays, version = decode_body(
            inner.headers.get("content-type", ""),
            inner.body,
            signature,
            output_names=address.output_filter,
            output_name=self._output_name,
            output_dtype=self._output_dtype,
        )
        return Outputs(arrays, version)

    def by_url(self, address: ModelAddress, inputs_url: str, outputs_url: str) -> Request:
        """See ``Wire``."""
        body = dump_json({"inputs_url": inputs_url, "outputs_url": outputs_url})
        return self._post(address, "predict", body, JSON, CONTENT_TYPES["protobuf"])

    def read_uploaded(self, response: Response) -> str:
        """See ``Wire``."""
        document = load_json(self._checked(response).body, "a note of what was uploaded")
        try:
            return str(document["uploaded"]["content_type"])
        except (KeyError, TypeError) as error:
            raise ResponseError(f"the answer does not say what was uploaded: {error!r}") from None

    def read_stored(self, content_type: str, body: bytes, signature: Signature | None, names: Sequence[str]) -> Outputs:
        """See ``Wire``."""
        return Outputs(*decode_body(content_type, body, signature, output_names=names))

    def check(self, response: Response) -> None:
        """See ``Wire``."""
        self._checked(response)

    def classify(self, address: ModelAddress, examples: Sequence[Example]) -> Request:
        """See ``Wire``."""
        return self._examples(address, "classify", examples)

    def read_classes(self, response: Response) -> tuple[tuple[Class, ...], ...]:
        """See ``Wire``."""
        results = self._results(response)
        try:
            return tuple(tuple(Class(str(label), float(score)) for label, score in example) for example in results)
        except (TypeError, ValueError) as error:
            raise ResponseError(f"the answer is not a Classify answer: {error}") from None

    def regress(self, address: ModelAddress, examples: Sequence[Example]) -> Request:
        """See ``Wire``."""
        return self._examples(address, "regress", examples)

    def read_values(self, response: Response) -> tuple[float, ...]:
        """See ``Wire``."""
        results = self._results(response)
        try:
            return tuple(float(value) for value in results)
        except (TypeError, ValueError) as error:
            raise ResponseError(f"the answer is not a Regress answer: {error}") from None

    def metadata(self, address: ModelAddress) -> Request:
        """See ``Wire``."""
        return self._get(address, "metadata")

    def read_signatures(self, response: Response) -> dict[str, Signature]:
        """See ``Wire``."""
        from google.protobuf.json_format import ParseDict, ParseError

        from serverless_dnn.client.wire.metadata import signatures_of
        from serverless_dnn.protos.v1 import signature_pb2

        document = load_json(self._checked(response).body, "a model's metadata")
        try:
            definitions = document["metadata"]["signature_def"]
            message = ParseDict(definitions, signature_pb2.SignatureDefMap(), ignore_unknown_fields=True)
        except (KeyError, TypeError, ParseError) as error:
            raise ResponseError(f"the answer is not a model's metadata: {error!r}") from None
        return signatures_of(message.signature_def)

    def status(self, address: ModelAddress) -> Request:
        """See ``Wire``."""
        return self._get(address, "status")

    def read_versions(self, response: Response) -> list[VersionStatus]:
        """See ``Wire``."""
        from google.protobuf.json_format import ParseDict, ParseError

        from serverless_dnn.client.wire.metadata import versions_of
        from serverless_dnn.protos.v1 import model_status_pb2

        document = load_json(self._checked(response).body, "a model's status")
        try:
            message = ParseDict(document, model_status_pb2.GetModelStatusResponse(), ignore_unknown_fields=True)
        except (AttributeError, TypeError, ParseError) as error:
            raise ResponseError(f"the answer is not a model's status: {error!r}") from None
        return versions_of(message)

    def _post(
        self, address: ModelAddress, method: str, body: bytes, content_type: str, accept: str | None = None
    ) -> Request:
        headers = {"content-type": content_type, "accept": accept or content_type}
        return self.wrap(Request("POST", f"{model_path(address)}:{method}", body, headers), address)

    def _get(self, address: ModelAddress, what: str) -> Request:
        path = model_path(address) + ("/metadata" if what == "metadata" else "")
        return self.wrap(Request("GET", path, b"", {"accept": JSON}), address)

    def _examples(self, address: ModelAddress, method: str, examples: Sequence[Example]) -> Request:
        from serverless_dnn.client.wire.examples import json_of

        document: dict[str, Any] = {"examples": json_of(examples)}
        if address.signature_name:
            document["signature_name"] = address.signature_name
        return self._post(address, method, dump_json(document), JSON)

    def _results(self, response: Response) -> Any:
        document = load_json(self._checked(response).body, "a list of results")
        # AWS's container and ours answer with TensorFlow Serving's document.
        if not isinstance(document, dict) or not isinstance(document.get("results"), list):
            raise ResponseError(f"the answer has no list of results: it is {str(document)[:100]}")
        return document["results"]

    def _checked(self, response: Response) -> Response:
        if response.status >= 300:
            raise http_error(response)
        return response


def model_path(address: ModelAddress) -> str:
    """The path of a model in TensorFlow Serving's REST API.

    Args:
        address: The model.

    Returns:
        For example ``/v1/models/mobilenet_v1/versions/3``.
    """
    path = f"/v1/models/{quote(address.name, safe='')}"
    if address.version is not None:
        return f"{path}/versions/{address.version}"
    if address.label is not None:
        return f"{path}/labels/{quote(address.label, safe='')}"
    return path


def http_error(response: Response) -> ServerError:
    """The error that a server answered with.

    Args:
        response: Its response, with a status of 300 or above.
    """
    headers = response.headers
    return server_error(
        code_of_http_status(response.status),
        _error_text(response),
        http_status=response.status,
        request_id=next((headers[name] for name in _REQUEST_IDS if name in headers), ""),
        retry_after_s=_seconds(headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float | None:
    # The other form, a date, takes clocks that agree.
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _error_text(response: Response) -> str:
    """The message in an error body from TensorFlow Serving, SageMaker or Lambda, or else the raw text."""
    try:
        document = load_json(response.body, "an error")
    except ResponseError:
        document = None
    if isinstance(document, dict):
        for key in ("error", "OriginalMessage", "Message", "message", "errorMessage"):
            if isinstance(document.get(key), str) and document[key]:
                return str(document[key])
    text = response.body[:_SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
    return text or f"the server answered with status {response.status} and no message"
