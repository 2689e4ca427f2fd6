"""Sizes that may be incompatible in some call.

TensorFlow rejects such a call. OpenVINO may answer it, or reject it and then answer the next one wrongly, because its
computed sizes stay half updated. So every size that must equal another must be known to do so.
"""

from typing import TYPE_CHECKING

from serverless_dnn.runtime.engines.openvino.proof.shapes import (
    STRETCHED,
    WINDOWS,
    einsum_sizes,
    inner_sizes,
    stretched_shape,
)
from serverless_dnn.runtime.engines.openvino.proof.sizes import Shape, Size, divided, multiplied, smallest_of, total
from serverless_dnn.runtime.engines.openvino.proof.slicing import takes_what_is_there

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.proof.call import Call

_TRANSPOSED_WINDOWS = frozenset({"Conv2DBackpropInput", "Conv3DBackpropInputV2"})
_PRODUCTS = frozenset({"MatMul", "BatchMatMulV2", "BatchMatMulV3"})


def misfit(call: "Call") -> str:
    """Why the shapes of an operator's inputs may be incompatible in some call.

    Args:
        call: The operator.

    Returns:
        The reason; empty if all shapes are always compatible.
    """
    operator = call.node.op
    if operator in STRETCHED:
        return _misfit_stretched([facts.shape for facts in call.inputs])
    if operator in WINDOWS or operator in _TRANSPOSED_WINDOWS or operator == "FusedBatchNormV3":
        return _misfit_of_channels(call)
    if operator in _PRODUCTS:
        one, other = (facts.shape for facts in call.inputs)
        if not _are_equal(*inner_sizes(call)):
            return "may multiply matrices that do not fit each other"
        return _misfit_stretched([(one or ())[:-2], (other or ())[:-2]])
    check = _CHECKS.get(operator)
    return "" if check is None else check(call)


def _are_equal(one: Size | None, other: Size | None) -> bool:
    return one is not None and one == other


def _misfit_stretched(shapes: list[Shape | None]) -> str:
    stretched = stretched_shape(shapes)
    return "may get shapes that do not fit each other" if stretched is None or None in stretched else ""


def _misfit_of_channels(call: "Call") -> str:
    operator = call.node.op
    channels = call.inputs[2 if operator in _TRANSPOSED_WINDOWS else 0].size_of(-1)
    if channels is None:
        return "may get any number of channels"
    if operator in WINDOWS:
        sizes = call.output_shape()
        if sizes is None or any(size is None or smallest_of(size) < 1 for size in sizes[1:]):
            return "may have a window larger than what it slides over"
    if "Pool" in operator:
        return ""
    of_weights = {"FusedBatchNormV3": 0}.get(operator, -1 if operator in _TRANSPOSED_WINDOWS else -2)
    expected = call.inputs[1].size_of(of_weights)
    if operator in WINDOWS and expected != channels and not _is_fixed_but_batch(call.inputs[0].shape):
        return "is in groups, which OpenVINO finds out of sizes that are the same in every call"
    fits = expected is not None and expected > 0 and channels % expected == 0
    return "" if fits else "may get another number of channels than it has weights for"


def _is_fixed_but_batch(shape: Shape | None) -> bool:
    return shape is not None and all(isinstance(size, int) for size in shape[1:])


def _misfit_of_bias(call: "Call") -> str:
    channels = call.inputs[0].size_of(-1)
    fits = channels is not None and channels == call.inputs[1].size_of(0)
    return "" if fits else "may add another number of values than there are channels"


def _misfit_einsum(call: "Call") -> str:
    sizes = einsum_sizes(call)
    if sizes is None or not all(_are_equal(size, each[0]) for each in sizes.values() for size in each):
        return "may sum over sizes that are not equal"
    return ""


def _misfit_joined(call: "Call") -> str:
    """All sizes except along the concatenation axis must be equal."""
    is_pack = call.node.op == "Pack"
    tensors = call.inputs if is_pack else call.inputs[:-1]
    first = tensors[0].shape
    axis = None if is_pack else call.inputs[-1].scalar
    if first is None or (axis is None and not is_pack):
        return "may join tensors of different shapes"
    along = None if axis is None else int(axis) % len(first)
    for facts in tensors[1:]:
        if facts.shape is None or len(facts.shape) != len(first):
            return "may join tensors of different shapes"
        pairs = enumerate(zip(first, facts.shape, strict=True))
        if not all(place == along or _are_equal(*pair) for place, pair in pairs):
            return "may join tensors of different shapes"
    return ""


def _misfit_reshaped(call: "Call") -> str:
    wanted, elements = call.inputs[1].content, total(call.inputs[0].shape)
    if wanted is None or elements is None:
        return "may give elements a shape of another number"
    fixed = multiplied(size for size in wanted if size != -1)
    fits = divided(elements, fixed) is not None if -1 in wanted else _are_equal(elements, fixed)
    return "" if fits else "may give elements a shape of another number"


def _misfit_split(call: "Call") -> str:
    source, axis = (call.inputs[1], call.inputs[0]) if call.node.op == "Split" else (call.inputs[0], call.inputs[2])
    size = None if axis.scalar is None else source.size_of(int(axis.scalar))
    parts = call.attribute("num_split", 1)
    if size is None or (call.node.op == "Split" and size % parts):
        return "may split what cannot be split so"
    return ""


def _misfit_gathered(call: "Call") -> str:
    table, indices = call.inputs[0].shape, call.inputs[1].shape
    batched = call.attribute("batch_dims", 0)
    if not batched:
        return ""
    if table is None or indices is None:
        return "may get another number of batches of indices than of tables"
    fits = all(_are_equal(*pair) for pair in zip(table[:batched], indices[:batched], strict=True))
    return "" if fits else "may get another number of batches of indices than of tables"


def _misfit_sliced(call: "Call") -> str:
    return "" if takes_what_is_there(call) else "may take an element that is not there"


def _misfit_of_best(call: "Call") -> str:
    size, wanted = call.inputs[0].size_of(-1), call.inputs[1].scalar
    return "" if size is not None and wanted is not None and wanted <= size else "may take more values than there are"


def _misfit_of_blocks(call: "Call") -> str:
    block = call.attribute("block_size", 1)
    sizes = [call.inputs[0].size_of(axis) for axis in (1, 2)]
    if call.node.op == "SpaceToDepth" and any(size is None or size % block for size in sizes):
        return "may get sizes that are no multiples of its blocks"
    return ""


def _misfit_stretched_to(call: "Call") -> str:
    wanted, shape = call.inputs[1].content, call.inputs[0].shape
    stretched = None if wanted is None else stretched_shape([shape, wanted])
    return "" if stretched is not None and stretched == wanted else "may be stretched to a shape that does not fit"


_CHECKS = {
    "BiasAdd": _misfit_of_bias,
    "Einsum": _misfit_einsum,
    "ConcatV2": _misfit_joined,
    "Pack": _misfit_joined,
    "Reshape": _misfit_reshaped,
    "Split": _misfit_split,
    "SplitV": _misfit_split,
    "GatherV2": _misfit_gathered,
    "ResourceGather": _misfit_gathered,
    "SpaceToDepth": _misfit_of_blocks,
    "TopKV2": _misfit_of_best,
    "StridedSlice": _misfit_sliced,
    "BroadcastTo": _misfit_stretched_to,
}
