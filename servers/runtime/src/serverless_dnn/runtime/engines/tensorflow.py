"""The reference engine: TensorFlow's own runtime calling the SavedModel's signatures."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.engines.base import EngineInfo, EngineOptions
from serverless_dnn.runtime.errors import DataLossError, FailedPreconditionError, error_of_code
from serverless_dnn.runtime.signature import Signature
from serverless_dnn.runtime.timing import Instance


class TensorFlowModel:
    """A SavedModel in TensorFlow.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.
        options: How to run it.
        instance: Takes the time spent importing and loading.
        reason: Why this engine was taken.

    Raises:
        FailedPreconditionError: The options ask for what this engine does not do.
        DataLossError: TensorFlow cannot read the model.
    """

    def __init__(
        self,
        version_folder: Path,
        signatures: Mapping[str, Signature],
        options: EngineOptions,
        instance: Instance,
        reason: str = "",
    ) -> None:
        if options.precision == "f16" or (options.precision == "bf16" and options.graph != "frozen"):
            raise FailedPreconditionError(
                "the tensorflow engine computes in f32, or in bf16 with --graph frozen, not in "
                f"{options.precision} with --graph {options.graph}"
            )
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with instance.starting("import"):
            import tensorflow as tf
        threads = options.threads or effective_cpus()
        _set_threads(tf, threads)
        with instance.starting("load"):
            try:
                loaded = tf.saved_model.load(str(version_folder))
            except (OSError, ValueError, tf.errors.OpError) as error:
                raise DataLossError(f"tensorflow cannot load {version_folder}: {error}") from error
        self._tf = tf
        self._functions: dict[str, Any] = {name: loaded.signatures[name] for name in signatures}
        if options.graph == "frozen":
            with instance.starting("load"):
                if options.precision == "bf16":
                    # oneDNN's pass: of the process, as all of TensorFlow's graph options are.
                    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
                self._functions = {name: _freeze(function) for name, function in self._functions.items()}
        else:
            # It owns the variables, and without it the signatures would outlive them; a frozen copy has its own.
            self._loaded = loaded
        self.info = EngineInfo("tensorflow", tf.__version__, options.precision, threads, reason)
        self.concurrency = threads

    def run(self, signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run a signature; see ``LoadedModel.run``."""
        tensors = {alias: self._tf.constant(array) for alias, array in inputs.items()}
        try:
            outputs = self._functions[signature.name](**tensors)
        except self._tf.errors.OpError as error:
            raise error_of_code(error.error_code, _reason(error.message)) from error
        return {alias: np.asarray(tensor.numpy()) for alias, tensor in outputs.items()}


def _freeze(function: Any) -> Any:
    """A signature's function with its variables as constants, called and answering by the same names."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function)
    # Both flatten their names in sorted order, as TensorFlow flattens every dictionary.
    inputs, outputs = sorted(function.structured_input_signature[1]), sorted(function.structured_outputs)

    def call(**tensors: Any) -> dict[str, Any]:
        return dict(zip(outputs, frozen(*(tensors[name] for name in inputs)), strict=True))

    return call


def _set_threads(tf: Any, threads: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        # A model is loaded already; TensorFlow's pools are the process's and were sized with it.
        return


def _reason(message: str) -> str:
    """What the kernel said, without the report on the graph around it."""
    said = message.partition("\n\t [[")[0].strip()
    return said.rpartition("<stack traces unavailable>\n")[2].rpartition("\n")[2] or said
