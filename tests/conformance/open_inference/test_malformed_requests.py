"""A malformed ModelInfer request gets a code and a text that says what is wrong, and the server answers the next one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serverless_dnn.client import connect
from serverless_dnn.protos.v1.open_inference_pb2 import ModelInferRequest

MODEL = "half_plus_two"
ONE = np.float32(1).tobytes()


def _x(datatype: str = "FP32", shape: tuple[int, ...] = (1,), *, name: str = "x", **contents: Any) -> Any:
    tensor = ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    if contents:
        tensor.contents.MergeFrom(type(tensor.contents)(**contents))
    return tensor


def _request(*inputs: Any, raw: tuple[bytes, ...] = (), outputs: tuple[str, ...] = ()) -> bytes:
    wanted = [ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs]
    return ModelInferRequest(
        model_name=MODEL, inputs=inputs, raw_input_contents=raw, outputs=wanted
    ).SerializeToString()


REQUESTS = {
    "no message": (b"\xff\xff\xff", "not a ModelInferRequest"),
    "cut short": (_request(_x(), raw=(ONE,))[:-1], "not a ModelInferRequest"),
    "raw and typed": (_request(_x(fp32_contents=[1]), raw=(ONE,)), "input x: elements must be in raw_input_contents or in contents, got both (fp32_contents)"),
    "raw for some": (_request(_x(), _x(name="z"), raw=(ONE,)), "one entry for each of the 2 inputs, got 1"),
    "raw without inputs": (_request(raw=(ONE,)), "one entry for each of the 0 inputs, got 1"),
    "raw too short": (_request(_x(shape=(2,)), raw=(ONE,)), "input x: raw contents of shape [2] and datatype FP32 must be 8 bytes, got 4"),
    "raw too long": (_request(_x(shape=(0,)), raw=(ONE,)), "must be 0 bytes, got 4"),
    "raw of no whole element": (_request(_x(), raw=(ONE[:3],)), "must be 4 bytes, got 3"),
    "too few values": (_request(_x(shape=(2,), fp32_contents=[1])), "contents of shape [2] must be 2 values, got 1"),
    "too many values": (_request(_x(fp32_contents=[1, 2])), "contents of shape [1] must be 1 values, got 2"),
    "no contents": (_request(_x()), "must be 1 values, got 0"),
    "another type's values": (_request(_x(fp64_contents=[1])), "FP32 must be in fp32_contents, got fp64_contents"),
    "two types' values": (_request(_x(fp32_contents=[1], fp64_contents=[1])), "got fp64_contents"),
    "a negative size": (_request(_x(shape=(-1,)), raw=(ONE,)), "must not be negative, got [-1]"),
    "2^31 elements": (_request(_x(shape=(2**31,)), raw=(ONE,)), "more than the"),
    "an unknown datatype": (_request(_x("FP8"), raw=(ONE,)), "one of BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FP16, FP32, FP64, BF16, BYTES, got 'FP8'"),
    "no datatype": (_request(_x(""), raw=(ONE,)), "got ''"),
    "an input twice": (_request(_x(fp32_contents=[1]), _x(fp32_contents=[1])), "input x is given twice"),
    "an unknown input": (_request(_x(name="z", fp32_contents=[1])), "not found in request. Sent: {z}. Expected: {x}."),
    "another datatype than the model's": (_request(_x("FP64", fp64_contents=[1])), "expects DT_FLOAT, but float64"),
    "a shape that no model has": (_request(_x(shape=(2**62, 2**62)), raw=(ONE,)), "but [4611686018427387904, 4611686018427387904] is"),
    "100 dimensions": (_request(_x(shape=(1,) * 100), raw=(ONE,)), "[-1] (-1 is free), but 100 dimensions [1, 1, 1, 1, 1, 1, 1, 1, ...] is"),
    "another rank than the model's": (_request(_x(shape=(1, 1)), raw=(ONE,)), "[-1] (-1 is free), but [1, 1]"),
    "an unknown output": (_request(_x(fp32_contents=[1]), outputs=("z",)), "output tensor alias not found in signature: z"),
    "an output twice": (_request(_x(fp32_contents=[1]), outputs=("y", "y")), "duplicate output tensor alias: y"),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
def test_it_is_refused_in_words(case: str, models: Path, deploy: Callable[..., str]) -> None:
    body, text = REQUESTS[case]
    url = deploy("cloudrun", MODEL, models)

    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(body, timeout=30)

    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in raised.value.details()
    with connect(url, MODEL) as client:
        assert client.predict({"x": np.float32([6])}).outputs["y"].tolist() == [5.0]


@pytest.mark.parametrize("method", ["ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata"])
def test_a_broken_message_is_refused_by_every_method(method: str, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy("cloudrun", MODEL, models)

    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(b"\xff\xff", timeout=30)

    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"not a {method}Request" in raised.value.details()
