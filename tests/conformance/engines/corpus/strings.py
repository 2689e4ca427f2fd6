"""Strings, tables, examples and encoded images, at either end of a model or hidden inside."""

import base64
from pathlib import Path
from typing import Any

import numpy as np

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import f32, float_cases, i32, i64, texts

group = Group("strings")
WORDS, BYTES = {"x": ([None], "string")}, {"x": ([None], "string")}
SOME = [{"x": texts("red", "Gr\u00fcn", "")}, {"x": texts("a b  c", b"\xff\x00")}, {"x": texts()}]


@group.function(WORDS, SOME, engine="tensorflow")
def texts_changed(x):
    return {
        "upper": tf.strings.upper(x),
        "joined": tf.strings.join([x, "!"], "-"),
        "start": tf.strings.substr(x, 0, 2),
        "stripped": tf.strings.strip(x),
        "replaced": tf.strings.regex_replace(x, "[aeiou]", "*"),
    }


@group.function(WORDS, SOME, engine="tensorflow")
def texts_measured(x):
    return {
        "bytes": tf.strings.length(x),
        "hash": tf.strings.to_hash_bucket_fast(x, 97),
        "match": tf.strings.regex_full_match(x, "r.*"),
        "equal": x == "red",
    }


@group.function(WORDS, SOME, engine="tensorflow")
def texts_split_into_words(x):
    words = tf.strings.split(x)
    return {"words": words.to_tensor(""), "count": words.row_lengths()}


@group.function(
    WORDS,
    [{"x": texts("1.5", "-2e3")}, {"x": texts("nan", "inf")}, {"x": texts("1", "one")}, {"x": texts("")}],
    engine="tensorflow",
)
def numbers_from_texts(x):
    return tf.strings.to_number(x) * 2


@group.function(
    {"x": ([None], "float32")}, [{"x": f32(1.5, -0.25)}, {"x": f32(np.nan, np.inf)}, {"x": f32()}], engine="tensorflow"
)
def texts_from_numbers(x):
    return tf.strings.join(["<", tf.strings.as_string(x, precision=3), ">"])


@group.function({"x": ([None], "int32")}, [{"x": i32(0, 7, -1)}, {"x": i32()}], engine="tensorflow")
def texts_hidden_inside(x):
    return tf.cast(tf.strings.to_hash_bucket_strong(tf.strings.as_string(x), 50, [3, 4]), tf.int32)


@group.function({"x": ([None, 4], "float32")}, float_cases(4, rows=(1, 2, 5)), engine="tensorflow")
def label_as_text(x):
    names = tf.constant(["ant", "bee", "cat", "dog"])
    best = tf.math.top_k(tf.nn.softmax(x), 2)
    return {"labels": tf.gather(names, best.indices), "scores": best.values}


@group.function(
    {"x": ([None], "string"), "scale": ([None], "float32")},
    [{"x": texts("1", "22"), "scale": f32(2, 3)}],
    engine="tensorflow",
)
def text_beside_a_number(x, scale):
    return {"y": tf.cast(tf.strings.length(x), tf.float32) * scale, "x": x}


def _table_model(folder: Path, make: Any, dtype: str, **files: str) -> None:
    module = tf.Module()
    for name, content in files.items():
        path = folder.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    lookup = make(module, {name: str(folder.parent / name) for name in files})
    module.serve = tf.function(lookup, input_signature=[tf.TensorSpec([None], dtype, "x")])
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})


@group.folder(SOME, engine="tensorflow")
def table_from_a_file(folder: Path, random: Random) -> None:
    def make(module: Any, files: dict[str, str]) -> Any:
        whole, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        source = tf.lookup.TextFileInitializer(files["words"], tf.string, whole, tf.int64, number)
        module.table = tf.lookup.StaticVocabularyTable(source, 3)
        return lambda x: {"id": module.table.lookup(x), "size": module.table.size()}

    _table_model(folder, make, "string", words="red\ngreen\nblue\n")


@group.folder([{"x": i64(3, 5, 2**40)}, {"x": i64(0, -1)}, {"x": i64()}], engine="tensorflow")
def table_of_numbers(folder: Path, random: Random) -> None:
    def make(module: Any, files: dict[str, str]) -> Any:
        source = tf.lookup.KeyValueTensorInitializer(i64(3, 5, 2**40), f32(0.3, 0.5, 40))
        module.table = tf.lookup.StaticHashTable(source, -1.0)
        return lambda x: {"y": module.table.lookup(x) * 2}

    _table_model(folder, make, "int64")


@group.folder([{"x": i64(0, 2)}, {"x": i64(3, -1)}], engine="tensorflow")
def table_of_texts(folder: Path, random: Random) -> None:
    def make(module: Any, files: dict[str, str]) -> Any:
        source = tf.lookup.KeyValueTensorInitializer(i64(0, 1, 2), texts("no", "yes", "maybe"), tf.int64, tf.string)
        module.table = tf.lookup.StaticHashTable(source, "?")
        return lambda x: {"name": module.table.lookup(x), "twice": x * 2}

    _table_model(folder, make, "int64")


def _examples(random: Random) -> list[Arrays]:
    def example(values: list[float], ids: list[int], name: bytes) -> bytes:
        features = {
            "values": tf.train.Feature(float_list=tf.train.FloatList(value=values)),
            "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=ids)),
            "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
        }
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    right = [example([1, 2, 3], [4, 2**50], b"first"), example([0, -1, 9], [], b"")]
    return [
        {"x": texts(*right)},
        {"x": texts(right[0])},
        {"x": texts()},
        {"x": texts(example([1], [1], b"short"))},
        {"x": texts(b"\x01rubbish")},
    ]


@group.function(WORDS, _examples, engine="tensorflow")
def examples_parsed(x):
    row = tf.io.parse_example(x, {
        "values": tf.io.FixedLenFeature([3], tf.float32),
        "ids": tf.io.VarLenFeature(tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string, "nobody"),
    })  # fmt: skip
    return {
        "total": tf.reduce_sum(row["values"], 1),
        "ids": tf.sparse.to_dense(row["ids"], default_value=-1),
        "name": row["name"],
    }


def _pictures(kind: str):
    def make(random: Random) -> list[Arrays]:
        encode = {"png": tf.io.encode_png, "jpeg": tf.io.encode_jpeg}[kind]
        # One colour an image: decoders of JPEG may differ in the last bit, and not here.
        encoded = [encode(np.full((6, 7, 3), shade, np.uint8)).numpy() for shade in (0, 100, 255)]
        return [
            {"x": texts(*encoded)},
            {"x": texts(encoded[1])},
            {"x": texts(b"no picture")},
            {"x": texts(encoded[0][:40])},
        ]

    return make


@group.function(BYTES, _pictures("png"), engine="tensorflow")
def pictures_png(x):
    decode = lambda content: tf.ensure_shape(tf.io.decode_png(content, 3), [6, 7, 3])  # noqa: E731 - the body of a loop
    return tf.image.resize(tf.map_fn(decode, x, fn_output_signature=tf.uint8), [3, 3]) / 255


@group.function(BYTES, _pictures("jpeg"), engine="tensorflow", atol=1e-2)
def pictures_jpeg(x):
    decode = lambda content: tf.io.decode_image(content, 3, tf.float32, expand_animations=False)  # noqa: E731 - likewise
    return tf.map_fn(lambda content: tf.reduce_mean(decode(content), [0, 1]), x, fn_output_signature=tf.float32)


@group.function(
    BYTES,
    [{"x": texts(base64.urlsafe_b64encode(i32(1, -2).tobytes()).rstrip(b"="))}, {"x": texts("*")}],
    engine="tensorflow",
)
def numbers_from_bytes(x):
    return tf.io.decode_raw(tf.io.decode_base64(x), tf.int32)


@group.function(WORDS, [{"x": texts("1,2.5,a", "3,,b")}, {"x": texts("1,x,c")}], engine="tensorflow")
def rows_of_csv(x):
    number, value, name = tf.io.decode_csv(x, [0, 1.5, ""])
    return {"number": number, "value": value, "name": name}


@group.function({"x": ([None], "float32")}, [{"x": f32(1, 2, 3)}, {"x": f32()}], engine="tensorflow")
def ragged_rows_inside(x):
    ragged = tf.RaggedTensor.from_row_splits(tf.concat([x, x], 0), tf.stack([0, tf.size(x), 2 * tf.size(x)]))
    return {"sums": tf.reduce_sum(ragged, 1), "dense": ragged.to_tensor()}
