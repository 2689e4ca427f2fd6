"""OpenVINO: reads the same SavedModel directly, needs no TensorFlow, and runs it faster on a CPU."""

import logging
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.engines.base import EngineInfo, EngineOptions
from serverless_dnn.runtime.engines.openvino.compiled_cache import CompiledCache
from serverless_dnn.runtime.engines.selection import why_not_openvino
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError
from serverless_dnn.runtime.signature import DEFAULT_SIGNATURE, Signature
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
_MIN_INT32, _MAX_INT32 = -(2**31), 2**31 - 1
_CONVERTER = "openvino.tools.ovc"
_SMALL_BYTES = 16 << 10


class OpenVinoModel:
    """A SavedModel's default signature in OpenVINO.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures; only ``serving_default`` is loaded.
        options: How to run it.
        instance: Takes the time spent importing and loading.
        reason: Why this engine was taken.

    Raises:
        FailedPreconditionError: OpenVINO cannot run this model; says what to do.
    """

    def __init__(
        self,
        version_folder: Path,
        signatures: Mapping[str, Signature],
        options: EngineOptions,
        instance: Instance,
        reason: str = "",
    ) -> None:
        signature = signatures.get(DEFAULT_SIGNATURE)
        if reason_against := why_not_openvino({} if signature is None else {DEFAULT_SIGNATURE: signature}):
            raise FailedPreconditionError(f"{reason_against}: use --engine tensorflow")
        with instance.starting("import"):
            openvino = _import_openvino()
        threads = options.threads or effective_cpus()
        version = openvino.__version__.split("-")[0]
        with instance.starting("load"):
            try:
                self._compiled, self._blob, compiled_cache = _compile(openvino, version_folder, options, threads)
            except RuntimeError as error:
                raise FailedPreconditionError(
                    f"openvino cannot load {version_folder}: {_last_line(error)}: use --engine tensorflow"
                ) from error
        self._tensor = openvino.Tensor
        self._signature = signatures[DEFAULT_SIGNATURE]
        self._inputs = {alias: _port(self._compiled.inputs, alias) for alias in self._signature.inputs}
        self._outputs = {alias: _port(self._compiled.outputs, alias) for alias in self._signature.outputs}
        self.info = EngineInfo("openvino", version, options.precision, threads, reason, compiled_cache)
        self.concurrency = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # The last one used first: its memory is still in the caches.
        self._idle = [_Request(self._compiled.create_infer_request()) for _ in range(self.concurrency)]

    def __del__(self) -> None:
        """Let go of what reads the compiled model's memory map before the map itself."""
        for name in ("_idle", "_compiled", "_blob"):
            self.__dict__.pop(name, None)

    def run(self, signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the default signature; see ``LoadedModel.run``."""
        if signature.name != DEFAULT_SIGNATURE:
            raise FailedPreconditionError(
                f"signature {signature.name} needs the tensorflow engine: openvino reads {DEFAULT_SIGNATURE} alone"
            )
        for alias, array in inputs.items():
            if array.dtype == np.int64 and array.size and not (array.min() >= _MIN_INT32 and array.max() <= _MAX_INT32):
                raise InvalidArgumentError(
                    f"input {alias} holds {array.max()} and {array.min()}, and openvino computes 64-bit integers in 32 "
                    "bits: use --engine tensorflow"
                )
        lease = _Lease(self)
        request = lease.request
        try:
            for alias, array in inputs.items():
                self._set_input(request, alias, array)
            # Shared: otherwise every output would be copied.
            outputs = request.infer_request.infer(share_outputs=True).to_dict()
            return {alias: _leased(outputs[port], lease) for alias, port in self._outputs.items()}
        except RuntimeError as error:
            raise InvalidArgumentError(f"the model refused the inputs: {_last_line(error)}") from error

    def _set_input(self, request: "_Request", alias: str, array: NDArray[Any]) -> None:
        own = request.small_inputs.get(alias)
        if own is not None and own.shape == array.shape:
            own[...] = array
            return
        if array.nbytes <= _SMALL_BYTES:
            shared = request.small_inputs[alias] = array.copy()
        else:
            request.small_inputs.pop(alias, None)
            shared = _shareable(array)
        request.infer_request.set_tensor(self._inputs[alias], self._tensor(shared, shared_memory=True))

    def take_request(self) -> "_Request":
        """A request that nobody uses; a new one while the outputs of all others are still read."""
        try:
            return self._idle.pop()
        except IndexError:
            return _Request(self._compiled.create_infer_request())

    def give_back(self, request: "_Request") -> None:
        """Let a request be used again."""
        self._idle.append(request)


class _Request:
    """One of OpenVINO's requests, and the memory that it reads its small inputs from.

    Setting a tensor takes longer than copying some kilobytes into the one that was set.
    """

    __slots__ = ("infer_request", "small_inputs")

    def __init__(self, infer_request: Any) -> None:
        self.infer_request = infer_request
        self.small_inputs: dict[str, NDArray[Any]] = {}


class _Lease:
    """One use of a request, which ends when the last array that reads its memory is gone.

    It holds the model as well, whose memory map the request reads.
    """

    __slots__ = ("_model", "request")

    def __init__(self, model: OpenVinoModel) -> None:
        self._model = model
        self.request = model.take_request()

    def __del__(self) -> None:
        """Give the request back, in whatever thread this is."""
        self._model.give_back(self.request)


class _LeasedMemory:
    """An output's memory, which a lease keeps from being written anew."""

    __slots__ = ("__array_interface__", "_lease", "_output")

    def __init__(self, output: NDArray[Any], lease: _Lease) -> None:
        self.__array_interface__ = output.__array_interface__
        self._output, self._lease = output, lease


def _leased(output: NDArray[Any], lease: _Lease) -> NDArray[Any]:
    # Without elements there is no memory; a copy of few is cheaper than a lease.
    return np.asarray(_LeasedMemory(output, lease)) if output.nbytes > _SMALL_BYTES else output.copy()


class _WritableView:
    """The memory of a read-only array, said to be writable: OpenVINO shares no other, and only reads its inputs."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: NDArray[Any]) -> None:
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
        self.owner = array


def _shareable(array: NDArray[Any]) -> NDArray[Any]:
    contiguous = np.ascontiguousarray(array) if array.ndim else array
    if contiguous.flags.writeable:
        return contiguous
    # Without elements there is no memory to share.
    return np.asarray(_WritableView(contiguous)) if contiguous.size else contiguous.copy()


def _import_openvino() -> Any:
    """Import OpenVINO without its converter, which takes time, is not needed, and imports a telemetry package."""
    absent = object()
    before = sys.modules.get(_CONVERTER, absent)
    if before is absent:
        # OpenVINO does without a converter that cannot be imported.
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if before is absent:
            del sys.modules[_CONVERTER]
    return openvino


@cache
def _core(openvino: Any) -> Any:
    """One core for the life of the process.

    Its CPU plugin gives the thread that makes it an alternate signal stack, and frees that stack when the plugin goes
    with its last model, in whatever thread: the next signal then ends the process with SIGSEGV.
    """
    return openvino.Core()


def _compile(openvino: Any, version_folder: Path, options: EngineOptions, threads: int) -> tuple[Any, Any, str]:
    """Compile a model, or take it from the cache; returns it, what it reads from, and what the cache did."""
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": options.precision,
        "INFERENCE_NUM_THREADS": threads,
        # Pinned to CPUs, several instances on one host would crowd the same ones, and every call would pin anew.
        "ENABLE_CPU_PINNING": False,
    }
    place = None
    if options.cache_folder is not None:
        # Not by threads: a model compiled for some runs on any number, so a build machine may have others.
        built_with = f"{openvino.__version__} {options.precision}"
        place = CompiledCache.open(options.cache_folder, version_folder, built_with)
    if place is None:
        return _core(openvino).compile_model(str(version_folder), "CPU", settings), None, "none"
    if place.is_sealed():
        try:
            return *_import_blob(openvino, place.blob, settings), "hit"
        except RuntimeError as error:
            extra = {"folder": str(place.folder), "error": _last_line(error)}
            _log.warning("openvino does not take the compiled model in the cache: compiling anew", extra=extra)
    compiled = _core(openvino).compile_model(str(version_folder), "CPU", {**settings, "CACHE_MODE": "OPTIMIZE_SPEED"})
    return compiled, None, "filled" if place.store(compiled.export_model().getbuffer()) else "none"


def _import_blob(openvino: Any, path: Path, settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """A compiled model whose weights are its file's memory map, and that map; a stream would be copied."""
    blob = openvino.Tensor(_shareable(np.asarray(np.memmap(path, np.uint8, "r"))), shared_memory=True)
    return _core(openvino).import_model(blob, "CPU", settings), blob


def _port(ports: Any, alias: str) -> Any:
    for port in ports:
        if alias in port.get_names():
            return port
    found = ", ".join(sorted(name for port in ports for name in port.get_names()))
    raise FailedPreconditionError(f"openvino does not name the tensor {alias}, only {found}: use --engine tensorflow")


def _last_line(error: RuntimeError) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given").strip()
