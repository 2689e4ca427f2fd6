"""The REST API of `sdnn-model-server` answers as TensorFlow Serving's does, equal as JSON."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

PREDICT, EXAMPLES = "/v1/models/half_plus_two:predict", "/v1/models/examples"
ROWS = [{"x": 0.25, "name": "a"}, {"x": 0.5}]
REST_ANSWERS = [
    (PREDICT, {"instances": [1.0, 2, 5]}, {"predictions": [2.5, 3.0, 4.5]}),
    (PREDICT, {"instances": [{"x": 1.0}]}, {"predictions": [2.5]}),
    (PREDICT, {"inputs": [1.0]}, {"outputs": [2.5]}),
    (PREDICT, {"inputs": {"x": [1.0], "ignored": 1}}, {"outputs": [2.5]}),
    ("/v1/models/half_plus_two/versions/1:predict", {"instances": [0]}, {"predictions": [2.0]}),
    ("/v1/models/half_plus_two/labels/stable:predict", {"instances": [0]}, {"predictions": [2.0]}),
    ("/V1/Models/half_plus_two:PREDICT", {"instances": [0]}, {"predictions": [2.0]}),
    ("/v1/models/half%5Fplus_two:predict", {"instances": [0]}, {"predictions": [2.0]}),
    (
        "/v1/models/types:predict",
        {"instances": [{"words": {"b64": "/w=="}, "counts": 2, "flags": True}]},
        {"error": "output joined holds bytes that are not UTF-8: give it a name that ends in _bytes to get base64"},
    ),
    (
        "/v1/models/types:predict",
        {"inputs": {"words": ["a"], "counts": [2], "flags": [True]}},
        {"outputs": {"joined": ["a-2"], "raw_bytes": [{"b64": "YQ=="}], "counts": [4], "flags": [False]}},
    ),
    (
        "/v1/models/pair:predict",
        {"instances": [{"ids": [1, 2], "mask": [1, 1]}]},
        {"predictions": [{"total": 3, "count": 2}]},
    ),
    (
        f"{EXAMPLES}:classify",
        {"signature_name": "classify", "examples": ROWS},
        {"results": [[["a", 0.25], ["other", 0.75]], [["?", 0.5], ["other", 0.5]]]},
    ),
    (f"{EXAMPLES}:regress", {"examples": [{"x": 0.2}, {"x": [1.0]}]}, {"results": [2.1, 2.5]}),
    (f"{EXAMPLES}:regress", {"context": {"x": 6.0}, "examples": [{}]}, {"results": [5.0]}),
]


@pytest.mark.parametrize(("path", "body", "answer"), REST_ANSWERS)
def test_rest_answers(path: str, body: object, answer: object, rest: Callable[..., tuple[int, Any]]) -> None:
    status, document = rest("POST", path, body)

    assert document == answer
    assert status == (400 if "error" in document else 200)


def test_nan_goes_in_and_comes_out(served: Any, http: urllib3.PoolManager) -> None:
    reply = http.request("POST", served.rest + PREDICT, body=b'{"instances": [NaN, Infinity, 1.0]}')

    assert reply.data == b'{"predictions":[NaN,Infinity,2.5]}'


def test_a_gzipped_body_is_inflated(rest: Callable[..., tuple[int, Any]]) -> None:
    body = gzip.compress(b'{"instances": [1.0]}')
    assert rest("POST", PREDICT, body, **{"Content-Encoding": "gzip"}) == (200, {"predictions": [2.5]})


REST_ERRORS = [
    ("POST", PREDICT, b"", 400, "The document is empty"),
    ("POST", PREDICT, b"{", 400, "JSON Parse error"),
    ("POST", PREDICT, b"[1]", 400, "Is not object"),
    ("POST", PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
    ("POST", PREDICT, {"instances": [1], "inputs": [1]}, 400, "Not formatted correctly expecting only one of"),
    ("POST", PREDICT, {"instances": 1}, 400, "Expecting 'instances' to be an list/array"),
    ("POST", PREDICT, {"instances": []}, 400, "No values in 'instances' array"),
    ("POST", PREDICT, {"instances": ["a"]}, 400, "is not of expected type: float"),
    ("POST", PREDICT, {"instances": [[1], [1, 2]]}, 400, "size"),
    ("POST", PREDICT, {"instances": [1], "signature_name": "nope"}, 400, 'Serving signature name: "nope" not found in'),
    ("POST", PREDICT, {"instances": [1], "signature_name": 7}, 400, "must be a string value"),
    ("POST", "/v1/models/pair:predict", {"instances": [[1]]}, 400, "instances is a plain list, but expecting list of"),
    (
        "POST",
        "/v1/models/pair:predict",
        {"inputs": {"ids": [[1]]}},
        400,
        "Missing named input: mask in 'inputs' object.",
    ),
    ("POST", "/v1/models/nope:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(nope)"),
    ("POST", "/v1/models/pair/versions/9:predict", {"instances": [1]}, 404, "Specific(pair, 9)"),
    ("POST", "/v1/models/pair/labels/no:predict", {"instances": [1]}, 400, "Unrecognized servable version label: no"),
    ("POST", f"{PREDICT}?x=y", {"instances": [1]}, 400, "Malformed request: POST /v1/models/half_plus_two:predict?x=y"),
    ("GET", PREDICT, None, 400, "Malformed request: GET"),
    ("POST", "/v1/models/pair:nope", {}, 400, "Malformed request: POST"),
    ("GET", "/v1/models", None, 400, "Missing model name in request."),
    ("GET", "/v1/models/nope", None, 404, "Could not find any versions of model nope"),
    ("GET", "/v1/models/pair/versions/9", None, 404, "Could not find version 9 of model pair"),
    ("GET", "/nope", None, 404, "there is nothing at /nope"),
    ("POST", f"{EXAMPLES}:regress", {"examples": []}, 400, "'examples'"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": None}]}, 400, "got null"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": [1, 2.5]}]}, 400, "values of several kinds"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": 2**63}]}, 400, "beyond int64"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"name": {"b64": "!"}}]}, 400, "b64 is not base64"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": 1}]}, 400, "Data types don't match"),
]


@pytest.mark.parametrize(("verb", "path", "body", "status", "text"), REST_ERRORS)
def test_rest_errors(
    verb: str, path: str, body: object, status: int, text: str, rest: Callable[..., tuple[int, Any]]
) -> None:
    got, document = rest(verb, path, body)

    assert (got, list(document)) == (status, ["error"])
    assert text in document["error"]


def test_a_bomb_stops_at_the_bound(rest: Callable[..., tuple[int, Any]]) -> None:
    bomb = gzip.compress(b" " * (200 << 20))
    status, document = rest("POST", PREDICT, bomb, **{"Content-Encoding": "gzip"})

    assert status == 413
    assert "larger than the 67108864 bytes" in document["error"]


def test_pages_of_other_origins(served: Any, http: urllib3.PoolManager) -> None:
    allowed = http.request("OPTIONS", served.rest + PREDICT, headers={"Origin": "https://example.org"})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert allowed.headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert http.request("OPTIONS", served.rest + PREDICT, headers={"Origin": "file://"}).status == 400
