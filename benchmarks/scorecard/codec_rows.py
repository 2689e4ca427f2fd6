"""The REST codec against the standard library's json with numpy, and the size of REST requests."""

import json
from collections.abc import Iterator

import numpy as np
from rows import Effort, Row, interleave, ratio_row

from serverless_dnn.models.registry import MODELS
from serverless_dnn.models.wire import measure_request
from serverless_dnn.models.workload import make_request
from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.v1 import signature_pb2, tensor_pb2
from serverless_dnn.runtime.codecs.rest_json import decode_predict_json, encode_predict_json
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec

_MIB = 1 << 20
_LIMIT = 64 * _MIB


def codec_rows(effort: Effort) -> Iterator[Row]:
    """``codec.rest.*``: YOLOv5's tensors, encoded and decoded.

    Args:
        effort: How long to measure.
    """
    picture = make_request("yolo_v5s")["input"]
    spec = TensorSpec("input", tensor_pb2.DT_FLOAT, (None, 640, 640, 3), "input:0")
    signature = Signature("serving_default", "", {"input": spec}, {}, signature_pb2.SignatureDef())
    signatures = {signature.name: signature}
    boxes = np.random.default_rng(0).random((1, 25200, 85), np.float32)
    theirs = json.dumps({"instances": picture.tolist()}).encode()
    ours = encode_predict_json({"input": picture}, by_row=True).replace(b'"predictions"', b'"instances"')
    timed = interleave(
        {
            "encode stdlib": lambda: json.dumps({"predictions": boxes.tolist()}).encode(),
            "encode": lambda: encode_predict_json({"predictions": boxes}, by_row=True),
            "decode stdlib": lambda: np.array(json.loads(theirs)["instances"], np.float32),
            "decode": lambda: decode_predict_json(ours, signatures, DecodeBudget(_LIMIT)),
            "decode theirs": lambda: decode_predict_json(theirs, signatures, DecodeBudget(_LIMIT)),
        },
        effort.of(15, 3),
        effort.of(2, 1),
    )
    note = "stdlib json + numpy / ours, boxes 1x25200x85"
    yield ratio_row("codec.rest.encode", timed["encode stdlib"], timed["encode"], 10, note)
    note = "stdlib json + numpy / ours, image 1x640x640x3, each side reading its own JSON"
    yield ratio_row("codec.rest.decode", timed["decode stdlib"], timed["decode"], 10, note)
    note = "the same, both sides reading the stdlib's JSON with 17 digits per number"
    yield ratio_row("codec.rest.decode.long", timed["decode stdlib"], timed["decode theirs"], 10, note)


def wire_rows() -> Iterator[Row]:
    """``wire.rest.bytes``: the size of our JSON relative to the paper's REST input sizes."""
    for card in MODELS.values():
        size = measure_request(card).rest / _MIB
        value = size / card.paper.input_rest_mib
        note = f"{size:.3f} MiB / the paper's {card.paper.input_rest_mib} MiB"
        if card.task == "text-classification":
            reason = f"{note}: integers have no digits to drop, and the paper's figure has one digit"
            yield Row(f"wire.rest.bytes.{card.name}", value, 0.56, "n/a", "x", None, 1, reason)
        else:
            verdict = "pass" if value <= 0.56 else "short"
            yield Row(f"wire.rest.bytes.{card.name}", value, 0.56, verdict, "x", None, 1, note)
