"""MLServer's model; ``model-settings.json`` names it, ``settings.json`` configures the server.

Access logs and metrics are off, and so are worker processes: every array would be pickled to them and back, and the
workers of MLServer 1.7.1 do not start with uvloop 0.23.
"""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from openvino_engine import OpenVinoEngine


class OpenVinoModel(MLModel):
    """A SavedModel in OpenVINO."""

    async def load(self) -> bool:
        """Load the model."""
        self._engine = OpenVinoEngine()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Predict, using MLServer's array codec."""
        output = self._engine.run(NumpyCodec.decode_input(payload.inputs[0]))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", output)])
