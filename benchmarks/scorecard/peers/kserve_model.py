"""KServe's Python server with a model; it listens for gRPC on port ``PEER_PORT``.

``kserve.ModelServer`` listens on every interface, with no option to change that. So its gRPC server is assembled here
from KServe's own parts, on loopback; its HTTP server and per-request logging are left out.
"""

import asyncio
import os

import grpc
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor, LoggingInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from openvino_engine import OpenVinoEngine

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class OpenVinoModel(Model):
    """A SavedModel in OpenVINO."""

    def load(self) -> bool:
        """Load the model."""
        self._engine = OpenVinoEngine()
        self.ready = True
        return True

    def predict(self, payload: InferRequest, *_: object) -> InferResponse:
        """Predict, with raw bytes on both sides."""
        result = self._engine.run(payload.inputs[0].as_numpy())
        output = InferOutput("output", list(result.shape), "FP32")
        output.set_data_from_numpy(result, binary_data=True)
        return InferResponse(payload.id, self.name, [output], use_binary_outputs=True)


async def _serve() -> None:
    model = OpenVinoModel("model")
    model.load()
    models = ModelRepository()
    models.update(model)
    server = grpc.aio.server(interceptors=(LoggingInterceptor(), ExceptionToStatusInterceptor()), options=_OPTIONS)
    servicer = InferenceServicer(DataPlane(model_registry=models), ModelRepositoryExtension(models))
    add_GRPCInferenceServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PEER_PORT']}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(_serve())
