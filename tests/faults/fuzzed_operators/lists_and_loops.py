"""Lists of tensors, and loops whose rounds a caller decides."""

from typing import Any

from fuzzed_operators.registry import FREE, Given, enter, raw, tf

ROWS = Given(("a", 3))
# Numbers of rounds: more than this few would only take time.
ROUNDS = Given((), "int32", about=9)


def _list_of(x: Any) -> Any:
    return raw.TensorListFromTensor(tensor=x, element_shape=tf.shape(x)[1:])


def _written(x: Any) -> Any:
    """Every row of a tensor into a list, and the list as a tensor."""
    source, rows = _list_of(x), tf.shape(x)[0]
    handle = raw.TensorListReserve(element_shape=[3], num_elements=rows, element_dtype=tf.float32)

    def body(i: Any, handle: Any) -> Any:
        item = raw.TensorListGetItem(input_handle=source, index=i, element_shape=[3], element_dtype=tf.float32)
        return i + 1, raw.TensorListSetItem(input_handle=handle, index=i, item=item * 2)

    last = tf.while_loop(lambda i, _: i < rows, body, [0, handle])[1]
    return raw.TensorListStack(input_handle=last, element_shape=[3], element_dtype=tf.float32)


def _read(x: Any) -> Any:
    """The sum of every row of a list."""
    handle, rows = _list_of(x), tf.shape(x)[0]

    def body(i: Any, total: Any) -> Any:
        item = raw.TensorListGetItem(input_handle=handle, index=i, element_shape=[3], element_dtype=tf.float32)
        return i + 1, total + item

    return tf.while_loop(lambda i, _: i < rows, body, [0, tf.zeros([3])])[1]


def _read_at(x: Any, i: Any) -> Any:
    return raw.TensorListGetItem(input_handle=_list_of(x), index=i, element_shape=[3], element_dtype=tf.float32)


def _written_at(x: Any, i: Any) -> Any:
    handle = raw.TensorListSetItem(input_handle=_list_of(x), index=i, item=tf.ones([3]))
    return raw.TensorListStack(input_handle=handle, element_shape=[3], element_dtype=tf.float32)


def _reserved(n: Any) -> Any:
    handle = raw.TensorListReserve(element_shape=[3], num_elements=n, element_dtype=tf.float32)
    return raw.TensorListStack(input_handle=handle, element_shape=[3], element_dtype=tf.float32)


def _counted(x: Any, n: Any) -> Any:
    return tf.while_loop(lambda i, _: i < n, lambda i, y: (i + 1, y * 0.5 + 1), [0, x])[1]


def _counted_within(x: Any, n: Any) -> Any:
    return _counted(x, tf.minimum(n, 50))


def _read_in_a_loop_at(x: Any, i: Any) -> Any:
    """Rows of a list, at places that a caller gives."""
    handle, rows = _list_of(x), tf.shape(i)[0]

    def body(round_number: Any, total: Any) -> Any:
        item = raw.TensorListGetItem(
            input_handle=handle, index=i[round_number], element_shape=[3], element_dtype=tf.float32
        )
        return round_number + 1, total + item

    return tf.while_loop(lambda r, _: r < rows, body, [0, tf.zeros([3])])[1]


def _written_in_a_loop_at(x: Any, i: Any) -> Any:
    """Rows written into a list, at places that a caller gives."""
    handle = raw.TensorListReserve(element_shape=[3], num_elements=tf.shape(x)[0], element_dtype=tf.float32)

    def body(r: Any, handle: Any) -> Any:
        return r + 1, raw.TensorListSetItem(input_handle=handle, index=i[r], item=x[r])

    last = tf.while_loop(lambda r, _: r < tf.shape(i)[0], body, [0, handle])[1]
    return raw.TensorListStack(input_handle=last, element_shape=[3], element_dtype=tf.float32)


def _growing(x: Any, n: Any) -> Any:
    """A tensor that is twice as long after every round; the rounds are few."""
    few = tf.minimum(n, 8)
    shapes = [tf.TensorShape([]), tf.TensorShape([None, None])]
    body = lambda i, y: (i + 1, tf.concat([y, y], 0))  # noqa: E731 - a part of the loop
    return tf.while_loop(lambda i, _: i < few, body, [0, x], shape_invariants=shapes)[1]


def _rows_in_a_loop(x: Any, n: Any) -> Any:
    """A row a round, of more rows than there may be."""
    few = tf.minimum(n, 50)
    body = lambda i, total: (i + 1, total + x[i])  # noqa: E731 - a part of the loop
    return tf.while_loop(lambda i, _: i < few, body, [0, tf.zeros([3])])[1]


enter("list_written", _written, x=ROWS)
enter("list_read", _read, x=ROWS)
enter("list_read_at", _read_at, (0.0,), x=ROWS, i=Given((), "int32", about=4))
enter("list_written_at", _written_at, (0.0, 1.0), x=ROWS, i=Given((), "int32", about=4))
enter("list_reserved", _reserved, (0.0,), n=Given((), "int32", sizes=True))
enter("list_read_in_a_loop_at", _read_in_a_loop_at, x=ROWS, i=Given(("b",), "int32", about=4))
enter("list_written_in_a_loop_at", _written_in_a_loop_at, (0.0,), x=ROWS, i=Given(("a",), "int32", about=4))
enter("loop_of_rounds", _counted_within, x=FREE, n=ROUNDS)
enter("loop_that_grows", _growing, x=FREE, n=ROUNDS)
enter("loop_over_rows", _rows_in_a_loop, x=ROWS, n=ROUNDS)
