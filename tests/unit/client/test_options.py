"""Options are honoured or refused, never dropped."""

from pathlib import Path
from typing import Any

import pytest

from serverless_dnn.client import (
    ClientOptions,
    RequestError,
    RetryPolicy,
    S3Storage,
    TlsOptions,
    connect,
    connect_async,
)
from serverless_dnn.client.errors import ConnectError, DeadlineError, StatusCode, server_error
from serverless_dnn.client.retries import delay_before_retry, service_config


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("grpc://h:1", {"body_format": "npy"}, "the gRPC client cannot honour body_format"),
        (
            "grpc://h:1",
            {"connections": 3, "storage": S3Storage("b")},
            "the gRPC client cannot honour connections, storage",
        ),
        ("grpc://h:1", {"aws_region": "x"}, "the gRPC client cannot honour aws_region"),
        ("http://h", {"channel_options": (("a", 1),)}, "the REST client cannot honour channel_options"),
        ("http://h", {"storage": S3Storage("b")}, "the REST client cannot honour storage"),
        ("lambda+http://h/f", {"token": "t"}, "the Lambda client cannot honour token"),
        ("sagemaker+http://h/e", {"id_token": True}, "the SageMaker client cannot honour id_token"),
        ("grpc://h:1", {"token": "t"}, "would be sent to h:1 without TLS"),
        ("http://127.0.0.1:1", {"token": lambda: "t"}, "would be sent to http://127.0.0.1:1 without TLS"),
        ("grpcs://h", {"tls": TlsOptions(Path("/nowhere"))}, "cannot read /nowhere"),
        ("https://h", {"tls": TlsOptions(Path("/nowhere"))}, "TLS files cannot be used"),
    ],
)
@pytest.mark.parametrize("make", [connect, connect_async])
def test_an_option_that_cannot_be_honoured_is_refused(make: Any, url: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        make(url, "m", ClientOptions(**options))


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("grpcs://h", {"token": "t"}),
        ("unix:/tmp/socket", {"token": "t"}),
        ("https://h", {"token": "t"}),
        ("http://h", {"token": "t", "allow_plaintext_token": True}),
        ("sagemaker+http://h/e", {"storage": S3Storage("b"), "body_format": "json"}),
    ],
)
def test_others_are_taken(url: str, options: dict[str, Any]) -> None:
    connect(url, "m", ClientOptions(**options)).close()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"max_in_flight": 0}, "max_in_flight must be above 0"),
        ({"token": "t", "id_token": True}, "not both"),
    ],
)
def test_impossible_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        ClientOptions(**options)
    with pytest.raises(RequestError, match="both a certificate and its private_key"):
        TlsOptions(certificate=Path("c"))
    with pytest.raises(RequestError, match="attempts must be from 2 to 5"):
        RetryPolicy(attempts=1)


def test_a_variant_changes_what_is_not_the_connections() -> None:
    client = connect("grpc://h:1", "m")

    assert client.with_options(timeout_s=1).options.timeout_s == 1
    assert client.options.timeout_s == 60
    with pytest.raises(RequestError, match="tls belong to the connection"):
        client.with_options(tls=TlsOptions())
    with pytest.raises(RequestError, match="there is no option 'timeout'; there are"):
        client.with_options(timeout=1)
    with pytest.raises(RequestError, match="would be sent to h:1 without TLS"):
        client.with_options(token="t")
    with pytest.raises(RequestError, match="the gRPC client cannot honour body_format"):
        client.with_options(body_format="npy")


def test_secrets_are_not_shown() -> None:
    assert "s3cret" not in repr(ClientOptions(token="s3cret", headers={"x": "s3cret"}))


def test_a_retry_waits_longer_each_time_and_as_long_as_it_is_told_to() -> None:
    policy = RetryPolicy(attempts=3, initial_delay_s=1, max_delay_s=10)
    away = server_error(StatusCode.UNAVAILABLE, "away")

    first, second = (delay_before_retry(policy, away, sent, 60) for sent in (1, 2))
    assert first is not None
    assert second is not None
    assert 0.8 <= first <= 1.2
    assert 1.6 <= second <= 2.4
    assert delay_before_retry(policy, away, 3, 60) is None
    assert delay_before_retry(policy, away, 1, 0.5) is None
    patient = server_error(StatusCode.UNAVAILABLE, "away", retry_after_s=20)
    assert delay_before_retry(policy, patient, 1, 60) == 20
    assert delay_before_retry(policy, server_error(StatusCode.INTERNAL, ""), 1, 60) is None
    assert delay_before_retry(policy, DeadlineError("late"), 1, 60) is None
    assert delay_before_retry(policy, ConnectError("refused", retry_is_safe=True), 1, 60) is not None
    assert delay_before_retry(policy, ConnectError("lost on the way"), 1, 60) is None


def test_grpcs_own_policy() -> None:
    text = service_config(RetryPolicy(attempts=4, initial_delay_s=0.25, codes=(StatusCode.ABORTED,)))

    assert '"maxAttempts": 4' in text
    assert '"initialBackoff": "0.250s"' in text
    assert '"retryableStatusCodes": ["ABORTED"]' in text
