"""Bodies that are not TensorFlow Serving's own JSON are rewritten as such."""

import json

import pytest

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.sagemaker_tfserving.bodies.json_bodies import rewrite_json

OWN = [
    b'{"instances": [1.0, 2.0]}',
    b'{"inputs": {"a": [1]}}',
    b'{"signature_name": "s", "examples": [{"x": 1}]}',
    b'{"instances":["]["]}',
    b'{\n  "instances": [\n    [1, 2],\n    [3, 4]\n  ]\n}',
    b'{"instances": ["a line\\nof text", "] ["]}',
]


@pytest.mark.parametrize("body", OWN)
def test_own_bodies_are_passed_on(body: bytes) -> None:
    assert rewrite_json(body) == body
    assert rewrite_json(body, by_line=True) == body


@pytest.mark.parametrize(
    ("body", "instances"),
    [
        (b"5", [5]),
        (b'"text"', ["text"]),
        (b"[1, 2]", [[1, 2]]),
        (b"[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        (b" [ [1]]", [[1]]),
        (b'{"x": 1}', [{"x": 1}]),
        (b'[{"x": 1}, {"x": 2}]', [{"x": 1}, {"x": 2}]),
        (b'[{"inputs": 1}, {"inputs": 2}]', [{"inputs": 1}, {"inputs": 2}]),
        (b'[{"b64": "YQ=="}, {"b64": "Yg=="}]', [[{"b64": "YQ=="}, {"b64": "Yg=="}]]),
        (b"[1, 2]\n[3, 4]", [[1, 2], [3, 4]]),
        (b"\n[1, 2]\r\n\r\n[3, 4]\n", [[1, 2], [3, 4]]),
        (b"[1, 2] [3, 4][5]", [[1, 2], [3, 4], [5]]),
        (b'{"x": 1}\n{"x": 2}', [{"x": 1}, {"x": 2}]),
        (b'{\n "x": 1\n}\n{\n "x": 2\n}', [{"x": 1}, {"x": 2}]),
        (b'{"x": "}{"}\n{"x": "]\\"["}', [{"x": "}{"}, {"x": ']"['}]),
        (b'["][", "a"]', [["][", "a"]]),
        (b'{"inputs": 1}\n{"inputs": 2}', [{"inputs": 1}, {"inputs": 2}]),
    ],
)
def test_instances(body: bytes, instances: list[object]) -> None:
    assert json.loads(rewrite_json(body)) == {"instances": instances}


@pytest.mark.parametrize(
    ("body", "instances"),
    [
        (b"1\n2\n", [1, 2]),
        (b'"a"\n"b"', ["a", "b"]),
        (b"[1, 2]", [[1, 2]]),
        (b"[[1], [2]]\n[[3], [4]]", [[[1], [2]], [[3], [4]]]),
    ],
)
def test_lines(body: bytes, instances: list[object]) -> None:
    assert json.loads(rewrite_json(body, by_line=True)) == {"instances": instances}


def test_examples() -> None:
    assert json.loads(rewrite_json(b'{"x": 1}\n{"x": 2}', key="examples")) == {"examples": [{"x": 1}, {"x": 2}]}


@pytest.mark.parametrize("body", [b"", b" \n\t"])
def test_nothing(body: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="The document is empty"):
        rewrite_json(body)
