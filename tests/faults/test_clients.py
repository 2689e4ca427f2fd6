"""Servers that hang, reset, cut off, lie, or come back: the right error within the time-out, and a client usable after."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from raw_server import GOOD, Answer, Raw, half, hang, raw_bytes, reply, reset, trickle_body, trickle_head

from serverless_dnn.client import (
    Client,
    ClientError,
    ClientOptions,
    ConnectError,
    DeadlineError,
    ResponseError,
    RetryPolicy,
    ServerError,
    connect,
    connect_async,
)

INPUTS = {"x": np.float32([1])}
PLAIN = ClientOptions(check_inputs=False, output_name="y")
UNCHECKED = ClientOptions(check_inputs=False)
# Long enough for a busy machine; each hanging call below would otherwise take its 60 s.
SOON_S = 5.0


@pytest.fixture
def raw() -> Iterator[Raw]:
    made = Raw()
    yield made
    made.server.shutdown()
    made.server.server_close()


HTTP_FAULTS: dict[str, tuple[Answer, type[ClientError], str]] = {
    "hangs": (hang, DeadlineError, "no answer from http://127.0.0.1"),
    "trickles its head": (trickle_head, DeadlineError, "no answer from"),
    "trickles its body": (trickle_body, DeadlineError, "no answer from"),
    "resets": (reset, ConnectError, "was lost"),
    "closes at once": (raw_bytes(b""), ConnectError, "was lost"),
    "half an answer": (half, ConnectError, "was lost"),
    "no http": (raw_bytes(b"hello\r\n\r\n"), ConnectError, "was lost"),
    "cut-off json": (reply(GOOD[:-3]), ResponseError, "not a Predict answer in JSON"),
    "html": (reply(b"<html>", content_type="text/html"), ResponseError, "of type text/html"),
    "a bare array": (reply(b"[1]"), ResponseError, "expected an object, got list"),
    "a number": (reply(b"1"), ResponseError, "expected an object, got int"),
    "ragged rows": (reply(b'{"predictions": [[1], [1, 2]]}'), ResponseError, "not a Predict answer"),
    "null": (reply(b'{"predictions": null}'), ResponseError, ""),
    "bad gzip": (reply(GOOD, "content-encoding: gzip"), ResponseError, "no answer that can be read"),
    "no npy": (reply(b"abc", content_type="application/x-npy"), ResponseError, "not npy"),
    "no protobuf": (reply(b"\xff", content_type="application/x-protobuf"), ResponseError, "not a PredictResponse"),
    "503 html": (
        reply(b"<html>busy", status="503 X", content_type="text/html"),
        ServerError,
        "UNAVAILABLE: <html>busy",
    ),
    "500 empty": (reply(b"", status="500 X"), ServerError, "status 500 and no message"),
    "418": (reply(b'{"error": 1}', status="418 X"), ServerError, "INVALID_ARGUMENT"),
    "too large": (reply(b" " * 100_001), ResponseError, "larger than the 100000 bytes"),
}


@pytest.mark.parametrize("fault", HTTP_FAULTS)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_http_faults(raw: Raw, fault: str, *, is_async: bool) -> None:
    answer, kind, text = HTTP_FAULTS[fault]
    options = ClientOptions(check_inputs=False, output_name="y", max_response_bytes=100_000)
    raw.answers.append(answer)
    begin_s = time.monotonic()
    if is_async:

        async def run() -> tuple[ClientError, Any]:
            async with connect_async(raw.url, "m", options) as client:
                with pytest.raises(ClientError) as raised:
                    await client.predict(INPUTS, timeout_s=0.4)
                assert time.monotonic() - begin_s < SOON_S
                return raised.value, (await client.predict(INPUTS)).outputs["y"]

        error, after = asyncio.run(run())
    else:
        with connect(raw.url, "m", options) as client:
            with pytest.raises(ClientError) as raised:
                client.predict(INPUTS, timeout_s=0.4)
            assert time.monotonic() - begin_s < SOON_S
            error, after = raised.value, client.predict(INPUTS).outputs["y"]

    assert type(error) is kind
    assert text in str(error)
    assert after.tolist() == [2.5]


def _envelope(status: int, body: object, **more: object) -> bytes:
    return json.dumps(
        {"statusCode": status, "headers": {"content-type": "application/json"}, "body": body, **more}
    ).encode()


PLATFORM_FAULTS: dict[str, tuple[str, Answer, type[ClientError], str]] = {
    "424 without a status": (
        "sagemaker+{}/e",
        reply(b'{"OriginalStatusCode": 0, "OriginalMessage": "x", "Message": "died"}', status="424 X"),
        ServerError,
        "INVALID_ARGUMENT: x",
    ),
    "424 of html": ("sagemaker+{}/e", reply(b"<html>", status="424 X"), ServerError, "<html>"),
    "424 of a list": ("sagemaker+{}/e", reply(b"[]", status="424 X"), ServerError, "[]"),
    "424 of a container": (
        "sagemaker+{}/e",
        reply(b'{"OriginalStatusCode": 404, "OriginalMessage": "{\\"error\\": \\"no m\\"}"}', status="424 X"),
        ServerError,
        "NOT_FOUND: no m",
    ),
    "throttled": (
        "lambda+{}/f",
        reply(b'{"Message": "Rate Exceeded."}', "x-amzn-requestid: r1", "retry-after: 3", status="429 X"),
        ServerError,
        "RESOURCE_EXHAUSTED: Rate Exceeded.",
    ),
    "a function that fails": (
        "lambda+{}/f",
        reply(b'{"errorType": "E", "errorMessage": "no"}', "x-amz-function-error: Unhandled"),
        ServerError,
        "INTERNAL: the function failed: E: no",
    ),
    "no envelope": ("lambda+{}/f", reply(b'{"predictions": [1]}'), ResponseError, "not an HTTP response"),
    "a bare result": ("lambda+{}/f", reply(b"[]"), ResponseError, "not an HTTP response"),
    "an error inside": ("lambda+{}/f", reply(_envelope(400, '{"error": "bad"}')), ServerError, "bad"),
    "no base64": ("lambda+{}/f", reply(_envelope(200, "%", isBase64Encoded=True)), ResponseError, "envelope"),
}


@pytest.mark.parametrize("fault", PLATFORM_FAULTS)
def test_platform_faults(raw: Raw, fault: str) -> None:
    form, answer, kind, text = PLATFORM_FAULTS[fault]
    raw.answers.append(answer)

    with connect(form.format(raw.url), "m", PLAIN) as client, pytest.raises(ClientError) as raised:
        client.predict(INPUTS, timeout_s=5)

    assert type(raised.value) is kind
    assert text in str(raised.value)
    if fault == "throttled":
        assert (raised.value.request_id, raised.value.retry_after_s, raised.value.retry_is_safe) == ("r1", 3, True)


@pytest.mark.parametrize("inputs", [[1, 2], 3, {"x": [[1], [1, 2]]}, {"x": object()}, {"x": {1: 2}}])
def test_what_cannot_be_sent_is_a_request_error(raw: Raw, inputs: Any) -> None:
    with connect(raw.url, "m", PLAIN) as client, pytest.raises(ClientError, match="input"):
        client.predict(inputs)
    assert raw.requests == 0


def test_a_token_that_raises_and_a_closed_client(raw: Raw) -> None:
    def token() -> str:
        raise KeyError("no token")

    options = ClientOptions(check_inputs=False, token=token, allow_plaintext_token=True)
    for url in (raw.url, raw.url.replace("http", "grpc")):
        with (
            connect(url, "m", options) as client,
            pytest.raises(ClientError, match="the token cannot be had: KeyError"),
        ):
            client.predict(INPUTS)
        client.close()
        with pytest.raises(ClientError, match="this client is closed"):
            client.predict(INPUTS)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_name_that_nobody_has(scheme: str) -> None:
    with connect(f"{scheme}://nobody.invalid:1", "m", UNCHECKED) as client, pytest.raises(ConnectError) as raised:
        client.predict(INPUTS, timeout_s=20)
    assert "nobody.invalid" in raised.value.message
    assert raised.value.retry_is_safe


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_the_time_to_connect_has_its_own_limit(scheme: str) -> None:
    with socket.socket() as full:
        # Nobody accepts, and the queue of one is taken: further connections get no answer at all.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            options = ClientOptions(check_inputs=False, connect_timeout_s=0.3)
            with connect(f"{scheme}://127.0.0.1:{address[1]}", "m", options) as client:
                begin_s = time.monotonic()
                with pytest.raises(ConnectError):
                    client.predict(INPUTS, timeout_s=30)
                assert time.monotonic() - begin_s < SOON_S


def test_retries_are_the_policys(raw: Raw) -> None:
    away = reply(b'{"error": "away"}', status="503 X")
    options = ClientOptions(check_inputs=False, output_name="y", retries=RetryPolicy(3, initial_delay_s=0.01))
    with connect(raw.url, "m", options) as client:
        raw.answers += [away, away]
        assert client.predict(INPUTS).outputs["y"].tolist() == [2.5]
        assert raw.requests == 3
        raw.answers += [away, away, away]
        with pytest.raises(ServerError, match="away"):
            client.predict(INPUTS)
        assert raw.requests == 6
        # Not in the policy, and not safe: the request may have been processed.
        for once in (reply(b"{}", status="500 X"), reset):
            raw.answers.append(once)
            with pytest.raises(ClientError):
                client.predict(INPUTS)
        assert raw.requests == 8


def test_the_time_out_is_for_all_attempts(raw: Raw) -> None:
    patient = reply(b'{"error": "away"}', "retry-after: 60", status="503 X")
    raw.answers.append(patient)
    with connect(raw.url, "m", ClientOptions(check_inputs=False, retries=RetryPolicy(3))) as client:
        begin_s = time.monotonic()
        with pytest.raises(ServerError, match="away"):
            client.predict(INPUTS, timeout_s=1)
        assert time.monotonic() - begin_s < SOON_S


def test_cancelled_calls_end_at_once(raw: Raw) -> None:
    async def run(client: Any) -> float:
        raw.answers.append(hang)
        call = asyncio.create_task(client.predict(INPUTS))
        await asyncio.to_thread(raw.asked.wait, 30)
        begin_s = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.predict(INPUTS)
        await client.close()
        return time.monotonic() - begin_s

    options = ClientOptions(check_inputs=False, output_name="y", connections=1)
    assert asyncio.run(run(connect_async(raw.url, "m", options))) < SOON_S


def test_closing_twice_is_fine(raw: Raw) -> None:
    clients: list[Client] = [connect(form.format(raw.url), "m") for form in ("{}", "lambda+{}/f", "sagemaker+{}/e")]
    for client in (*clients, connect("grpc://127.0.0.1:1", "m")):
        client.close()
        client.close()

    async def run() -> None:
        for form in ("{}", "lambda+{}/f"):
            client = connect_async(form.format(raw.url), "m")
            await client.close()
            await client.close()

    asyncio.run(run())


def test_a_proxy_is_asked_for_what_is_far_away(raw: Raw) -> None:
    proxy = ClientOptions(check_inputs=False, output_name="y", proxy=raw.url)

    # An address of RFC 5737, which nobody has: only a proxy can answer for it.
    with connect("http://203.0.113.1:8501", "m", proxy) as client:
        assert client.predict(INPUTS, timeout_s=10).outputs["y"].tolist() == [2.5]
    assert raw.requests == 1
