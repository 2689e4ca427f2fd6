"""The engine in every peer: OpenVINO, with our server's settings and calls, on the same SavedModel."""

import os
import sys
from typing import Any

# As our server does: the converter is not needed, and it imports a telemetry package.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]

import openvino
from numpy.typing import NDArray


class OpenVinoEngine:
    """The model in the version folder ``PEER_MODEL``, with one input and one output, on ``PEER_THREADS`` threads.

    It computes on the caller's thread, which in every peer is the event loop's, as do the runtimes that ship with
    MLServer and KServe.
    """

    def __init__(self) -> None:
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": int(os.environ["PEER_THREADS"]),
        }
        compiled = openvino.Core().compile_model(os.environ["PEER_MODEL"], "CPU", settings)
        self._request = compiled.create_infer_request()

    def run(self, array: NDArray[Any]) -> NDArray[Any]:
        """Predict.

        Args:
            array: The model's input.

        Returns:
            Its output, in its own memory.
        """
        self._request.set_input_tensor(openvino.Tensor(array, shared_memory=array.flags.writeable))
        self._request.infer()
        return self._request.get_output_tensor().data.copy()
