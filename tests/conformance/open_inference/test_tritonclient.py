"""Triton's own client works unchanged against `sdnn-cloudrun`."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import (
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
    service_pb2,
    service_pb2_grpc,
)
from tritonclient.utils import InferenceServerException


@pytest.fixture
def address(models: Path, deploy: Callable[..., str]) -> str:
    return deploy("cloudrun", "half_plus_two", models).removeprefix("grpc://")


@pytest.fixture
def typed_address(models: Path, deploy: Callable[..., str]) -> str:
    return deploy("cloudrun", "types", models).removeprefix("grpc://")


@pytest.fixture
def client(address: str) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(address) as open_client:
        yield open_client


@pytest.fixture
def typed_client(typed_address: str) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(typed_address) as open_client:
        yield open_client


def _input(name: str, datatype: str, array: np.ndarray) -> InferInput:
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def _x(*values: float) -> list[InferInput]:
    return [_input("x", "FP32", np.array(values, np.float32))]


def _typed_inputs() -> list[InferInput]:
    return [
        _input("words", "BYTES", np.array(["a", "ü", ""], object)),
        _input("counts", "INT32", np.array([1, 2, -3], np.int32)),
        _input("flags", "BOOL", np.array([True, False, True])),
    ]


def test_infer(client: InferenceServerClient) -> None:
    answer = client.infer("half_plus_two", _x(1, 2, 5), request_id="mine")

    assert answer.as_numpy("y").tolist() == [2.5, 3.0, 4.5]
    assert answer.as_numpy("y").dtype == np.float32
    response = answer.get_response()
    assert (response.model_name, response.model_version, response.id) == ("half_plus_two", "12", "mine")


def test_infer_from_asyncio(address: str) -> None:
    async def ask() -> list[float]:
        async with tritonclient.grpc.aio.InferenceServerClient(address) as client:
            return (await client.infer("half_plus_two", _x(6))).as_numpy("y").tolist()

    assert asyncio.run(ask()) == [5.0]


def test_a_version_is_found_by_its_number(client: InferenceServerClient) -> None:
    assert client.infer("half_plus_two", _x(6), model_version="12").get_response().model_version == "12"


def test_strings_integers_and_booleans(typed_client: InferenceServerClient) -> None:
    answer = typed_client.infer("types", _typed_inputs())

    assert answer.as_numpy("joined").tolist() == [b"a-1", "ü-2".encode(), b"--3"]
    assert answer.as_numpy("counts").tolist() == [2, 4, -6]
    assert answer.as_numpy("flags").tolist() == [False, True, False]


def test_typed_contents_give_the_answer_of_raw_ones(typed_address: str, typed_client: InferenceServerClient) -> None:
    request = service_pb2.ModelInferRequest(model_name="types")
    for name, datatype, contents in (
        ("words", "BYTES", {"bytes_contents": [b"a", "ü".encode(), b""]}),
        ("counts", "INT32", {"int_contents": [1, 2, -3]}),
        ("flags", "BOOL", {"bool_contents": [True, False, True]}),
    ):
        request.inputs.add(name=name, datatype=datatype, shape=[3], contents=contents)

    with grpc.insecure_channel(typed_address) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=30)

    assert answer == typed_client.infer("types", _typed_inputs()).get_response()


def test_only_the_outputs_asked_for_in_that_order(typed_client: InferenceServerClient) -> None:
    wanted = [InferRequestedOutput("flags"), InferRequestedOutput("counts")]

    response = typed_client.infer("types", _typed_inputs(), outputs=wanted).get_response()

    assert [output.name for output in response.outputs] == ["flags", "counts"]
    assert len(response.raw_output_contents) == 2


def test_no_rows_are_an_empty_answer(client: InferenceServerClient) -> None:
    assert client.infer("half_plus_two", _x()).as_numpy("y").shape == (0,)


def test_hints_are_let_pass(client: InferenceServerClient) -> None:
    answer = client.infer("half_plus_two", _x(6), priority=1, timeout=30_000_000, parameters={"mine": "anything"})

    assert answer.as_numpy("y").tolist() == [5.0]


def test_the_answer_says_what_it_cost(address: str) -> None:
    request = service_pb2.ModelInferRequest(model_name="half_plus_two")
    request.inputs.add(name="x", datatype="FP32", shape=[1], contents={"fp32_contents": [6.0]})

    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        _, call = stub.ModelInfer.with_call(request, timeout=30)

    timing = dict(call.trailing_metadata())["server-timing"]
    assert all(f"{phase};dur=" in timing for phase in ("decode", "compute", "encode", "total"))


def test_probes(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("half_plus_two")
    assert client.is_model_ready("half_plus_two", "12")
    assert not client.is_model_ready("half_plus_two", "7")
    assert not client.is_model_ready("nope")


def test_server_metadata(client: InferenceServerClient) -> None:
    metadata = client.get_server_metadata()

    assert metadata.name == "serverless-dnn"
    assert metadata.version


def test_model_metadata(typed_client: InferenceServerClient) -> None:
    metadata = typed_client.get_model_metadata("types")

    assert (metadata.name, list(metadata.versions), metadata.platform) == ("types", ["1"], "tensorflow_savedmodel")
    assert {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs} == {
        "words": ("BYTES", [-1]),
        "counts": ("INT32", [-1]),
        "flags": ("BOOL", [-1]),
    }
    assert {tensor.name: tensor.datatype for tensor in metadata.outputs} == {
        "joined": "BYTES",
        "raw_bytes": "BYTES",
        "counts": "INT32",
        "flags": "BOOL",
    }


@pytest.mark.parametrize(
    ("model", "version", "code", "text"),
    [
        ("nope", "", "NOT_FOUND", "Latest(nope)"),
        ("half_plus_two", "7", "NOT_FOUND", "Specific(half_plus_two, 7)"),
        ("half_plus_two", "new", "INVALID_ARGUMENT", "decimal number"),
        ("", "", "INVALID_ARGUMENT", "must name a model"),
    ],
)
def test_models_that_are_not_there(
    client: InferenceServerClient, model: str, version: str, code: str, text: str
) -> None:
    for ask in (
        lambda: client.infer(model, _x(6), model_version=version),
        lambda: client.get_model_metadata(model, version),
    ):
        with pytest.raises(InferenceServerException, match=text.replace("(", r"\(").replace(")", r"\)")) as raised:
            ask()
        assert raised.value.status() == f"StatusCode.{code}"


def test_tritons_extensions_are_refused_by_name(client: InferenceServerClient) -> None:
    shared = InferInput("x", [1], "FP32")
    shared.set_shared_memory("region", 4)

    for parameter, ask in {
        "shared_memory_region": lambda: client.infer("half_plus_two", [shared]),
        "classification": lambda: client.infer("half_plus_two", _x(6), outputs=[InferRequestedOutput("y", 2)]),
        "sequence_id": lambda: client.infer("half_plus_two", _x(6), sequence_id=1),
    }.items():
        with pytest.raises(InferenceServerException, match=f"parameter {parameter} asks") as raised:
            ask()
        assert raised.value.status() == "StatusCode.UNIMPLEMENTED"


def test_what_only_triton_has_is_unimplemented(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.get_model_config("half_plus_two")

    assert raised.value.status() == "StatusCode.UNIMPLEMENTED"


def test_health(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService")
        response = health_pb2_grpc.HealthStub(channel).Check(request, timeout=30)

    assert response.status == health_pb2.HealthCheckResponse.SERVING
