"""Every engine gives the same answers, refuses what it cannot run, and starts from a cache it does not trust blindly."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.models.registry import get_model
from serverless_dnn.models.workload import make_request
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, ServingError
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

TENSORFLOW, OPENVINO = EngineOptions(name="tensorflow"), EngineOptions(name="openvino")
ENGINES = {"tensorflow": TENSORFLOW, "frozen": EngineOptions(name="tensorflow", graph="frozen"), "openvino": OPENVINO}


def _run(
    folder: Path, options: EngineOptions, inputs: dict[str, NDArray[Any]], signature: str = "serving_default"
) -> dict[str, NDArray[Any]]:
    signatures = read_signatures(folder)
    return load_model(folder, signatures, options, Instance()).run(signatures[signature], inputs)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rows", [0, 1, 2, 32])
def test_one_input_and_any_number_of_rows(engine: str, rows: int, models: Path) -> None:
    x = np.arange(rows, dtype=np.float32)
    outputs = _run(models / "half_plus_two" / "1", ENGINES[engine], {"x": x})

    assert set(outputs) == {"y"}
    assert outputs["y"].tolist() == (x / 2 + 2).tolist()
    assert outputs["y"].dtype == np.float32


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_stay_as_they_are_while_later_calls_run(engine: str, models: Path) -> None:
    signatures = read_signatures(models / "half_plus_two" / "1")
    model = load_model(models / "half_plus_two" / "1", signatures, ENGINES[engine], Instance())
    inputs = [np.full(size, number, np.float32) for size in (3, 100_000) for number in range(20)]

    kept = [model.run(signatures["serving_default"], {"x": x})["y"][1:] for x in inputs]
    del model

    assert all((y == x[1:] / 2 + 2).all() for x, y in zip(inputs, kept, strict=True))


def test_outputs_that_are_gone_give_their_memory_to_the_next(models: Path) -> None:
    signatures = read_signatures(models / "half_plus_two" / "1")
    model = load_model(models / "half_plus_two" / "1", signatures, OPENVINO, Instance())
    x = np.ones(100_000, np.float32)

    addresses = {model.run(signatures["serving_default"], {"x": x})["y"].ctypes.data for _ in range(20)}

    assert len(addresses) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_several_inputs_and_outputs_of_integers(engine: str, models: Path) -> None:
    ids, mask = np.arange(12, dtype=np.int32).reshape(3, 4), np.tri(3, 4, dtype=np.int32)

    outputs = _run(models / "pair" / "3", ENGINES[engine], {"ids": ids, "mask": mask})

    assert outputs["total"].tolist() == (ids * mask).sum(1).tolist()
    assert outputs["count"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("engine", ["tensorflow", "frozen"])
def test_strings_and_booleans_are_tensorflows(engine: str, models: Path) -> None:
    inputs = {"words": np.array([b"a"], object), "counts": np.int32([3]), "flags": np.array([True])}

    outputs = _run(models / "types" / "1", ENGINES[engine], inputs)

    assert {name: array.tolist() for name, array in outputs.items()} == {
        "joined": [b"a-3"],
        "raw_bytes": [b"a"],
        "counts": [6],
        "flags": [False],
    }


@pytest.mark.parametrize(
    "options",
    [
        EngineOptions(name="tensorflow", graph="frozen"),
        OPENVINO,
        EngineOptions(name="openvino", precision="bf16"),
        EngineOptions(name="tensorflow", precision="bf16", graph="frozen"),
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, pytest.param(5, marks=pytest.mark.soak)])
def test_mobilenet_agrees_with_tensorflow_within_its_tolerance(
    options: EngineOptions, rows: int, mobilenet: Path
) -> None:
    folder = mobilenet / "mobilenet_v1" / "1"
    inputs = {"input": np.repeat(make_request("mobilenet_v1")["input"], rows, 0)}
    code = f"""
import sys; sys.path[:] = {sys.path!r}
import numpy as np, json
from pathlib import Path
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.timing import Instance
folder = Path({str(folder)!r})
signatures = read_signatures(folder)
x = np.repeat(np.load(sys.argv[1]), {rows}, 0)
out = load_model(folder, signatures, {options!r}, Instance()).run(signatures["serving_default"], {{"input": x}})
np.save(sys.argv[2], out["predictions"])
"""
    reference = _run(folder, TENSORFLOW, inputs)["predictions"]
    # A process of its own: TensorFlow's graph options are the process's.
    sent, received = mobilenet / "sent.npy", mobilenet / "received.npy"
    np.save(sent, inputs["input"][:1])
    subprocess.run([sys.executable, "-c", code, str(sent), str(received)], check=True, capture_output=True)

    tolerance = 1e-4 if options.precision == "f32" else get_model("mobilenet_v1").bf16_tolerance
    np.testing.assert_allclose(np.load(received), reference, atol=tolerance)


@pytest.mark.parametrize(
    ("model", "options", "text"),
    [
        ("types/1", OPENVINO, "openvino has no type for: words, joined, raw_bytes: use --engine tensorflow"),
        ("half_plus_two/1", EngineOptions(name="tensorflow", precision="bf16"), "or in bf16 with --graph frozen"),
        ("half_plus_two/1", EngineOptions(name="tensorflow", precision="f16", graph="frozen"), "not in f16"),
    ],
)
def test_what_an_engine_cannot_run_is_refused_when_it_is_loaded(
    model: str, options: EngineOptions, text: str, models: Path
) -> None:
    with pytest.raises(FailedPreconditionError) as raised:
        load_model(models / model, read_signatures(models / model), options, Instance())

    assert text in str(raised.value)


def test_auto_says_why(models: Path) -> None:
    chosen = {}
    for model in ("half_plus_two/1", "types/1"):
        loaded = load_model(models / model, read_signatures(models / model), EngineOptions(), Instance())
        chosen[model] = (loaded.info.name, loaded.info.reason)

    assert chosen["half_plus_two/1"] == (
        "openvino",
        "every operator of serving_default is proven equal to tensorflow's",
    )
    assert chosen["types/1"][0] == "tensorflow"
    assert "openvino has no type for" in chosen["types/1"][1]


def test_the_kernels_own_words_reach_the_caller(models: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^indices\[0,1\] = 99 is not in \[0, 6\)$"):
        _run(models / "lookup" / "1", TENSORFLOW, {"ids": np.int32([[1, 99]])})


@pytest.mark.parametrize("engine", ENGINES)
def test_shapes_the_graph_refuses_are_the_callers_fault(engine: str, models: Path) -> None:
    """Both dimensions of `pair` are free, so only the engine can see that they do not fit each other."""
    inputs = {"ids": np.ones((2, 3), np.int32), "mask": np.ones((2, 4), np.int32)}

    with pytest.raises(InvalidArgumentError):
        _run(models / "pair" / "3", ENGINES[engine], inputs)


def test_telemetry_is_never_imported(models: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.timing import Instance
folder = Path({str(models / "half_plus_two" / "1")!r})
load_model(folder, read_signatures(folder), EngineOptions(), Instance())
assert "openvino" in sys.modules
assert not [name for name in sys.modules if "telemetry" in name or name.split(".")[0] in ("tensorflow", "grpc", "flask", "click")]
from openvino.tools.ovc import convert_model
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.fixture
def cached(mobilenet: Path, tmp_path: Path) -> Callable[[], tuple[str, NDArray[Any]]]:
    """Load MobileNetV1 with a cache; gives what the cache did, and an answer."""
    folder = mobilenet / "mobilenet_v1" / "1"
    signatures = read_signatures(folder)

    def load(precision: str = "f32") -> tuple[str, NDArray[Any]]:
        options = EngineOptions(name="openvino", precision=precision, cache_folder=tmp_path / "cache")
        loaded = load_model(folder, signatures, options, Instance())
        return loaded.info.compiled_cache, loaded.run(signatures["serving_default"], make_request("mobilenet_v1"))[
            "predictions"
        ]

    return load


def test_the_cache_fills_itself_and_is_used(cached: Callable, tmp_path: Path) -> None:
    first, second, other = cached(), cached(), cached("bf16")

    assert (first[0], second[0], other[0]) == ("filled", "hit", "filled")
    np.testing.assert_array_equal(first[1], second[1])
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped", "unsealed", "seal"])
def test_a_damaged_cache_is_replaced_loudly(
    damage: str, cached: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, expected = cached()
    (blob,) = (tmp_path / "cache").glob("*/*.blob")
    seal = blob.with_name("seal.json")
    blob.chmod(0o600)
    content = blob.read_bytes()
    if damage == "cut":
        blob.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        blob.write_bytes(b"garbage")
    elif damage == "flipped":
        blob.write_bytes(content[:1000] + b"\xff" * 100 + content[1100:])
    elif damage == "unsealed":
        seal.unlink()
    else:
        seal.write_text("[]")

    with caplog.at_level(logging.WARNING):
        state, answer = cached()

    assert state == "filled"
    assert "damaged: compiling anew" in caplog.text
    np.testing.assert_array_equal(answer, expected)
    assert cached()[0] == "hit"


def test_a_cache_that_cannot_be_written_is_done_without(
    mobilenet: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    folder = mobilenet / "mobilenet_v1" / "1"

    loaded = load_model(
        folder, read_signatures(folder), EngineOptions(name="openvino", cache_folder=tmp_path / "file"), Instance()
    )

    assert loaded.info.compiled_cache == "none"
    assert "cannot write" in caplog.text


def test_warm_up_requests_are_sent_before_others(mobilenet: Path, tmp_path: Path) -> None:
    from serverless_dnn.runtime.repository.loading import start_repository
    from serverless_dnn.runtime.settings import ServerSettings

    model = Path(shutil.copytree(mobilenet / "mobilenet_v1", tmp_path / "mobilenet_v1"))
    instance = Instance()
    start_repository(ServerSettings(model, engine=OPENVINO), instance)
    assert instance.cold_phases_ns["warmup"] > 0

    records = model / "1" / "assets.extra" / "tf_serving_warmup_requests"
    whole = records.read_bytes()
    for damaged in (whole[:-1], whole[:5], b"\xff" * 20, whole[:12] + b"\xff" * (len(whole) - 12)):
        records.write_bytes(damaged)
        with pytest.raises(ServingError, match="tf_serving_warmup_requests"):
            start_repository(ServerSettings(model, engine=OPENVINO), Instance())
    start_repository(ServerSettings(model, engine=OPENVINO, warm_up=False), Instance())
    records.unlink()
    start_repository(ServerSettings(model, engine=OPENVINO), Instance())


def test_the_engine_is_logged_with_its_reason(models: Path, start_server: Callable[..., Any]) -> None:
    _, server = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))
    lines = server.log_path.read_text().splitlines()
    records = server.log_path.with_suffix(".records.jsonl").read_text().splitlines()

    loaded = next(entry for entry in map(json.loads, records) if entry["message"] == "model loaded")

    assert loaded["engine"]["name"] in ("openvino", "tensorflow")
    assert loaded["engine"]["reason"]
    assert set(records) <= set(lines)
