"""Products and windows, of any sizes that fit or do not."""

import math
from functools import partial
from typing import Any

import numpy as np

from fuzzed_operators.registry import FREE, IMAGES, Given, enter, raw, tf

ANY_IMAGES = Given(("n", "h", "w", "c"))
VOLUMES = Given(("n", "d", "h", "w", 2))


def _filter(*shape: int) -> Any:
    return tf.constant(np.arange(math.prod(shape), dtype=np.float32).reshape(shape) / 10)


def _narrow(x: Any) -> Any:
    return tf.cast(x, tf.bfloat16)


def _wide(x: Any) -> Any:
    return tf.cast(x, tf.float32)


def _pools(x: Any, name: str, size: int, stride: int, padding: str) -> Any:
    dimensions = 3 if name.endswith("3D") else 2
    window, strides = [1, *[size] * dimensions, 1], [1, *[stride] * dimensions, 1]
    return getattr(raw, name)(
        **{"value" if name == "AvgPool" else "input": x}, ksize=window, strides=strides, padding=padding
    )


_BATCHES = {"x": Given(("a", "b", 3)), "z": Given(("a", 3, "d"))}
_TWO_BATCHES = {"x": Given((2, "b", 3)), "z": Given((2, 3, "d"))}
_MISFITS = {"x": Given(("a", "b", "c")), "z": Given(("a", "c", "d"))}
enter("matrix", lambda x: raw.MatMul(a=x, b=_filter(4, 3)), x=Given(("a", 4)))
enter(
    "matrices",
    lambda x, z: [raw.MatMul(a=x, b=z), raw.MatMul(a=z, b=x, transpose_a=True, transpose_b=True)],
    x=Given(("a", 4)),
    z=Given((4, "c")),
)
enter(
    "matrices_of_bfloat16",
    lambda x, z: _wide(raw.MatMul(a=_narrow(x), b=_narrow(z))),
    x=Given(("a", 4)),
    z=Given((4, "c")),
)
enter("matrices_that_may_not_fit", lambda x, z: raw.MatMul(a=x, b=z), x=FREE, z=Given(("b", "c")))
for _label, _sizes in {"": _BATCHES, "_of_two": _TWO_BATCHES, "_that_may_not_fit": _MISFITS}.items():
    enter(f"batches{_label}", lambda x, z: raw.BatchMatMulV2(x=x, y=z), **_sizes)
    enter(f"batches_anew{_label}", lambda x, z: raw.BatchMatMulV3(x=x, y=z, Tout=tf.float32), **_sizes)
    enter(f"einsum{_label}", lambda x, z: raw.Einsum(inputs=[x, z], equation="abc,acd->adb"), **_sizes)
enter(
    "einsum_with_weights",
    lambda x: raw.Einsum(inputs=[x, _filter(4, 3)], equation="...i,io->...o"),
    x=Given(("a", "b", 4)),
)
for _padding in ("SAME", "VALID"):
    for _stride in (1, 3):
        _same = {"strides": [1, _stride, _stride, 1], "padding": _padding}
        enter(
            f"convolution_{_padding}_{_stride}",
            lambda x, k=_same: raw.Conv2D(input=x, filter=_filter(3, 2, 2, 3), **k),
            x=IMAGES,
        )
        enter(
            f"convolution_apart_{_padding}_{_stride}",
            lambda x, k=_same: raw.DepthwiseConv2dNative(input=x, filter=_filter(3, 3, 2, 2), **k),
            x=IMAGES,
        )
    enter(
        f"convolution_of_volumes_{_padding}",
        lambda x, p=_padding: raw.Conv3D(input=x, filter=_filter(2, 2, 2, 2, 1), strides=[1, 1, 2, 1, 1], padding=p),
        x=VOLUMES,
    )
    for _name in ("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"):
        _of = VOLUMES if _name.endswith("3D") else IMAGES
        enter(f"{_name}_{_padding}", partial(_pools, name=_name, size=3, stride=2, padding=_padding), x=_of)
enter("wide_pool", partial(_pools, name="MaxPool", size=64, stride=1, padding="SAME"), x=IMAGES)
enter("pool_of_any_channels", partial(_pools, name="AvgPool", size=2, stride=2, padding="SAME"), x=ANY_IMAGES)
enter(
    "spread_convolution",
    lambda x: raw.Conv2D(
        input=x, filter=_filter(3, 3, 2, 1), strides=[1, 1, 1, 1], padding="VALID", dilations=[1, 7, 1, 1]
    ),
    x=IMAGES,
)
enter(
    "convolution_of_given_filters",
    lambda x, z: raw.Conv2D(input=x, filter=z, strides=[1, 1, 1, 1], padding="SAME"),
    x=ANY_IMAGES,
    z=Given(("k", "l", "c", "o")),
)
enter(
    "convolution_of_given_filters_apart",
    lambda x, z: raw.DepthwiseConv2dNative(input=x, filter=z, strides=[1, 1, 1, 1], padding="VALID"),
    x=ANY_IMAGES,
    z=Given(("k", "l", "c", "o")),
)
enter(
    "convolution_of_bfloat16",
    lambda x: _wide(
        raw.Conv2D(input=_narrow(x), filter=_narrow(_filter(2, 2, 2, 2)), strides=[1, 1, 1, 1], padding="SAME")
    ),
    x=IMAGES,
)
enter(
    "unfolded",
    lambda x: raw.Conv2DBackpropInput(
        input_sizes=tf.stack([tf.shape(x)[0], 2 * tf.shape(x)[1], 2 * tf.shape(x)[2], 3]),
        filter=_filter(3, 3, 3, 2),
        out_backprop=x,
        strides=[1, 2, 2, 1],
        padding="SAME",
    ),
    x=IMAGES,
)
enter(
    "unfolded_to_fixed_sizes",
    lambda x: raw.Conv2DBackpropInput(
        input_sizes=[1, 8, 8, 3], filter=_filter(3, 3, 3, 2), out_backprop=x, strides=[1, 2, 2, 1], padding="VALID"
    ),
    x=IMAGES,
)
enter(
    "unfolded_volumes",
    lambda x: raw.Conv3DBackpropInputV2(
        input_sizes=tf.concat([tf.shape(x)[:1], 2 * tf.shape(x)[1:4], [1]], 0),
        filter=_filter(2, 2, 2, 1, 2),
        out_backprop=x,
        strides=[1, 2, 2, 2, 1],
        padding="SAME",
    ),
    x=VOLUMES,
)
enter(
    "normalized",
    lambda x: raw.FusedBatchNormV3(
        x=x, scale=[1.0, 2.0], offset=[0.0, 1.0], mean=[0.5, 0.0], variance=[1.0, 4.0], is_training=False
    )[0],
    x=IMAGES,
)
enter(
    "normalized_by_given_moments",
    lambda x, m, v: raw.FusedBatchNormV3(x=x, scale=v, offset=m, mean=m, variance=v, is_training=False)[0],
    x=ANY_IMAGES,
    m=Given(("c",)),
    v=Given(("c",)),
)
for _name in ("ResizeBilinear", "ResizeNearestNeighbor"):
    enter(f"enlarged_by_{_name}", lambda x, name=_name: getattr(raw, name)(images=x, size=[7, 5]), x=ANY_IMAGES)
    enter(
        f"doubled_by_{_name}",
        lambda x, name=_name: getattr(raw, name)(images=x, size=2 * tf.shape(x)[1:3], align_corners=True),
        x=ANY_IMAGES,
    )
    enter(
        f"bytes_by_{_name}",
        lambda x, name=_name: getattr(raw, name)(images=x, size=[4, 9]),
        x=Given(("n", "h", "w", 3), "uint8"),
    )
