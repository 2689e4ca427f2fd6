"""The reference engine runs every graph for serving, frozen or not with the same answers, and errors have their codes."""

import gc
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import (
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    ServingError,
    UnimplementedError,
)
from serverless_dnn.runtime.saved_model.signature import Signature, read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

AS_IT_IS = EngineOptions(name="tensorflow", threads=1)
FROZEN = EngineOptions(name="tensorflow", threads=1, graph="frozen")
GRAPHS = pytest.mark.parametrize("options", [AS_IT_IS, FROZEN], ids=["signature", "frozen"])
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each of which something about TensorFlow's loader, its functions or freezing is known of."""
    root = tmp_path_factory.mktemp("tensorflow")
    command = [sys.executable, str(Path(__file__).with_name("make_tensorflow_models.py")), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root


def _load(folder: Path, options: EngineOptions = AS_IT_IS) -> tuple[LoadedModel, dict[str, Signature]]:
    signatures = read_signatures(folder / "1")
    return load_model(folder / "1", signatures, options, Instance()), signatures


def _fallbacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons that were logged; TensorFlow logs as well."""
    return [vars(record)["reason"] for record in caplog.records if record.message == "the tensorflow engine falls back"]


def _f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@GRAPHS
@pytest.mark.parametrize("model", ["one_graph", "serving_last", "serving_first"])
def test_the_graph_for_serving_is_run(model: str, options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / model, options)

    assert loaded.run(signatures["serving_default"], {"x": _f32(1, 2)})["y"].tolist() == [3, 6]
    assert loaded.info.reason == "asked for"


@GRAPHS
def test_a_model_that_keras_exported_is_run(options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / "keras", options)
    ((output, answer),) = loaded.run(signatures["serving_default"], {"x": _f32(1, 2).reshape(2, 1)}).items()

    assert output == "output_0"
    assert answer.tolist() == [[3], [6]]


def test_another_graph_never_stands_for_the_one_for_serving(saved: Path) -> None:
    signatures = read_signatures(saved / "serving_first" / "1")

    with pytest.raises(DataLossError, match="tensorflow cannot load"):
        load_model(saved / "no_serving" / "1", signatures, AS_IT_IS, Instance())


_WORDS, _X = {"words": np.array([b"b", b"?", b"a"], object)}, {"x": _f32(1, 2, -5)}


@pytest.mark.parametrize(
    ("model", "calls", "unfrozen", "texts"),
    [
        (
            "tables",
            [("serving_default", _WORDS), ("numbers", {"n": np.int32([1, 5, 9])}), ("dense", _X)],
            ["numbers", "serving_default"],
            ["it uses state that cannot be a constant: LookupTableFindV2"],
        ),
        (
            "written",
            [("serving_default", _X), ("reader", _X), ("count", {"x": _f32(1)}), ("constant", _X)],
            ["count", "reader", "serving_default"],
            [
                "it uses state that cannot be a constant: AssignAddVariableOp",
                "signature serving_default may write variables that it reads: AssignVariableOp",
            ],
        ),
        ("version_1_table", [("serving_default", _WORDS)], ["serving_default"], ["LookupTableFindV2"]),
        ("version_1_counter", [("serving_default", _X), ("reader", _X)], ["reader", "serving_default"], ["AssignAdd"]),
        ("version_1_reference", [("serving_default", _X)], [], []),
        ("generator", [("serving_default", _X)], ["serving_default"], ["RngReadAndSkip"]),
    ],
)
def test_frozen_answers_are_the_unfrozen_ones(
    model: str,
    calls: list[tuple[str, Arrays]],
    unfrozen: list[str],
    texts: list[str],
    saved: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    loaded, signatures = _load(saved / model)
    assert loaded.info.reason == "asked for"
    expected = [loaded.run(signatures[name], inputs)["y"] for _ in range(3) for name, inputs in calls]

    with caplog.at_level(logging.WARNING):
        frozen, signatures = _load(saved / model, FROZEN)
    # What nobody holds any more must not be what answers.
    gc.collect()
    answers = [frozen.run(signatures[name], inputs)["y"] for _ in range(3) for name, inputs in calls]

    for answer, other in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, other)
    told = frozen.info.reason.removeprefix("asked for").split("; signature ")[1:]
    assert [note.partition(" is run as it is, not frozen, because ")[0] for note in told] == unfrozen
    assert all(text in frozen.info.reason for text in texts)
    assert _fallbacks(caplog) == [f"signature {note}" for note in told]


def test_what_the_conversion_cannot_do_is_run_as_it_is(saved: Path) -> None:
    import ml_dtypes

    loaded, signatures = _load(saved / "float8", FROZEN)
    answer = loaded.run(signatures["serving_default"], {"x": np.array([1, 2], ml_dtypes.float8_e5m2)})

    assert answer["y"].tolist() == [1, 2]
    assert "because TensorFlow cannot make its variables constants: " in loaded.info.reason
    assert "\n" not in loaded.info.reason


@pytest.mark.parametrize("model", ["tables", "written", "names_keywords"])
def test_bf16_is_refused_where_not_all_is_frozen(model: str, saved: Path) -> None:
    options = EngineOptions(name="tensorflow", precision="bf16", graph="frozen")

    with pytest.raises(
        FailedPreconditionError, match=r"bf16 only what it can freeze.*serving_default|a session"
    ) as raised:
        _load(saved / model, options)
    assert "use --precision f32" in str(raised.value)


@GRAPHS
@pytest.mark.parametrize(
    ("model", "names", "in_session"),
    [
        ("names_odd", ["a/b", "aZ", "a-b2", "0", "kwargs"], ""),
        ("names_odd_2", ["a/b", "aZ", "a.b2", "0", "kwargs"], ""),
        ("names_keywords", ["class", "None"], "is not a valid parameter name"),
        ("names_self", ["self", "b"], "has an input named self"),
        ("names_alike", ["a:0", "a_0"], "duplicate parameter name"),
        ("names_empty", [""], "cannot make functions of the signatures"),
    ],
)
def test_inputs_and_outputs_may_have_any_name(
    model: str, names: list[str], in_session: str, options: EngineOptions, saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        loaded, signatures = _load(saved / model, options)
    inputs = {name: _f32(number + 1, 0) for number, name in enumerate(names)}

    outputs = loaded.run(signatures["serving_default"], inputs)

    assert outputs["total:0"].tolist() == [sum((number + 1) * 10**number for number in range(len(names))), 0]
    assert set(outputs) == set(signatures["serving_default"].outputs)
    assert ("run in a session, as TensorFlow Serving does" in loaded.info.reason) == bool(in_session)
    assert in_session in loaded.info.reason
    assert [in_session in reason for reason in _fallbacks(caplog)] == [True] * bool(in_session)


@GRAPHS
def test_a_signature_without_inputs_is_called(options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / "no_inputs", options)

    assert loaded.run(signatures["serving_default"], {})["y"].tolist() == [2, 4]


@GRAPHS
def test_default_values_reach_the_graph(options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / "scaled", options)
    signature = signatures["serving_default"]

    assert loaded.run(signature, {**signature.defaults, "x": _f32(1, 2)})["y"].tolist() == [3, 6]


@GRAPHS
def test_signatures_count_and_not_what_the_loader_makes_of_them(options: EngineOptions, saved: Path) -> None:
    """Tools that edit a SavedModel change its signatures and leave TensorFlow's objects, which do not know of it."""
    loaded, signatures = _load(saved / "renamed", options)

    assert loaded.run(signatures["serving_default"], {"x": _f32(1)})["y"].tolist() == [2]
    assert loaded.run(signatures["other"], {"z": _f32(1)})["y"].tolist() == [2]
    assert "signature other has no function" in loaded.info.reason


@GRAPHS
@pytest.mark.parametrize(
    ("model", "good", "bad", "refusal"),
    [
        (
            "unfed",
            "fed",
            "serving_default",
            (InvalidArgumentError, r"^You must feed a value for placeholder tensor 'rate'"),
        ),
        ("odd_tensors", "dense", "sparse", (UnimplementedError, "signature sparse cannot be called: it has sparse")),
        ("odd_tensors", "dense", "sparse_out", (UnimplementedError, "it has sparse or composite tensors")),
        ("odd_tensors", "dense", "variant", (UnimplementedError, "no form outside of TensorFlow")),
        (
            "twice",
            "once",
            "serving_default",
            (UnimplementedError, "several of its inputs are one tensor of the graph: x, z"),
        ),
    ],
)
def test_a_signature_that_cannot_be_called_leaves_the_others_alone(
    model: str, good: str, bad: str, refusal: tuple[type[ServingError], str], options: EngineOptions, saved: Path
) -> None:
    loaded, signatures = _load(saved / model, options)
    inputs = {alias: _f32(1, 2, 3) for alias in signatures[good].inputs}

    assert loaded.run(signatures[good], inputs)["y"].shape == (3,)
    with pytest.raises(refusal[0], match=refusal[1]):
        loaded.run(signatures[bad], {alias: _f32(1, 2, 3) for alias in signatures[bad].inputs})


def test_shapes_and_values_that_only_the_graph_refuses(saved: Path) -> None:
    unfed, signatures = _load(saved / "unfed")
    with pytest.raises(InvalidArgumentError, match="does not take the inputs of signature fed: Cannot feed value"):
        unfed.run(signatures["fed"], {"x": _f32(1), "rate": _f32(1)})

    any_rank, signatures = _load(saved / "any_rank")
    assert any_rank.run(signatures["serving_default"], {"x": np.zeros((1, 2, 3), np.float32)})["y"].shape == (3, 2)
    with pytest.raises(InvalidArgumentError, match=r"^Input to reshape is a tensor with 1 values"):
        any_rank.run(signatures["serving_default"], {"x": np.float32(1)})

    strings, signatures = _load(saved / "strings")
    with pytest.raises(InvalidArgumentError, match=r"^an input cannot become a tensor: .* object type int"):
        strings.run(signatures["serving_default"], {"s": np.array([1], object)})


@GRAPHS
def test_a_python_function_is_the_models_fault(options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / "python", options)

    with pytest.raises(
        FailedPreconditionError, match=r"calls the Python function pyfunc_\d+, which a SavedModel does not"
    ):
        loaded.run(signatures["serving_default"], {"x": _f32(1)})


@GRAPHS
def test_strings_come_back_whole(options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / "strings", options)
    for words in ([b"a\0", b"\xff"], []):
        outputs = loaded.run(signatures["serving_default"], {"s": np.array(words, object)})

        assert outputs["joined"].dtype == outputs["same"].dtype == object
        assert outputs["joined"].tolist() == b"".join(words) + b"\0"
        assert outputs["same"].tolist() == words


@GRAPHS
def test_quantised_tensors_travel_as_integers(options: EngineOptions, saved: Path) -> None:
    loaded, signatures = _load(saved / "quantised", options)
    outputs = loaded.run(signatures["serving_default"], {"x": np.int8([1, -2])})

    assert {name: (array.dtype, array.tolist()) for name, array in outputs.items()} == {
        "y": (np.int8, [2, -1]),
        "q": (np.int8, [1, -2]),
    }
