"""Operators off the list: ragged tensors, lists, layers, spectra, and sizes that a caller decides."""

from typing import Any

from fuzzed_operators.registry import FREE, IMAGES, NUMBER, ROW, Given, enter, places, raw, sizes, tf

SIZE = Given((), "int32", sizes=True)


def _lstm(x: Any, n: Any) -> Any:
    """A layer of two units, over as many steps as a caller says."""
    zeros = tf.zeros([tf.shape(x)[1], 2])
    outputs = raw.BlockLSTM(
        seq_len_max=n,
        x=x,
        cs_prev=zeros,
        h_prev=zeros,
        w=tf.ones([5, 8]),
        wci=tf.zeros([2]),
        wcf=tf.zeros([2]),
        wco=tf.zeros([2]),
        b=tf.zeros([8]),
    )
    return {"states": outputs.cs, "outputs": outputs.h}


def _gru(x: Any, h: Any) -> Any:
    return raw.GRUBlockCell(
        x=x, h_prev=h, w_ru=tf.ones([5, 4]), w_c=tf.ones([5, 2]), b_ru=tf.zeros([4]), b_c=tf.zeros([2])
    ).h


def _padded_ragged(x: Any, s: Any) -> Any:
    return raw.RaggedTensorToTensor(
        shape=tf.constant([-1, -1], tf.int64),
        values=x,
        default_value=tf.constant(0.0),
        row_partition_tensors=[s],
        row_partition_types=["ROW_SPLITS"],
    )


def _padded_ragged_by_rows(x: Any, s: Any) -> Any:
    return raw.RaggedTensorToTensor(
        shape=tf.constant([4, 3], tf.int64),
        values=x,
        default_value=tf.constant(0.0),
        row_partition_tensors=[tf.constant(4, tf.int64), s],
        row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
    )


def _pushed(x: Any, n: Any) -> Any:
    handle = raw.EmptyTensorList(element_shape=[3], max_num_elements=n, element_dtype=tf.float32)
    handle = raw.TensorListPushBack(input_handle=raw.TensorListPushBack(input_handle=handle, tensor=x), tensor=x)
    return raw.TensorListStack(input_handle=handle, element_shape=[3], element_dtype=tf.float32)


def _resized(x: Any, n: Any) -> Any:
    handle = raw.TensorListResize(input_handle=raw.TensorListFromTensor(tensor=x, element_shape=[3]), size=n)
    return raw.TensorListStack(input_handle=handle, element_shape=[3], element_dtype=tf.float32)


def _joined(x: Any) -> Any:
    handle = raw.TensorListFromTensor(tensor=x, element_shape=[-1])
    return raw.TensorListConcatV2(
        input_handle=handle, element_shape=[-1], leading_dims=tf.constant([], tf.int64), element_dtype=tf.float32
    ).tensor


def _array(x: Any, i: Any, call: Any) -> Any:
    array = raw.TensorArrayV3(size=tf.shape(x)[0], dtype=tf.float32, element_shape=[3])
    flow = raw.TensorArrayScatterV3(handle=array.handle, indices=tf.range(tf.shape(x)[0]), value=x, flow_in=array.flow)
    return call(array.handle, i, flow)


def _read(handle: Any, i: Any, flow: Any) -> Any:
    return raw.TensorArrayReadV3(handle=handle, index=i[0], flow_in=flow, dtype=tf.float32)


def _gathered(handle: Any, i: Any, flow: Any) -> Any:
    return raw.TensorArrayGatherV3(handle=handle, indices=i, flow_in=flow, dtype=tf.float32)


def _written(handle: Any, i: Any, flow: Any) -> Any:
    flow = raw.TensorArrayWriteV3(handle=handle, index=i[0], value=tf.ones([3]), flow_in=flow)
    return raw.TensorArrayGatherV3(handle=handle, indices=[0], flow_in=flow, dtype=tf.float32)


enter("lstm_of_steps", _lstm, x=Given(("t", "n", 3)), n=Given((), "int64", sizes=True))
enter("lstm_of_four_steps", lambda x: _lstm(x, tf.constant(4, tf.int64)), x=Given(("t", "n", 3)))
enter("gru", _gru, x=Given(("n", 3)), h=Given(("m", 2)))
enter("ragged_padded", _padded_ragged, x=ROW, s=places("b", dtype="int64"))
enter("ragged_padded_by_rows", _padded_ragged_by_rows, x=ROW, s=places("a", dtype="int64"))
enter(
    "ragged_to_sparse",
    lambda x, s: raw.RaggedTensorToSparse(rt_nested_splits=[s], rt_dense_values=x),
    x=ROW,
    s=places("b", dtype="int64"),
)
enter("list_pushed", _pushed, x=Given((3,)), n=SIZE)
enter("list_resized", _resized, spares_tensorflow=True, x=Given(("a", 3)), n=SIZE)
enter("list_joined", _joined, x=FREE)
for _name, _call in {"read": _read, "gathered": _gathered, "written": _written}.items():
    enter(f"array_{_name}", lambda x, i, call=_call: _array(x, i, call), x=Given(("a", 3)), i=places("b"))
enter(
    "pool_of_sizes",
    lambda x, k, s: raw.MaxPoolV2(input=x, ksize=k, strides=s, padding="SAME"),
    x=IMAGES,
    k=Given((4,), "int32", sizes=True),
    s=Given((4,), "int32", sizes=True),
)
enter("normalized_locally", lambda x: raw.LRN(input=x, depth_radius=2), x=Given(("n", "h", "w", 3)))
enter("rows_chosen", lambda c, x, z: raw.Select(condition=c, x=x, y=z), (), c=Given(("a",), "bool"), x=FREE, z=FREE)
enter("batches_as_before", lambda x, z: raw.BatchMatMul(x=x, y=z), x=Given(("a", "b", "c")), z=Given(("a", "c", "d")))
enter(
    "bins_of_a_size",
    lambda i, n: raw.Bincount(arr=i, size=n, weights=tf.constant([], tf.float32)),
    i=places("a"),
    n=SIZE,
)
for _name in ("FFT", "IFFT", "FFT2D", "IFFT2D"):
    enter(
        f"transformed_by_{_name}",
        lambda x, name=_name: tf.math.real(getattr(raw, name)(input=tf.complex(x, x))),
        x=FREE,
    )
enter(
    "transformed_by_RFFT2D",
    lambda x, n: tf.math.real(raw.RFFT2D(input=x, fft_length=n)),
    x=FREE,
    n=Given((2,), "int32", sizes=True),
)
enter("samples", lambda x, n: raw.Multinomial(logits=x, num_samples=n), x=FREE, n=SIZE)
enter("clipped", lambda x, z: raw.ClipByValue(t=x, clip_value_min=z, clip_value_max=z + 1), x=FREE, z=Given(()))
enter("colours", lambda x: [raw.RGBToHSV(images=x), raw.HSVToRGB(images=x)], x=Given(("n", "h", 3)))
enter("quantized", lambda x: raw.FakeQuantWithMinMaxArgs(inputs=x, min=-2, max=3), x=FREE)
enter(
    "quantized_by_channel",
    lambda x, m: raw.FakeQuantWithMinMaxVarsPerChannel(inputs=x, min=-m, max=m),
    x=FREE,
    m=Given(("b",)),
)
enter("unit_matrix_of_shapes", lambda x: tf.eye(tf.shape(x)[0], tf.shape(x)[1]), x=FREE)
enter("unit_matrix_of_a_shape", lambda x: tf.eye(tf.shape(x)[0]), x=FREE)
enter("ensured", lambda x: raw.EnsureShape(input=x, shape=[None, 3]), (), x=FREE)
enter("shapes_of_two", lambda x, z: raw.ShapeN(input=[x, z]), x=FREE, z=FREE)
enter("norms", lambda x: [raw.EuclideanNorm(input=x, axis=[1]), raw.L2Loss(t=x)], x=FREE)
enter(
    "safe_quotients",
    lambda x, z: [raw.DivNoNan(x=x, y=z), raw.Xlogy(x=x, y=z), raw.MulNoNan(x=x, y=z), raw.Xdivy(x=x, y=z)],
    x=FREE,
    z=FREE,
)
enter(
    "arcs",
    lambda x: [raw.Acos(x=x), raw.Atanh(x=x), raw.Tan(x=x), raw.Acosh(x=x), raw.Rint(x=x), raw.Sign(x=x)],
    x=FREE,
)
enter(
    "bits",
    lambda x, z: [raw.BitwiseAnd(x=x, y=z), raw.BitwiseXor(x=x, y=z), raw.Invert(x=x)],
    x=places("a"),
    z=places("a"),
)
enter("sums_of_lists", lambda x, z: raw.AddN(inputs=[x, z]), x=FREE, z=FREE)
enter("even_steps", lambda b, e, n: raw.LinSpace(start=b, stop=e, num=n), b=NUMBER, e=NUMBER, n=SIZE)
enter("unit_matrix_of_sizes", lambda n, m: tf.eye(num_rows=n, num_columns=m), n=SIZE, m=SIZE)
enter("diagonal", lambda x: raw.MatrixDiag(diagonal=x), x=FREE)
enter("inverse", lambda x: raw.MatrixInverse(input=x), x=Given(("a", "a")))
enter("patches", lambda x: tf.image.extract_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"), x=IMAGES)
enter(
    "largest_places",
    lambda x: raw.MaxPoolWithArgmax(input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"),
    x=IMAGES,
)
enter("repeated_each", lambda x, n: tf.repeat(x, n, 0), x=FREE, n=sizes("a"))
enter("repeated_twice", lambda x: tf.repeat(x, 2, 1), (), x=FREE)
enter("masks_of_lengths", lambda n: tf.sequence_mask(n, 6), n=places("a"))
enter("uniform_draws", lambda s: raw.RandomUniform(shape=s, dtype=tf.float32), s=sizes(2))
enter("sorted", lambda x: [tf.sort(x, 1), tf.argsort(x, 1)], x=FREE)
enter("spectrum", lambda x: tf.math.real(tf.signal.rfft(x)), x=FREE)
enter("spectrum_of_a_length", lambda x, n: tf.math.real(raw.RFFT(input=x, fft_length=n)), x=FREE, n=sizes(1))
enter("spectrum_backwards", lambda x, n: raw.IRFFT(input=tf.complex(x, x), fft_length=n), x=FREE, n=sizes(1))
enter("branch", lambda x, c: tf.cond(c, lambda: x * 2, lambda: x[:1]), x=FREE, c=Given((), "bool"))
enter("spread_sizes", lambda x, z: raw.BroadcastArgs(s0=x, s1=z), x=sizes("a"), z=sizes("b"))
