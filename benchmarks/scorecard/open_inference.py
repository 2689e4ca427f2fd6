"""The few Open Inference Protocol gRPC messages that a measurement sends and reads, with raw contents.

See https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto.
"""

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.wire_format import encode_key, encode_varint, walk_fields

METHOD = "/inference.GRPCInferenceService/ModelInfer"
_RAW_OUTPUT_CONTENTS = 6


def encode_infer_request(model: str, name: str, array: NDArray[np.float32]) -> bytes:
    """Encode a ModelInferRequest with one input.

    Args:
        model: The model's name.
        name: The input's name.
        array: The input, float32.

    Returns:
        The encoded message.
    """
    shape = b"".join(encode_varint(length) for length in array.shape)
    tensor = _field(1, name.encode()) + _field(2, b"FP32") + _field(3, shape)
    return _field(1, model.encode()) + _field(5, tensor) + _field(7, array.tobytes())


def decode_infer_response(body: bytes) -> NDArray[np.float32]:
    """Decode the only output of a ModelInferResponse.

    Args:
        body: The message.

    Returns:
        The values, float32, flat.

    Raises:
        ValueError: The message does not have exactly one raw output.
    """
    fields = walk_fields(memoryview(body), 0, len(body))
    (raw,) = [body[field.value : field.end] for field in fields if field.number == _RAW_OUTPUT_CONTENTS]
    return np.frombuffer(raw, np.float32)


def _field(number: int, value: bytes) -> bytes:
    return encode_key(number) + encode_varint(len(value)) + value
