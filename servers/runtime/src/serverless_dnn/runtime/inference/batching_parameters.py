"""TensorFlow Serving's batching parameters file."""

from pathlib import Path

from google.protobuf import text_format

from serverless_dnn.protos.v1 import batching_parameters_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.inference.batch_queue import BatchingOptions

_WRAPPED = (
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
    "enable_large_batch_splitting",
    "max_execution_batch_size",
)


def read_batching_parameters(path: Path | None) -> BatchingOptions:
    """Read a ``BatchingParameters`` text file, such as ``max_batch_size { value: 8 }``.

    Args:
        path: The file; ``None`` keeps all defaults.

    Returns:
        How calls are batched; fields missing from the file keep their defaults.

    Raises:
        NotFoundError: The file cannot be read.
        InvalidArgumentError: It is not such a file, or its values contradict each other.
    """
    if path is None:
        return BatchingOptions()
    try:
        text = path.read_text(encoding="utf-8")
        message = text_format.Parse(text, batching_parameters_pb2.BatchingParameters())
    except OSError as error:
        raise NotFoundError(f"cannot read the batching parameters file {path}: {error.strerror}") from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path} is not BatchingParameters in text form: {error}") from None
    given = {name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)}  # type: ignore[arg-type]
    return BatchingOptions(
        **given,
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
    )
