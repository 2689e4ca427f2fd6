"""Every sender's events become requests, and replies take the form that their sender expects."""

import base64
import gzip
import json
from typing import Any

import pytest

from serverless_dnn.lambda_rest.events import Event, EventKind, read_event
from serverless_dnn.lambda_rest.replies import MAX_RESULT_BYTES, check_size, encode_result, result_of
from serverless_dnn.runtime.errors import STATUS, PayloadTooLargeError
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest

PATH = "/v1/models/half:predict"
BODY = '{"instances": [1.0]}'


def _event(kind: str, path: str = PATH, **more: Any) -> dict[str, Any]:
    """An event of a kind, as AWS documents it."""
    if kind == "v2":
        http = {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "requestContext": {"http": http, "stage": "$default"},
            "isBase64Encoded": False,
        }
    else:
        event = {
            "httpMethod": "POST",
            "path": path,
            "headers": {"Content-Type": "application/json"},
            "requestContext": {"stage": "prod", "resourcePath": "/{proxy+}"} if kind == "v1" else {"elb": {}},
            "isBase64Encoded": False,
        }
    return {**event, "body": BODY, **more}


def _request(event: Any, base_path: str | None = None) -> HttpRequest:
    read = read_event(event, base_path)
    assert read.error is None
    # Whether the event comes parsed or as text makes no difference.
    from_text = read_event(json.dumps(event).encode(), base_path)
    assert (from_text.kind, from_text.request.path) == (read.kind, read.request.path)
    return read.request


KINDS = {"v2": EventKind.HTTP_V2, "v1": EventKind.REST_V1, "alb": EventKind.LOAD_BALANCER}


@pytest.mark.parametrize("kind", KINDS)
class TestHttpEvents:
    def test_text(self, kind: str) -> None:
        event = _event(kind)

        assert read_event(event).kind is KINDS[kind]
        assert _request(event) == HttpRequest("POST", PATH, "", {"content-type": "application/json"}, BODY.encode())

    def test_base64(self, kind: str) -> None:
        event = _event(kind, body=base64.b64encode(b"\x93NUMPY").decode(), isBase64Encoded=True)

        assert _request(event).body == b"\x93NUMPY"

    @pytest.mark.parametrize("body", [None, ""])
    def test_empty(self, kind: str, body: str | None) -> None:
        assert _request(_event(kind, body=body)).body == b""

    def test_no_body(self, kind: str) -> None:
        event = _event(kind)
        del event["body"]

        assert _request(event).body == b""

    @pytest.mark.parametrize(
        "damage",
        [
            {"body": "no base64!", "isBase64Encoded": True},
            {"body": 5},
            {"body": {"instances": [1]}},
            {"headers": "text"},
            {"headers": [1]},
            {"body": "\ud800"},
            {"path": None, "rawPath": None},
            {"path": 5, "rawPath": 5},
            {"httpMethod": 5, "requestContext": {"http": {"method": 5}}},
        ],
    )
    def test_malformed(self, kind: str, damage: dict[str, Any]) -> None:
        read = read_event(_event(kind, **damage))

        assert read.error is not None
        # Answered in the form of its kind all the same.
        result = result_of(HttpReply(400, "application/json", b"{}"), read)
        assert result["statusCode"] == 400

    def test_headers_in_any_case(self, kind: str) -> None:
        headers = {"CONTENT-TYPE": "application/x-npy", "Accept": "application/json", "X-Amzn-Trace-Id": "Root=1"}

        assert _request(_event(kind, headers=headers)).headers == {
            name.lower(): value for name, value in headers.items()
        }

    @pytest.mark.parametrize("prefix", ["/prod", "/a/b", "/V1/prod", ""])
    def test_stages_and_mappings(self, kind: str, prefix: str) -> None:
        assert _request(_event(kind, f"{prefix}{PATH}")).path == PATH

    def test_a_configured_base_path(self, kind: str) -> None:
        assert _request(_event(kind, f"/models-of-mine{PATH}"), "/models-of-mine").path == PATH
        assert _request(_event(kind, f"/other{PATH}"), "/models-of-mine").path == f"/other{PATH}"


def test_multi_value_headers_and_queries() -> None:
    event = _event(
        "alb",
        headers=None,
        multiValueHeaders={"Content-Type": ["application/json"], "Accept": ["a/b", "c/d"]},
        multiValueQueryStringParameters={"x": ["1", "2%20"]},
    )

    request = _request(event)

    assert request.headers == {"content-type": "application/json", "accept": "a/b,c/d"}
    assert request.query == "x=1&x=2%20"
    assert _request(_event("v1", multiValueQueryStringParameters={"x": ["1", "a b"]})).query == "x=1&x=a+b"
    assert _request(_event("v1", queryStringParameters={"x": "1"})).query == "x=1"
    assert _request(_event("v2", rawQueryString="x=1&y")).query == "x=1&y"


def test_spaces_in_a_rest_apis_path_are_encoded_again() -> None:
    assert _request(_event("v1", "/v1/models/a b:predict")).path == "/v1/models/a%20b:predict"


@pytest.mark.parametrize("event", [{"instances": [1]}, [1.0], "ping", 5, None, True, {}, {"instances": [2**70]}])
def test_bare_bodies(event: Any) -> None:
    read = read_event(event)

    assert read.kind is EventKind.BARE
    assert json.loads(read.request.body) == event
    assert read_event(json.dumps(event).encode()).request.body == json.dumps(event).encode()


def test_a_large_bare_body_is_not_parsed() -> None:
    text = b'{"instances": [' + b"1.5," * 100_000 + b"oops]}"

    assert read_event(text).request.body == text


def test_nan_survives_in_a_bare_body() -> None:
    assert b"NaN" in read_event({"instances": [float("nan")]}).request.body
    assert read_event(b'{"instances": [NaN]}').request.body == b'{"instances": [NaN]}'


def test_envelopes() -> None:
    with_object = read_event({"path": PATH, "body": {"instances": [1.0]}})
    status = read_event({"path": "/prod/v1/models/half"})
    binary = {"path": PATH, "headers": {"Content-Type": "application/x-npy"}, "body": "AAE=", "isBase64Encoded": True}

    assert with_object.kind is EventKind.ENVELOPE
    assert (with_object.request.method, json.loads(with_object.request.body)) == ("POST", {"instances": [1.0]})
    assert (status.request.method, status.request.path) == ("GET", "/v1/models/half")
    assert read_event(binary).request.body == b"\x00\x01"
    assert read_event(binary).request.content_type == "application/x-npy"


@pytest.mark.parametrize(
    "event",
    [
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
        {"source": "serverless-plugin-warmup"},
        {"warmer": True, "concurrency": 1},
    ],
)
def test_warm_ups(event: dict[str, Any]) -> None:
    assert read_event(event).kind is EventKind.WARM_UP


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"instances": [' + b"9" * 5000 + b"]}"])
def test_text_that_is_no_json_is_an_error_or_left_to_its_decoder(text: bytes) -> None:
    read = read_event(text)

    assert read.kind is EventKind.BARE
    assert read.error is not None or read.request.body == text


REPLY = HttpReply(200, "application/json", b'{"predictions":[NaN,"\xc3\xa9"]}', {"server-timing": "total;dur=1"})


def test_replies_to_each_sender() -> None:
    url = result_of(REPLY, read_event(_event("v2")))
    balancer = result_of(REPLY, read_event(_event("alb")))
    lists = result_of(REPLY, read_event(_event("alb", multiValueHeaders={"a": ["b"]})))

    assert url == {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "server-timing": "total;dur=1"},
        "body": '{"predictions":[NaN,"é"]}',
        "isBase64Encoded": False,
    }
    assert balancer["statusDescription"] == "200 OK"
    assert "headers" not in lists
    assert lists["multiValueHeaders"]["server-timing"] == ["total;dur=1"]
    assert str(result_of(REPLY, read_event({"instances": [1]}))["predictions"][0]) == "nan"


@pytest.mark.parametrize("event", [_event("v2"), _event("v1"), _event("alb"), {"path": PATH}, {"instances": []}])
def test_results_as_text_are_the_same(event: Any) -> None:
    read = read_event(event)

    assert str(json.loads(encode_result(REPLY, read))) == str(result_of(REPLY, read))


def test_what_is_not_text_is_base64() -> None:
    npy = HttpReply(200, "application/x-npy", b"\x93NUMPY")
    zipped = HttpReply(200, "application/json", gzip.compress(b"{}"), {"Content-Encoding": "gzip"})

    for reply in (npy, zipped):
        result = result_of(reply, read_event(_event("v2")))
        assert result["isBase64Encoded"]
        assert base64.b64decode(result["body"]) == reply.body


def test_every_status_can_be_told_to_a_load_balancer() -> None:
    event = read_event(_event("alb"))

    for status in STATUS.values():
        described = result_of(HttpReply(status.http, "application/json", b"{}"), event)["statusDescription"]
        assert described.startswith(f"{status.http} ")
        assert len(described) > 4


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        (EventKind.BARE, HttpReply(200, "application/json", b"1" * (MAX_RESULT_BYTES + 1))),
        (EventKind.HTTP_V2, HttpReply(200, "application/json", b'"' * (MAX_RESULT_BYTES // 2 + 1))),
        (EventKind.HTTP_V2, HttpReply(200, "application/x-npy", b"1" * (MAX_RESULT_BYTES * 3 // 4 + 3))),
    ],
)
def test_results_beyond_lambdas_limit_are_refused_with_advice(kind: EventKind, reply: HttpReply) -> None:
    with pytest.raises(PayloadTooLargeError, match=r"fewer outputs.*x-npy.*pre-signed URL"):
        check_size(reply, kind)
    encoded = len(encode_result(reply, Event(kind, HttpRequest("GET", ""))))
    assert encoded > MAX_RESULT_BYTES
