"""A request like an earlier one is read by comparing, and means what protobuf says that it means."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serverless_dnn.protos import predict_wire
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2
from serverless_dnn.runtime.codecs import predict_proto
from serverless_dnn.runtime.errors import InvalidArgumentError

LIMIT = 1 << 20


def _body(name: str = "m", **inputs: NDArray[Any]) -> bytes:
    return predict_wire.encode_predict_request(model_spec_pb2.ModelSpec(name=name), inputs, ["y"])


def _decoded(body: bytes) -> tuple[str, dict[str, Any]]:
    request, inputs = predict_proto.decode_predict_request(body, max_bytes=LIMIT)
    return request.model_spec.name, {name: (a.dtype, a.shape, a.tolist()) for name, a in inputs.items()}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Collects the bodies that were parsed; those that are not among them were compared."""
    parsed: list[bytes] = []
    parse = predict_wire.decode_predict_request

    def counted(body: bytes, **options: int) -> Any:
        parsed.append(body)
        return parse(body, **options)

    monkeypatch.setattr(predict_wire, "decode_predict_request", counted)
    predict_proto._TEMPLATES.clear()
    yield parsed
    predict_proto._TEMPLATES.clear()


def test_other_numbers_in_the_same_places_are_not_parsed_again(compared: list[bytes]) -> None:
    first = _body(x=np.float32([[1, 2]]), ids=np.int32([3]))
    other = _body(x=np.float32([[5, 7]]), ids=np.int32([4]))

    assert _decoded(first)[1]["x"][2] == [[1, 2]]
    name, inputs = _decoded(other)

    assert compared == [first]
    assert name == "m"
    assert (inputs["x"][2], inputs["ids"][2]) == ([[5, 7]], [4])


@pytest.mark.parametrize(
    "other",
    [
        _body("n", x=np.float32([[1, 2]])),
        _body("m", z=np.float32([[1, 2]])),
        _body("m", x=np.int32([[1, 2]])),
        _body("m", x=np.float32([[1], [2]])),
    ],
)
def test_another_model_input_type_or_shape_of_the_same_length_is_told_apart(other: bytes) -> None:
    first = _body("m", x=np.float32([[1, 2]]))
    assert len(other) == len(first)
    assert other != first

    for body in (first, other, first, other):
        expected, inputs = predict_wire.decode_predict_request(body, max_bytes=LIMIT)
        assert _decoded(body) == (
            expected.model_spec.name,
            {name: (a.dtype, a.shape, a.tolist()) for name, a in inputs.items()},
        )


def test_the_limit_holds_for_a_request_like_an_allowed_one() -> None:
    body = _body(x=np.zeros(1000, np.float32))
    predict_proto.decode_predict_request(body, max_bytes=LIMIT)

    with pytest.raises(InvalidArgumentError, match="more than the 100 allowed"):
        predict_proto.decode_predict_request(body, max_bytes=100)


_GOOD = _body(x=np.arange(6, dtype=np.float32).reshape(2, 3), flags=np.array([True, False]))


def _outcome(decode: Any, body: bytes) -> object:
    try:
        request, inputs = decode(body, max_bytes=LIMIT)
    except (InvalidArgumentError, predict_wire.DecodeError, predict_wire.TensorCodecError):
        return "refused"
    return request.SerializeToString(), {name: (a.dtype, a.shape, a.tobytes()) for name, a in inputs.items()}


@given(position=st.integers(0, len(_GOOD) - 1), value=st.integers(0, 255))
@example(position=0, value=0)
def test_any_changed_byte_is_read_as_without_comparing(position: int, value: int) -> None:
    predict_proto.decode_predict_request(_GOOD, max_bytes=LIMIT)
    changed = _GOOD[:position] + bytes([value]) + _GOOD[position + 1 :]

    compared = _outcome(predict_proto.decode_predict_request, changed)

    assert compared == _outcome(predict_wire.decode_predict_request, changed)


def test_values_and_strings_and_nothing_are_parsed_every_time(compared: list[bytes]) -> None:
    listed = predict_pb2.PredictRequest(model_spec=model_spec_pb2.ModelSpec(name="m"))
    listed.inputs["x"].dtype = 1
    listed.inputs["x"].float_val.append(3)
    bodies = [listed.SerializeToString(), _body(words=np.array([b"a"], object)), _body(), b""]

    for body in bodies:
        assert _decoded(body) == _decoded(body)

    assert len(compared) == 2 * len(bodies)
