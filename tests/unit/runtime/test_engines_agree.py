"""Whatever engine runs a model, it gives TensorFlow's answers or refuses: never a silent other answer."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.client import connect
from serverless_dnn.models.registry import MODELS, get_model
from serverless_dnn.models.workload import make_request
from serverless_dnn.runtime.engines import remote
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, UnavailableError
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

TENSORFLOW, OPENVINO = EngineOptions(name="tensorflow"), EngineOptions(name="openvino")
FROZEN = EngineOptions(name="tensorflow", graph="frozen")
REFUSED_BY_OPENVINO = ("float64", "uint64")
NUMBER_TYPES = (
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool"),
)
Arrays = dict[str, NDArray[Any]]


def _run(folder: Path, options: EngineOptions, inputs: Arrays) -> Arrays:
    signatures = read_signatures(folder)
    return load_model(folder, signatures, options, Instance()).run(signatures["serving_default"], inputs)


def _numbers(name: str, rows: int, columns: int) -> Arrays:
    """Values whose sums fit the type."""
    random = np.random.default_rng(rows * 100 + columns)
    high = 2 if name == "bool" else 60
    x = random.integers(0, high, (rows, 2))
    table = random.integers(0, high, (rows, columns))
    if name.startswith("float"):
        return {"x": (x / 7).astype(name), "table": (table / 7).astype(name)}
    return {"x": x.astype(name), "table": table.astype(name)}


@pytest.mark.parametrize("rows", [1, 3, 32])
@pytest.mark.parametrize("name", NUMBER_TYPES)
def test_every_type_of_number(name: str, rows: int, number_models: dict[str, Path]) -> None:
    inputs = _numbers(name, rows, columns=2 + rows)
    expected = _run(number_models[name], TENSORFLOW, inputs)
    assert expected["stacked"].shape == (rows, 2, 2)

    for options in (FROZEN, OPENVINO):
        if options is OPENVINO and name in REFUSED_BY_OPENVINO:
            with pytest.raises(FailedPreconditionError, match="in 32 bits: table, x, stacked, total"):
                _run(number_models[name], options, inputs)
            continue
        answer = _run(number_models[name], options, inputs)
        for alias, array in expected.items():
            assert answer[alias].dtype == array.dtype == np.dtype(name)
            np.testing.assert_allclose(answer[alias], array, rtol=1e-3 if name == "float16" else 1e-6)


def test_integers_beyond_32_bits_are_tensorflows_to_answer(
    number_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"x": np.int64([[2**40, 1]]), "table": np.int64([[1, 2]])}
    for options in (OPENVINO, EngineOptions()):
        assert _run(number_models["int64"], options, inputs)["total"].tolist() == [[2**40 + 2, 2]]

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(FailedPreconditionError, match="input x holds values from 1 to 1099511627776, outside"):
        _run(number_models["int64"], OPENVINO, inputs)


@pytest.mark.parametrize("name", MODELS)
def test_all_models_agree_within_the_registrys_tolerance(name: str, zoo: Path) -> None:
    folder = zoo / name / "1"
    signatures = read_signatures(folder)
    signature = signatures["serving_default"]
    reference, *others = (
        load_model(folder, signatures, options, Instance()) for options in (TENSORFLOW, FROZEN, OPENVINO)
    )
    for rows in (1, 2):
        inputs = {alias: np.repeat(array, rows, 0) for alias, array in make_request(name).items()}
        expected = reference.run(signature, inputs)
        assert set(expected) == {tensor.name for tensor in get_model(name).outputs}
        for loaded in others:
            answer = loaded.run(signature, inputs)
            for alias, array in expected.items():
                assert answer[alias].shape == array.shape
                scale = max(1.0, float(np.abs(array).max()))
                np.testing.assert_allclose(answer[alias], array, atol=1e-4 * scale)


@pytest.fixture
def served(models: Path, start_server: Callable[..., Any]) -> str:
    """Where a server of TensorFlow Serving's gRPC API listens."""
    target, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models), SDNN_ENGINE="tensorflow")
    return str(target)


def test_another_process_is_an_engine(served: str, models: Path, start_server: Callable[..., Any]) -> None:
    options = EngineOptions(name="remote", remote_target=served)
    inputs = {"words": np.array([b"a"], object), "counts": np.int32([3]), "flags": np.array([True])}

    outputs = _run(models / "types" / "1", options, inputs)
    assert (outputs["joined"].tolist(), outputs["counts"].tolist(), outputs["flags"].tolist()) == (
        [b"a-3"],
        [6],
        [False],
    )
    with pytest.raises(InvalidArgumentError, match=r"99 is not in \[0, 6\)"):
        _run(models / "lookup" / "1", options, {"ids": np.int32([[99]])})

    front, _ = start_server(
        "sdnn-cloudrun",
        SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"),
        SDNN_MODEL_NAME="half_plus_two",
        SDNN_ENGINE="remote",
        SDNN_REMOTE_TARGET=served,
    )
    with connect(f"grpc://{front}", "half_plus_two") as client:
        assert client.predict({"x": np.float32([2])}).outputs["y"].tolist() == [3]


def test_another_process_that_does_not_serve_the_model(
    served: str, mobilenet: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FailedPreconditionError, match="Could not find any versions of model mobilenet_v1"):
        _run(mobilenet / "mobilenet_v1" / "1", EngineOptions(name="remote", remote_target=served), {})
    with pytest.raises(FailedPreconditionError, match="engine remote needs a target"):
        _run(models / "pair" / "3", EngineOptions(name="remote"), {})
    monkeypatch.setattr(remote, "_START_TIMEOUT_S", 0.1)
    with pytest.raises(UnavailableError, match=r"API answers at 127\.0\.0\.1:1"):
        _run(models / "pair" / "3", EngineOptions(name="remote", remote_target="127.0.0.1:1"), {})


def test_models_compiled_ahead_are_used_with_any_number_of_threads(
    models: Path, tmp_path: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    cache = tmp_path / "cache"
    done = run_command("sdnn-models", "compile", str(models), "--cache-folder", str(cache))
    assert done.returncode == 0, done.stderr
    lines = {line["model"]: line for line in map(json.loads, done.stdout.splitlines())}
    states = {name: line["compiled_cache"] for name, line in lines.items()}
    filled = dict.fromkeys(("half_plus_two", "matrix", "scaled"), "filled")
    assert states == {**filled, **dict.fromkeys(("examples", "gate", "lookup", "pair", "types"), "none")}
    assert lines["types"]["engine"].startswith("tensorflow")

    folder = models / "matrix" / "1"
    options = EngineOptions(name="openvino", cache_folder=cache, threads=1)
    assert load_model(folder, read_signatures(folder), options, Instance()).info.compiled_cache == "hit"

    (tmp_path / "file").write_text("")
    failed = run_command(
        "sdnn-models", "compile", str(models / "matrix"), "--cache-folder", str(tmp_path / "file" / "x")
    )
    assert failed.returncode == 1
    assert "could not be written" in failed.stderr
