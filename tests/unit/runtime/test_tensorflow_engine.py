"""The reference engine runs every graph for serving, frozen or not with the same answers, and errors have their codes."""

import gc
import logging
import subprocess
import sys
import textwrap
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

_MAKE_MODELS = """
    import sys
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    root, v1, Spec = sys.argv[1], tf.compat.v1, tf.TensorSpec
    FLOATS = Spec([None], tf.float32, "x")

    def version_1(name, *graphs):
        \"\"\"Each of graphs is tags and a function that gives inputs and outputs by the signature's name.\"\"\"
        builder = v1.saved_model.builder.SavedModelBuilder(f"{root}/{name}/1")
        info = v1.saved_model.utils.build_tensor_info
        for number, (tags, make) in enumerate(graphs):
            with tf.Graph().as_default(), v1.Session() as session:
                definitions = {
                    signature: v1.saved_model.signature_def_utils.build_signature_def(
                        {alias: info(tensor) for alias, tensor in inputs.items()},
                        {alias: info(tensor) for alias, tensor in outputs.items()},
                        "tensorflow/serving/predict",
                    )
                    for signature, (inputs, outputs) in make().items()
                }
                session.run([v1.global_variables_initializer(), v1.tables_initializer()])
                if number == 0:
                    builder.add_meta_graph_and_variables(
                        session, tags, definitions, main_op=v1.tables_initializer()
                    )
                else:
                    builder.add_meta_graph(tags, definitions, main_op=v1.tables_initializer())
        builder.save()

    def function(call, *specs):
        return tf.function(call, input_signature=list(specs), autograph=False)

    def save(name, module, **signatures):
        tf.saved_model.save(module, f"{root}/{name}/1", signatures)

    def edit(name, change):
        path = f"{root}/{name}/1/saved_model.pb"
        with open(path, "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
        change(saved.meta_graphs[0].signature_def)
        with open(path, "wb") as file:
            file.write(saved.SerializeToString())

    def rename(definitions):
        definitions["other"].CopyFrom(definitions["serving_default"])
        definitions["other"].inputs["z"].CopyFrom(definitions["other"].inputs.pop("x"))

    def placeholder(name, kind=tf.float32):
        return v1.placeholder(kind, [None], name)

    def weight(resource=True):
        with v1.variable_scope("weights", use_resource=resource):
            return v1.get_variable("weight", [], initializer=v1.constant_initializer(3.0))

    def times(plus):
        def make():
            x = placeholder("x")
            return {"serving_default": ({"x": x}, {"y": x * weight() + plus})}
        return make

    version_1("one_graph", (["serve"], times(0)))
    version_1("serving_last", (["train"], times(10)), (["serve", "gpu"], times(20)), (["serve"], times(0)))
    version_1("serving_first", (["serve"], times(0)), (["train"], times(10)))
    version_1("no_serving", (["train"], times(10)))
    layers = tf.keras.layers
    dense = layers.Dense(1, use_bias=False, kernel_initializer=tf.keras.initializers.Constant(3.0))
    tf.keras.Sequential([layers.Input((1,), name="x"), dense]).export(f"{root}/keras/1", verbose=False)

    def static_table(keys, values, default):
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)

    def tables():
        module = tf.Module()
        path = f"{root}/vocabulary.txt"
        with open(path, "w") as file:
            file.write("a\\nb\\n")
        index = tf.lookup.TextFileIndex
        module.words = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER), 1
        )
        module.numbers = static_table(tf.constant([1, 5]), tf.constant([10.0, 50.0]), -1.0)
        module.weights = tf.Variable([1.0, 2.0, 4.0])
        words = function(
            lambda words: {"y": tf.gather(module.weights, module.words.lookup(words))}, Spec([None], tf.string, "words")
        )
        numbers = function(lambda n: {"y": module.numbers.lookup(n)}, Spec([None], tf.int32, "n"))
        dense = function(lambda x: {"y": x * module.weights[2]}, FLOATS)
        module.calls = [words, numbers, dense]
        save("tables", module, serving_default=words, numbers=numbers, dense=dense)

    def version_1_table():
        words = placeholder("words", tf.string)
        table = static_table(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64), -1)
        return {"serving_default": ({"words": words}, {"y": table.lookup(words)})}

    def written():
        module = tf.Module()
        module.average, module.count, module.kept = tf.Variable(0.0), tf.Variable(0.0), tf.Variable(2.0)
        def average(x):
            module.average.assign(module.average * 0.5 + tf.reduce_mean(x))
            return {"y": tf.identity(module.average)}
        def count(x):
            def add():
                module.count.assign_add(1.0)
                return tf.identity(module.count)
            return {"y": tf.cond(tf.reduce_sum(x) > 0, add, lambda: tf.identity(module.count))}
        average, count = function(average, FLOATS), function(count, FLOATS)
        reader = function(lambda x: {"y": x * module.average}, FLOATS)
        constant = function(lambda x: {"y": x * module.kept}, FLOATS)
        module.calls = [average, count, reader, constant]
        save("written", module, serving_default=average, count=count, reader=reader, constant=constant)

    def version_1_counter():
        x, count = placeholder("x"), weight(resource=False)
        return {
            "serving_default": ({"x": x}, {"y": x * v1.assign_add(count, 1.0)}),
            "reader": ({"x": x}, {"y": x * count}),
        }

    def version_1_reference():
        x = placeholder("x")
        return {"serving_default": ({"x": x}, {"y": x * weight(resource=False)})}

    def generator():
        module = tf.Module()
        module.generator = tf.random.Generator.from_seed(3)
        call = function(lambda x: {"y": x + module.generator.uniform(tf.shape(x))}, FLOATS)
        module.call = call
        save("generator", module, serving_default=call)

    def float8():
        module = tf.Module()
        kind = tf.dtypes.experimental.float8_e5m2
        module.call = function(lambda x: {"y": tf.cast(x, tf.float32)}, Spec([None], kind, "x"))
        save("float8", module, serving_default=module.call)

    tables(); written(); generator(); float8()
    version_1("version_1_table", (["train"], times(0)), (["serve"], version_1_table))
    version_1("version_1_counter", (["serve"], version_1_counter))
    version_1("version_1_reference", (["serve"], version_1_reference))

    def named(*names):
        def make():
            inputs = {name: placeholder(f"p{number}") for number, name in enumerate(names)}
            total = sum(10.0**number * tensor for number, tensor in enumerate(inputs.values()))
            return {"serving_default": (inputs, {"total:0": total, "class": -total})}
        return make

    for folder, names in [("keywords", ["class", "None"]), ("self", ["self", "b"]), ("alike", ["a:0", "a_0"]),
                          ("odd", ["a/b", "aZ", "a-b2", "0", "kwargs"]), ("empty", [""])]:
        version_1(f"names_{folder}", (["serve"], named(*names)))
    module = tf.Module()
    names = ["a/b", "aZ", "a.b2", "0", "kwargs"]
    module.call = function(
        lambda *tensors: {"total:0": sum(10.0**number * each for number, each in enumerate(tensors))},
        *(Spec([None], tf.float32, name) for name in names),
    )
    save("names_odd_2", module, serving_default=module.call)

    module = tf.Module()
    module.weight = tf.Variable([1.0, 2.0])
    module.call = function(lambda: {"y": module.weight * 2})
    save("no_inputs", module, serving_default=module.call)

    module.times = function(lambda x: {"y": x * module.weight[1]}, FLOATS)
    save("renamed", module, serving_default=module.times)
    edit("renamed", rename)
    module.scaled = function(lambda x, scale: {"y": x * scale}, FLOATS, Spec([], tf.float32, "scale"))
    save("scaled", module, serving_default=module.scaled)
    edit("scaled", lambda definitions: definitions["serving_default"].defaults["scale"].CopyFrom(tf.make_tensor_proto(3.0)))

    def unfed():
        x, rate = placeholder("x"), v1.placeholder(tf.float32, [3], "rate")
        return {"serving_default": ({"x": x}, {"y": x * rate}), "fed": ({"x": x, "rate": rate}, {"y": x * rate})}

    def odd_tensors():
        x = placeholder("x")
        sparse = v1.sparse_placeholder(tf.float32, [None, 3], "sparse")
        handle = tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=tf.constant([], tf.int32))
        return {
            "sparse": ({"sparse": sparse}, {"y": tf.sparse.to_dense(sparse)}),
            "sparse_out": ({"x": x}, {"y": tf.sparse.from_dense([x])}),
            "variant": ({"x": x}, {"y": handle}),
            "dense": ({"x": x}, {"y": x + 1}),
        }

    def twice():
        x = placeholder("x")
        return {"serving_default": ({"x": x, "z": x}, {"y": x}), "once": ({"x": x}, {"y": x + 1})}

    def quantised():
        x = placeholder("x", tf.qint8)
        return {"serving_default": ({"x": x}, {"y": tf.bitcast(x, tf.int8) + 1, "q": x})}

    version_1("unfed", (["serve"], unfed))
    version_1("odd_tensors", (["serve"], odd_tensors))
    version_1("twice", (["serve"], twice))
    version_1("quantised", (["serve"], quantised))

    module = tf.Module()
    module.call = function(lambda x: {"y": tf.numpy_function(lambda v: v * 2, [x], tf.float32)}, FLOATS)
    save("python", module, serving_default=module.call)
    module = tf.Module()
    module.call = function(
        lambda s: {"joined": tf.strings.reduce_join(s) + "\\0", "same": s}, Spec([None], tf.string, "s")
    )
    save("strings", module, serving_default=module.call)
    module = tf.Module()
    module.call = function(lambda x: {"y": tf.reshape(x, [-1, 2])}, Spec(None, tf.float32, "x"))
    save("any_rank", module, serving_default=module.call)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each of which something about TensorFlow's loader, its functions or freezing is known of."""
    root = tmp_path_factory.mktemp("tensorflow")
    code = textwrap.dedent(_MAKE_MODELS)
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False)
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
