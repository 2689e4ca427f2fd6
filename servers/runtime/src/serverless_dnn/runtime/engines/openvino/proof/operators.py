"""The operators whose results in OpenVINO equal TensorFlow's, by type and attribute.

An operator is listed because the models in ``tests/conformance/engines`` compare it with TensorFlow on ordinary,
boundary and out-of-range values; a test there keeps every entry covered. TensorFlow runs everything else.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.rules import arithmetic, choices, copying, of_shapes, reductions
from serverless_dnn.runtime.engines.openvino.proof.rules.base import Rule

_F32, _BF16 = tensor_pb2.DT_FLOAT, tensor_pb2.DT_BFLOAT16
_I32, _I64 = tensor_pb2.DT_INT32, tensor_pb2.DT_INT64
_U8, _BOOL = tensor_pb2.DT_UINT8, tensor_pb2.DT_BOOL

_FLOAT = (_F32,)
_FLOATS = (_F32, _BF16)
_INTEGERS = (_I32, _I64)
_NUMBERS = (_F32, *_INTEGERS)
_COPIED = (_F32, *_INTEGERS, _U8, _BOOL)
_CAST = (*_FLOATS, *_INTEGERS, _U8, _BOOL)
_IMAGES: Mapping[str, tuple[Any, ...]] = {"data_format": (b"NHWC",)}
_VOLUMES: Mapping[str, tuple[Any, ...]] = {"data_format": (b"NDHWC",)}


Accepted = Literal["finite", "numbers", "all"]


@dataclass(frozen=True)
class Operator:
    """The types and attributes for which an operator is proven, and how it transforms facts about tensors.

    Attributes:
        rule: Derives facts about its outputs from those about its inputs; objects to values that are not proven.
        types: The proven types, by type attribute.
        attributes: The proven values, by other attribute; the first is the value of an omitted one.
        parameters: Inputs, counted from the end if negative, that must not depend on values of the model's inputs:
            axes, shapes, paddings.
        outputs: The names of its outputs, if there are several of different kinds.
        indices: The input that holds row indices into the first one, which the guards keep in range.
        accepts: The values for which it is proven: ``finite`` ones, ``numbers`` with infinities, or ``all`` with NaN.
        passes_empty: An empty tensor gives TensorFlow's result.
    """

    rule: Rule
    types: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    attributes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    parameters: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()
    indices: int | None = None
    accepts: Accepted = "finite"
    passes_empty: bool = False


def _copying(rule: Rule = copying.copies, *parameters: int, types: tuple[int, ...] = _COPIED) -> Operator:
    return Operator(rule, {"T": types}, parameters=parameters, accepts="all", passes_empty=True)


def _of_each(rule: Rule, types: tuple[int, ...] = _FLOAT, accepts: Accepted = "finite") -> Operator:
    """An elementwise function."""
    return Operator(rule, {"T": types}, accepts=accepts, passes_empty=True)


def _reduction(types: tuple[int, ...] | None) -> Operator:
    return Operator(reductions.reduces, {} if types is None else {"T": types}, parameters=(1,))


def _window(layout: Mapping[str, tuple[Any, ...]]) -> Operator:
    return Operator(arithmetic.windows, {"T": _FLOAT}, layout)


_COMPARISON = _of_each(choices.compares, _NUMBERS, "numbers")
_LOGIC = Operator(choices.logic, passes_empty=True)
_RESIZE = Operator(
    copying.copies,
    {"T": (_F32, _U8)},
    # Aligned corners and half-pixel centres are mutually exclusive.
    {"align_corners": (False, True), "half_pixel_centers": (False, True)},
    parameters=(1,),
)
_HANDLE = Operator(copying.copies_one_to_one, accepts="all", passes_empty=True)

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        # Values as they are
        "Identity": _copying(copying.copies_one_to_one, types=(*_COPIED, tensor_pb2.DT_VARIANT)),
        "IdentityN": _HANDLE,
        "StopGradient": _copying(copying.copies_one_to_one, types=_FLOAT),
        "PlaceholderWithDefault": Operator(copying.copies, {"dtype": _FLOAT}),
        "VarHandleOp": Operator(copying.variable, {"dtype": _FLOAT}),
        "ReadVariableOp": Operator(copying.copies, {"dtype": _FLOAT}, accepts="all"),
        # Elements moved, repeated, left out
        "Reshape": _copying(copying.copies, 1),
        "Transpose": _copying(copying.copies, 1),
        "Squeeze": _copying(),
        "ExpandDims": _copying(copying.copies, 1),
        "ConcatV2": _copying(copying.copies, -1),
        "Pack": _copying(),
        "Unpack": _copying(),
        "Split": _copying(copying.copies, 0),
        "SplitV": _copying(copying.copies, 1, 2, types=_FLOAT),
        "Slice": _copying(copying.slices_exactly, 1, 2),
        "StridedSlice": _copying(copying.folded, 1, 2, 3),
        "Tile": _copying(copying.copies, 1),
        "BroadcastTo": _copying(copying.copies, 1),
        "ReverseV2": _copying(copying.reverses, 1),
        "Pad": _copying(copying.pads, 1, types=_NUMBERS),
        "PadV2": _copying(copying.pads, 1, 2, types=_NUMBERS),
        "MirrorPad": Operator(copying.mirrors, {"T": _NUMBERS}, parameters=(1,), accepts="all"),
        "SpaceToBatchND": Operator(copying.pads, {"T": _FLOAT}, parameters=(1, 2)),
        "BatchToSpaceND": Operator(copying.copies, {"T": _FLOAT}, parameters=(1, 2)),
        "DepthToSpace": Operator(copying.copies, {"T": _FLOAT}, _IMAGES),
        "SpaceToDepth": Operator(copying.copies, {"T": _FLOAT}, _IMAGES),
        "GatherV2": Operator(copying.gathers, {"Tparams": _COPIED, "Tindices": _INTEGERS}, parameters=(2,), indices=1),
        "ResourceGather": Operator(copying.gathers, {"dtype": _FLOAT, "Tindices": _INTEGERS}, indices=1),
        # Shapes, and tensors made of them
        "Shape": Operator(of_shapes.shape, {"out_type": _INTEGERS}, accepts="all", passes_empty=True),
        "Size": Operator(of_shapes.shape, {"out_type": _INTEGERS}, accepts="all", passes_empty=True),
        "ZerosLike": _copying(of_shapes.like(0), types=_NUMBERS),
        "OnesLike": _copying(of_shapes.like(1), types=_NUMBERS),
        "Fill": Operator(of_shapes.fills, {"T": _COPIED}, parameters=(0,), passes_empty=True),
        "Range": Operator(of_shapes.counts, {"Tidx": _INTEGERS}, parameters=(0, 1, 2)),
        "MatrixBandPart": Operator(copying.masks_band, {"T": (_F32, _BOOL)}),
        "FloorDiv": _of_each(of_shapes.only_of_shapes, _INTEGERS),
        "FloorMod": _of_each(of_shapes.only_of_shapes, _INTEGERS),
        # Arithmetic
        "Add": _of_each(arithmetic.adds, accepts="all"),
        "AddV2": _of_each(arithmetic.adds, (*_NUMBERS, _BF16), accepts="all"),
        "Sub": _of_each(arithmetic.adds, _NUMBERS, accepts="all"),
        "Mul": _of_each(arithmetic.multiplies, (*_NUMBERS, _BF16), accepts="all"),
        "BiasAdd": Operator(arithmetic.adds, {"T": _FLOATS}, _IMAGES, accepts="all", passes_empty=True),
        "RealDiv": _of_each(arithmetic.divides, accepts="all"),
        "Maximum": _of_each(arithmetic.takes_larger, _NUMBERS, "numbers"),
        "Minimum": _of_each(arithmetic.takes_smaller, _NUMBERS, "numbers"),
        "Neg": _of_each(arithmetic.negates, _NUMBERS, accepts="all"),
        "Abs": _of_each(arithmetic.makes_absolute, _NUMBERS),
        "Square": _of_each(arithmetic.squares),
        "SquaredDifference": _of_each(arithmetic.squares),
        "Sqrt": _of_each(arithmetic.takes_root),
        "Rsqrt": _of_each(arithmetic.needs_positive),
        "Reciprocal": _of_each(arithmetic.needs_positive),
        "Log": _of_each(arithmetic.takes_logarithm),
        "Exp": _of_each(arithmetic.exponentiates),
        "Expm1": _of_each(arithmetic.exponentiates),
        "Pow": _of_each(arithmetic.raises_to_power),
        "Sin": _of_each(arithmetic.oscillates),
        "Cos": _of_each(arithmetic.oscillates),
        "Floor": _of_each(choices.rounds),
        "Ceil": _of_each(choices.rounds),
        "Round": _of_each(choices.rounds),
        "Cast": Operator(choices.casts, {"SrcT": _CAST, "DstT": _CAST}, passes_empty=True),
        # Activations
        "Relu": _of_each(arithmetic.clips_below(math.inf), _FLOATS, "numbers"),
        "Relu6": _of_each(arithmetic.clips_below(6), accepts="numbers"),
        "LeakyRelu": _of_each(arithmetic.products),
        "Elu": _of_each(arithmetic.bounded(-1, math.inf)),
        "Selu": _of_each(arithmetic.bounded(-2, math.inf)),
        "Sigmoid": _of_each(arithmetic.bounded(0, 1)),
        "Tanh": _of_each(arithmetic.bounded(-1, 1)),
        "Erf": _of_each(arithmetic.bounded(-1, 1)),
        "Erfc": _of_each(arithmetic.bounded(0, 2)),
        "Softplus": _of_each(arithmetic.bounded(0, math.inf)),
        "Softsign": _of_each(arithmetic.bounded(-1, 1)),
        "Softmax": _of_each(arithmetic.bounded(0, 1)),
        "LogSoftmax": _of_each(arithmetic.bounded(-math.inf, 0)),
        # Truth values and choices
        "Less": _COMPARISON,
        "LessEqual": _COMPARISON,
        "Greater": _COMPARISON,
        "GreaterEqual": _COMPARISON,
        "Equal": _COMPARISON,
        "NotEqual": _COMPARISON,
        "IsFinite": _of_each(arithmetic.tells_kind),
        "IsInf": _of_each(arithmetic.tells_kind),
        "IsNan": _of_each(arithmetic.tells_kind),
        "LogicalAnd": _LOGIC,
        "LogicalOr": _LOGIC,
        "LogicalNot": _LOGIC,
        "SelectV2": _of_each(choices.selects, (*_NUMBERS, _BOOL), "all"),
        "Bucketize": Operator(choices.finds_bucket, {"T": _FLOAT}),
        "OneHot": Operator(choices.puts_one, {"T": _FLOAT, "TI": _INTEGERS}, parameters=(1, 2, 3)),
        # Reductions
        "Sum": _reduction(_NUMBERS),
        "Mean": _reduction(_FLOAT),
        "Max": _reduction(_NUMBERS),
        "Min": _reduction(_NUMBERS),
        "Prod": _reduction(_NUMBERS),
        "All": _reduction(None),
        "Any": _reduction(None),
        "ArgMax": Operator(reductions.finds_largest, {"T": _FLOAT, "output_type": _INTEGERS}, parameters=(1,)),
        "ArgMin": Operator(reductions.finds_largest, {"T": _FLOAT, "output_type": _INTEGERS}, parameters=(1,)),
        "TopKV2": Operator(
            reductions.takes_top, {"T": _FLOAT}, {"sorted": (True,)}, parameters=(1,), outputs=("values", "indices")
        ),
        "Cumsum": Operator(arithmetic.products, {"T": _FLOAT}, parameters=(1,)),
        # Neural networks
        "MatMul": Operator(arithmetic.products, {"T": _FLOATS}, accepts="all"),
        "BatchMatMulV2": Operator(arithmetic.products, {"T": _FLOAT}),
        "Einsum": Operator(arithmetic.products, {"T": _FLOAT}),
        "Conv2D": _window(_IMAGES),
        "Conv3D": _window(_VOLUMES),
        "DepthwiseConv2dNative": _window(_IMAGES),
        "Conv2DBackpropInput": Operator(arithmetic.products, {"T": _FLOAT}, _IMAGES, (0,)),
        "Conv3DBackpropInputV2": Operator(arithmetic.products, {"T": _FLOAT}, _VOLUMES, (0,)),
        "MaxPool": _window(_IMAGES),
        "AvgPool": _window(_IMAGES),
        "MaxPool3D": _window(_VOLUMES),
        "AvgPool3D": _window(_VOLUMES),
        "FusedBatchNormV3": Operator(
            arithmetic.normalizes,
            {"T": _FLOAT, "U": _FLOAT},
            _IMAGES,
            outputs=("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"),
        ),
        "ResizeBilinear": _RESIZE,
        "ResizeNearestNeighbor": _RESIZE,
        # Lists of tensors, which loops read and write
        "TensorListReserve": Operator(copying.reserves_list, {"element_dtype": _FLOAT}, parameters=(0, 1)),
        "TensorListFromTensor": Operator(copying.keeps_list, {"element_dtype": (_F32, _BOOL)}, parameters=(1,)),
        "TensorListGetItem": Operator(copying.copies, {"element_dtype": (_F32, _BOOL)}, parameters=(1, 2)),
        "TensorListSetItem": Operator(copying.keeps_list, {"element_dtype": _FLOAT}, parameters=(1,)),
        "TensorListStack": Operator(copying.copies, {"element_dtype": _FLOAT}, parameters=(1,)),
    }
)
