"""Run a SavedModel's graph in a session by tensor names, as TensorFlow Serving does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from serverless_dnn.runtime.errors import DataLossError, InvalidArgumentError
from serverless_dnn.runtime.saved_model.signature import Signature


def open_session(folder: Path, threads: int) -> Any:
    """Load the graph tagged for serving, with its variables and tables, into a new session.

    Args:
        folder: The folder that holds ``saved_model.pb``.
        threads: Threads per prediction.

    Returns:
        The session, which is closed once nothing refers to it.

    Raises:
        DataLossError: TensorFlow cannot read the model.
    """
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    with tf.Graph().as_default() as graph:
        session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(folder))
        except (OSError, ValueError, TypeError, LookupError, RuntimeError, tf.errors.OpError) as error:
            raise DataLossError(f"tensorflow cannot load {folder}: {error}") from error
    return session


def make_call(session: Any, signature: Signature) -> Callable[[Mapping[str, NDArray[Any]]], Mapping[str, Any]]:
    """Make the callable that runs a signature.

    Args:
        session: The model's session.
        signature: One of the model's signatures.

    Returns:
        A callable that takes an array for each input and returns an array, or ``bytes``, for each output. It raises
        ``InvalidArgumentError`` for an array that the signature accepts but the graph does not.
    """
    feeds = {alias: spec.graph_name for alias, spec in signature.inputs.items()}
    fetches = {alias: spec.graph_name for alias, spec in signature.outputs.items()}

    def call(inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, Any]:
        try:
            outputs = session.run(fetches, {feeds[alias]: array for alias, array in inputs.items()})
        except (ValueError, TypeError) as error:
            raise InvalidArgumentError(
                f"the graph does not take the inputs of signature {signature.name}: {error}"
            ) from error
        # An output that is an input comes back as the caller's own array.
        return {alias: value if isinstance(value, bytes) else np.array(value) for alias, value in outputs.items()}

    return call
