"""Conversion between ModelInfer messages of the Open Inference Protocol, version 2, and numpy arrays.

The protocol is https://github.com/kserve/open-inference-protocol: elements come as raw bytes for all inputs, or as
typed lists for all inputs. Raw bytes are read in place, and written with one copy. Responses are always raw, as in
Triton: clients of the protocol read both forms, and a list costs a Python number per element.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name, data_type_of, numpy_dtype
from serverless_dnn.protos.tensor import STRING_BYTES, checked_size, from_numbers
from serverless_dnn.protos.v1 import open_inference_pb2, tensor_pb2
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, encode_key, encode_varint, walk_fields
from serverless_dnn.runtime.errors import InvalidArgumentError, UnimplementedError

_RAW_INPUTS = open_inference_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_RAW_OUTPUTS = open_inference_pb2.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
_MAX_FIELDS = 10_000
_SMALL_BYTES = 1 << 16
_EXPANSION = 8
# Triton extensions that change what a request means or where its tensors are. Other parameters are hints, which the
# protocol allows a server to ignore.
_REFUSED_PARAMETERS = frozenset({"classification", "sequence_id", "shared_memory_region"})


class _Type(NamedTuple):
    """A datatype: its tensor type, and the field that lists its values, which 16-bit floats lack."""

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
    # A Triton extension.
    "BF16": _Type(tensor_pb2.DT_BFLOAT16, None),
    "BYTES": _Type(tensor_pb2.DT_STRING, "bytes_contents"),
}
_NAMES = {kind.data_type: name for name, kind in _TYPES.items()}


def datatype_of(data_type: int) -> str:
    """The protocol's name for a tensor type.

    Args:
        data_type: A number of the ``DataType`` enum.

    Returns:
        For example ``FP32``.

    Raises:
        UnimplementedError: The protocol has no such type, for example for complex numbers.
    """
    try:
        return _NAMES[data_type]
    except KeyError:
        raise UnimplementedError(
            f"the Open Inference Protocol has no datatype for {data_type_name(data_type)}: "
            "call TensorFlow Serving's PredictionService on the same port"
        ) from None


class EncodedInput(NamedTuple):
    """A request's input, not yet decoded into an array.

    Attributes:
        tensor: Its name, type, shape and, if typed, its values.
        raw: Its values as raw bytes, if given so.
    """

    tensor: open_inference_pb2.ModelInferRequest.InferInputTensor
    raw: memoryview | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's type.

        Raises:
            InvalidArgumentError: The protocol has no such datatype.
        """
        return numpy_dtype(_type_of(self.tensor).data_type)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.tensor.shape)


def split_infer_request(
    body: bytes, budget: DecodeBudget
) -> tuple[open_inference_pb2.ModelInferRequest, dict[str, EncodedInput]]:
    """Split a request into its inputs, which are decoded once their signature is known, and the rest.

    Args:
        body: The message's bytes.
        budget: The request's memory budget.

    Returns:
        The message, without raw contents, and its inputs by name.

    Raises:
        InvalidArgumentError: The bytes are not a ModelInferRequest, have too many fields, or name an input twice.
        UnimplementedError: A parameter asks for an extension that this server does not support.
    """
    try:
        message, raws = _split_raw(body, budget)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a ModelInferRequest: {error}") from None
    except TensorCodecError as error:
        raise InvalidArgumentError(str(error)) from None
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
    inputs: dict[str, EncodedInput] = {}
    for number, tensor in enumerate(message.inputs):
        if tensor.name in inputs:
            raise InvalidArgumentError(f"input {tensor.name} is given twice")
        inputs[tensor.name] = EncodedInput(tensor, raws[number] if raws else None)
    return message, inputs


def decode_inputs(
    inputs: Mapping[str, EncodedInput], check: Callable[[Mapping[str, EncodedInput]], object], budget: DecodeBudget
) -> dict[str, NDArray[Any]]:
    """Decode a request's inputs into arrays.

    Args:
        inputs: The inputs.
        check: Raises if they do not match the signature; called first.
        budget: The request's memory budget.

    Returns:
        Arrays by name: read-only views of the body for raw inputs, objects of ``bytes`` for BYTES.

    Raises:
        InvalidArgumentError: An input is malformed or too large.
        ServingError: Raised by ``check``.
    """
    check(inputs)
    arrays = {}
    for name, given in inputs.items():
        try:
            arrays[name] = _decode(given, budget)
        except TensorCodecError as error:
            raise InvalidArgumentError(f"input {name}: {error}") from None
    return arrays


def encode_infer_response(model_name: str, version: int, request_id: str, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode a response with raw contents.

    Args:
        model_name: The model that ran.
        version: Its version.
        request_id: The request id given by the caller.
        outputs: Arrays by output name, in response order.

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


def _split_raw(body: bytes, budget: DecodeBudget) -> tuple[open_inference_pb2.ModelInferRequest, list[memoryview]]:
    """Split a message into its raw contents, which protobuf would copy twice, and the rest."""
    view = memoryview(body)
    rest: list[memoryview] = []
    raws: list[memoryview] = []
    size_bytes = 0
    try:
        for field in walk_fields(view, 0, len(view)):
            if field.number == _RAW_INPUTS and field.wire_type == LENGTH_DELIMITED:
                raws.append(view[field.value : field.end])
            else:
                rest.append(view[field.begin : field.end])
                size_bytes += field.end - field.begin
            _check_count(len(raws) + len(rest))
    except TensorCodecError:
        raise
    except ValueError as error:
        if len(body) > _SMALL_BYTES:
            raise DecodeError(str(error)) from None
        # Protobuf may accept it, and reports better what is wrong if it does not.
        message = open_inference_pb2.ModelInferRequest.FromString(body)
        raws = [memoryview(content) for content in message.raw_input_contents]
        message.ClearField("raw_input_contents")
        return message, raws
    # Typed values and strings take several times their size as protobuf objects, at worst this many times.
    budget.spend(max(0, size_bytes - _SMALL_BYTES) * _EXPANSION, "a message of typed contents")
    return open_inference_pb2.ModelInferRequest.FromString(b"".join(rest)), raws


def _check_count(count: int) -> None:
    if count > _MAX_FIELDS:
        raise TensorCodecError(f"a message must not have more than {_MAX_FIELDS} fields")


def _refuse_extensions(parameters: Iterable[Mapping[str, Any]]) -> None:
    for given in parameters:
        if refused := sorted(_REFUSED_PARAMETERS & given.keys()):
            raise UnimplementedError(f"parameter {refused[0]} asks for an extension that this server does not have")


def _type_of(tensor: open_inference_pb2.ModelInferRequest.InferInputTensor) -> _Type:
    kind = _TYPES.get(tensor.datatype)
    if kind is None:
        raise InvalidArgumentError(
            f"input {tensor.name}: datatype must be one of {', '.join(_TYPES)}, got {tensor.datatype!r}"
        )
    return kind


def _decode(given: EncodedInput, budget: DecodeBudget) -> NDArray[Any]:
    tensor, raw = given
    kind, dtype = _type_of(tensor), given.dtype
    size = checked_size(tensor.shape, dtype, tensor.datatype, budget)
    lists = {field.name: values for field, values in tensor.contents.ListFields()}
    if raw is None:
        array = _decode_list(tensor.datatype, kind, lists, dtype)
        if len(array) != size:
            raise TensorCodecError(f"contents of shape {list(tensor.shape)} must be {size} values, got {len(array)}")
    elif lists:
        raise TensorCodecError(f"elements must be in raw_input_contents or in contents, got both ({', '.join(lists)})")
    elif kind.data_type == tensor_pb2.DT_STRING:
        array = _split_strings(raw, size, budget)
    elif len(raw) != size * dtype.itemsize:
        raise TensorCodecError(
            f"raw contents of shape {list(tensor.shape)} and datatype {tensor.datatype} must be "
            f"{size * dtype.itemsize} bytes, got {len(raw)}"
        )
    else:
        # Through uint8, because numpy cannot make an array from an empty buffer.
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
        carried = from_numbers(values, np.dtype(np.int32 if kind.contents == _INT else np.uint32))
        limits = np.iinfo(dtype)
        if len(carried) and (carried.min() < limits.min or carried.max() > limits.max):
            raise TensorCodecError(
                f"{name} must be within {limits.min} and {limits.max}, got {carried.min()} to {carried.max()}"
            )
        return carried.astype(dtype, copy=False)
    return from_numbers(values, dtype)


def _split_strings(raw: memoryview, size: int, budget: DecodeBudget) -> NDArray[Any]:
    """Split strings, each prefixed by its 4-byte length."""
    budget.spend(min(size, len(raw) // 4) * STRING_BYTES + len(raw), f"a tensor of {size} strings")
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
    return from_numbers(strings, np.dtype(object))


def _encode(array: NDArray[Any]) -> bytes | memoryview:
    if array.dtype.kind in "OSU":
        return b"".join(_framed(array.ravel().tolist()))
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    # As plain bytes: the buffer protocol does not support bfloat16.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _framed(strings: Iterable[str | bytes]) -> Iterable[bytes]:
    for string in strings:
        content = string.encode() if isinstance(string, str) else string
        yield len(content).to_bytes(4, "little")
        yield content
