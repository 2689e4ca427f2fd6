"""The REST API of `sdnn-model-server` answers as TensorFlow Serving's does, equal as JSON."""

import gzip
import re
import socket
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
    (PREDICT, b'\xef\xbb\xbf{"instances": [1.0]}', {"predictions": [2.5]}),
    (PREDICT, b'{"instances": [1.0]' + b" " * 2000 + b', "signature_name": ""}', {"predictions": [2.5]}),
    (
        PREDICT,
        b'{"instances": [16777216, -3.4028234663852886e38, 1e25]}',
        {"predictions": [8388610.0, -1.7014117e38, 5e24]},
    ),
    (
        "/v1/models/types:predict",
        {"inputs": {"words": [{"b64": "aGVs\r\nbG8"}], "counts": [1], "flags": [True]}},
        {"outputs": {"joined": ["hello-1"], "raw_bytes": [{"b64": "aGVsbG8="}], "counts": [2], "flags": [False]}},
    ),
    ("/v1/models/scaled:predict", {"inputs": {"x": [1.0], "scale": 2.0}}, {"outputs": [2.0]}),
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


def test_a_gzip_of_several_members_is_one_body(rest: Callable[..., tuple[int, Any]]) -> None:
    body = gzip.compress(b'{"instances"') + gzip.compress(b": [1.0]}")
    assert rest("POST", PREDICT, body, **{"Content-Encoding": "gzip"}) == (200, {"predictions": [2.5]})


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "application/json"),
        ("application/x-npy;q=0.1, application/json", "application/json"),
        ("application/json;q=0.5, application/x-npy", "application/x-npy"),
    ],
)
def test_the_answer_has_the_type_that_weighs_most(
    accept: str, content_type: str, served: Any, http: urllib3.PoolManager
) -> None:
    reply = http.request("POST", served.rest + PREDICT, body=b'{"instances": [1.0]}', headers={"Accept": accept})

    assert (reply.status, reply.headers["content-type"]) == (200, content_type)


def _exchange(served: Any, sent: bytes) -> bytes:
    """Send bytes and read until the server closes the connection."""
    host, _, port = served.rest.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
    return received


@pytest.mark.parametrize(
    "path", ["/v1/models/half_plus_two", "/v1/models/half_plus_two/metadata", "/v1/models/nope", "/nope", PREDICT]
)
def test_head_has_the_head_of_get_and_no_content(path: str, served: Any, http: urllib3.PoolManager) -> None:
    get = http.request("GET", served.rest + path)
    received = _exchange(
        served,
        f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
    )

    head, _, rest_of_it = received.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {get.status} ".encode())
    assert f"content-length: {len(get.data)}".encode() in head.lower()
    # The next bytes on the connection are the next answer's.
    assert rest_of_it.startswith(f"HTTP/1.1 {get.status} ".encode())
    assert rest_of_it.partition(b"\r\n\r\n")[2] == get.data.replace(b"GET", b"GET")


@pytest.mark.parametrize("authority", ["http://example.org", "HTTP://example.org:8501", "https://u@[::1]:1"])
def test_a_target_in_absolute_form_is_routed_by_its_path(authority: str, served: Any) -> None:
    body = b'{"instances": [1.0]}'
    head = f"POST {authority}{PREDICT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"

    received = _exchange(served, head.encode() + body)

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b'{"predictions":[2.5]}')


@pytest.mark.parametrize("header", [b"a\x7fb", b"a\x00b", b"a\rb"])
def test_what_is_not_http_is_answered(header: bytes, served: Any) -> None:
    received = _exchange(served, b"GET /v1/models/x HTTP/1.1\r\nHost: x\r\nX-Odd: " + header + b"\r\n\r\n")

    assert received.startswith(b"HTTP/1.0 400 Bad Request\r\n")


def test_failures_are_counted_under_their_model(served: Any, http: urllib3.PoolManager) -> None:
    def count() -> float:
        page = http.request("GET", f"{served.rest}/monitoring/prometheus/metrics").data.decode()
        found = re.search(r'request_count{model_name="lookup",status="INVALID_ARGUMENT"} (\S+)', page)
        return float(found[1]) if found else 0.0

    before = count()
    for body in (b'{"instances": ["a"]}', b"{", b'{"instances": [[1]], "signature_name": "nope"}'):
        assert http.request("POST", f"{served.rest}/v1/models/lookup:predict", body=body).status == 400

    assert count() == before + 3


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
    (
        "POST",
        PREDICT,
        {"instances": [1], "signature_name": "\ud800"},
        400,
        "surrogate pair in string is invalid: \\ud800",
    ),
    ("POST", PREDICT, {"instances": [{"\udfff": 1}]}, 400, "surrogate pair in string is invalid: \\udfff"),
    ("POST", PREDICT, b'{"instances": [1]} {"instances": [2]}', 400, "must not be followed by other values"),
    ("POST", PREDICT, b'{"instances": [1]}]', 400, "must not be followed by other values"),
    ("POST", PREDICT, b'{"instances": ' + b"[" * 64 + b"1" + b"]" * 64 + b"}", 400, "64 dimensions"),
    ("POST", PREDICT, b'{"instances": ' + b"[" * 65 + b"1" + b"]" * 65 + b"}", 400, "more than 64 dimensions"),
    ("POST", PREDICT, b'{"inputs": ' + b"[" * 65 + b"1" + b"]" * 65 + b"}", 400, "more than 64 dimensions"),
    ("POST", PREDICT, b'{"instances": [1' + b"0" * 400 + b"]}", 400, "Number too big to be stored in double"),
    ("POST", PREDICT, b'{"instances": [1e400]}', 400, "Number too big to be stored in double"),
    ("POST", PREDICT, b'{"instances": [1e39]}', 400, "is not of expected type: float, or is lossy"),
    ("POST", PREDICT, b'{"instances": [16777217]}', 400, "is not of expected type: float, or is lossy"),
    ("POST", PREDICT, b'{"instances": [-16777217, 1]}', 400, "is not of expected type: float, or is lossy"),
    ("POST", "/v1/models/scaled:predict", {"instances": [{"x": 1.0, "scale": 2.0}]}, 400, "send a scalar as 'inputs'"),
    (
        "POST",
        f"/v1/models/pair/versions/{9 * 10**18}:predict",
        {"instances": [1]},
        404,
        "Specific(pair, 9000000000000000000)",
    ),
    ("POST", f"/v1/models/pair/versions/{10**19}:predict", {"instances": [1]}, 400, "Failed to convert version"),
    ("POST", f"/v1/models/pair/versions/{'9' * 5000}:predict", {"instances": [1]}, 400, "Failed to convert version"),
    ("GET", f"/v1/models/pair/versions/{'9' * 5000}", None, 400, "Failed to convert version"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": 1e39}]}, 400, "beyond float32"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"\ud800": 1}]}, 400, "surrogate pair in string is invalid: \\ud800"),
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
