"""One handler, which asks the model server itself: JSON over REST, CSV over gRPC."""

import json
from typing import Any

import grpc
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def handler(data: Any, context: Any) -> tuple[bytes, str]:
    body = data.read()
    if context.request_content_type == "application/json":
        return _ask_over_rest(body, context), context.accept_header
    if context.request_content_type == "text/csv":
        values = [float(value) for value in body.decode().split(",")]
        return json.dumps({"predictions": _ask_over_grpc(values, context)}).encode(), context.accept_header
    raise ValueError(f"unsupported content type {context.request_content_type}")


def _ask_over_rest(body: bytes, context: Any) -> bytes:
    response = requests.post(context.rest_uri, data=body, timeout=60)
    if response.status_code != 200:
        raise ValueError(response.text)
    return response.content


def _ask_over_grpc(values: list[float], context: Any) -> list[float]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = context.model_name
    if context.model_version:
        request.model_spec.version.value = int(context.model_version)
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(values, tf.float32))
    with grpc.insecure_channel(f"127.0.0.1:{context.grpc_port}") as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
    predictions: list[float] = tf.make_ndarray(response.outputs["y"]).tolist()
    return predictions
