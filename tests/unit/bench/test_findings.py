"""Every finding is found when it must be, is not when it must not be, and says what to do."""

from dataclasses import replace
from typing import Any

import pytest
from analysis_runs import MS, instance, measured, rounds, run_data, sample

from serverless_dnn.bench.analysis.findings import judge
from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.recorded_run import RecordedStep, RunData


def _codes(data: RunData) -> list[tuple[str, str, str | None]]:
    return [(finding.code, finding.severity, finding.configuration) for finding in judge(data)]


def _good(**more: Any) -> RunData:
    return run_data([measured()], [*rounds("lambda", [10, 10, 10]), sample(experiment="cold", cold=True)], **more)


def test_a_good_run_has_no_findings() -> None:
    load = {"before_percent": 3.0, "during_other_percent": 10.0, "generator_percent": 60.0}

    assert judge(_good(machine_load=load, largest_difference=1e-4)) == []


def test_failed_requests_are_counted_by_code_with_the_first_error() -> None:
    samples = [
        *rounds("lambda", [10, 10, 10]),
        sample(index=90, status="UNAVAILABLE", error="UNAVAILABLE: the first"),
        sample(experiment="warmup", index=91, status="UNAVAILABLE", error="the second"),
        sample(index=92, status="INTERNAL"),
    ]

    found = judge(run_data([measured()], samples))

    assert [finding.code for finding in found] == ["FAILED REQUESTS"] * 2
    assert found[0].severity == "invalid"
    assert "2 of 63 requests failed with UNAVAILABLE (closed, warmup)" in found[0].message
    assert "the first said: UNAVAILABLE: the first" in found[0].message
    assert "1 of 63 requests failed with INTERNAL" in found[1].message


def test_what_a_platform_does_not_take_could_go_by_url_where_servers_take_urls() -> None:
    def told(**more: Any) -> str:
        refused = sample(status="TOO_LARGE", error="too long")
        [finding] = judge(run_data([measured(**more)], [refused]))
        assert (finding.code, finding.severity, finding.configuration) == ("TOO LARGE", "note", "lambda")
        return finding.message

    begin = "its requests or responses are larger than the platform takes, so it is not compared"
    assert told() == f"{begin}; with --by-url it is: too long"
    assert told(body_format="json") == told(platform="cloudrun") == f"{begin}: too long"


@pytest.mark.parametrize(
    ("sent", "received", "by_url", "expected"),
    [
        (6_600_000, 100, True, "6.6 MB"),
        (100, 6_600_000, True, "6.6 MB"),
        (100, 100, True, None),
        (100, 100, False, None),
    ],
)
def test_what_went_by_url_had_no_network(sent: int, received: int, by_url: bool, expected: str | None) -> None:
    configuration = replace(measured(by_url=by_url), bytes_sent=sent, bytes_received=received)

    found = judge(run_data([configuration], rounds("lambda", [10, 10, 10])))

    messages = [finding.message for finding in found if finding.code == "BY URL"]
    assert [expected in message for message in messages] == ([True] if expected else [])


def test_of_a_remote_target_there_is_one_line_of_what_it_said_and_no_log() -> None:
    page = "<html>\n  <title>Not Found</title>\n" + "<p>This is no model server.</p>\n" * 50 + "</html>"
    far = measured("http://far", url="http://far")

    [finding] = judge(run_data([far], [sample("http://far", status="NOT_FOUND", error=page)]))

    assert "expected none: the first said: <html> <title>Not Found</title> <p>" in finding.message
    assert finding.message.endswith("…")
    assert len(finding.message) < 300
    assert "\n" not in finding.message
    assert "log" not in finding.message
    [of_local] = judge(run_data([measured()], [sample(status="INTERNAL")]))
    assert "see its log" in of_local.message


def test_a_median_that_is_not_known_as_well_as_was_asked_for() -> None:
    medians = [10, 11, 10, 9, 10, 11, 9, 10]
    data = run_data([measured(), measured("b", role="beside")], [*rounds("lambda", medians), *rounds("b", medians)])
    asked = {each: {"workload": {"precision": each}} for each in (0.01, 0.5)}

    assert "PRECISION NOT REACHED" not in [code for code, *_ in _codes(data)]
    strict, loose = (replace(data, run=replace(data.run, options=options)) for options in asked.values())
    assert ("PRECISION NOT REACHED", "doubtful", "lambda") in _codes(strict)
    assert ("PRECISION NOT REACHED", "doubtful", "b") not in _codes(strict)
    assert "PRECISION NOT REACHED" not in [code for code, *_ in _codes(loose)]
    [message] = [each.message for each in judge(strict) if each.code == "PRECISION NOT REACHED"]
    assert "narrower than 1.0% of it, and after 8 rounds it has an interval of" in message


def test_out_of_memory_says_how_much_was_not_enough() -> None:
    data = run_data(
        [measured("a", deployment="shared", memory_mb=256), measured("b", deployment="other")],
        (),
        (),
        [instance("shared", end_reason="OUT OF MEMORY"), instance("other", end_reason="stopped")],
    )

    [finding] = judge(data)

    assert (finding.code, finding.severity, finding.configuration) == ("OUT OF MEMORY", "invalid", "a")
    assert "mobilenet_v1 needs more than 256 MB" in finding.message
    assert "raise --memory" in finding.message


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # A server that tells of itself answered, and it was no cold start.
        ([sample(experiment="cold", server_total_ns=1)], True),
        # Another's server tells nothing.
        ([sample(experiment="cold")], False),
        ([sample(experiment="cold", set_apart="not a cold start")], True),
        ([sample(experiment="cold", set_apart="not a cold start"), sample(experiment="cold", cold=True)], False),
        ([sample(cold=True)], True),
        ([sample(cold=True, set_apart="first"), sample(index=1)], False),
        ([sample(cold=True, set_apart="first")], True),
        ([sample(experiment="warmup", cold=True)], False),
    ],
)
def test_answers_of_the_wrong_kind(samples: list[Any], expected: bool) -> None:
    found = [each for each in _codes(run_data([measured()], samples)) if each[0] == "WRONG KIND"]
    assert found == ([("WRONG KIND", "invalid", "lambda")] if expected else [])


def test_medians_that_have_not_settled() -> None:
    data = run_data([measured()], rounds("lambda", [10, 10, 12]))

    assert _codes(data) == [("UNSTABLE", "doubtful", "lambda")]
    assert "9.99, 9.99, 12 ms" in judge(data)[0].message


@pytest.mark.parametrize("key", ["before_percent", "during_other_percent"])
def test_a_busy_machine(key: str) -> None:
    data = _good(machine_load={key: 25.0})

    assert _codes(data) == [("BUSY MACHINE", "doubtful", None)]
    assert "25 % of this machine's CPU" in judge(data)[0].message
    assert judge(_good(machine_load={key: None})) == []


def test_more_vcpus_than_cores() -> None:
    of = measured(cpus=1.0, instances=3)
    together = [instance(instance=str(number), spawned_ns=number, end_ns=100) for number in range(3)]
    in_turn = [instance(instance=str(number), spawned_ns=number, end_ns=number + 1) for number in range(3)]

    assert _codes(run_data([of])) == [("OVERSUBSCRIBED", "doubtful", "lambda")]
    assert _codes(run_data([of], (), (), together)) == [("OVERSUBSCRIBED", "doubtful", "lambda")]
    assert judge(run_data([of], (), (), in_turn)) == []
    assert judge(run_data([measured(cpus=1.0, instances=3, url="https://far")])) == []


def test_a_generator_that_sends_too_late() -> None:
    late = [
        sample(experiment="open", number=index % 3, index=index // 3, ms=100, sent_ns=5 * MS + 1)
        for index in range(100)
    ]
    in_time = [replace(row, sent_ns=5 * MS) for row in late]
    fast = [replace(row, latency_ns=10 * MS, sent_ns=1 * MS) for row in late]

    assert _codes(run_data([measured()], late)) == [("GENERATOR SATURATED", "invalid", "lambda")]
    assert "--generators" in judge(run_data([measured()], late))[0].message
    assert judge(run_data([measured()], in_time)) == []
    assert judge(run_data([measured()], fast)) == []
    # A few that are late are no generator that cannot keep up, but they cast a doubt.
    assert _codes(run_data([measured()], [*late[:40], *in_time[40:]])) == [
        ("GENERATOR SATURATED", "doubtful", "lambda")
    ]
    # One in a hundred may be late.
    assert judge(run_data([measured()], [replace(late[0], sent_ns=50 * MS), *in_time[1:]])) == []
    assert _codes(_good(machine_load={"generator_percent": 90.0})) == [("GENERATOR SATURATED", "invalid", None)]


def test_a_burst_that_is_sent_too_late() -> None:
    """One that takes 100 ms may be sent 20 ms late at the median; one that takes 10 ms, 10."""
    due = [sample(experiment="burst", number=index % 3, index=index // 3, ms=100) for index in range(99)]

    late = [replace(row, sent_ns=50 * MS) for row in due]
    assert _codes(run_data([measured()], late)) == [("GENERATOR SATURATED", "doubtful", "lambda")]
    assert "sent 50 ms late" in judge(run_data([measured()], late))[0].message
    assert judge(run_data([measured()], [replace(row, sent_ns=20 * MS) for row in due])) == []
    assert judge(run_data([measured()], [replace(row, sent_ns=10 * MS, latency_ns=10 * MS) for row in due])) == []


@pytest.mark.parametrize(
    ("experiment", "in_flight", "severity"),
    [
        ("open", 1, "invalid"),
        ("burst", 1, "doubtful"),
        ("closed", 8, "invalid"),
        ("closed", 1, None),
        ("warmup", 1, None),
    ],
)
def test_the_busiest_generator_of_each_step(experiment: Experiment, in_flight: int, severity: str | None) -> None:
    """Several processes, or those of a cluster, are not among what this process used."""

    def data(cpu_ns: int) -> RunData:
        steps = [RecordedStep("lambda", experiment, number, 40, 1000, cpu_ns, None) for number in range(3)]
        run = _good(options={"workload": {"concurrency": in_flight}}, machine_load={"generator_percent": 5.0})
        return replace(run, steps=steps)

    assert _codes(data(900)) == ([] if severity is None else [("GENERATOR SATURATED", severity, "lambda")])
    assert judge(data(890)) == []


def test_too_few_rounds_show_nothing_steady() -> None:
    of = [measured("a"), measured("b")]

    [finding] = judge(run_data(of, [*rounds("a", [10]), *rounds("b", [10, 10])]))
    assert (finding.code, finding.severity, finding.configuration) == ("TOO FEW ROUNDS", "doubtful", None)
    assert finding.message == (
        "at least 3 rounds (closed) show whether latencies are steady, and got 2: raise --rounds"
    )
    [finding] = judge(run_data(of, [*rounds("a", [10]), *rounds("b", [10, 10, 10])]))
    assert "got 1 of a: raise" in finding.message
    bursts_and_starts = [*rounds("lambda", [10], experiment="burst"), sample(experiment="cold", cold=True)]
    assert judge(run_data([measured()], bursts_and_starts)) == []


def test_amounts_of_load_are_no_rounds() -> None:
    """Latencies grow with the load, and beyond what is carried requests are sent late."""
    rows = [
        replace(row, sent_ns=50 * MS if row.round == 2 else 0)
        for row in rounds("lambda", [10, 12, 90], experiment="open")
    ]
    probes = [Probe("lambda", "rate", 10.0 * 2**number, 20, 0, 9.0, 10.0, None, number < 2) for number in range(3)]

    assert judge(run_data([measured()], rows, kind="capacity", probes=probes)) == []
    assert judge(run_data([measured()], rows[:20], kind="capacity", probes=probes[:1])) == []
    assert {code for code, *_ in _codes(run_data([measured()], rows))} == {"UNSTABLE", "GENERATOR SATURATED"}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"memory_mb": "1769, none"}, True),
        ({"memory_mb": "1769, not enforced"}, True),
        ({"cpus": "0.58, affinity"}, True),
        ({"cpus": "1, affinity", "memory_mb": "1769, rlimit"}, False),
        ({"cpus": "0.58, cgroup v2", "idle_timeout_s": "none", "memory_mb": "not limited", "instances": 2}, False),
    ],
)
def test_limits_that_are_not_enforced(limits: dict[str, Any], expected: bool) -> None:
    assert _codes(run_data([measured(limits=limits)])) == ([("NOT ENFORCED", "doubtful", "lambda")] if expected else [])


def test_a_configuration_that_was_not_reached() -> None:
    of = [measured("a"), measured("b"), measured("c", role="beside")]

    data = run_data(of, rounds("a", [10, 10, 10]))

    assert _codes(data) == [("INCOMPLETE", "invalid", "b")]


def test_what_is_known_is_not_found_again() -> None:
    known = Finding("BUSY MACHINE", "doubtful", "seen")

    assert judge(_good(machine_load={"before_percent": 50.0}, findings=[known])) == []


def test_the_gravest_come_first() -> None:
    data = run_data([measured()], [*rounds("lambda", [10, 10, 12]), sample(index=90, status="INTERNAL")])

    assert [finding.severity for finding in judge(data)] == ["invalid", "doubtful"]
