"""Whatever bytes a caller sends, it gets a clear code, and the server answers the next call."""

import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from serverless_dnn.protos.predict_wire import decode_predict_response, encode_predict_request
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2, tensor_pb2
from serverless_dnn.protos.wire_format import encode_key, encode_varint

SERVICE = "/tensorflow.serving.PredictionService"
METHODS = (
    f"{SERVICE}/Predict",
    f"{SERVICE}/Classify",
    f"{SERVICE}/Regress",
    f"{SERVICE}/MultiInference",
    f"{SERVICE}/GetModelMetadata",
    "/tensorflow.serving.ModelService/GetModelStatus",
    "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
)
SPEC = model_spec_pb2.ModelSpec(name="half_plus_two")
GOOD = encode_predict_request(SPEC, {"x": np.float32([1, 2, 5])}, [])
# What a caller can be told of its own message; never UNKNOWN or INTERNAL, which are faults of the server.
CALLERS_FAULT = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNIMPLEMENTED", "OK"}
IDLE_CONNECTIONS = 10_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def target(models: Path, start_server: Callable[..., Any]) -> str:
    address, _ = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"), SDNN_ENGINE="openvino"
    )
    return str(address)


@pytest.fixture(scope="module")
def channel(target: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(target, [("grpc.max_send_message_length", -1)]) as open_channel:
        yield open_channel


def _code(channel: grpc.Channel, body: bytes, method: str = METHODS[0], **options: Any) -> tuple[str, str]:
    try:
        channel.unary_unary(method)(body, timeout=60, **options)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def _still_answers(channel: grpc.Channel) -> None:
    _, outputs = decode_predict_response(channel.unary_unary(METHODS[0])(GOOD, timeout=30))
    assert outputs["y"].tolist() == [2.5, 3, 4.5]


def _field(number: int, content: bytes) -> bytes:
    return encode_key(number) + encode_varint(len(content)) + content


def _nested(depth: int) -> bytes:
    """A TensorProto whose variant_val holds a VariantTensorDataProto whose tensors hold a TensorProto, and so on."""
    inner = b""
    for _ in range(depth):
        inner = _field(15, _field(3, inner))
    return inner


def _tensor(shape: list[int], **values: Any) -> bytes:
    tensor = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_FLOAT, **values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor.SerializeToString()


def _request(tensor: bytes) -> bytes:
    entry = _field(1, b"x") + _field(2, tensor)
    return _field(2, entry) + predict_pb2.PredictRequest(model_spec=SPEC).SerializeToString()


TENSORS = {
    "one value for a petabyte": _tensor([2**50], float_val=[1.0]),
    "a product beyond 64 bits": _tensor([2**40, 2**40], float_val=[1.0]),
    "2^31 dimensions' worth of rows": _tensor([2**31], float_val=[1.0]),
    "no values for 2^31 rows": _tensor([2**31]),
    "300 dimensions": _tensor([1] * 300, float_val=[1.0]),
    "a negative size": _tensor([-5], float_val=[1.0]),
    "two negative sizes": _tensor([-2, -2], float_val=[1.0] * 4),
    "an unknown size": _tensor([-1], float_val=[1.0]),
    "content too short": _tensor([3], tensor_content=b"\0" * 11),
    "content too long": _tensor([3], tensor_content=b"\0" * 13),
    "more values than the shape": _tensor([1], float_val=[1.0, 2.0]),
    "an unknown rank": tensor_pb2.TensorProto(
        dtype=tensor_pb2.DT_FLOAT, tensor_shape=tensor_pb2.TensorShapeProto(unknown_rank=True), float_val=[1.0]
    ).SerializeToString(),
    "no type": tensor_pb2.TensorProto(float_val=[1.0]).SerializeToString(),
    "a resource": tensor_pb2.TensorProto(dtype=tensor_pb2.DT_RESOURCE).SerializeToString(),
    "nested 50 deep": _nested(50),
    "nested 5,000 deep": _nested(5_000),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_lie(name: str, channel: grpc.Channel) -> None:
    code, text = _code(channel, _request(TENSORS[name]))

    assert code == "INVALID_ARGUMENT"
    assert text
    _still_answers(channel)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), method=st.sampled_from(METHODS))
@example(body=b"\xff" * 200, method=METHODS[0])
@example(body=b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", method=METHODS[0])
@example(body=b"\x0a\xff\xff\xff\xff\x0f", method=METHODS[3])
@example(body=b"\x0b" * 200, method=METHODS[1])
@example(body=b"", method=METHODS[6])
def test_random_bytes(body: bytes, method: str, channel: grpc.Channel) -> None:
    assert _code(channel, body, method)[0] in CALLERS_FAULT


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_good_messages_cut_and_changed(channel: grpc.Channel, data: st.DataObject) -> None:
    body = bytearray(GOOD[: data.draw(st.integers(0, len(GOOD)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    assert _code(channel, bytes(body))[0] in CALLERS_FAULT


def test_the_server_is_alive_after_all_that(channel: grpc.Channel) -> None:
    _still_answers(channel)


def test_a_compressed_bomb_stops_at_the_limit(channel: grpc.Channel) -> None:
    bomb = _request(_tensor([50 << 20], tensor_content=bytes(200 << 20)))

    code, text = _code(channel, bomb, compression=grpc.Compression.Gzip)

    assert code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in text
    _still_answers(channel)


def test_metadata_beyond_the_limit(channel: grpc.Channel) -> None:
    code, _ = _code(channel, GOOD, metadata=(("x-long", "a" * 20_000),))

    assert code == "RESOURCE_EXHAUSTED"
    _still_answers(channel)


def test_what_is_no_http2(target: str, channel: grpc.Channel) -> None:
    host, _, port = target.rpartition(":")
    for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", bytes(100_000)):
        with socket.create_connection((host, int(port)), 10) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1 << 16):
                    pass
    _still_answers(channel)


def test_ten_thousand_idle_connections(models: Path, start_server: Callable[..., Any]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_CONNECTIONS + 1_000
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"this test needs {wanted} open files, the limit is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    # Of its own: the limit of open files is inherited.
    address, _ = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"), SDNN_ENGINE="openvino"
    )
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as idle:
        idle.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for number in range(IDLE_CONNECTIONS):
            connection = idle.enter_context(socket.create_connection((host, int(port)), 30))
            if number % 2:
                connection.sendall(PREFACE)
        with grpc.insecure_channel(address) as channel:
            _still_answers(channel)
    with grpc.insecure_channel(address) as channel:
        _still_answers(channel)
