"""Events and results of the local Lambda: through the Invoke API as they are, through the function URL as HTTP.

Both formats are in https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html.
"""

import base64
import gzip
import json
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError as BotoError

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda

ARN = "arn:aws:lambda:local:000000000000:function:sdnn"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    """A function that returns the result that its event holds, or else the event and some of its context."""
    code = """
        import json

        def handler(event, context):
            body = event.get("body", "{}")
            wanted = json.loads(body) if body.startswith('{"result"') else event
            if "result" in wanted:
                return wanted["result"].encode()
            custom = context.client_context.custom if context.client_context else None
            return {"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn, "custom": custom}
    """
    folder = tmp_path_factory.mktemp("echo")
    (folder / "function.py").write_text(textwrap.dedent(code))
    command = ("env", f"PYTHONPATH={folder}", sys.executable, "-m", "awslambdaric", "function.handler")
    deployment = LocalLambda(DeployOptions("function", folder, folder / "logs"), command)
    yield deployment
    deployment.stop()


def _boto(url: str) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client("lambda", endpoint_url=url, region_name="us-east-1", **keys)


@pytest.mark.parametrize("name", ["sdnn", ARN, f"{ARN}:$LATEST", "000000000000:function:sdnn", "sdnn:$LATEST"])
def test_a_function_has_many_names(name: str, echo: LocalLambda) -> None:
    context = base64.b64encode(b'{"custom": {"of": "caller"}}').decode()

    answer = _boto(echo.url).invoke(FunctionName=name, Payload=b'{"x": 1}', ClientContext=context)

    told = json.load(answer["Payload"])
    assert told["event"] == {"x": 1}
    assert told["custom"] == {"of": "caller"}
    assert told["arn"] == ARN
    assert told["id"] == answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    with pytest.raises(BotoError, match="Client context must be a valid Base64-encoded JSON object"):
        _boto(echo.url).invoke(FunctionName=name, ClientContext="nope")


@pytest.mark.parametrize("result", ['{"x": NaN}', '"\\ud800"', "not JSON at all", ""])
def test_a_result_passes_through_the_invoke_api_as_it_is(result: str, echo: LocalLambda) -> None:
    assert (
        _boto(echo.url).invoke(FunctionName="sdnn", Payload=json.dumps({"result": result}))["Payload"].read()
        == result.encode()
    )


def _call(deployment: LocalLambda, path: str = "/", method: str = "POST", **request: Any) -> Any:
    return urllib3.request(method, deployment.url + path, retries=False, **request)


def test_an_event_has_payload_format_2(echo: LocalLambda) -> None:
    answer = _call(
        echo,
        "/pa%2Fth/%C3%A4?q=1&q=two%20words&empty=",
        body=b'{"foo": "b\xc3\xa4r"}',
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Cookie": "one=1; two=2",
            "X-Extra": "With CapS",
            "User-Agent": "tester",
        },
    )

    told = answer.json()
    event = told["event"]
    host, port = echo.url.removeprefix("http://").split(":")
    assert {key: event[key] for key in ("version", "routeKey", "rawPath", "rawQueryString", "cookies")} == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/pa%2Fth/%C3%A4",
        "rawQueryString": "q=1&q=two%20words&empty=",
        "cookies": ["one=1", "two=2"],
    }
    assert event["queryStringParameters"] == {"q": "1,two words", "empty": ""}
    assert (event["body"], event["isBase64Encoded"]) == ('{"foo": "bär"}', False)
    assert {"x-extra": "With CapS", "content-length": "15", "x-forwarded-port": port}.items() <= event[
        "headers"
    ].items()
    assert not {"cookie", "connection"} & set(event["headers"])
    context = event["requestContext"]
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context.pop("time"))
    assert abs(context.pop("timeEpoch") / 1000 - time.time()) < 60
    assert context == {
        "accountId": "anonymous",
        "apiId": "sdnn",
        "domainName": host,
        "domainPrefix": "sdnn",
        "http": {
            "method": "POST",
            "path": "/pa%2Fth/%C3%A4",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "tester",
        },
        "requestId": told["id"],
        "routeKey": "$default",
        "stage": "$default",
    }
    assert answer.headers["x-amzn-RequestId"] == told["id"]


def test_what_a_request_lacks_its_event_lacks(echo: LocalLambda) -> None:
    event = _call(echo, method="GET").json()["event"]

    assert not {"body", "cookies", "queryStringParameters"} & set(event)
    assert event["isBase64Encoded"] is False
    assert event["rawQueryString"] == ""


@pytest.mark.parametrize(
    ("headers", "body", "is_text"),
    [
        ({"Content-Type": "application/json"}, b"{}", True),
        ({"Content-Type": "text/csv; charset=utf-8"}, b"1,2", True),
        ({"Content-Type": "application/xml"}, b"<x/>", True),
        ({"Content-Type": "application/problem+json"}, b"{}", True),
        ({"Content-Type": "application/json"}, b'{"x": "\x87"}', False),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzip.compress(b"{}", mtime=0), False),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=1", False),
        ({"Content-Type": "application/x-npy"}, bytes(range(256)), False),
        ({}, b"abc", False),
    ],
)
def test_bodies_that_are_not_text_come_in_base64(
    headers: dict[str, str], body: bytes, is_text: bool, echo: LocalLambda
) -> None:
    event = _call(echo, headers=headers, body=body).json()["event"]

    assert event["isBase64Encoded"] is not is_text
    assert (event["body"].encode() if is_text else base64.b64decode(event["body"])) == body


@pytest.mark.parametrize(
    ("result", "status", "content_type", "body"),
    [
        ('{"hello": "world"}', 200, "application/json", b'{"hello": "world"}'),
        ('["hello", 3, true]', 200, "application/json", b'["hello", 3, true]'),
        ('"hello"', 200, "application/json", b"hello"),
        ("null", 200, "application/json", b"null"),
        ('{"statusCode": 201, "body": "made"}', 201, "application/json", b"made"),
        ('{"statusCode": "404", "headers": {"Content-Type": "text/x"}, "body": "no"}', 404, "text/x", b"no"),
        ('{"statusCode": 200, "body": "AAH/", "isBase64Encoded": true}', 200, "application/json", b"\x00\x01\xff"),
        ('{"statusCode": 200, "body": {"a": 1}}', 200, "application/json", b'{"a":1}'),
        ('{"statusCode": 200, "body": "lone \\ud800"}', 200, "application/json", b"lone ?"),
        ('{"statusCode": 200, "headers": {"Content-Length": 7, "Connection": "x"}}', 200, "application/json", b""),
    ],
)
def test_results_become_answers(result: str, status: int, content_type: str, body: bytes, echo: LocalLambda) -> None:
    answer = _call(echo, json={"result": result})

    assert (answer.status, answer.headers["Content-Type"], answer.data) == (status, content_type, body)


def test_an_answer_sets_headers_and_cookies(echo: LocalLambda) -> None:
    result = {"statusCode": 200, "headers": {"X-Number": 7, "X-Flag": True}, "cookies": ["a=1; Secure", "b=2"]}

    answer = _call(echo, json={"result": json.dumps(result)})

    assert (answer.headers["X-Number"], answer.headers["X-Flag"]) == ("7", "true")
    assert answer.headers.getlist("Set-Cookie") == ["a=1; Secure", "b=2"]


@pytest.mark.parametrize(
    "result",
    [
        '{"statusCode": 200, "body": NaN}',
        '{"statusCode": 1}',
        '{"statusCode": []}',
        '{"statusCode": 200, "headers": ["x"]}',
        '{"statusCode": 200, "headers": {"x": "a\\r\\nb"}}',
        '{"statusCode": 200, "body": "?", "isBase64Encoded": true}',
        "{",
        "",
    ],
)
def test_a_result_that_is_no_answer_is_an_error_and_the_function_lives_on(result: str, echo: LocalLambda) -> None:
    answer = _call(echo, json={"result": result})

    assert (answer.status, answer.data) == (502, b"Internal Server Error")
    assert _call(echo, json={"result": "1"}).data == b"1"


def test_the_limit_of_a_request_is_that_of_its_event(echo: LocalLambda) -> None:
    npy = {"Content-Type": "application/x-npy"}

    # In base64 it is a third larger.
    assert _call(echo, headers=npy, body=bytes(4_717_000)).status == 200
    for size in (4_719_000, 30_000_000):
        refused = _call(echo, headers=npy, body=bytes(size))
        assert refused.status == 413
        assert "must be smaller than 6291456 bytes" in refused.json()["Message"]
