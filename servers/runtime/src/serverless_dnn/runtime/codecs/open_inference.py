"""ModelInfer messages of the Open Inference Protocol, version 2, and numpy arrays.

The protocol is https://github.com/kserve/open-inference-protocol: elements come as raw bytes for all inputs, or as
typed lists for all inputs. Raw bytes are read in place, and written with one copy. Answers are always raw, as Triton's
are: clients of the protocol read both forms, and a list costs a Python number for each element.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name, data_type_of, numpy_dtype
from serverless_dnn.protos.tensor import checked_size
from serverless_dnn.protos.v1 import open_inference_pb2, tensor_pb2
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, encode_key, encode_varint, walk_fields
from serverless_dnn.runtime.errors import InvalidArgumentError, UnimplementedError

_RAW_INPUTS = open_inference_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_RAW_OUTPUTS = open_inference_pb2.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
# Beyond this many fields a message is left to protobuf, which walks faster than Python does.
_MANY_FIELDS = 10_000
# Triton's extensions that change what a request means, or where its tensors are. Other parameters are hints, which the
# protocol lets a server ignore.
_REFUSED_PARAMETERS = frozenset({"classification", "sequence_id", "shared_memory_region"})


class _Type(NamedTuple):
    """A datatype: the tensor type it stands for, and the list of its values, which 16-bit floats have not."""

    data_type: int
    contents: str | None


_INT, _UINT = "int_contents", "uint_contents"
_TYPES = {
    "BOOL": _Type(tensor_pb2.DT_BOOL, "bool_contents"),
    "INT8": _Type(tensor_pb2.DT_INT8, _INT),
    "INT16": _Type(tensor_pb2.DT_INT16, _INT),
    "INT32": _Type(tensor_pb2.DT_INT32, _INT),
    "INT64": _Type(tensor_pb2.DT_INT64, "int64_contents"),
    "UINT8": _Type(tensor_pb2.DT_UINT8, _UINT),
    "UINT16": _Type(tensor_pb2.DT_UINT16, _UINT),
    "UINT32": _Type(tensor_pb2.DT_UINT32, _UINT),
    "UINT64": _Type(tensor_pb2.DT_UINT64, "uint64_contents"),
    "FP16": _Type(tensor_pb2.DT_HALF, None),
    "FP32": _Type(tensor_pb2.DT_FLOAT, "fp32_contents"),
    "FP64": _Type(tensor_pb2.DT_DOUBLE, "fp64_contents"),
    # Triton's extension.
    "BF16": _Type(tensor_pb2.DT_BFLOAT16, None),
    "BYTES": _Type(tensor_pb2.DT_STRING, "bytes_contents"),
}
_NAMES = {kind.data_type: name for name, kind in _TYPES.items()}


def datatype_of(data_type: int) -> str:
    """The protocol's name of a tensor type.

    Args:
        data_type: A number of the ``DataType`` enum.

    Returns:
        Such as ``FP32``.

    Raises:
        UnimplementedError: The protocol has no such type, such as complex numbers.
    """
    try:
        return _NAMES[data_type]
    except KeyError:
        raise UnimplementedError(
            f"the Open Inference Protocol has no datatype for {data_type_name(data_type)}: "
            "call TensorFlow Serving's PredictionService on the same port"
        ) from None


def decode_infer_request(
    body: bytes, *, max_bytes: int
) -> tuple[open_inference_pb2.ModelInferRequest, dict[str, NDArray[Any]]]:
    """Decode a request.

    Args:
        body: The message's bytes.
        max_bytes: The largest array to make, in bytes.

    Returns:
        The message, without raw contents, and its inputs as arrays: read-only views of the body where they came as raw
        bytes, object arrays of ``bytes`` for BYTES.

    Raises:
        InvalidArgumentError: The bytes are not a ModelInferRequest, an input is not well formed, or has another's name.
        UnimplementedError: A parameter asks for an extension that this server has not.
    """
    try:
        message, raws = _split_raw(body)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a ModelInferRequest: {error}") from None
    _refuse_extensions(
        [
            message.parameters,
            *(tensor.parameters for tensor in message.inputs),
            *(output.parameters for output in message.outputs),
        ]
    )
    if raws and len(raws) != len(message.inputs):
        raise InvalidArgumentError(
            f"raw_input_contents must hold one entry for each of the {len(message.inputs)} inputs, got {len(raws)}"
        )
    arrays: dict[str, NDArray[Any]] = {}
    for number, tensor in enumerate(message.inputs):
        if tensor.name in arrays:
            raise InvalidArgumentError(f"input {tensor.name} is given twice")
        try:
            arrays[tensor.name] = _decode(tensor, raws[number] if raws else None, max_bytes)
        except TensorCodecError as error:
            raise InvalidArgumentError(f"input {tensor.name}: {error}") from None
    return message, arrays


def encode_infer_response(model_name: str, version: int, request_id: str, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode an answer, with raw contents.

    Args:
        model_name: The model that ran.
        version: Its version.
        request_id: The id the caller gave.
        outputs: Arrays by output name, in the order of the answer.

    Returns:
        The bytes of a ModelInferResponse.

    Raises:
        UnimplementedError: The protocol has no type for an output.
    """
    head = open_inference_pb2.ModelInferResponse(model_name=model_name, model_version=str(version), id=request_id)
    pieces: list[bytes | memoryview] = []
    for name, array in outputs.items():
        head.outputs.add(name=name, datatype=datatype_of(data_type_of(array.dtype)), shape=array.shape)
        content = _encode(array)
        pieces += (encode_key(_RAW_OUTPUTS), encode_varint(len(content)), content)
    return b"".join((head.SerializeToString(), *pieces))


def _split_raw(body: bytes) -> tuple[open_inference_pb2.ModelInferRequest, list[memoryview]]:
    """Part a message into its raw contents, which protobuf would copy twice, and the rest."""
    view = memoryview(body)
    rest: list[memoryview] = []
    raws: list[memoryview] = []
    try:
        for field in walk_fields(view, 0, len(view)):
            if field.number == _RAW_INPUTS and field.wire_type == LENGTH_DELIMITED:
                raws.append(view[field.value : field.end])
            else:
                rest.append(view[field.begin : field.end])
            if len(raws) + len(rest) > _MANY_FIELDS:
                break
        else:
            return open_inference_pb2.ModelInferRequest.FromString(b"".join(rest)), raws
    except ValueError:
        # Protobuf says better what is wrong, if anything is.
        pass
    message = open_inference_pb2.ModelInferRequest.FromString(body)
    raws = [memoryview(content) for content in message.raw_input_contents]
    message.ClearField("raw_input_contents")
    return message, raws


def _refuse_extensions(parameters: Iterable[Mapping[str, Any]]) -> None:
    for given in parameters:
        if refused := sorted(_REFUSED_PARAMETERS & given.keys()):
            raise UnimplementedError(f"parameter {refused[0]} asks for an extension that this server does not have")


def _decode(
    tensor: open_inference_pb2.ModelInferRequest.InferInputTensor, raw: memoryview | None, max_bytes: int
) -> NDArray[Any]:
    kind = _TYPES.get(tensor.datatype)
    if kind is None:
        raise TensorCodecError(f"datatype must be one of {', '.join(_TYPES)}, got {tensor.datatype!r}")
    dtype = numpy_dtype(kind.data_type)
    size = checked_size(tensor.shape, dtype, tensor.datatype, max_bytes)
    lists = {field.name: values for field, values in tensor.contents.ListFields()}
    if raw is None:
        array = _decode_list(tensor.datatype, kind, lists, dtype)
        if len(array) != size:
            raise TensorCodecError(f"contents of shape {list(tensor.shape)} must be {size} values, got {len(array)}")
    elif lists:
        raise TensorCodecError(f"elements must be in raw_input_contents or in contents, got both ({', '.join(lists)})")
    elif kind.data_type == tensor_pb2.DT_STRING:
        array = _split_strings(raw, size)
    elif len(raw) != size * dtype.itemsize:
        raise TensorCodecError(
            f"raw contents of shape {list(tensor.shape)} and datatype {tensor.datatype} must be "
            f"{size * dtype.itemsize} bytes, got {len(raw)}"
        )
    else:
        # By way of bytes: numpy makes no array from an empty buffer.
        octets = np.frombuffer(raw, np.uint8) if raw else np.empty(0, np.uint8)
        if dtype == np.bool_ and octets.max(initial=0) > 1:
            raise TensorCodecError(f"a raw BOOL must be 0 or 1, got {octets.max()}")
        array = octets.view(dtype)
    return array.reshape(tensor.shape)


def _decode_list(name: str, kind: _Type, lists: Mapping[str, Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if kind.contents is None:
        raise TensorCodecError(f"{name} has no typed contents: send raw_input_contents")
    if others := lists.keys() - {kind.contents}:
        raise TensorCodecError(f"{name} must be in {kind.contents}, got {', '.join(sorted(others))}")
    values = lists.get(kind.contents, ())
    if kind.contents in (_INT, _UINT):
        carried = np.fromiter(values, np.int32 if kind.contents == _INT else np.uint32, len(values))
        limits = np.iinfo(dtype)
        if len(carried) and (carried.min() < limits.min or carried.max() > limits.max):
            raise TensorCodecError(
                f"{name} must be within {limits.min} and {limits.max}, got {carried.min()} to {carried.max()}"
            )
        return carried.astype(dtype, copy=False)
    return np.fromiter(values, dtype, len(values))


def _split_strings(raw: memoryview, size: int) -> NDArray[Any]:
    """Split strings, each behind its length in 4 bytes."""
    strings: list[bytes] = []
    position = 0
    while position < len(raw):
        begin = position + 4
        position = begin + int.from_bytes(raw[position:begin], "little")
        if position > len(raw) or len(strings) == size:
            raise TensorCodecError(
                f"raw BYTES must be {size} strings, each behind its length in 4 bytes, got {len(raw)} bytes which "
                + ("hold more" if len(strings) == size else f"end within string {len(strings) + 1}")
            )
        strings.append(bytes(raw[begin:position]))
    if len(strings) != size:
        raise TensorCodecError(f"raw BYTES must be {size} strings, got {len(strings)}")
    return np.fromiter(strings, object, len(strings))


def _encode(array: NDArray[Any]) -> bytes | memoryview:
    if array.dtype.kind in "OSU":
        return b"".join(_framed(array.ravel().tolist()))
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    # As plain bytes: the buffer protocol does not know bfloat16.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _framed(strings: Iterable[str | bytes]) -> Iterable[bytes]:
    for string in strings:
        content = string.encode() if isinstance(string, str) else string
        yield len(content).to_bytes(4, "little")
        yield content
