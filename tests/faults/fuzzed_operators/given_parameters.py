"""Listed operators whose sizes, axes and places a caller decides; nothing is proven of these, and most are never run."""

from typing import Any

from fuzzed_operators.registry import CUBE, FREE, IMAGES, NUMBER, Given, enter, places, raw, sizes, tf

AXIS = places(about=2)

enter("shaped_by_sizes", lambda x, s: raw.Reshape(tensor=x, shape=s), (), x=FREE, s=sizes(2))
enter("shaped_by_long_sizes", lambda x, s: raw.Reshape(tensor=x, shape=s), (), x=FREE, s=sizes(2, dtype="int64"))
enter("shaped_by_any_sizes", lambda x, s: raw.Reshape(tensor=x, shape=s), (), x=CUBE, s=sizes("k"))
enter("turned_by_axes", lambda x, s: raw.Transpose(x=x, perm=s), (), x=FREE, s=places(2, about=2))
enter("turned_by_any_axes", lambda x, s: raw.Transpose(x=x, perm=s), (), x=CUBE, s=places("k", about=3))
enter("stretched_along", lambda x, s: raw.ExpandDims(input=x, axis=s), (), x=FREE, s=AXIS)
enter("joined_along", lambda x, s: raw.ConcatV2(values=[x, x], axis=s), (), x=FREE, s=AXIS)
enter("reversed_along", lambda x, s: raw.ReverseV2(tensor=x, axis=s), (), x=FREE, s=places(1, about=2))
enter("split_along", lambda x, s: raw.Split(axis=s, value=x, num_split=2), (), x=FREE, s=AXIS)
enter("parted_by_sizes", lambda x, s: raw.SplitV(value=x, size_splits=s, axis=1, num_split=3), (), x=FREE, s=sizes(3))
enter("summed_along", lambda x, s: [raw.Sum(input=x, axis=s), raw.Max(input=x, axis=s)], x=FREE, s=places(1, about=2))
enter("largest_along", lambda x, s: raw.ArgMax(input=x, dimension=s), x=FREE, s=AXIS)
enter("running_along", lambda x, s: raw.Cumsum(x=x, axis=s), x=FREE, s=AXIS)
enter(
    "columns_along",
    lambda x, i, s: raw.GatherV2(params=x, indices=i, axis=s),
    (0.0,),
    spares_tensorflow=True,
    x=FREE,
    i=places("c"),
    s=AXIS,
)
enter("tiled_by_sizes", lambda x, s: raw.Tile(input=x, multiples=s), (), x=FREE, s=sizes(2))
enter("spread_by_sizes", lambda x, s: raw.BroadcastTo(input=x, shape=s), (), x=FREE, s=sizes(2))
enter("padded_by_sizes", lambda x, s: raw.Pad(input=x, paddings=s), (0.0,), x=FREE, s=sizes(2, 2))
enter(
    "padded_with_a_number_by_sizes",
    lambda x, s, z: raw.PadV2(input=x, paddings=s, constant_values=z),
    (),
    x=FREE,
    s=sizes(2, 2),
    z=NUMBER,
)
enter(
    "mirrored_by_sizes",
    lambda x, s: raw.MirrorPad(input=x, paddings=s, mode="REFLECT"),
    (),
    x=FREE,
    s=sizes(2, 2),
)
enter("filled_by_sizes", lambda s, z: raw.Fill(dims=s, value=z), (), s=sizes(2), z=NUMBER)
enter("counted", lambda b, e, s: raw.Range(start=b, limit=e, delta=s), b=places(), e=sizes(), s=places(about=1))
enter("counted_in_floats", lambda b, e, s: raw.Range(start=b, limit=e, delta=s), b=NUMBER, e=NUMBER, s=NUMBER)
for _dtype in ("int32", "int64"):
    _two = sizes(2, dtype=_dtype)
    enter(f"sliced_by_{_dtype}", lambda x, b, s: raw.Slice(input=x, begin=b, size=s), (), x=FREE, b=_two, s=_two)
    enter(
        f"strided_by_{_dtype}",
        lambda x, b, e, s: raw.StridedSlice(input=x, begin=b, end=e, strides=s),
        (),
        x=FREE,
        b=_two,
        e=_two,
        s=_two,
    )
    enter(
        f"bounded_by_{_dtype}",
        lambda x, b, e: raw.StridedSlice(input=x, begin=b, end=e, strides=tf.ones_like(b)),
        (),
        x=FREE,
        b=_two,
        e=_two,
    )
    enter(
        f"picked_by_{_dtype}",
        lambda x, b: raw.StridedSlice(input=x, begin=b, end=b + 1, strides=tf.ones_like(b), shrink_axis_mask=1),
        (),
        x=FREE,
        b=places(1, dtype=_dtype),
    )
enter(
    "sliced_by_any_sizes",
    lambda x, b, s: raw.Slice(input=x, begin=b, size=s),
    (),
    x=CUBE,
    b=sizes("k"),
    s=sizes("k"),
)
enter(
    "ones_of_a_depth",
    lambda i, d: raw.OneHot(indices=i, depth=d, on_value=1.0, off_value=0.0),
    i=places("a"),
    d=sizes(),
)
enter("top_of_a_number", lambda x, k: raw.TopKV2(input=x, k=k), x=FREE, k=sizes())
enter("top_three_of_any_width", lambda x: raw.TopKV2(input=x, k=3), x=FREE)
enter("top_of_integers", lambda x: raw.TopKV2(input=x, k=2), x=places("a", "b"))
enter("top_unsorted", lambda x: raw.TopKV2(input=x, k=2, sorted=False), x=Given(("a", 5)))
for _name in ("ResizeBilinear", "ResizeNearestNeighbor"):
    enter(f"{_name}_to_sizes", lambda x, s, name=_name: getattr(raw, name)(images=x, size=s), x=IMAGES, s=sizes(2))


def _blocks_to_batch(x: Any, b: Any, p: Any) -> Any:
    return raw.SpaceToBatchND(input=x, block_shape=b, paddings=p)


def _blocks_from_batch(x: Any, b: Any, c: Any) -> Any:
    return raw.BatchToSpaceND(input=x, block_shape=b, crops=c)


def _unfolded(x: Any, s: Any) -> Any:
    return raw.Conv2DBackpropInput(
        input_sizes=s, filter=tf.ones([3, 3, 2, 2]), out_backprop=x, strides=[1, 2, 2, 1], padding="SAME"
    )


enter("blocks_to_batch_by_sizes", _blocks_to_batch, (0.0,), x=IMAGES, b=sizes(2), p=sizes(2, 2))
enter("blocks_from_batch_by_sizes", _blocks_from_batch, (), x=IMAGES, b=sizes(2), c=sizes(2, 2))
enter("blocks_from_batch_by_crops", lambda x, c: _blocks_from_batch(x, [2, 2], c), (), x=IMAGES, c=sizes(2, 2))
enter("unfolded_to_sizes", _unfolded, x=IMAGES, s=sizes(4))
enter(
    "band_of_widths",
    lambda x, n, m: raw.MatrixBandPart(input=x, num_lower=n, num_upper=m),
    (0.0,),
    x=FREE,
    n=sizes(),
    m=sizes(),
)
