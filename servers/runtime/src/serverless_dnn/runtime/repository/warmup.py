"""Warm-up requests bundled with a model, in TensorFlow Serving's layout.

``assets.extra/tf_serving_warmup_requests`` is a TFRecord file of PredictionLog messages
(https://www.tensorflow.org/tfx/serving/saved_model_warmup).
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.v1 import prediction_log_pb2
from serverless_dnn.runtime.codecs.predict_proto import decode_inputs, split_predict_request
from serverless_dnn.runtime.errors import DataLossError
from serverless_dnn.runtime.inference.predictor import predict
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.timing import PhaseTimer

_log = logging.getLogger(__name__)
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
# TensorFlow Serving's limit.
_MAX_RECORDS = 1000
_MAX_RECORD_BYTES = 256 << 20


def warm_up(servable: Servable, version_folder: Path) -> int:
    """Run a model's warm-up requests.

    Args:
        servable: The model.
        version_folder: Its folder.

    Returns:
        How many were sent; 0 if there is no file.

    Raises:
        DataLossError: The file is damaged, or holds too many records.
        ServingError: The model rejects a request; TensorFlow Serving does not serve such a model either.
    """
    count = 0
    for signature_name, inputs in warmup_requests(version_folder):
        predict(servable, servable.signature(signature_name), inputs, PhaseTimer())
        count += 1
    return count


def warmup_requests(version_folder: Path) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """The Predict requests among a model's warm-up requests.

    Args:
        version_folder: The model's folder.

    Yields:
        A signature's name, empty for the default one, and an array for each input in the request.

    Raises:
        DataLossError: The file is damaged, or holds too many records.
        ServingError: A request is not well formed.
    """
    path = version_folder / WARMUP_FILE
    if not path.is_file():
        return
    # Imported here because few models have such a file.
    from serverless_dnn.runtime.repository.tfrecord import read_records

    for number, record in enumerate(read_records(path, _MAX_RECORD_BYTES), 1):
        if number > _MAX_RECORDS:
            raise DataLossError(f"{path} holds more than {_MAX_RECORDS} records")
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError as error:
            raise DataLossError(f"{path}: record {number} is not a PredictionLog: {error}") from None
        if log.WhichOneof("log_type") != "predict_log":
            _log.warning(
                "skipping a warm-up record that is not a Predict call", extra={"path": str(path), "record": number}
            )
            continue
        body = log.predict_log.request.SerializeToString()
        budget = DecodeBudget(_MAX_RECORD_BYTES)
        request, tensors = split_predict_request(body, budget)
        inputs = decode_inputs(tensors, lambda _: None, budget)
        yield request.model_spec.signature_name, inputs
