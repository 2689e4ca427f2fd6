"""Makes models in the folder given: about each, something of TensorFlow's loader, functions or freezing is known."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

Signatures = dict[str, tuple[dict[str, Any], dict[str, Any]]]
Make = Callable[[], Signatures]
Graph = tuple[Sequence[str], Make]

root, v1, Spec = sys.argv[1], tf.compat.v1, tf.TensorSpec
FLOATS = Spec([None], tf.float32, "x")


def version_1(name: str, *graphs: Graph) -> None:
    """Each of graphs is tags and a function that gives inputs and outputs by the signature's name."""
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
                builder.add_meta_graph_and_variables(session, tags, definitions, main_op=v1.tables_initializer())
            else:
                builder.add_meta_graph(tags, definitions, main_op=v1.tables_initializer())
    builder.save()


def function(call: Any, *specs: Any) -> Any:
    return tf.function(call, input_signature=list(specs), autograph=False)


def save(name: str, module: Any, **signatures: Any) -> None:
    tf.saved_model.save(module, f"{root}/{name}/1", signatures)


def edit(name: str, change: Callable[[Any], None]) -> None:
    path = Path(root, name, "1", "saved_model.pb")
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(saved.meta_graphs[0].signature_def)
    path.write_bytes(saved.SerializeToString())


def rename(definitions: Any) -> None:
    definitions["other"].CopyFrom(definitions["serving_default"])
    definitions["other"].inputs["z"].CopyFrom(definitions["other"].inputs.pop("x"))


def placeholder(name: str, kind: Any = tf.float32) -> Any:
    return v1.placeholder(kind, [None], name)


def weight(*, resource: bool = True) -> Any:
    with v1.variable_scope("weights", use_resource=resource):
        return v1.get_variable("weight", [], initializer=v1.constant_initializer(3.0))


def times(plus: float) -> Make:
    def make() -> Signatures:
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


def static_table(keys: Any, values: Any, default: Any) -> Any:
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def tables() -> None:
    module = tf.Module()
    path = f"{root}/vocabulary.txt"
    Path(path).write_text("a\nb\n", encoding="utf-8")
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


def version_1_table() -> Signatures:
    words = placeholder("words", tf.string)
    table = static_table(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64), -1)
    return {"serving_default": ({"words": words}, {"y": table.lookup(words)})}


def written() -> None:
    module = tf.Module()
    module.average, module.count, module.kept = tf.Variable(0.0), tf.Variable(0.0), tf.Variable(2.0)

    def average(x: Any) -> Any:
        module.average.assign(module.average * 0.5 + tf.reduce_mean(x))
        return {"y": tf.identity(module.average)}

    def count(x: Any) -> Any:
        def add() -> Any:
            module.count.assign_add(1.0)
            return tf.identity(module.count)

        return {"y": tf.cond(tf.reduce_sum(x) > 0, add, lambda: tf.identity(module.count))}

    average, count = function(average, FLOATS), function(count, FLOATS)
    reader = function(lambda x: {"y": x * module.average}, FLOATS)
    constant = function(lambda x: {"y": x * module.kept}, FLOATS)
    module.calls = [average, count, reader, constant]
    save("written", module, serving_default=average, count=count, reader=reader, constant=constant)


def version_1_counter() -> Signatures:
    x, count = placeholder("x"), weight(resource=False)
    return {
        "serving_default": ({"x": x}, {"y": x * v1.assign_add(count, 1.0)}),
        "reader": ({"x": x}, {"y": x * count}),
    }


def version_1_reference() -> Signatures:
    x = placeholder("x")
    return {"serving_default": ({"x": x}, {"y": x * weight(resource=False)})}


def generator() -> None:
    module = tf.Module()
    module.generator = tf.random.Generator.from_seed(3)
    call = function(lambda x: {"y": x + module.generator.uniform(tf.shape(x))}, FLOATS)
    module.call = call
    save("generator", module, serving_default=call)


def float8() -> None:
    module = tf.Module()
    kind = tf.dtypes.experimental.float8_e5m2
    module.call = function(lambda x: {"y": tf.cast(x, tf.float32)}, Spec([None], kind, "x"))
    save("float8", module, serving_default=module.call)


tables()
written()
generator()
float8()
version_1("version_1_table", (["train"], times(0)), (["serve"], version_1_table))
version_1("version_1_counter", (["serve"], version_1_counter))
version_1("version_1_reference", (["serve"], version_1_reference))


def named(*names: str) -> Make:
    def make() -> Signatures:
        inputs = {name: placeholder(f"p{number}") for number, name in enumerate(names)}
        total = sum(10.0**number * tensor for number, tensor in enumerate(inputs.values()))
        return {"serving_default": (inputs, {"total:0": total, "class": -total})}

    return make


for folder, names in [
    ("keywords", ["class", "None"]),
    ("self", ["self", "b"]),
    ("alike", ["a:0", "a_0"]),
    ("odd", ["a/b", "aZ", "a-b2", "0", "kwargs"]),
    ("empty", [""]),
]:
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


def unfed() -> Signatures:
    x, rate = placeholder("x"), v1.placeholder(tf.float32, [3], "rate")
    return {"serving_default": ({"x": x}, {"y": x * rate}), "fed": ({"x": x, "rate": rate}, {"y": x * rate})}


def odd_tensors() -> Signatures:
    x = placeholder("x")
    sparse = v1.sparse_placeholder(tf.float32, [None, 3], "sparse")
    handle = tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=tf.constant([], tf.int32))
    return {
        "sparse": ({"sparse": sparse}, {"y": tf.sparse.to_dense(sparse)}),
        "sparse_out": ({"x": x}, {"y": tf.sparse.from_dense([x])}),
        "variant": ({"x": x}, {"y": handle}),
        "dense": ({"x": x}, {"y": x + 1}),
    }


def twice() -> Signatures:
    x = placeholder("x")
    return {"serving_default": ({"x": x, "z": x}, {"y": x}), "once": ({"x": x}, {"y": x + 1})}


def quantised() -> Signatures:
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
module.call = function(lambda s: {"joined": tf.strings.reduce_join(s) + "\0", "same": s}, Spec([None], tf.string, "s"))
save("strings", module, serving_default=module.call)
module = tf.Module()
module.call = function(lambda x: {"y": tf.reshape(x, [-1, 2])}, Spec(None, tf.float32, "x"))
save("any_rank", module, serving_default=module.call)
