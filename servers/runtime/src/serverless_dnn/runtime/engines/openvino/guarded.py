"""OpenVINO for the calls for which its results are proven, TensorFlow for all others."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.engines.openvino.model import OpenVinoModel
from serverless_dnn.runtime.engines.openvino.proof.analysis import Analysis
from serverless_dnn.runtime.engines.openvino.proof.guards import first_objection
from serverless_dnn.runtime.engines.reference import Reference
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature


class GuardedOpenVino:
    """A SavedModel whose default signature OpenVINO runs, under all of its names.

    Args:
        openvino: The default signature in OpenVINO.
        analysis: The calls for which its results are proven.
        reference: The whole model in TensorFlow.
        default: The default signature.

    Attributes:
        openvino: The default signature in OpenVINO, without its guards.
        analysis: The calls for which its results are proven.
    """

    def __init__(self, openvino: OpenVinoModel, analysis: Analysis, reference: Reference, default: Signature) -> None:
        self.info = openvino.info
        self.concurrency = openvino.concurrency
        self.openvino = openvino
        self.analysis = analysis
        self._guards, self._equal = analysis.guards, analysis.equal
        self._names = frozenset({DEFAULT_SIGNATURE, *analysis.same})
        self._reference = reference
        self._default = default

    def run(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]], deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run a signature; see ``LoadedModel.run``.

        Raises:
            InvalidArgumentError: The inputs do not match each other, or an index is out of range.
            FailedPreconditionError: The call needs TensorFlow, which is not installed.
            ServingError: The engine failed.
        """
        if signature.name not in self._names:
            return self._reference.run(signature, inputs, deadline, f"openvino does not run signature {signature.name}")
        if objection := first_objection(self._guards, self._equal, inputs):
            return self._reference.run(signature, inputs, deadline, objection)
        return self.openvino.run(self._default, inputs)
