"""Output shapes for which TensorFlow recorded free sizes: which of the inputs' sizes these are.

OpenVINO may answer calls that TensorFlow rejects, such as products of incompatible matrices. So sizes that must be
equal are tracked by name from the inputs on.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from serverless_dnn.runtime.engines.openvino.proof.sizes import (
    Shape,
    Size,
    added,
    broadcast,
    changed,
    divided,
    largest_of,
    multiplied,
    smallest_of,
    total,
)
from serverless_dnn.runtime.engines.openvino.proof.slicing import sliced_shape
from serverless_dnn.runtime.engines.openvino.proof.windows import window_shape

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.proof.call import Call

_Infer = Callable[["Call"], Shape | None]
_SAME = frozenset(
    {
        *(
            "Relu",
            "Relu6",
            "LeakyRelu",
            "Elu",
            "Selu",
            "Sigmoid",
            "Tanh",
            "Erf",
            "Erfc",
            "Softplus",
            "Softsign",
            "Softmax",
        ),
        *("LogSoftmax", "Square", "Sqrt", "Rsqrt", "Reciprocal", "Log", "Exp", "Expm1", "Neg", "Abs", "Sin", "Cos"),
        *("Floor", "Ceil", "Round", "Cast", "BiasAdd", "ReverseV2", "Cumsum", "FusedBatchNormV3", "IsNan", "IsInf"),
        *("IsFinite", "LogicalNot", "ZerosLike", "OnesLike", "Bucketize", "ReadVariableOp", "PlaceholderWithDefault"),
    }
)
STRETCHED = frozenset(
    {
        *("Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "SquaredDifference", "Pow", "SelectV2"),
        *("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual", "LogicalAnd", "LogicalOr"),
        *("FloorDiv", "FloorMod"),
    }
)
_REDUCED = frozenset({"Sum", "Mean", "Max", "Min", "Prod", "All", "Any"})
WINDOWS = frozenset({"Conv2D", "Conv3D", "DepthwiseConv2dNative", "MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"})
# Their first dimension is the batch; the others change.
_OF_BATCHES = frozenset({"DepthToSpace", "SpaceToDepth"})


def inferred_shape(call: "Call") -> Shape | None:
    """The shape of an operator's first output, as far as it can be derived from the inputs' shapes.

    Args:
        call: The operator.

    Returns:
        The shape; ``None`` if it cannot be derived.
    """
    operator = call.node.op
    if operator in _SAME:
        return call.inputs[0].shape
    if operator in STRETCHED:
        return stretched_shape([facts.shape for facts in call.inputs])
    if operator in _REDUCED:
        return _reduced(call)
    if operator in WINDOWS:
        return window_shape(call)
    if operator in _OF_BATCHES:
        source, written = call.inputs[0].shape, call.written_shape()
        return None if source is None or written is None else (source[0], *written[1:])
    infer = _INFER.get(operator)
    return None if infer is None else infer(call)


def merged_shape(written: Shape | None, inferred: Shape | None) -> Shape | None:
    """The shape TensorFlow recorded, with free sizes filled in as derived from the inputs.

    Args:
        written: The recorded shape.
        inferred: The derived shape.
    """
    if written is None:
        return inferred
    if inferred is None or len(inferred) != len(written):
        return written
    return tuple(size if size is not None else other for size, other in zip(written, inferred, strict=True))


def stretched_shape(shapes: Sequence[Shape | None]) -> Shape | None:
    """The shape to which tensors are broadcast for an elementwise operator.

    Args:
        shapes: Their shapes.
    """
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes):
        return None
    rank = max(map(len, known))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(broadcast(sizes) for sizes in zip(*aligned, strict=True))


def einsum_sizes(call: "Call") -> dict[str, list[Size | None]] | None:
    """The sizes that each letter of an Einsum denotes.

    Args:
        call: The operator.

    Returns:
        By letter, its sizes in the inputs; ``None`` for an equation with an ellipsis, or unknown ranks.
    """
    equation = call.attribute("equation", b"").decode().replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    sizes: dict[str, list[Size | None]] = {}
    for term, facts in zip(terms, call.inputs, strict=False):
        if "." in term or facts.shape is None or len(facts.shape) != len(term):
            return None
        for letter, size in zip(term, facts.shape, strict=True):
            sizes.setdefault(letter, []).append(size)
    return sizes


def _transposed(call: "Call") -> Shape | None:
    shape, order = call.inputs[0].shape, call.inputs[1].value
    return None if shape is None or order is None else tuple(shape[axis] for axis in order.ravel().tolist())


def _reshaped(call: "Call") -> Shape | None:
    wanted = call.inputs[1].content
    if wanted is None:
        return None
    if -1 not in wanted:
        return wanted
    rest = divided(total(call.inputs[0].shape), multiplied(size for size in wanted if size != -1))
    return tuple(rest if size == -1 else size for size in wanted)


def _expanded(call: "Call") -> Shape | None:
    shape, axis = call.inputs[0].shape, call.inputs[1].scalar
    if shape is None or axis is None:
        return None
    place = int(axis) % (len(shape) + 1)
    return (*shape[:place], 1, *shape[place:])


def _squeezed(call: "Call") -> Shape | None:
    shape, axes = call.inputs[0].shape, call.attribute("squeeze_dims", ())
    if shape is None or not axes:
        return None
    dropped = {axis % len(shape) for axis in axes}
    return tuple(size for axis, size in enumerate(shape) if axis not in dropped)


def _packed(call: "Call") -> Shape | None:
    shape = call.inputs[0].shape
    if shape is None:
        return None
    place = call.attribute("axis", 0) % (len(shape) + 1)
    return (*shape[:place], len(call.inputs), *shape[place:])


def _joined(call: "Call") -> Shape | None:
    axis, shapes = call.inputs[-1].scalar, [facts.shape for facts in call.inputs[:-1]]
    first = shapes[0]
    if axis is None or first is None:
        return None
    along = int(axis) % len(first)
    along_it = [None if shape is None else shape[along] for shape in shapes]
    return tuple(added(along_it) if place == along else size for place, size in enumerate(first))


def _gathered(call: "Call") -> Shape | None:
    table, indices = call.inputs[0].shape, call.inputs[1].shape
    axis = call.inputs[2].scalar if len(call.inputs) > 2 else 0
    batched = call.attribute("batch_dims", 0)
    if table is None or indices is None or axis is None:
        return None
    along = int(axis) % len(table)
    return (*table[:along], *indices[batched:], *table[along + 1 :])


def _multiplied(call: "Call") -> Shape | None:
    """The product of matrices, or of batches of them."""
    one, other = call.inputs[0].shape, call.inputs[1].shape
    if one is None or other is None or min(len(one), len(other)) < 2:
        return None
    rows = one[-1 if is_turned(call, 0) else -2]
    columns = other[-2 if is_turned(call, 1) else -1]
    batches = stretched_shape([one[:-2], other[:-2]]) or ()
    return (*batches, rows, columns)


def is_turned(call: "Call", side: int) -> bool:
    """Whether a matrix product takes an input transposed.

    Args:
        call: The operator.
        side: The input's index.
    """
    names = (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))[side]
    return any(call.attribute(name, default=False) for name in names)


def _summed(call: "Call") -> Shape | None:
    sizes = einsum_sizes(call)
    _, arrow, result = call.attribute("equation", b"").decode().replace(" ", "").partition("->")
    if sizes is None or not arrow:
        return None
    return tuple(broadcast(sizes.get(letter, [None])) for letter in result)


def _reduced(call: "Call") -> Shape | None:
    shape, axes = call.inputs[0].shape, call.inputs[1].value
    if shape is None or axes is None:
        return None
    dropped = {int(axis) % len(shape) for axis in axes.ravel()}
    if call.attribute("keep_dims", default=False):
        return tuple(1 if axis in dropped else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in dropped)


def _tiled(call: "Call") -> Shape | None:
    shape, times = call.inputs[0].shape, call.inputs[1].content
    if shape is None or times is None:
        return None
    return tuple(multiplied(pair) for pair in zip(shape, times, strict=True))


def _split_evenly(call: "Call") -> Shape | None:
    axis, shape = call.inputs[0].scalar, call.inputs[1].shape
    if axis is None or shape is None:
        return None
    along = int(axis) % len(shape)
    part = divided(shape[along], call.attribute("num_split", 1))
    return tuple(part if place == along else size for place, size in enumerate(shape))


def _stacked(call: "Call") -> Shape | None:
    element, count = call.inputs[0].shape, call.inputs[0].content
    return None if element is None or count is None else (*count, *element)


def _resized(call: "Call") -> Shape | None:
    shape, wanted = call.inputs[0].shape, call.inputs[1].content
    return None if shape is None or wanted is None else (shape[0], *wanted, shape[-1])


def _parted_space(call: "Call") -> Shape | None:
    """Padding makes every dimension a multiple of its block, so that no part is empty."""
    shape, blocks, written = call.inputs[0].shape, call.inputs[1].value, call.written_shape()
    if shape is None or blocks is None or written is None:
        return None
    sizes = list(written)
    for axis, block in enumerate(blocks.ravel().tolist(), 1):
        size = shape[axis]
        if size is not None and sizes[axis] is None:
            sizes[axis] = changed(size, f"part of {block} of ", -(-smallest_of(size) // block), largest_of(size))
    return tuple(sizes)


def _unpacked(call: "Call") -> Shape | None:
    shape = call.inputs[0].shape
    if shape is None:
        return None
    along = call.attribute("axis", 0) % len(shape)
    return (*shape[:along], *shape[along + 1 :])


def _padded(call: "Call") -> Shape | None:
    shape, around = call.inputs[0].shape, call.inputs[1].value
    if shape is None or around is None:
        return None
    return tuple(
        added((size, sum(pair))) if any(pair) else size for size, pair in zip(shape, around.tolist(), strict=True)
    )


_INFER: dict[str, _Infer] = {
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "ExpandDims": _expanded,
    "Squeeze": _squeezed,
    "Pack": _packed,
    "ConcatV2": _joined,
    "StridedSlice": sliced_shape,
    "GatherV2": _gathered,
    "ResourceGather": _gathered,
    "MatMul": _multiplied,
    "BatchMatMulV2": _multiplied,
    "BatchMatMulV3": _multiplied,
    "Einsum": _summed,
    "Fill": lambda call: call.inputs[0].content,
    "BroadcastTo": lambda call: call.inputs[1].content,
    "Tile": _tiled,
    "Split": _split_evenly,
    "Unpack": _unpacked,
    "ResizeBilinear": _resized,
    "ResizeNearestNeighbor": _resized,
    "SpaceToBatchND": _parted_space,
    "TensorListGetItem": lambda call: call.inputs[0].shape,
    "TensorListStack": _stacked,
    "Pad": _padded,
    "PadV2": _padded,
    "MirrorPad": _padded,
}


def inner_sizes(call: "Call") -> tuple[Size | None, Size | None]:
    """The two sizes of a matrix product that must be equal.

    Args:
        call: The operator.
    """
    one, other = call.inputs[0].shape, call.inputs[1].shape
    if one is None or other is None or min(len(one), len(other)) < 2:
        return None, None
    return one[-2 if is_turned(call, 0) else -1], other[-1 if is_turned(call, 1) else -2]
