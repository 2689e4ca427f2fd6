"""Operators OpenVINO must never run: they crash the process or access memory out of bounds.

Each was observed to do so with OpenVINO 2026.4 for inputs that any caller may send. A crash takes down all models of
the process, and an out-of-bounds read can leak one caller's data to another.
"""

from collections.abc import Mapping
from types import MappingProxyType

_ENDS, _READS = "ends the process", "reads memory outside of its tensors"
_OUT_OF_RANGE = "for values out of range"

ALWAYS: Mapping[str, str] = MappingProxyType(
    {
        "GatherNd": f"{_READS} {_OUT_OF_RANGE}",
        "DynamicPartition": f"{_ENDS} {_OUT_OF_RANGE}",
        "DynamicStitch": "answers with memory that nobody wrote where indices leave rows out",
        "ParallelDynamicStitch": "answers with memory that nobody wrote where indices leave rows out",
        "Roll": f"{_ENDS} {_OUT_OF_RANGE}",
        "TensorListResize": f"{_ENDS} for a size beyond memory",
        "InvertPermutation": f"{_ENDS} {_OUT_OF_RANGE}",
        "SparseSegmentMean": f"{_ENDS} {_OUT_OF_RANGE}",
        "SparseSegmentSum": f"{_ENDS} {_OUT_OF_RANGE}",
        "SparseSegmentSqrtN": f"{_ENDS} {_OUT_OF_RANGE}",
        "SegmentMax": f"{_ENDS} {_OUT_OF_RANGE}",
        "SegmentMean": f"{_ENDS} {_OUT_OF_RANGE}",
        "SegmentMin": f"{_ENDS} {_OUT_OF_RANGE}",
        "SegmentProd": f"{_ENDS} {_OUT_OF_RANGE}",
        "SegmentSum": f"{_ENDS} {_OUT_OF_RANGE}",
        "UnsortedSegmentMax": f"{_ENDS} {_OUT_OF_RANGE}",
        "UnsortedSegmentMin": f"{_ENDS} {_OUT_OF_RANGE}",
        "UnsortedSegmentProd": f"{_ENDS} {_OUT_OF_RANGE}",
        "UnsortedSegmentSum": f"{_ENDS} {_OUT_OF_RANGE}",
        "UnsortedSegmentMean": f"{_ENDS} {_OUT_OF_RANGE}",
        "MatrixDiagV3": f"{_ENDS} while it is compiled",
        "MatrixSetDiagV3": f"{_ENDS} while it is compiled",
        "NonMaxSuppressionV2": _ENDS,
        "NonMaxSuppressionV3": _ENDS,
        "NonMaxSuppressionV4": _ENDS,
        "NonMaxSuppressionV5": _ENDS,
        "CombinedNonMaxSuppression": _ENDS,
        "CTCGreedyDecoder": _ENDS,
        "CTCBeamSearchDecoder": _ENDS,
        "RFFT": f"{_ENDS} for a length of zero",
        "RFFT2D": f"{_ENDS} for a length of zero",
        "RFFT3D": f"{_ENDS} for a length of zero",
        "IRFFT": f"{_ENDS} for a length of zero",
        "IRFFT2D": f"{_ENDS} for a length of zero",
        "IRFFT3D": f"{_ENDS} for a length of zero",
    }
)
"""Operators that are never run, with their failure."""

CHECKED_PARAMETERS = frozenset({"Reshape"})
"""Of the listed operators with parameters (sizes, axes, borders), those that check one that inputs decide."""

WITH_MISFITS = frozenset(
    {
        *("MatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "BiasAdd"),
        *("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D", "FusedBatchNormV3", "SplitV"),
        *("Pack", "TopKV2", "StridedSlice"),
    }
)
"""Operators that are not run where the sizes of their inputs may not fit: they are not checked either."""

BEHIND_UNLISTED = frozenset({"SplitV", "Pack", "TopKV2"})
"""Those of them that are not run either where nothing is known of the sizes, behind an operator off the list."""
