"""The proxy of the local Cloud Run: calls of every kind pass as they are, and instances take as many as they may."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from platform_calls import ask, started, wait_event, wait_until

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.local_cloudrun.deployment import LocalCloudRun
from serverless_dnn.client import connect

Deploy = Callable[..., Any]
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@pytest.fixture
def service(scripted: Deploy) -> Any:
    """A service of the scripted server."""
    return scripted("cloudrun", requests_per_instance=8)


@pytest.fixture(params=["/test.Scripted/Unary", "/tensorflow.serving.PredictionService/Predict"])
def method(request: pytest.FixtureRequest) -> str:
    """A unary method that the proxy knows nothing of, and one that it knows to be unary."""
    return str(request.param)


@pytest.fixture
def channel(service: Any) -> Iterator[grpc.Channel]:
    """A channel to it."""
    with grpc.insecure_channel(service.url.removeprefix("grpc://"), UNLIMITED) as channel:
        yield channel


def test_metadata_passes_both_ways(method: str, channel: grpc.Channel) -> None:
    unary = channel.unary_unary(method)

    answer, call = unary.with_call(b"echo hello", metadata=(("x-said", "one"), ("x-said", "two")), timeout=60)

    assert answer.split()[1] == b"hello"
    assert ("x-heard", "one,two") in call.initial_metadata()
    assert {("server-timing", "total;dur=1"), ("some-bin", b"\x00\xff")} <= set(call.trailing_metadata())


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_status_passes_with_what_it_says(
    code: grpc.StatusCode, method: str, channel: grpc.Channel, service: Any
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(method)(f"fail {code.name}".encode(), timeout=60)

    assert (raised.value.code(), raised.value.details()) == (code, "as it was told")
    assert ("server-timing", "total;dur=1") in raised.value.trailing_metadata()
    told = service.records().invocations[-1]
    assert (told.status, told.error_type) == ("error", code.name)
    assert ask(service, "echo").code is None


def test_a_method_that_the_server_does_not_have_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/test.Scripted/Nope")(b"", timeout=60)

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_streams_of_every_kind_pass(channel: grpc.Channel) -> None:
    count = channel.unary_stream("/test.Scripted/Count")
    total = channel.stream_unary("/test.Scripted/Total")
    double = channel.stream_stream("/test.Scripted/Double")
    numbers = [str(number).encode() for number in range(50)]

    assert list(count(b"50", timeout=60)) == numbers
    assert total(iter(numbers), timeout=60) == b"1225"
    assert list(double(iter(numbers), timeout=60)) == [str(2 * number).encode() for number in range(50)]
    assert list(count(b"0", timeout=60)) == []


def test_a_stream_answers_before_its_requests_have_ended(channel: grpc.Channel) -> None:
    answers: list[bytes] = []

    def requests() -> Iterator[bytes]:
        for number in range(5):
            # Each needs the answer to the one before.
            wait_until(lambda number=number: len(answers) == number)
            yield str(number).encode()

    for answer in channel.stream_stream("/test.Scripted/Double")(requests(), timeout=60):
        answers += [answer]

    assert answers == [b"0", b"2", b"4", b"6", b"8"]


def test_messages_of_100_mb_pass_and_larger_ones_than_256_mib_do_not(method: str, channel: grpc.Channel) -> None:
    unary = channel.unary_unary(method)
    sent = b"echo " + b"x" * 100_000_000

    assert unary(sent, timeout=120).partition(b" ")[2] == sent[5:]
    with pytest.raises(grpc.RpcError) as raised:
        unary(bytes(257 << 20), timeout=120)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_deadline_of_a_call_is_that_of_the_server(
    method: str, channel: grpc.Channel, service: Any, tmp_path: Path
) -> None:
    unary = channel.unary_unary(method)
    assert 1 < float(unary(b"left ", timeout=50)) < 50

    with pytest.raises(grpc.RpcError) as raised:
        unary("wait {started} {go_on}".format(**wait_event(tmp_path, 0)).encode(), timeout=0.5)

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    (tmp_path / "go_on").touch()
    wait_until(lambda: len(service.records().invocations) == 2)
    assert service.records().invocations[1].status == "error"
    assert len(service.records().instances) == 1


def test_a_call_that_is_cancelled_is_cancelled_at_the_server_which_goes_on(
    method: str, channel: grpc.Channel, service: Any, tmp_path: Path
) -> None:
    begun, cancelled = tmp_path / "begun", tmp_path / "cancelled"
    call = channel.unary_unary(method).future(f"until-cancelled {begun} {cancelled}".encode())
    wait_until(begun.exists)

    call.cancel()
    wait_until(cancelled.exists)

    wait_until(lambda: service.records().invocations)
    (told,) = service.records().invocations
    assert (told.status, told.error_type) == ("error", "CANCELLED")
    assert ask(service, "echo").pid in service.server_pids()
    assert len(service.records().instances) == 1


def _wait(folder: Path, number: int) -> str:
    return "wait {started} {go_on}".format(**wait_event(folder, number))


def test_an_instance_takes_as_many_requests_as_it_may_and_the_others_wait(scripted: Deploy, tmp_path: Path) -> None:
    service = scripted("cloudrun", instances=2, requests_per_instance=3)
    with ThreadPoolExecutor(9) as threads:
        answers = [threads.submit(ask, service, _wait(tmp_path, number)) for number in range(9)]
        wait_until(lambda: started(tmp_path) == 6)
        (tmp_path / "go_on").touch()
        pids = [answer.result().pid for answer in answers]

    records = service.records()
    assert len(set(pids)) == len(records.instances) == 2
    begins = sorted((each.begin_ns, 1, each.instance) for each in records.invocations)
    ends = sorted((each.end_ns, -1, each.instance) for each in records.invocations)
    running = dict.fromkeys({each.instance for each in records.invocations}, 0)
    most = 0
    for _, change, instance in sorted(begins + ends):
        running[instance] += change
        most = max(most, *running.values())
    assert most == 3
    assert sum(each.init_ns is not None for each in records.invocations) == 2
    assert service.facts.limits["requests_per_instance"] == 3


def test_a_request_that_takes_too_long_is_given_up_and_its_instance_goes_on(scripted: Deploy, tmp_path: Path) -> None:
    service = scripted("cloudrun", timeout_s=1.0)
    pid = ask(service, "echo").pid

    answer = ask(service, _wait(tmp_path, 0))
    (tmp_path / "go_on").touch()

    assert (answer.code, answer.text) == ("UNAVAILABLE", "504: The request was not answered within 1 s.")
    assert ask(service, "echo").pid == pid
    assert [each.status for each in service.records().invocations] == ["success", "timeout", "success"]


def test_the_start_of_an_instance_counts_as_part_of_the_request(tmp_path: Path) -> None:
    service = LocalCloudRun(DeployOptions("x", tmp_path, tmp_path / "logs"), ("sleep", "600"), timeout_s=1.0)
    try:
        answer = ask(service, "echo")
        records = service.records()
    finally:
        service.stop()

    assert (answer.code, answer.text) == ("UNAVAILABLE", "504: The request was not answered within 1 s.")
    assert records.invocations == ()
    assert [each.ready_ns for each in records.instances] == [None]


def test_a_server_that_does_not_end_on_sigterm_is_killed_ten_seconds_later(scripted: Deploy) -> None:
    service = scripted("cloudrun", "deaf")
    ask(service, "echo")

    service.scale_to_zero()

    (invocation,), (instance,) = service.records().invocations, service.records().instances
    assert instance.end_reason == "scaled to zero"
    assert 10e9 <= instance.end_ns - invocation.end_ns < 20e9


def test_our_server_through_the_proxy(models: Path, serve: Deploy) -> None:
    service = serve(models / "half_plus_two", "cloudrun", instances=2, requests_per_instance=4)
    with connect(service.url, "half_plus_two") as client:
        first, second = (client.predict({"x": [1.0, 2.0]}) for _ in range(2))
    with grpc.insecure_channel(service.url.removeprefix("grpc://")) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        checked = health.Check(health_pb2.HealthCheckRequest(), timeout=60)
        watched = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watched).status == checked.status == health_pb2.HealthCheckResponse.SERVING
        watched.cancel()

    assert first.outputs["y"].tolist() == second.outputs["y"].tolist() == [2.5, 3.0]
    assert first.timing.server is not None
    assert first.timing.server.is_cold
    assert not second.timing.server.is_cold
    assert len(service.records().instances) == 1
