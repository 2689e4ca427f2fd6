"""The reference engine: TensorFlow's own runtime calling the SavedModel's signatures."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime import collector
from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.engines.base import EngineInfo
from serverless_dnn.runtime.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    ServingError,
    UnimplementedError,
    error_of_code,
)
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)

# Takes an array for each input and returns a numpy value for each output.
_Call = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, Any]]


class TensorFlowModel:
    """A SavedModel in TensorFlow.

    Signatures are called as the functions that ``tf.saved_model.load`` creates for them. If these do not match what the
    file declares, for example with an input named ``class``, the graph is run in a session by tensor names, as
    TensorFlow Serving does. This is logged and reported in ``info.reason``, as is a signature that ``graph`` asks to
    freeze but whose results would change when frozen, such as one with a lookup table.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.
        options: How to run it.
        instance: Records the time spent importing and loading.
        reason: Why this engine was chosen.

    Raises:
        FailedPreconditionError: The options ask for something this engine does not support, at all or for this model.
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
        with instance.starting("engine-import"):
            tf = _import_tensorflow()
        threads = options.threads or effective_cpus()
        _set_threads(tf, threads)
        self._tf = tf
        self._refused = {name: why for name, signature in signatures.items() if (why := _why_not_called(signature))}
        called = {name: signature for name, signature in signatures.items() if name not in self._refused}
        with instance.starting("load"):
            self._calls, notes, loaded, frozen = _load(tf, version_folder, called, options, threads)
        from serverless_dnn.runtime.engines.tensorflow.freeing import free_with

        # It owns the variables and tables: without it the functions would outlive them.
        self._loaded = loaded
        free_with(self, loaded, frozen)
        for note in notes:
            _log.warning(
                "the tensorflow engine falls back", extra={"model": version_folder.parent.name, "reason": note}
            )
        reasons = "; ".join(part for part in (reason, *notes) if part)
        self.info = EngineInfo("tensorflow", tf.__version__, options.precision, threads, reasons, proof="reference")
        self.concurrency = threads

    def run(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]], _deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run a signature; see ``LoadedModel.run``."""
        if why := self._refused.get(signature.name):
            raise UnimplementedError(f"signature {signature.name} cannot be called: {why}")
        try:
            outputs = self._calls[signature.name](inputs)
        except self._tf.errors.OpError as error:
            raise _serving_error(error.error_code, error.message) from error
        return {alias: _array(value) for alias, value in outputs.items()}


def _import_tensorflow() -> Any:
    """Import TensorFlow in a separate thread.

    It keeps the exceptions it encounters while importing; these keep the frames of all callers alive, and with them the
    first model loaded.
    """
    with ThreadPoolExecutor(1) as thread, collector.paused():
        return thread.submit(import_module, "tensorflow").result()


def _load(
    tf: Any, folder: Path, signatures: Mapping[str, Signature], options: EngineOptions, threads: int
) -> tuple[dict[str, _Call], list[str], object, list[object]]:
    """A callable per signature, notes on fallbacks, the object that must outlive the callables, and frozen copies."""
    # Imported here because these modules import TensorFlow.
    from serverless_dnn.runtime.engines.tensorflow.functions import load_functions

    loaded, why_session = load_functions(folder, signatures)
    if why_session:
        from serverless_dnn.runtime.engines.tensorflow.session import make_call, open_session

        session = open_session(folder, threads)
        calls = {name: make_call(session, signature) for name, signature in signatures.items()}
        not_frozen = ", not frozen" if options.graph == "frozen" else ""
        notes = [f"run in a session, as TensorFlow Serving does{not_frozen}, because {why_session}"]
        _check_precision(options, notes)
        return calls, notes, session, []
    functions = {name: loaded.signatures[name] for name in signatures}
    if options.graph != "frozen":
        return {name: _make_call(tf, each, signatures[name]) for name, each in functions.items()}, [], loaded, []
    from serverless_dnn.runtime.engines.tensorflow.freeing import free_now
    from serverless_dnn.runtime.engines.tensorflow.freezing import freeze

    copies, reasons = freeze(functions, signatures)
    frozen = {name: copy.call for name, copy in copies.items()}
    notes = [f"signature {name} is run as it is, not frozen, because {why}" for name, why in reasons.items()]
    _check_precision(options, notes)
    if options.precision == "bf16":
        # oneDNN's pass; process-wide, like all of TensorFlow's graph options.
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    calls = {name: _make_call(tf, each, signatures[name]) for name, each in {**functions, **frozen}.items()}
    kept = [copy.function for copy in copies.values()]
    if reasons:
        return calls, notes, loaded, kept
    # A frozen copy has its own constants: the model's variables are freed now.
    free_now(loaded)
    return calls, notes, None, kept


def _check_precision(options: EngineOptions, notes: list[str]) -> None:
    if options.precision == "bf16" and notes:
        raise FailedPreconditionError(
            "the tensorflow engine computes in bf16 only what it can freeze, and that is not all of this model "
            f"({'; '.join(notes)}): use --precision f32"
        )


def _make_call(tf: Any, function: Callable[..., Mapping[str, Any]], signature: Signature) -> _Call:
    # A quantised tensor arrives as the integers it holds; the cast makes it quantised.
    types = {alias: tf.as_dtype(spec.data_type) for alias, spec in signature.inputs.items()}

    def call(inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, Any]:
        try:
            tensors = {alias: tf.constant(array, types[alias]) for alias, array in inputs.items()}
        except ValueError as error:
            # An array of objects may hold anything; TensorFlow says what it found.
            raise InvalidArgumentError(f"an input cannot become a tensor: {error}") from error
        return {alias: tensor.numpy() for alias, tensor in function(**tensors).items()}

    return call


def _array(value: Any) -> NDArray[Any]:
    """An output as an array; TensorFlow returns a scalar string as ``bytes``; numpy would strip its trailing zeros."""
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _why_not_called(signature: Signature) -> str:
    if not signature.supports_arrays:
        return "it has sparse or composite tensors, or tensors that have no form outside of TensorFlow"
    if len({spec.graph_name for spec in signature.inputs.values()}) < len(signature.inputs):
        return f"several of its inputs are one tensor of the graph: {', '.join(signature.inputs)}"
    return ""


def _set_threads(tf: Any, threads: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        # A model has already been loaded; TensorFlow's process-wide thread pools were sized for it.
        return


def _serving_error(code: int, message: str) -> ServingError:
    if lost := re.search(r"Could not find callback with key=(\w+)", message):
        return FailedPreconditionError(
            f"the model calls the Python function {lost[1]}, which a SavedModel does not hold: export it without "
            "tf.py_function and tf.numpy_function"
        )
    return error_of_code(code, _reason(message))


def _reason(message: str) -> str:
    """The kernel's message, without the report on the surrounding graph."""
    said = message.partition("\n\t [[")[0].strip()
    said = said.rpartition("<stack traces unavailable>\n")[2].rpartition("\n")[2] or said
    return re.sub(r"^(\{\{[^}]*\}\} )+", "", said)
