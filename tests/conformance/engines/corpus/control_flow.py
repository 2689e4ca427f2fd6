"""Branches, loops, arrays of tensors, variables that change, and random numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import INF, NAN, f32, float_cases, i32, i64, normal

group, state = Group("control_flow"), Group("state_and_randomness")
VECTOR, ROWS = {"x": ([None], "float32")}, {"x": ([None, 3], "float32")}
SMALL = [{"x": f32(1, 2)}, {"x": f32(-1, -2, 0.5)}, {"x": f32(NAN, 1)}, {"x": f32(INF)}, {"x": f32()}]


@group.function(
    {"x": ([None], "float32"), "flag": ([], "bool")},
    [{"x": f32(1, -2), "flag": np.array(flag)} for flag in (True, False, True)],
)
def branch_by_a_flag(x, flag):
    return tf.cond(flag, lambda: tf.exp(x), lambda: x - 10)


@group.function(VECTOR, SMALL)
def branch_by_the_sum(x):
    return tf.cond(tf.reduce_sum(x) > 0, lambda: x[:1] * 3, lambda: tf.concat([x, -x], 0))


@group.function(VECTOR, SMALL, autograph=True)
def branches_within_branches(x):
    total = tf.reduce_sum(x)
    if total > 2:
        y = x * 2
    elif total > 0:
        y = x * 3
    else:
        y = -x
    return {"y": y, "large": total > 2}


@group.function(
    {"x": ([None], "float32"), "case": ([], "int32")}, [{"x": f32(1, 4), "case": np.int32(n)} for n in (0, 1, 2, 3, -1)]
)
def branch_by_a_number(x, case):
    return tf.switch_case(case, [lambda: x, lambda: tf.sqrt(x), lambda: x**3])


@group.function(
    {"x": ([None], "float32"), "divisor": ([], "int32")}, [{"x": f32(8), "divisor": np.int32(n)} for n in (2, 0, -3)]
)
def branch_around_a_division(x, divisor):
    return tf.cond(divisor > 0, lambda: x * tf.cast(100 // divisor, tf.float32), lambda: tf.zeros_like(x))


@group.function(VECTOR, [{"x": f32(900, 30)}, {"x": f32(0.5)}, {"x": f32(-4, 3)}, {"x": f32()}])
def loop_until_small(x):
    y, steps = tf.while_loop(lambda y, _: tf.reduce_sum(y) > 1, lambda y, n: (y / 3, n + 1), [x, 0])
    return {"y": y, "steps": steps}


@group.function(
    {"x": ([None], "float32"), "times": ([], "int32")}, [{"x": f32(1, 2), "times": np.int32(n)} for n in (0, 1, 7, -2)]
)
def loop_of_given_length(x, times):
    return tf.while_loop(lambda i, _: i < times, lambda i, y: (i + 1, y * 1.5 + tf.cast(i, tf.float32)), [0, x])[1]


@group.function(VECTOR, SMALL, autograph=True)
def loop_of_fixed_length(x):
    for step in tf.range(4):
        x = x * 0.5 + tf.cast(step, tf.float32)
    return x


@group.function(VECTOR, [{"x": f32(1, 2, 3)}, {"x": f32(1)}, {"x": f32()}], autograph=True)
def loop_with_a_break(x):
    total, seen = 0.0, 0
    for value in x:
        total += value
        seen += 1
        if total > 2.5:
            break
    return {"total": total, "seen": seen}


@group.function(VECTOR, [{"x": f32(1, 2)}, {"x": f32(-3)}])
def loop_that_grows(x):
    return tf.while_loop(
        lambda y: tf.size(y) < 9, lambda y: (tf.concat([y, y], 0),), [x], shape_invariants=[tf.TensorShape([None])]
    )[0]


@group.function({"n": ([], "int32")}, [{"n": np.int32(n)} for n in (1, 27, 97, 0)])
def loop_over_integers(n):
    body = lambda i, steps: (tf.where(i % 2 == 0, i // 2, 3 * i + 1), steps + 1)  # noqa: E731 - a branch of a loop
    last, steps = tf.while_loop(lambda i, steps: (i > 1) & (steps < 200), body, [n, 0])
    return {"last": last, "steps": steps}


@group.function(ROWS, float_cases(3))
def mapped_over_rows(x):
    return {
        "product": tf.map_fn(lambda row: row * tf.reduce_max(row), x),
        "sign": tf.vectorized_map(lambda row: tf.sign(row) - row, x),
    }


@group.function(ROWS, float_cases(3, rows=(1, 2, 5)))
def scanned_over_rows(x):
    return {
        "sums": tf.scan(lambda so_far, row: tf.tanh(so_far + row), x),
        "folded": tf.foldl(lambda a, row: a * 0.5 + row, x),
    }


@group.function(ROWS, float_cases(3, rows=(1, 2, 5)), autograph=True)
def array_of_tensors(x):
    rows = tf.shape(x)[0]
    array = tf.TensorArray(tf.float32, size=rows, element_shape=[3])
    before = tf.zeros([3])
    for i in tf.range(rows):
        before = 0.9 * before + x[rows - 1 - i]
        array = array.write(i, before)
    return {"stacked": array.stack(), "flat": tf.reshape(array.stack(), [-1])}


@group.function(ROWS, float_cases(3, rows=(1, 3)), autograph=True)
def list_that_grows(x):
    array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)
    for i in tf.range(tf.shape(x)[0]):
        if tf.reduce_sum(x[i]) > 0:
            array = array.write(array.size(), x[i])
    return tf.cond(array.size() > 0, array.stack, lambda: tf.zeros([0, 3]))


@group.function({"x": ([None, 3], "float32")}, float_cases(3, rows=(1, 4)))
def function_called_by_a_function(x):
    inner = tf.function(lambda y: tf.nn.relu(y) + 1)
    return inner(inner(x)) * inner(-x)


@group.function(ROWS, float_cases(3, rows=(1, 4)))
def gradients_inside(x):
    return {"by_x": tf.gradients(tf.reduce_sum(tf.tanh(x) * x), x)[0], "stopped": tf.stop_gradient(x) + 1}


def _states(*values: Any) -> list[Arrays]:
    return [{"x": f32(*value)} for value in values]


def _module(folder: Path, make: Any, spec: Any) -> None:
    module = tf.Module()
    module.serve = tf.function(make(module), input_signature=[spec])
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})


@state.folder(_states([1], [2, 3], [4]), stateful=True, engine="tensorflow")
def counts_its_calls(folder: Path, random: Random) -> None:
    def make(module: Any) -> Any:
        module.calls = tf.Variable(0, dtype=tf.int64)
        return lambda x: {"calls": module.calls.assign_add(1), "y": x * 2}

    _module(folder, make, tf.TensorSpec([None], tf.float32, "x"))


@state.folder(_states([1, 2], [3, 4], [5, 6], [7, 8]), stateful=True, engine="tensorflow")
def remembers_the_last_call(folder: Path, random: Random) -> None:
    def make(module: Any) -> Any:
        module.last = tf.Variable([0.0, 0.0])

        def serve(x: Any) -> Any:
            before = tf.identity(module.last)
            module.last.assign(x)
            return {"change": x - before}

        return serve

    _module(folder, make, tf.TensorSpec([2], tf.float32, "x"))


@state.folder([{"key": i64(*key)} for key in ([1, 2], [2, 9], [1, 9])], stateful=True, engine="tensorflow")
def fills_a_table(folder: Path, random: Random) -> None:
    def make(module: Any) -> Any:
        module.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)

        def serve(key: Any) -> Any:
            found = module.table.lookup(key)
            module.table.insert(key, key * 10)
            return {"found": found}

        return serve

    _module(folder, make, tf.TensorSpec([None], tf.int64, "key"))


@state.folder(_states([1], [2], [3]), engine="openvino")
def reads_a_variable_that_nobody_writes(folder: Path, random: Random) -> None:
    def make(module: Any) -> Any:
        module.weight, module.count = tf.Variable(3.0), tf.Variable(5, dtype=tf.int32, trainable=False)
        return lambda x: {"y": x * module.weight + 1}

    _module(folder, make, tf.TensorSpec([None], tf.float32, "x"))


ZEROS: list[Arrays] = [{"x": np.zeros((8, 50), np.float32)}] * 2
DRAWS = {
    "uniform": lambda x: x + tf.random.uniform(tf.shape(x)),
    "normal": lambda x: x + tf.random.normal(tf.shape(x), 2, 3, seed=11),
    "truncated": lambda x: x + tf.random.truncated_normal(tf.shape(x)),
    "integers": lambda x: tf.random.uniform(tf.shape(x), 0, 1000, tf.int32),
    "gamma": lambda x: x + tf.random.gamma([8, 50], 2.0),
    "poisson": lambda x: x + tf.random.poisson([8, 50], 4.0),
    "categories": lambda x: tf.random.categorical(x, 40, tf.int32),
    "dropout": lambda x: tf.nn.dropout(x + 1, 0.3),
    "shuffled": lambda x: tf.random.shuffle(x + tf.range(8.0)[:, None]),
}
for _name, _draw in DRAWS.items():
    state.add_function(
        f"random_{_name}", _draw, {"x": ([None, 50], "float32")}, ZEROS, random=True, engine="tensorflow"
    )


@state.function({"x": ([None, 50], "float32")}, ZEROS, random=True, engine="tensorflow")
def random_in_a_branch(x):
    return tf.cond(tf.shape(x)[0] > 3, lambda: x + tf.random.normal([8, 50]), lambda: x)


@state.function(
    {"x": ([None, 4], "float32"), "seed": ([2], "int32")},
    lambda r: [{"x": normal(r, 2, 4), "seed": i32(*s)} for s in ((1, 2), (1, 2), (3, 4))],
)
def random_of_a_given_seed(x, seed):
    return {"uniform": x + tf.random.stateless_uniform([2, 4], seed), "normal": tf.random.stateless_normal([3], seed)}
