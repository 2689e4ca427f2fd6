"""What a SavedModel's graph says about running it in OpenVINO: why not, with which guards, under which names."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.runtime.engines.openvino.proof.analysis import Analysis
from serverless_dnn.runtime.engines.openvino.proof.prover import analyse
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

Save = Callable[..., Path]
AUTO, BY_NAME = EngineOptions(), EngineOptions(name="openvino")


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """Save functions as the signatures of a model; gives its version folder."""
    import tensorflow as tf

    def save_functions(
        function: Callable[..., Any], inputs: Mapping[str, tuple[Any, str]], weights: Any = None, **others: Any
    ) -> Path:
        folder = tmp_path_factory.mktemp("proof") / "model" / "1"
        module = tf.Module()
        module.weights = None if weights is None else tf.Variable(weights)
        specs = {name: tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in inputs.items()}

        def concrete(call: Callable[..., Any]) -> Any:
            def named(**tensors: Any) -> dict[str, Any]:
                given = tensors if module.weights is None else {**tensors, "weights": module.weights}
                return {"y": call(**given)}

            return tf.function(named).get_concrete_function(**specs)

        signatures = {"serving_default": concrete(function)}
        for name, other in others.items():
            signatures[name] = signatures["serving_default"] if other is function else concrete(other)
        tf.saved_model.save(module, str(folder), signatures=signatures)
        return folder

    return save_functions


def _analyse(folder: Path) -> Analysis:
    return analyse(folder, read_signatures(folder))


def _run(folder: Path, options: EngineOptions, signature: str = "serving_default", **inputs: Any) -> NDArray[Any]:
    signatures = read_signatures(folder)
    loaded = load_model(folder, signatures, options, Instance())
    return loaded.run(signatures[signature], {name: np.asarray(value) for name, value in inputs.items()})["y"]


@pytest.mark.parametrize(
    ("function", "inputs", "reason"),
    [
        (
            lambda tf: lambda x: tf.cast(tf.cast(x, "int64") % 761, "float32"),
            {"x": ([None], "int32")},
            "operator FloorMod on int64 in node .* computes with values of inputs",
        ),
        (
            lambda tf: lambda x: tf.cast(tf.reduce_sum(tf.cast(x, "float64")), "float32"),
            {"x": ([None], "float32")},
            "operator Cast on float32 to float64 in node .* is not proven for float64",
        ),
        (
            lambda tf: lambda x: tf.nn.lrn(x, 1),
            {"x": ([None, 4, 4, 6], "float32")},
            "operator LRN in node .* is not on the list",
        ),
        (
            lambda tf: lambda x: tf.nn.relu(tf.math.log(x)),
            {"x": ([None], "float32")},
            "operator Log on float32 in node .* takes the logarithm of values that may be zero or less",
        ),
        (
            lambda tf: lambda x: tf.nn.relu(1 / x),
            {"x": ([None], "float32")},
            "operator Relu on float32 in node .* may see NaN",
        ),
        (
            lambda tf: lambda x: tf.reduce_max(x[:, 1:], axis=1),
            {"x": ([None, None], "float32")},
            "operator Max on float32 in node .* may see a tensor without elements",
        ),
        (
            lambda tf: lambda x, y: x @ y,
            {"x": ([None, None], "float32"), "y": ([None, None], "float32")},
            "operator MatMul .* multiply matrices that do not fit",
        ),
        (
            lambda tf: lambda x, n: tf.tile(x, [n]),
            {"x": ([None], "float32"), "n": ([], "int32")},
            "operator Tile .* takes a size or another parameter from values of inputs",
        ),
        (
            lambda tf: lambda x: tf.cast(x * 255, "uint8"),
            {"x": ([None], "float32")},
            "operator Cast on float32 to uint8 .* the last bit decides",
        ),
        (
            lambda tf: lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) > 1, lambda y: (y / 2,), [x])[0],
            {"x": ([None], "float32")},
            "ends when values of inputs say so",
        ),
    ],
    ids=["modulo", "float64", "lrn", "log", "nan-clipped", "empty", "misfit", "size-from-input", "rounding", "loop"],
)
def test_the_first_reason_names_the_operator(
    function: Callable[[Any], Any], inputs: dict[str, tuple[Any, str]], reason: str, save: Save
) -> None:
    import tensorflow as tf

    analysis = _analyse(save(function(tf), inputs))

    assert analysis.against
    assert re.search(reason, analysis.against), analysis.against


def test_an_index_out_of_range_is_refused_in_tensorflows_words(save: Save) -> None:
    import tensorflow as tf

    folder = save(lambda i, weights: tf.gather(weights, i), {"i": ([None, None], "int32")}, np.ones((6, 2), np.float32))
    (guard,) = _analyse(folder).guards
    assert (guard.low, guard.high, guard.rows) == (0, 5, 6)

    for index in (6, -1, 2**31 - 1):
        for options in (AUTO, EngineOptions(name="tensorflow")):
            with pytest.raises(InvalidArgumentError, match=rf"^indices\[0,1\] = {index} is not in \[0, 6\)$"):
                _run(folder, options, i=np.int32([[1, index]]))
    assert _run(folder, AUTO, i=np.int32([[0, 5]])).shape == (1, 2, 2)


def test_indices_counted_from_the_end_keep_their_range(save: Save) -> None:
    """Keras' own lookup of embeddings."""
    import tensorflow as tf

    table = np.arange(12, dtype=np.float32).reshape(6, 2)
    folder = save(lambda i, weights: tf.gather(weights, tf.where(i < 0, i + 6, i)), {"i": ([None], "int64")}, table)
    (guard,) = _analyse(folder).guards

    assert (guard.low, guard.high) == (-6, 5)
    assert _run(folder, AUTO, i=np.int64([-6, 5])).tolist() == [[0, 1], [10, 11]]
    with pytest.raises(InvalidArgumentError, match=r"is not in \[0, 6\)"):
        _run(folder, AUTO, i=np.int64([-7]))


@pytest.mark.parametrize("options", [AUTO, BY_NAME], ids=["auto", "by name"])
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_no_ordinary_number_is_tensorflows_to_answer(odd: float, options: EngineOptions, save: Save) -> None:
    import tensorflow as tf

    folder = save(tf.nn.relu6, {"features": ([None], "float32")})
    x = np.float32([1, odd, -1])

    assert _analyse(folder).against == ""
    np.testing.assert_array_equal(_run(folder, options, features=x), tf.nn.relu6(x).numpy())


def test_without_tensorflow_such_a_call_is_refused(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    folder = save(tf.nn.relu, {"features": ([None], "float32")}, doubled=lambda features: features * 2)
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    assert _run(folder, AUTO, features=np.float32([-1, 2])).tolist() == [0, 2]
    advice = r"is not installed: pip install 'serverless-dnn-runtime\[tensorflow\]'"
    with pytest.raises(FailedPreconditionError, match=f"input features holds NaN.*{advice}"):
        _run(folder, AUTO, features=np.float32([np.nan]))
    with pytest.raises(FailedPreconditionError, match=f"does not run signature doubled.*{advice}"):
        _run(folder, AUTO, "doubled", features=np.float32([1]))


def test_a_function_under_two_names_is_one_compiled_model(save: Save) -> None:
    import tensorflow as tf

    folder = save(tf.nn.relu, {"features": ([None], "float32")}, serve=tf.nn.relu, other=lambda features: features + 1)
    signatures = read_signatures(folder)
    loaded = load_model(folder, signatures, AUTO, Instance())

    assert _analyse(folder).same == ("serve",)
    assert loaded.info.name == "openvino"
    assert loaded.info.tensorflow_signatures == ("other",)
    inputs = {"features": np.float32([-1, 2])}
    for name, expected in (("serving_default", [0, 2]), ("serve", [0, 2]), ("other", [0, 3])):
        assert loaded.run(signatures[name], inputs)["y"].tolist() == expected


def test_a_model_that_writes_a_variable_stays_in_one_engine(save: Save) -> None:
    def count(x: Any, weights: Any) -> Any:
        return x + weights.assign_add(1.0)

    folder = save(lambda x, weights: x + weights, {"x": ([None], "float32")}, np.float32(0), counted=count)

    assert "signature counted writes a variable: operator AssignAddVariableOp" in _analyse(folder).against


def test_sizes_that_must_be_equal_are_checked_where_inputs_share_them(save: Save) -> None:
    import tensorflow as tf

    sequence = ([None, None, 3], "float32")
    folder = save(lambda x, z: tf.matmul(tf.matmul(x, z, transpose_b=True), z), {"x": sequence, "z": sequence})
    plain = save(lambda x, z: x + z, {"x": ([None, 2], "float32"), "z": ([None, 2], "float32")})

    assert _analyse(folder).against == ""
    assert _analyse(plain).equal == ((("x", 0), ("z", 0)),)
    two = np.ones((2, 2), np.float32)
    # Shapes that OpenVINO's answer is not proven for are TensorFlow's to answer: it stretches the one to the other.
    assert _run(plain, AUTO, x=two, z=two[:1]).tolist() == [[2, 2], [2, 2]]
    with pytest.raises(InvalidArgumentError):
        _run(plain, AUTO, x=two, z=np.ones((3, 2), np.float32))


def test_an_image_smaller_than_a_window_is_refused(save: Save) -> None:
    import tensorflow as tf

    folder = save(lambda x: tf.nn.avg_pool2d(x, 3, 2, "VALID"), {"x": ([None, None, None, 1], "float32")})

    assert _run(folder, AUTO, x=np.ones((1, 3, 4, 1), np.float32)).shape == (1, 1, 1, 1)
    for options in (AUTO, BY_NAME):
        with pytest.raises(InvalidArgumentError, match="need dimension 2 to be at least 3"):
            _run(folder, options, x=np.ones((1, 3, 2, 1), np.float32))


def test_operators_that_end_the_process_are_refused_by_name_too(save: Save) -> None:
    import tensorflow as tf

    points = save(tf.gather_nd, {"params": ([3, 4], "float32"), "indices": ([None, 2], "int32")})
    best = save(lambda x, k: tf.math.top_k(x, k)[0], {"x": ([None, 4], "float32"), "k": ([], "int32")})

    for folder, operator in ((points, "GatherNd"), (best, "TopKV2")):
        with pytest.raises(FailedPreconditionError, match=f"operator {operator} in node .* use --engine tensorflow"):
            load_model(folder, read_signatures(folder), BY_NAME, Instance())
        assert load_model(folder, read_signatures(folder), AUTO, Instance()).info.name == "tensorflow"


def test_a_model_asked_for_by_name_tells_what_is_not_proven(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    import tensorflow as tf

    folder = save(tf.math.acosh, {"x": ([None], "float32")})
    info = load_model(folder, read_signatures(folder), BY_NAME, Instance()).info

    assert info.proof == "asked for by name"
    assert "operator Acosh" in info.reason
    assert "its answers may differ from tensorflow's" in caplog.text


def test_after_a_call_that_openvino_refused_the_next_are_answered(save: Save) -> None:
    """What OpenVINO had computed of sizes would stay half changed."""
    import tensorflow as tf

    free = ([None, None], "float32")
    folder = save(lambda x, z: tf.concat([x, tf.math.acosh(z)], 1), {"x": free, "z": free})
    signatures = read_signatures(folder)
    loaded = load_model(folder, signatures, BY_NAME, Instance())
    small, large = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)

    def call(x: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        return loaded.run(signatures["serving_default"], {"x": x, "z": z})["y"]

    for x in (small, large):
        expected = np.concatenate([x, np.zeros_like(x)], 1).tolist()
        assert call(x, x).tolist() == expected
        with pytest.raises(InvalidArgumentError):
            call(small, large)
        assert call(x, x).tolist() == expected


def test_a_name_for_an_input_and_for_another_output_is_tensorflows_affair(save: Save) -> None:
    folder = save(lambda y: y + 1, {"y": ([None], "float32")})

    assert _analyse(folder).against == "y names an input and another tensor among the outputs"
    assert _run(folder, AUTO, y=np.float32([1])).tolist() == [2]
