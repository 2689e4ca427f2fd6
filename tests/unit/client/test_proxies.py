"""The same proxy rules for every transport; loopback is never reached through one."""

import pytest

from serverless_dnn.client import ClientOptions
from serverless_dnn.client.transports.grpc_common import GrpcTarget, channel_arguments
from serverless_dnn.client.transports.proxies import is_loopback, proxy_of


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("https_proxy", "http://secure:2")
    monkeypatch.setenv("no_proxy", "internal.example")


@pytest.mark.parametrize(
    ("host", "is_tls", "proxy", "expected"),
    [
        ("far.example", False, "environment", "http://plain:1"),
        ("far.example", True, "environment", "http://secure:2"),
        ("internal.example", True, "environment", None),
        ("far.example", True, None, None),
        ("far.example", False, "http://own:3", "http://own:3"),
        ("127.0.0.1", False, "environment", None),
        ("localhost", False, "http://own:3", None),
        ("::1", True, "environment", None),
    ],
)
def test_which_proxy(host: str, proxy: str | None, expected: str | None, *, is_tls: bool) -> None:
    assert proxy_of(host, is_tls=is_tls, proxy=proxy) == expected


def test_grpc_is_told() -> None:
    def arguments(address: str, *, is_tls: bool = False) -> dict[str, object]:
        return dict(channel_arguments(GrpcTarget(address, is_tls), ClientOptions()))

    assert arguments("far.example:443", is_tls=True)["grpc.http_proxy"] == "http://secure:2"
    assert arguments("127.0.0.1:8500")["grpc.enable_http_proxy"] == 0
    assert arguments("[::1]:8500")["grpc.enable_http_proxy"] == 0
    assert arguments("unix:/tmp/socket")["grpc.enable_http_proxy"] == 0


def test_names_of_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "a.localhost", "127.1.2.3", "::1")))
    assert not any(map(is_loopback, ("localhost.example", "10.0.0.1", "")))
