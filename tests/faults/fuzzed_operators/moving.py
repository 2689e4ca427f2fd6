"""Operators that move elements and compute none, with parameters of the model's own, and tables read by index."""

from typing import Any

from fuzzed_operators.registry import CUBE, FREE, IMAGES, Given, enter, raw, tf

ROWS, WIDTH = 6, 3
# OpenVINO gives zeros for a row that is not there.
_NOTHING_THERE = (0.0,)
_NUMBERED = [[float(100 * row + column) for column in range(WIDTH)] for row in range(ROWS)]
_HELD = tuple(number for row in _NUMBERED for number in row)


def _same(x: Any) -> list[Any]:
    default = raw.PlaceholderWithDefault(input=x, shape=x.shape)
    return [
        raw.Identity(input=x),
        *raw.IdentityN(input=[x, x]),
        raw.PreventGradient(input=x),
        raw.StopGradient(input=x),
        default,
    ]


def _row_of_a_variable(v: Any, i: Any) -> Any:
    return raw.ResourceGather(resource=v.handle, indices=i, dtype=tf.float32)


enter("same", _same, (), x=FREE)
enter("same_of_any_rank", lambda x: raw.Identity(input=x), (), x=Given(None))
enter("same_integers", lambda x: [tf.identity(x), tf.stop_gradient(x)], (), x=Given(("a",), "int64"))
enter("variable", lambda v, x: x + v, variable=_NUMBERED, x=Given(("a", WIDTH)))

enter("shaped", lambda x: [raw.Reshape(tensor=x, shape=[-1, 2]), raw.Reshape(tensor=x, shape=[-1])], (), x=FREE)
enter("shaped_of_cubes", lambda x: raw.Reshape(tensor=x, shape=[2, -1, 3]), (), x=CUBE)
enter("shaped_alike", lambda x, z: raw.Reshape(tensor=x, shape=tf.shape(z)), (), x=FREE, z=Given(("b", "a")))
enter("turned", lambda x: raw.Transpose(x=x, perm=[1, 0]), (), x=FREE)
enter("turned_of_cubes", lambda x: raw.Transpose(x=x, perm=[2, 0, 1]), (), x=CUBE)
enter("squeezed", lambda x: raw.Squeeze(input=x, axis=[1]), (), x=FREE)
enter("squeezed_of_cubes", lambda x: raw.Squeeze(input=x, axis=[0, 2]), (), x=CUBE)
enter("stretched_by_one", lambda x: [raw.ExpandDims(input=x, axis=1), raw.ExpandDims(input=x, axis=-1)], (), x=FREE)
enter("stretched_of_cubes", lambda x: raw.ExpandDims(input=x, axis=2), (), x=CUBE)
enter("joined", lambda x, z: raw.ConcatV2(values=[x, z, x], axis=1), (), x=FREE, z=Given(("a", "c")))
enter("joined_of_cubes", lambda x, z: raw.ConcatV2(values=[x, z], axis=0), (), x=CUBE, z=CUBE)
enter(
    "joined_bytes",
    lambda x, z: raw.ConcatV2(values=[x, z], axis=0),
    (),
    x=Given(("a",), "uint8"),
    z=Given(("b",), "uint8"),
)
enter("stacked", lambda x, z: raw.Pack(values=[x, z], axis=1), (), x=FREE, z=FREE)
enter("stacked_of_cubes", lambda x, z: raw.Pack(values=[x, z], axis=0), (), x=CUBE, z=CUBE)
enter("unstacked", lambda x: raw.Unpack(value=x, num=3, axis=1), (), x=FREE)
enter("unstacked_of_cubes", lambda x: raw.Unpack(value=x, num=2, axis=0), (), x=CUBE)
enter("parted", lambda x: raw.Split(axis=1, value=x, num_split=2), (), x=FREE)
enter("parted_of_cubes", lambda x: raw.Split(axis=0, value=x, num_split=3), (), x=CUBE)
enter("parted_unequally", lambda x: raw.SplitV(value=x, size_splits=[1, -1, 2], axis=1, num_split=3), (), x=FREE)
enter(
    "parted_by_columns",
    lambda x: [
        *raw.SplitV(value=x, size_splits=[1, -1, 2], axis=1, num_split=3),
        *raw.Split(axis=1, value=x, num_split=5),
    ],
    (),
    x=Given(("a", 5)),
)
enter("sliced", lambda x: raw.Slice(input=x, begin=[0, 1], size=[-1, 2]), (), x=FREE)
enter("sliced_of_cubes", lambda x: raw.Slice(input=x, begin=[1, 0, 0], size=[1, -1, 2]), (), x=CUBE)
enter("strided", lambda x: [x[:, 1:4], x[::-2], x[:, 2], x[-1], x[:, ::3]], (), x=FREE)
enter("strided_of_cubes", lambda x: [x[..., 0], x[1:3], x[tf.newaxis, ..., ::-1]], (), x=CUBE)
enter("column_of_bytes", lambda x: x[:, 3], (), x=Given(("a", "b"), "uint8"))
enter("element_of_a_tail", lambda x: [x[1:][0], x[:, 3:][:, -1]], (), x=FREE)
enter("element_of_a_half", lambda x: x[: tf.shape(x)[0] // 2][-1], (), x=FREE)
enter("rows_of_a_tail", lambda x: raw.GatherV2(params=x[2:], indices=[0, 1], axis=0), _NOTHING_THERE, x=FREE)
enter("tiled", lambda x: raw.Tile(input=x, multiples=[2, 3]), (), x=FREE)
enter("spread", lambda x: raw.BroadcastTo(input=x, shape=[2, 3, 4]), (), x=FREE)
enter("spread_alike", lambda x, z: raw.BroadcastTo(input=x, shape=tf.shape(z)), (), x=FREE, z=Given(("c", "b")))
enter("spread_of_cubes", lambda x, z: raw.BroadcastTo(input=x, shape=tf.shape(z)), (), x=CUBE, z=CUBE)
enter("reversed", lambda x: raw.ReverseV2(tensor=x, axis=[0]), (), x=FREE)
enter("reversed_of_cubes", lambda x: raw.ReverseV2(tensor=x, axis=[1]), (), x=CUBE)
enter("padded", lambda x: raw.Pad(input=x, paddings=[[0, 1], [2, 0]]), (0.0,), x=FREE)
enter(
    "padded_with_a_number", lambda x: raw.PadV2(input=x, paddings=[[1, 1], [0, 3]], constant_values=7.0), (7.0,), x=FREE
)
enter(
    "padded_of_cubes",
    lambda x: raw.PadV2(input=x, paddings=[[1, 1], [0, 3], [2, 0]], constant_values=7.0),
    (7.0,),
    x=CUBE,
)
for _mode in ("REFLECT", "SYMMETRIC"):
    enter(
        f"mirrored_{_mode}",
        lambda x, mode=_mode: raw.MirrorPad(input=x, paddings=[[0, 2], [3, 1]], mode=mode),
        (),
        x=FREE,
    )
    enter(
        f"mirrored_integers_{_mode}",
        lambda x, mode=_mode: raw.MirrorPad(input=x, paddings=[[2, 2]], mode=mode),
        (),
        x=Given(("a",), "int32"),
    )

enter(
    "blocks_to_batch",
    lambda x: raw.SpaceToBatchND(input=x, block_shape=[2, 3], paddings=[[0, 1], [1, 2]]),
    (0.0,),
    x=IMAGES,
)
enter(
    "blocks_from_batch", lambda x: raw.BatchToSpaceND(input=x, block_shape=[2, 1], crops=[[1, 0], [0, 2]]), (), x=IMAGES
)
enter("blocks_of_cubes", lambda x: raw.BatchToSpaceND(input=x, block_shape=[2, 2], crops=[[0, 3], [1, 1]]), (), x=CUBE)
enter("depth_to_blocks", lambda x: raw.DepthToSpace(input=x, block_size=2), (), x=Given(("n", "h", "w", 4)))
enter("band", lambda x: [raw.MatrixBandPart(input=x, num_lower=1, num_upper=n) for n in (0, -1)], (0.0,), x=CUBE)
enter("blocks_to_depth", lambda x: raw.SpaceToDepth(input=x, block_size=2), (), x=IMAGES)

enter("shapes", lambda x: [raw.Shape(input=x), raw.Size(input=x), raw.Shape(input=x, out_type=tf.int64)], x=CUBE)
enter("ones_and_zeros", lambda x: [raw.ZerosLike(x=x), raw.OnesLike(x=x)], x=CUBE)
enter("filled_alike", lambda x, z: raw.Fill(dims=tf.shape(x), value=z), (), x=CUBE, z=Given(()))
enter("counted_alike", lambda x: raw.Range(start=0, limit=tf.shape(x)[0], delta=1), x=FREE)
enter("halves_of_sizes", lambda x: [raw.FloorDiv(x=tf.shape(x), y=2), raw.FloorMod(x=tf.shape(x), y=3)], x=CUBE)

for _dtype in ("int32", "int64"):
    _indices = Given(("a", "b"), _dtype, about=ROWS)
    _of_rows = Given(("a",), _dtype, about=ROWS)
    enter(
        f"rows_by_{_dtype}", lambda i: raw.GatherV2(params=tf.constant(_NUMBERED), indices=i, axis=0), _HELD, i=_indices
    )
    enter(f"rows_of_a_variable_by_{_dtype}", _row_of_a_variable, _HELD, variable=_NUMBERED, i=_indices)
    enter(
        f"rows_of_an_input_by_{_dtype}",
        lambda x, i: raw.GatherV2(params=x, indices=i, axis=0),
        _NOTHING_THERE,
        x=FREE,
        i=_of_rows,
    )
    enter(
        f"columns_of_an_input_by_{_dtype}",
        lambda x, i: raw.GatherV2(params=x, indices=i, axis=1),
        _NOTHING_THERE,
        x=FREE,
        i=_indices,
    )
    enter(
        f"rows_of_a_batch_by_{_dtype}",
        lambda x, i: raw.GatherV2(params=x, indices=i, axis=1, batch_dims=1),
        _NOTHING_THERE,
        x=Given(("a", "b", "c")),
        i=_indices,
    )
    enter(
        f"ones_by_{_dtype}",
        lambda i: raw.OneHot(indices=i, depth=5, on_value=1.0, off_value=0.0),
        i=Given(("a", "b"), _dtype),
    )
    enter(
        f"rows_wrapped_by_{_dtype}",
        lambda i: tf.gather(tf.constant(_NUMBERED), tf.where(i < 0, i + ROWS, i)),
        _HELD,
        i=_indices,
    )
enter(
    "rows_of_cubes",
    lambda x, i: raw.GatherV2(params=x, indices=i, axis=0),
    _NOTHING_THERE,
    x=CUBE,
    i=Given(("a", "b", "c"), "int32"),
)
enter(
    "rows_of_bytes",
    lambda x, i: raw.GatherV2(params=x, indices=i, axis=0),
    _NOTHING_THERE,
    x=Given(("a",), "uint8"),
    i=Given(("b",), "int32"),
)
enter(
    "ones_of_cubes",
    lambda i: raw.OneHot(indices=i, depth=4, on_value=2.0, off_value=-1.0, axis=0),
    i=Given(("a", "b", "c"), "int32"),
)
