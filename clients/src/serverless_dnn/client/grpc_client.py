"""The gRPC client, for Cloud Run, Knative and any TensorFlow Serving."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from numpy.typing import ArrayLike

from serverless_dnn.client.errors import ClientError, ConnectError, DeadlineError, ServerError, StatusCode
from serverless_dnn.client.messages import MAX_RESPONSE_BYTES, ModelAddress, decode_response, encode_request
from serverless_dnn.client.prediction import Prediction, ServerTiming, Timing
from serverless_dnn.client.server_timing import parse_server_timing
from serverless_dnn.protos.v1 import model_metadata_pb2, model_status_pb2, signature_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"
_GET_MODEL_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
_GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
DEFAULT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class GrpcOptions:
    """Options of a gRPC client.

    Attributes:
        secure: Use TLS with the system's root certificates; Cloud Run requires it.
        token: Returns the bearer token for each call, such as an identity token for Cloud Run.
        timeout_s: The default timeout of a call.
        max_response_bytes: The largest accepted response.
    """

    secure: bool = False
    token: Callable[[], str] | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_response_bytes: int = MAX_RESPONSE_BYTES

    def channel_options(self) -> list[tuple[str, Any]]:
        """Channel options for tensors: gRPC's default limit of 4 MiB is less than one image for YOLOv5."""
        return [
            ("grpc.max_receive_message_length", self.max_response_bytes),
            ("grpc.max_send_message_length", -1),
            # An implicit retry would be measured as a slow request, and might run the model twice.
            ("grpc.enable_retries", 0),
        ]

    def metadata(self) -> list[tuple[str, str]]:
        """The metadata of a call."""
        return [("authorization", f"Bearer {self.token()}")] if self.token else []


class GrpcClient:
    """Calls one model over one channel; any number of threads may share it.

    Args:
        target: ``host:port``.
        model: The model, by name or in full.
        options: The client's options.
        channel: A channel to use instead of one of our own; the caller closes it.
    """

    def __init__(
        self,
        target: str,
        model: str | ModelAddress,
        options: GrpcOptions | None = None,
        *,
        channel: grpc.Channel | None = None,
    ) -> None:
        self._target = target
        self._address = model if isinstance(model, ModelAddress) else ModelAddress(model)
        self._options = options or GrpcOptions()
        self._owned: grpc.Channel | None = None
        if channel is None:
            arguments = self._options.channel_options()
            channel = self._owned = (
                grpc.secure_channel(target, grpc.ssl_channel_credentials(), arguments)
                if self._options.secure
                else grpc.insecure_channel(target, arguments)
            )
        self._channel = channel
        # Without serializers the channel carries bytes, so that we can time encoding and decoding.
        self._predict: Any = channel.unary_unary(PREDICT)

    def predict(self, inputs: Mapping[str, ArrayLike], *, timeout_s: float | None = None) -> Prediction:
        """Run the model once; see ``Client.predict``."""
        begin_ns = time.perf_counter_ns()
        body = encode_request(self._address, inputs)
        sent_ns = time.perf_counter_ns()
        answer, call = self._call(self._predict, body, timeout_s)
        received_ns = time.perf_counter_ns()
        outputs, version = decode_response(answer)
        timing = Timing.between(
            (begin_ns, sent_ns, received_ns, time.perf_counter_ns()),
            bytes_sent=len(body),
            bytes_received=len(answer),
            server=server_timing(call.trailing_metadata()),
        )
        return Prediction(outputs, timing, version)

    def signatures(self, *, timeout_s: float | None = None) -> dict[str, signature_pb2.SignatureDef]:
        """The inputs and outputs of the model's signatures.

        Args:
            timeout_s: How long to wait; ``None`` uses the client's default.

        Returns:
            Signatures by name.

        Raises:
            ClientError: See ``serverless_dnn.client.errors``.
        """
        request = model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._address.spec(), metadata_field=["signature_def"]
        )
        method: Any = self._channel.unary_unary(_GET_MODEL_METADATA)
        answer, _ = self._call(method, request.SerializeToString(), timeout_s)
        packed = model_metadata_pb2.GetModelMetadataResponse.FromString(answer).metadata["signature_def"]
        return dict(signature_pb2.SignatureDefMap.FromString(packed.value).signature_def)

    def versions(self, *, timeout_s: float | None = None) -> list[model_status_pb2.ModelVersionStatus]:
        """The state of the model's versions, newest first.

        Args:
            timeout_s: How long to wait; ``None`` uses the client's default.

        Returns:
            A state for each version.

        Raises:
            ClientError: See ``serverless_dnn.client.errors``.
        """
        request = model_status_pb2.GetModelStatusRequest(model_spec=self._address.spec())
        method: Any = self._channel.unary_unary(_GET_MODEL_STATUS)
        answer, _ = self._call(method, request.SerializeToString(), timeout_s)
        return list(model_status_pb2.GetModelStatusResponse.FromString(answer).model_version_status)

    def wait_ready(self, timeout_s: float) -> None:
        """Connect in advance, so that the first call does not pay for it.

        Args:
            timeout_s: How long to try.

        Raises:
            ConnectError: There was no connection within that time.
        """
        try:
            grpc.channel_ready_future(self._channel).result(timeout_s)
        except grpc.FutureTimeoutError:
            raise ConnectError(f"no connection to {self._target} within {timeout_s} s") from None

    def close(self) -> None:
        """Close the channel, unless the caller provided it."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def _call(self, method: Any, body: bytes, timeout_s: float | None) -> tuple[bytes, Any]:
        timeout_s = self._options.timeout_s if timeout_s is None else timeout_s
        try:
            answer, call = method.with_call(body, timeout=timeout_s, metadata=self._options.metadata())
        except grpc.RpcError as error:
            raise client_error(error, self._target, timeout_s) from None
        return answer, call


def server_timing(metadata: Any) -> ServerTiming | None:
    """The server's timing from a call's trailing metadata.

    Args:
        metadata: Pairs of key and value.

    Returns:
        The timing; ``None`` if there is none, as with TensorFlow Serving itself.
    """
    for key, value in metadata or ():
        if key == "server-timing":
            return parse_server_timing(value)
    return None


def client_error(error: Any, target: str, timeout_s: float) -> ClientError:
    """Turn a failed call's error into one of ours.

    Args:
        error: The error raised by grpc.
        target: The server.
        timeout_s: The call's timeout.

    Returns:
        The error, with the server's code if the server responded.
    """
    code, details = error.code(), error.details() or ""
    if code.name == "DEADLINE_EXCEEDED":
        return DeadlineError(f"no answer from {target} within {timeout_s} s")
    # gRPC itself raises this one when nobody is listening; a server's own UNAVAILABLE has no such text.
    if code.name == "UNAVAILABLE" and "connect" in details.lower():
        return ConnectError(f"cannot reach {target}: {details}")
    return ServerError(StatusCode(code.value[0]), details)
