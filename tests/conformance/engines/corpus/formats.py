"""What a SavedModel's file may say: names, signatures, tags, defaults, and outputs that nothing computes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpus.registry import Case, Group, Random, keras, layers, tf
from corpus.values import INF, NAN, f32, float_cases, i32, normal, texts
from corpus.version_1 import SERVE, write_session

group = Group("formats")
X = {"x": ([None], "float32")}
THREE = [{"x": f32(1, 2)}, {"x": f32(-3)}, {"x": f32()}]


def _graph(cases: Any, tags: Sequence[Sequence[str]] = SERVE, **options: Any) -> Callable[[Any], Any]:
    """Enter a function of TensorFlow 1's module, which makes a graph and gives inputs and outputs, or several by name."""

    def enter(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def build(folder: Path, random: Random) -> None:
            with tf.Graph().as_default(), tf.compat.v1.Session() as session:
                tf.compat.v1.set_random_seed(5)
                made = make(tf.compat.v1)
                signatures = made if isinstance(made, dict) else {"serving_default": made}
                write_session(folder, session, signatures, tags)

        group.add(make.__name__, build, cases, **options)
        return make

    return enter


def _kept(v1: Any, name: str, value: float) -> Any:
    return v1.get_variable(name, [], initializer=v1.constant_initializer(value))


@_graph(THREE)
def graph_of_version_1(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    return {"x": x}, {"y": tf.nn.relu(x * _kept(v1, "weight", 1.5) + _kept(v1, "bias", 1))}


@_graph([{"a": f32(1, 2), "b": f32(10, 20), "c": f32(100, 200)}])
def names_of_inputs_rotated(v1):
    a, b, c = (v1.placeholder(tf.float32, [None], name) for name in "abc")
    return {"a": c, "b": a, "c": b}, {"y": a + 2 * b - 3 * c}


@_graph(THREE)
def names_of_outputs_exchanged(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    more, less = tf.add(x, 1, "more"), tf.subtract(x, 1, "less")
    return {"x": x}, {"more": less, "less": more, "more_0": more * less}


@_graph(THREE)
def names_of_input_and_output_alike(v1):
    placed = v1.placeholder(tf.float32, [None], "y")
    return {"x": placed}, {"x": tf.multiply(placed, 3, "x"), "y": tf.add(placed, 1, "placed")}


@_graph(THREE)
def outputs_of_one_operator(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    first, second, third = tf.split(tf.stack([x, x + 1, x + 2]), 3, name="parts")
    return {"x": x}, {"third": third, "first": first, "second": second}


@_graph(THREE)
def names_with_ports(v1):
    x = v1.placeholder(tf.float32, [None], "in/x")
    values, places = tf.math.top_k(x, tf.minimum(tf.size(x), 1), name="in/best")
    return {"in/x:0": x}, {"in/best:1": values, "in/best": places}


@_graph([{"x": f32(1, 2)}, Case({"x": f32(1, 2)}, "other"), Case({"z": f32(5)}, "third"), Case({"x": f32(3)}, "other")])
def signatures_of_one_graph(v1):
    x, z = v1.placeholder(tf.float32, [None], "x"), v1.placeholder(tf.float32, [None], "z")
    weight = _kept(v1, "weight", 4)
    return {
        "serving_default": ({"x": x}, {"y": x * weight}),
        "other": ({"x": x}, {"y": x - weight}),
        "third": ({"z": z}, {"y": z / weight}),
    }


@_graph([Case({"x": f32(2)}, "classify_it")])
def no_default_signature(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    return {"classify_it": ({"x": x}, {"y": tf.sigmoid(x)})}


@_graph(THREE, tags=(("train",), ("serve",), ("serve", "gpu")))
def several_meta_graphs(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    return {"x": x}, {"y": x + _kept(v1, "weight", 2)}


@_graph(THREE)
def placeholder_that_nobody_fills(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    rate = v1.placeholder_with_default(tf.constant(0.75), [], "rate")
    return {"x": x}, {"y": x * rate}


@_graph([{"x": f32(1), "rate": np.float32(0.5)}, {"x": f32(3, 4), "rate": np.float32(NAN)}])
def placeholder_with_default_as_input(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    rate = v1.placeholder_with_default(tf.constant(0.75), [], "rate")
    return {"x": x, "rate": rate}, {"y": x * rate}


@_graph(THREE)
def input_in_the_middle(v1):
    before = v1.placeholder(tf.float32, [None], "before")
    middle = tf.multiply(before, 1000, "middle")
    return {"x": middle}, {"y": middle + 1}


@_graph(THREE)
def one_tensor_under_two_names(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    y = tf.square(x)
    return {"x": x}, {"y": y, "also_y": y, "x": x, "also_x": x}


@_graph(THREE)
def branches_of_version_1(v1):
    x = v1.placeholder(tf.float32, [None], "x")
    v1.disable_control_flow_v2()
    y = v1.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: x - 1)
    z = v1.while_loop(lambda i, _: i < 3, lambda i, z: (i + 1, z * 2), [0, x])[1]
    v1.enable_control_flow_v2()
    return {"x": x}, {"y": y, "z": z}


@_graph([{"x": np.ones((2, 4, 4, 1), np.float32)}, {"x": np.full((1, 4, 4, 1), NAN, np.float32)}])
def layers_of_version_1(v1):
    x = v1.placeholder(tf.float32, [None, 4, 4, 1], "x")
    kernel = v1.get_variable("kernel", [3, 3, 1, 2], initializer=v1.constant_initializer(0.25))
    y = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), 2, 2, "VALID")
    return {"x": x}, {"y": tf.reshape(y, [-1, 8])}


@group.function(X, THREE)
def outputs_that_are_constants(x):
    return {
        "x": x * 1,
        "labels": tf.constant(["no", "yes"]),
        "number": tf.constant(2.5),
        "table": tf.constant([[1, 2], [3, 4]]),
    }


@group.function(X, THREE)
def outputs_that_are_all_constants(x):
    return {"number": tf.constant(2.5), "table": tf.constant([[1, 2], [3, 4]])}


@group.function(
    {"x": ([None], "float32"), "n": ([None], "int32")}, [{"x": f32(1, NAN, INF), "n": i32(3)}, {"x": f32(), "n": i32()}]
)
def outputs_that_are_inputs(x, n):
    return {"x": x, "other": n, "y": x + 1}


@group.function({"x": ([None], "float32"), "n": ([2], "int64"), "s": ([None], "string")}, [
    {"x": f32(1, 2), "n": np.array([1, 2**40]), "s": texts("a")}
])  # fmt: skip
def inputs_that_nothing_reads(x, n, s):
    return {"y": x / 2}


@group.function(
    {"x": (None, "float32")}, [{"x": np.float32(3)}, {"x": f32(1, 2)}, {"x": f32([1, 2], [3, 4])}, {"x": f32([[1]])}]
)
def unknown_rank(x):
    return {"y": tf.sqrt(x), "rank": tf.rank(x), "shape": tf.shape(x)}


@group.function(
    {"x": (None, "float32")}, lambda r: [{"x": normal(r, *shape)} for shape in ((2, 3), (4, 2, 3), (3,), (2, 4))]
)
def unknown_rank_of_a_dense_layer(x):
    return tf.tensordot(x, np.eye(3, 2, dtype=np.float32), 1)


@group.function({"x": ([], "float32")}, [{"x": np.float32(2)}, {"x": np.float32(NAN)}])
def scalar_in_and_out(x):
    return {"y": x * 2, "large": x > 1}


@group.folder([{}, {}])
def no_inputs(folder: Path, random: Random) -> None:
    module = tf.Module()
    module.weight = tf.Variable([1.0, 2.0])
    module.serve = tf.function(lambda: {"y": module.weight * 3}, input_signature=[])
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})


@group.folder(
    [{"x": f32(1, 2)}, {"x": f32(1, 2), "scale": np.float32(3)}, {"x": f32(4), "scale": np.float32(NAN)}],
    defaults={"scale": np.float32(0.5)},
)
def input_with_a_default_value(folder: Path, random: Random) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    module = tf.Module()
    specs = [tf.TensorSpec([None], tf.float32, "x"), tf.TensorSpec([], tf.float32, "scale")]
    module.serve = tf.function(lambda x, scale: {"y": x * scale}, input_signature=specs)
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})
    path = folder / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    saved.meta_graphs[0].signature_def["serving_default"].defaults["scale"].CopyFrom(tf.make_tensor_proto(0.5))
    path.write_bytes(saved.SerializeToString())


@group.folder(
    [
        {"x": f32([1, 2, 3])},
        Case({"x": f32([1, 2, 3])}, "features"),
        Case({"ids": i32(0, 2)}, "rows"),
        Case({"ids": i32(3)}, "rows"),
    ]
)
def signatures_of_several_functions(folder: Path, random: Random) -> None:
    module = tf.Module()
    module.weight = tf.Variable(normal(random, 3, 2))
    rows, ids = [tf.TensorSpec([None, 3], tf.float32, "x")], [tf.TensorSpec([None], tf.int32, "ids")]
    signatures = {
        "serving_default": tf.function(lambda x: {"scores": tf.nn.softmax(x @ module.weight)}, rows),
        "features": tf.function(lambda x: {"features": tf.nn.relu(x)}, rows),
        "rows": tf.function(lambda ids: {"rows": tf.gather(module.weight, ids)}, ids),
    }
    module.functions = list(signatures.values())
    tf.saved_model.save(module, str(folder), signatures)


@group.folder(
    [{"x": f32([1, 2])}, Case({"x": f32([1, 2])}, "draw_nothing"), Case({"x": f32([3, 4])}, "count")], stateful=True
)
def signatures_of_which_one_counts(folder: Path, random: Random) -> None:
    module = tf.Module()
    module.calls = tf.Variable(0.0)
    spec = [tf.TensorSpec([None, 2], tf.float32, "x")]
    signatures = {
        "serving_default": tf.function(lambda x: {"y": x * 2}, spec),
        "draw_nothing": tf.function(lambda x: {"y": x + module.calls}, spec),
        "count": tf.function(lambda x: {"calls": module.calls.assign_add(1)}, spec),
    }
    module.functions = list(signatures.values())
    tf.saved_model.save(module, str(folder), signatures)


@group.folder(float_cases(4), engine="openvino")
def keras_model_saved_by_tensorflow(folder: Path, random: Random) -> None:
    keras.utils.set_random_seed(2)
    model = keras.Sequential([layers.Input((4,), name="x"), layers.Dense(6, "relu"), layers.Dense(2)])
    serve = tf.function(lambda x: {"y": model(x)}, [tf.TensorSpec([None, 4], tf.float32, "x")])
    tf.saved_model.save(model, str(folder), {"serving_default": serve})


@group.folder([{"x": f32([1, 2, 3, 4])}, Case({"x": f32([1, 2, 3, 4])}, "hidden")])
def keras_archive_of_two_endpoints(folder: Path, random: Random) -> None:
    keras.utils.set_random_seed(2)
    first, second = layers.Dense(3, "tanh"), layers.Dense(2)
    model = keras.Sequential([layers.Input((4,), name="x"), first, second])
    archive, spec = keras.export.ExportArchive(), [tf.TensorSpec([None, 4], tf.float32, "x")]
    archive.track(model)
    archive.add_endpoint("serving_default", lambda x: {"y": model(x)}, spec)
    archive.add_endpoint("hidden", lambda x: {"y": first(x)}, spec)
    archive.write_out(str(folder), verbose=False)


@group.folder(THREE)
def function_with_its_own_gradient(folder: Path, random: Random) -> None:
    @tf.custom_gradient
    def halved(x: Any) -> Any:
        return x / 2, lambda upstream: upstream

    module = tf.Module()
    module.serve = tf.function(lambda x: {"y": halved(x) + 1}, [tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})


@group.function(
    {"x": ([2, 3], "float32")},
    [{"x": np.ones(shape, np.float32)} for shape in ((2, 3), (1, 3), (2, 4), (2, 3, 1))],
    accepted={"REFUSES": "a caller keeps to the signature's sizes, which TensorFlow's function does not look at"},
)
def fixed_sizes(x):
    return tf.reduce_sum(x, 1)


# Python's function is not in the file: TensorFlow loads the model, and refuses its calls.
@group.function(X, THREE, accepted={"CODE": "ours is FAILED_PRECONDITION: no caller can mend it"}, engine="tensorflow")
def function_of_python_inside(x):
    return tf.ensure_shape(tf.numpy_function(lambda array: array * 2, [x], tf.float32), [None])
