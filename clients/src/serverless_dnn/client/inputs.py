"""Check and convert inputs by a model's signature, before anything is sent."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.specs import Signature, TensorSpec

_SHOWN_NAMES = 20


def fit_inputs(signature: Signature, inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """Make the arrays that a signature wants.

    Python's numbers and lists take the signature's types. Arrays of another type are converted where no number
    changes, and 64-bit floats to shorter ones, for that is what numpy makes of everything.

    Args:
        signature: The signature.
        inputs: Arrays, lists or numbers by input name.

    Returns:
        Arrays by input name, the given ones where they fit.

    Raises:
        RequestError: There are no inputs, or one is unknown, or not of the signature's type and shape; the message says
            what is expected and what was found.
    """
    if unknown := sorted(str(name) for name in inputs if name not in signature.inputs):
        raise RequestError(f"signature {signature.name} has no input {unknown[0]!r}: it has {_names(signature)}")
    if not inputs and signature.inputs:
        # A single one that is missing may have a default: TensorFlow Serving does not tell which have.
        raise RequestError(f"signature {signature.name} needs {_names(signature)}, got no inputs")
    return {name: _fit(signature.inputs[name], given) for name, given in inputs.items()}


def as_array(given: ArrayLike) -> NDArray[Any]:
    """Make an array of a value.

    Args:
        given: An array, a number, a text, or a list of them.

    Returns:
        The array; texts stay what they are, where numpy would make all ``str`` or all ``bytes`` and cut zero bytes off.

    Raises:
        ValueError: It is a list of lists of different lengths.
    """
    if isinstance(given, np.ndarray):
        return given
    try:
        array = np.asarray(given)
    except UnicodeDecodeError:
        return np.array(given, object)
    return np.array(given, object) if array.dtype.kind in "SU" else array


def _names(signature: Signature) -> str:
    names = list(signature.inputs)
    return ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "") or "none"


def _fit(spec: TensorSpec, given: ArrayLike) -> NDArray[Any]:
    is_array = isinstance(given, (np.ndarray, np.generic))
    try:
        array = as_array(given)
    except ValueError as error:
        raise RequestError(f"input {spec.name} must be {spec}, and is no array: {error}") from None
    if spec.dtype is not None:
        array = _typed(spec, spec.dtype, array, is_array=is_array)
    if not _has_shape(spec, array.shape):
        raise RequestError(f"input {spec.name} must be {spec}, got the shape {list(array.shape)}")
    return array


def _has_shape(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    if spec.shape is None:
        return True
    return len(shape) == len(spec.shape) and all(
        wanted is None or wanted == found for wanted, found in zip(spec.shape, shape, strict=True)
    )


def _typed(spec: TensorSpec, wanted: np.dtype[Any], array: NDArray[Any], *, is_array: bool) -> NDArray[Any]:
    found = array.dtype
    if found == wanted or (wanted.kind == "O" and found.kind in "SU"):
        return array
    if not array.size and not is_array:
        return array.astype(wanted)
    if "O" in (wanted.kind, found.kind) or (wanted.kind == "b") != (found.kind == "b"):
        raise _wrong_type(spec, wanted, array, is_array=is_array)
    if np.can_cast(found, wanted, "safe"):
        return array.astype(wanted)
    if wanted.kind in "iu" and found.kind in "iu":
        limits = np.iinfo(wanted)
        if array.size and not (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
            raise RequestError(
                f"input {spec.name} must be {spec}, and holds numbers from {array.min()} to {array.max()}, outside "
                f"{limits.min} to {limits.max}"
            )
        return array.astype(wanted)
    if found.kind in "iuf" and _is_float(wanted):
        return _as_floats(spec, wanted, array)
    if found.kind == "c" and wanted.kind == "c":
        return array.astype(wanted)
    raise _wrong_type(spec, wanted, array, is_array=is_array)


def _is_float(dtype: np.dtype[Any]) -> bool:
    # ml_dtypes' bfloat16 and float8 are of kind V.
    return dtype.kind == "f" or (dtype.kind == "V" and "float" in dtype.name)


def _as_floats(spec: TensorSpec, wanted: np.dtype[Any], array: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        floats = array.astype(wanted)
        if array.dtype.kind in "iu":
            kept = bool((floats.astype(np.float64) == array).all())
        else:
            kept = bool((np.isfinite(floats.astype(np.float64)) | ~np.isfinite(array)).all())
    if not kept:
        raise RequestError(
            f"input {spec.name} must be {spec}, and holds {array.dtype} numbers that {wanted.name} cannot: convert it"
        )
    return floats


def _wrong_type(spec: TensorSpec, wanted: np.dtype[Any], array: NDArray[Any], *, is_array: bool) -> RequestError:
    found = array.dtype.name if is_array else f"values that make {array.dtype.name}"
    if array.dtype.kind == "O" and isinstance(next(iter(array.flat), None), (str, bytes)):
        found = "texts"
    how = "bytes or str" if wanted.kind == "O" else f"numpy.{wanted.name}"
    return RequestError(f"input {spec.name} must be {spec}, got {found}: pass {how}")
