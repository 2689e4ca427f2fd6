"""OpenVINO: reads the same SavedModel directly, needs no TensorFlow, and runs it faster on a CPU."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.engines.base import EngineInfo
from serverless_dnn.runtime.engines.openvino.compiled_cache import CacheEntry
from serverless_dnn.runtime.engines.openvino.compiling import Compiled, compile_model, import_openvino, last_line
from serverless_dnn.runtime.engines.openvino.shared_memory import shareable
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, ResourceExhaustedError
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
_SMALL_BYTES = 16 << 10


class OpenVinoModel:
    """A SavedModel's default signature in OpenVINO.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signature: Its default signature, the only one OpenVINO reads.
        options: How to run it.
        instance: Records the time spent importing and loading.
        entry: Where the compiled model is or will be cached; ``None`` disables caching.

    Raises:
        FailedPreconditionError: OpenVINO cannot run this model.
    """

    def __init__(
        self,
        version_folder: Path,
        signature: Signature,
        options: EngineOptions,
        instance: Instance,
        entry: CacheEntry | None = None,
    ) -> None:
        with instance.starting("engine-import"):
            openvino = import_openvino()
        threads = options.threads or effective_cpus()
        self._tensor, self._signature = openvino.Tensor, signature
        self._compile = partial(compile_model, openvino, version_folder, options.precision, threads)
        # If sizes change from call to call, concurrent requests write into each other's memory.
        self._computing = Lock()
        with instance.loading():
            compiled = self._compile(entry)
            self._use(compiled)
        self.info = EngineInfo(
            "openvino", openvino.__version__.split("-")[0], options.precision, threads, compiled_cache=compiled.cache
        )
        self.concurrency = 1

    def _use(self, compiled: Compiled) -> None:
        self._current = _Current(
            compiled.memory,
            compiled.model,
            {alias: _port(compiled.model.inputs, alias) for alias in self._signature.inputs},
            {alias: _port(compiled.model.outputs, alias) for alias in self._signature.outputs},
        )
        # Used LIFO: the last request's memory is still in the CPU caches.
        self._idle = [_Request(self._current)]

    def __del__(self) -> None:
        """Release everything that reads the compiled model's memory map before the map itself."""
        for name in ("_idle", "_current"):
            self.__dict__.pop(name, None)

    def run(
        self, _signature: Signature, inputs: Mapping[str, NDArray[Any]], _deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run the default signature; see ``LoadedModel.run``."""
        with self._computing:
            # Taken here because a rejected call replaces the compiled model that requests are made from.
            lease = _Lease(self)
            outputs = self._infer(lease.request, inputs)
        return {alias: _leased(outputs[port], lease) for alias, port in lease.request.of.outputs.items()}

    def _infer(self, request: "_Request", inputs: Mapping[str, NDArray[Any]]) -> dict[Any, NDArray[Any]]:
        try:
            for alias, array in inputs.items():
                self._set_input(request, alias, array)
        except RuntimeError as error:
            raise InvalidArgumentError(f"the model refused the inputs: {last_line(error)}") from error
        try:
            # Shared, or every output would be copied.
            outputs: dict[Any, NDArray[Any]] = request.infer_request.infer(share_outputs=True).to_dict()
        except MemoryError as error:
            self._start_anew()
            raise ResourceExhaustedError("the answer takes more memory than there is") from error
        except (RuntimeError, ValueError) as error:
            # A ValueError comes from numpy, for sizes that openvino computed as negative.
            self._start_anew()
            raise InvalidArgumentError(f"the model refused the inputs: {last_line(error)}") from error
        return outputs

    def _start_anew(self) -> None:
        """Recompile: a failed call leaves the model's computed sizes half updated, and later calls would be wrong."""
        _log.warning("openvino refused a call: the model is compiled again, so that the next are not affected")
        self._use(self._compile(None))

    def _set_input(self, request: "_Request", alias: str, array: NDArray[Any]) -> None:
        own = request.small_inputs.get(alias)
        if own is not None and own.shape == array.shape:
            own[...] = array
            return
        if array.nbytes <= _SMALL_BYTES:
            shared = request.small_inputs[alias] = array.copy()
        else:
            request.small_inputs.pop(alias, None)
            shared = shareable(array)
        request.infer_request.set_tensor(request.of.inputs[alias], self._tensor(shared, shared_memory=True))

    def take_request(self) -> "_Request":
        """An idle request; a new one if the outputs of all others are still being read."""
        try:
            return self._idle.pop()
        except IndexError:
            return _Request(self._current)

    def give_back(self, request: "_Request") -> None:
        """Return a request to the pool."""
        if request.of is self._current:
            self._idle.append(request)


class _Current(NamedTuple):
    """A compiled model, and its inputs and outputs by the names of the signature.

    The memory map from which a cached model reads its weights comes first: a tuple releases its last member first, and
    the map has to outlive the model.
    """

    memory: Any
    compiled: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]


class _Request:
    """An OpenVINO inference request, and the memory it reads its small inputs from.

    Setting a tensor takes longer than copying a few kilobytes into the one already set.
    """

    __slots__ = ("infer_request", "of", "small_inputs")

    def __init__(self, of: _Current) -> None:
        # Kept per request: the model may be recompiled while it computes.
        self.of = of
        self.infer_request = of.compiled.create_infer_request()
        self.small_inputs: dict[str, NDArray[Any]] = {}


class _Lease:
    """One use of a request, which ends when the last array that reads its memory is freed.

    It also holds the model, whose memory map the request reads.
    """

    __slots__ = ("_model", "request")

    def __init__(self, model: OpenVinoModel) -> None:
        self._model = model
        self.request = model.take_request()

    def __del__(self) -> None:
        """Return the request, in whatever thread this runs."""
        self._model.give_back(self.request)


class _LeasedMemory:
    """An output's memory, which a lease protects from being overwritten."""

    __slots__ = ("__array_interface__", "_lease", "_output")

    def __init__(self, output: NDArray[Any], lease: _Lease) -> None:
        self.__array_interface__ = output.__array_interface__
        self._output, self._lease = output, lease


def _leased(output: NDArray[Any], lease: _Lease) -> NDArray[Any]:
    # An empty array has no memory; copying a small one is cheaper than a lease.
    return np.asarray(_LeasedMemory(output, lease)) if output.nbytes > _SMALL_BYTES else output.copy()


def _port(ports: Any, alias: str) -> Any:
    for port in ports:
        if alias in port.get_names():
            return port
    found = ", ".join(sorted(name for port in ports for name in port.get_names())) or "none"
    raise FailedPreconditionError(f"openvino does not name the tensor {alias}; it names: {found}")
