"""Operators off the list that take places from a caller: by name they run, unless they are known to be unsafe."""

from typing import Any

from fuzzed_operators.registry import CUBE, FREE, IMAGES, ROW, Given, enter, places, raw, sizes, tf

enter("gather_nd", lambda x, i: raw.GatherNd(params=x, indices=i), (), x=FREE, i=places("c", 2))
enter("gather_nd_of_rows", lambda x, i: raw.GatherNd(params=x, indices=i), (), x=FREE, i=places("c", 1))
enter("gathered_first", lambda x, i: raw.Gather(params=x, indices=i), (0.0,), x=FREE, i=places("c"))
enter(
    "dynamic_partition",
    lambda x, i: raw.DynamicPartition(data=x, partitions=i, num_partitions=3),
    (),
    x=FREE,
    i=places("a", about=3),
)
for _name in ("DynamicStitch", "ParallelDynamicStitch"):
    enter(
        _name,
        lambda x, i, name=_name: getattr(raw, name)(indices=[i, [0]], data=[x, tf.zeros([1, 3])]),
        spares_tensorflow=True,
        x=Given(("a", 3)),
        i=places("a"),
    )


def _scattered(x: Any, i: Any) -> Any:
    return raw.ScatterNd(indices=i, updates=x, shape=tf.constant([5], i.dtype))


for _dtype in ("int32", "int64"):
    enter(f"scattered_by_{_dtype}", _scattered, x=ROW, i=places("a", 1, about=5, dtype=_dtype))
enter(
    "scattered_to_sizes",
    lambda x, i, s: raw.ScatterNd(indices=i, updates=x, shape=s),
    x=ROW,
    i=places("a", 2, about=3),
    s=sizes(2),
)
for _name in ("TensorScatterUpdate", "TensorScatterAdd"):
    enter(
        _name,
        lambda t, x, i, name=_name: getattr(raw, name)(tensor=t, indices=i, updates=x),
        t=Given(("r",)),
        x=ROW,
        i=places("a", 1),
    )
enter(
    "scattered_over_a_cube",
    lambda t, x, i: raw.TensorScatterUpdate(tensor=t, indices=i, updates=x),
    t=CUBE,
    x=CUBE,
    i=places("a", "b", about=3),
)
for _name in ("SegmentSum", "SegmentMax"):
    enter(_name, lambda x, i, name=_name: getattr(raw, name)(data=x, segment_ids=i), x=FREE, i=places("a"))
for _name in ("UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin"):
    enter(
        _name,
        lambda x, i, name=_name: getattr(raw, name)(data=x, segment_ids=i, num_segments=4),
        x=FREE,
        i=places("a"),
    )
enter(
    "segments_of_a_number",
    lambda x, i, n: raw.UnsortedSegmentSum(data=x, segment_ids=i, num_segments=n),
    x=FREE,
    i=places("a"),
    n=sizes(),
)
for _name in ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"):
    enter(
        _name,
        lambda x, i, s, name=_name: getattr(raw, name)(data=x, indices=i, segment_ids=s),
        x=FREE,
        i=places("c"),
        s=places("c", about=3),
    )
enter("unique", lambda x: raw.Unique(x=x), x=places("a", about=3))
enter("unique_of_floats", lambda x: raw.UniqueWithCounts(x=x), x=ROW)
enter("where", lambda c: raw.Where(condition=c), c=Given(("a", "b"), "bool"))
enter("masked", lambda x, c: tf.boolean_mask(tensor=x, mask=c), (0.0,), x=FREE, c=Given(("a",), "bool"))
enter("listed_difference", lambda x, z: raw.ListDiff(x=x, y=z), x=places("a"), z=places("b"))
enter("inverted_permutation", lambda x: raw.InvertPermutation(x=x), x=places("a"))
enter(
    "reversed_sequences", lambda x, i: raw.ReverseSequence(input=x, seq_lengths=i, seq_dim=1), (), x=FREE, i=places("a")
)
enter("rolled", lambda x, i: raw.Roll(input=x, shift=i, axis=[1]), (), x=FREE, i=places(1))
enter("rolled_along", lambda x, i, s: raw.Roll(input=x, shift=i, axis=s), (), x=FREE, i=places(2), s=places(2, about=2))
enter(
    "sparse_to_dense",
    lambda i, v, s: raw.SparseToDense(sparse_indices=i, output_shape=s, sparse_values=v, default_value=0.0),
    (0.0,),
    i=places("a", 2, about=3),
    v=ROW,
    s=sizes(2),
)
_OF_SPARSE: dict[str, Given] = {"i": places("a", 2, dtype="int64"), "v": ROW}
enter(
    "sparse_product",
    lambda i, v, x: raw.SparseTensorDenseMatMul(a_indices=i, a_values=v, a_shape=tf.constant([4, 4], tf.int64), b=x),
    x=Given((4, "b")),
    **_OF_SPARSE,
)
enter(
    "sparse_sum",
    lambda i, v, x: raw.SparseTensorDenseAdd(a_indices=i, a_values=v, a_shape=tf.constant([4, 4], tf.int64), b=x),
    x=Given((4, 4)),
    **_OF_SPARSE,
)
enter(
    "sparse_shaped",
    lambda i, s: raw.SparseReshape(input_indices=i, input_shape=s, new_shape=[2, -1]),
    i=places("a", 2, dtype="int64"),
    s=sizes(2, dtype="int64"),
)
enter(
    "cropped",
    lambda x, b, i: raw.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=[4, 4]),
    spares_tensorflow=True,
    x=IMAGES,
    b=Given(("a", 4)),
    i=places("a", about=2),
)
_THRESHOLDS = {"iou_threshold": 0.5, "score_threshold": 0.1}
_SUPPRESSIONS = {
    "NonMaxSuppression": {},
    "NonMaxSuppressionV2": {"iou_threshold": 0.5},
    "NonMaxSuppressionV3": _THRESHOLDS,
    "NonMaxSuppressionV4": _THRESHOLDS,
    "NonMaxSuppressionV5": {**_THRESHOLDS, "soft_nms_sigma": 0.5},
}


def _suppressed(name: str, boxes: Any, scores: Any, count: Any) -> Any:
    return getattr(raw, name)(boxes=boxes, scores=scores, max_output_size=count, **_SUPPRESSIONS[name])


for _name in _SUPPRESSIONS:
    enter(_name, lambda b, s, name=_name: _suppressed(name, b, s, 5), b=Given(("a", 4)), s=ROW)
    enter(
        f"{_name}_of_a_number",
        lambda b, s, n, name=_name: _suppressed(name, b, s, n),
        b=Given(("a", 4)),
        s=ROW,
        n=sizes(),
    )
enter(
    "combined_suppression",
    lambda b, s: tf.image.combined_non_max_suppression(b, s, 3, 5),
    b=Given(("n", "a", 1, 4)),
    s=Given(("n", "a", 2)),
)
_DECODED = {"x": Given(("t", "n", 5)), "i": places("n")}
enter("ctc_greedy", lambda x, i: tf.nn.ctc_greedy_decoder(x, i)[0][0].values, **_DECODED)
enter("ctc_beams", lambda x, i: tf.nn.ctc_beam_search_decoder(x, i, 4)[0][0].values, **_DECODED)
enter("bins", lambda i, w: raw.Bincount(arr=i, size=5, weights=w), i=places("a"), w=ROW)
enter("unravelled", lambda i, s: raw.UnravelIndex(indices=i, dims=s), i=places("a", about=9), s=sizes(2))
enter("labels", lambda x, i: raw.SparseSoftmaxCrossEntropyWithLogits(features=x, labels=i), x=FREE, i=places("a"))
enter("quotients", lambda x, z: [tf.truncatediv(x, z), x // z, x % z], x=places("a"), z=places("a"))
enter("shifts", lambda x, z: [tf.bitwise.left_shift(x, z), tf.bitwise.right_shift(x, z)], x=places("a"), z=places("a"))
