"""A plan says what is compared with what, between equals, and what does not fit."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from serverless_dnn.bench.analysis.prices import packaged_prices
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.estimate import estimate_plan
from serverless_dnn.bench.experiments.options import RunOptions, Workload
from serverless_dnn.bench.experiments.plan import Machine, make_plan
from serverless_dnn.bench.experiments.plan_table import print_plan
from serverless_dnn.bench.platforms import PLATFORMS

MACHINE = Machine(cores=2, memory_mb=20_000)
ALL = RunOptions(targets=tuple(PLATFORMS))


def test_the_default_compares_equals() -> None:
    plan = make_plan(ALL, MACHINE)
    compared = [each for each in plan.configurations if each.role == "compared"]

    assert [each.label for each in compared] == list(PLATFORMS)
    assert {each.cpus for each in compared} == {1.0}
    assert {each.body_format for each in compared} == {"protobuf"}
    assert {each.requests_per_instance for each in compared} == {1}
    assert {each.instances for each in compared} == {2}
    assert plan.findings == ()
    # What is shown beside them is not more of the same.
    beside = [each.label for each in plan.configurations if each.role == "beside"]
    assert beside == [
        "lambda json",
        "lambda empty cache",
        "sagemaker json",
        "sagemaker empty cache",
        "cloudrun empty cache",
    ]


def test_what_shares_instances_shares_a_deployment() -> None:
    plan = make_plan(ALL, MACHINE)
    of = {each.label: each.deployment for each in plan.configurations}

    assert of["lambda json"] == of["lambda"] != of["lambda empty cache"]
    assert plan.deployments["lambda"].label == "lambda"


@pytest.mark.parametrize(
    ("platform", "memory_mb", "cpus", "expected"),
    [("lambda", 1769, None, 1), ("lambda", 10_240, None, 5.79), ("sagemaker", 6144, None, 3), ("cloudrun", 2048, None, 1),
     ("cloudrun", 8192, None, 2), ("cloudrun", 2048, 2.0, 2), ("cloudrun", 512, 0.5, 0.5), ("cloudrun", 1024, 0.75, 0.75),
     ("cloudrun", 32_768, None, 8), ("cloudrun", 4096, 8.0, 8)],
)  # fmt: skip
def test_vcpus_follow_the_platforms_rules(platform: str, memory_mb: int, cpus: float | None, expected: float) -> None:
    options = replace(ALL, targets=(platform,), memories_mb=(memory_mb,), cpus=cpus)

    assert make_plan(options, Machine(8, 64_000)).configurations[0].cpus == pytest.approx(expected, abs=0.01)


def test_sizes_that_a_platform_lacks_become_the_next_larger() -> None:
    plan = make_plan(replace(ALL, memories_mb=(1000, 1024, 1500)), MACHINE)
    sizes = {name: [each.memory_mb for each in plan.configurations if each.platform == name and each.role == "compared"] for name in PLATFORMS}  # fmt: skip

    assert sizes == {"lambda": [1000, 1024, 1500], "sagemaker": [1024, 2048], "cloudrun": [1000, 1024, 1500]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memories_mb": (7000,), "targets": ("sagemaker",)}, "SageMaker Serverless has no instances of 7000 MB"),
        ({"memories_mb": (8192,), "cpus": 1.0, "targets": ("cloudrun",)}, "1 vCPU 512 to 4096 MB.* at least 2 vCPU"),
        ({"memories_mb": (1024,), "cpus": 0.25, "targets": ("cloudrun",)}, "0.25 vCPU 512 to 512 MB"),
        ({"memories_mb": (2048,), "cpus": 8.0, "targets": ("cloudrun",)}, "8 vCPU 4096 to 32768 MB, got 2048$"),
        ({"cpus": 1.5}, "1, 2, 4, 6, 8 vCPU, or 0.08 to 1: .*not 1.5"),
        ({"cpus": 3.0}, "not 3"),
        ({"cpus": 0.05}, "not 0.05"),
        ({"cpus": 0.5, "requests_per_instance": 2}, "0.5 vCPU one request at a time, got --concurrency 2"),
        (
            {"targets": ("lambda:f",), "throttle": True, "instances": 2},
            "--instances and --throttle cannot be set for lambda:f",
        ),
        ({"targets": ("lambda:f",), "engines": ("openvino",)}, "--engine cannot be set"),
        ({"targets": ("lambda:f",), "link": "lan"}, "--link cannot be set"),
        ({"targets": ("lambda:f",), "by_url": True}, "--by-url cannot be set"),
        ({"by_url": True, "link": "lan"}, "which --link does not reach"),
        ({"by_url": True, "ray_address": "auto"}, "which --ray does not reach"),
        ({"targets": ("sagemaker:e",), "memories_mb": (7000,)}, "no instances of 7000 MB"),
        ({"workload": Workload(rate=5, arrivals="intervals.txt")}, "intervals.txt has its own rate, got --rate 5"),
        ({"requests_per_instance": 2000}, "1 to 1000 requests at a time"),
        ({"targets": ("lambda", "lambda")}, "named twice"),
        ({"targets": ("azure",)}, "neither a platform"),
        ({"instances": 50}, "MB are free"),
        ({"workload": Workload(rounds=0)}, "at least one round"),
        ({"workload": Workload(requests=0, burst=0, cold_starts=0)}, "nothing to measure"),
    ],
)
def test_what_cannot_be_planned(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_plan(replace(ALL, **changes), MACHINE)


def test_more_vcpus_than_cores_are_no_secret() -> None:
    plan = make_plan(replace(ALL, targets=("lambda",), instances=3), MACHINE)

    (finding,) = plan.findings
    assert (finding.code, finding.severity, finding.configuration) == ("OVERSUBSCRIBED", "doubtful", "lambda")
    assert "3 x 1.00 vCPUs on 2 cores" in finding.message
    assert "--instances 2" in finding.message


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"targets": ("lambda",), "memories_mb": (8000,), "instances": 1}, "use less --memory"),
        ({"targets": ("cloudrun",), "cpus": 4.0, "instances": 1}, "use fewer --cpus"),
        ({"targets": ("cloudrun",), "cpus": 2.0, "instances": 2}, "use --instances 1 or fewer --cpus"),
    ],
)
def test_the_advice_is_something_that_can_be_done(changes: dict[str, object], advice: str) -> None:
    finding = make_plan(replace(ALL, **changes), MACHINE).findings[0]

    assert finding.code == "OVERSUBSCRIBED"
    assert finding.message.endswith(advice)


def test_tensors_go_by_url_where_servers_take_urls_and_bodies_are_binary() -> None:
    plan = make_plan(RunOptions(tuple(PLATFORMS), by_url=True, with_empty_cache=False), MACHINE)

    by_url = {each.label: each.by_url for each in plan.configurations}
    assert by_url == {
        "lambda": True, "lambda json": False, "sagemaker": True, "sagemaker json": False, "cloudrun": False
    }  # fmt: skip


@pytest.mark.parametrize(("cpus", "memory_mb"), [(0.25, 512), (0.5, 1024), (1.0, 2048), (4.0, 2048), (8.0, 4096)])
def test_vcpus_alone_choose_a_memory_that_goes_with_them(cpus: float, memory_mb: int) -> None:
    plan = make_plan(replace(ALL, cpus=cpus), Machine(8, 64_000))

    assert [each.memory_mb for each in plan.configurations if each.role == "compared"] == [1769, 2048, memory_mb]


def test_a_recording_says_how_many_requests_it_has_and_how_long_it_takes() -> None:
    recorded_ns = tuple(number * 100_000_000 for number in range(1, 1201))
    nothing_else = Workload(requests=0, burst=0, cold_starts=0, arrivals="intervals.txt")
    plan = make_plan(replace(ALL, targets=("lambda",), with_json=False, workload=nothing_else), MACHINE, recorded_ns)
    none = make_plan(replace(ALL, targets=("lambda",), with_json=False, workload=Workload()), MACHINE)

    assert plan.planned_requests_of(plan.configurations[0]) == plan.open_requests == 1200
    assert plan.open_duration_s == 120
    assert estimate_plan(plan, packaged_prices()).duration_s > 120
    assert (none.open_requests, none.open_duration_s) == (0, 0)


def test_fewer_requests_where_they_only_show_a_difference() -> None:
    plan = make_plan(ALL, MACHINE)
    requests = {each.label: plan.requests_of(each) for each in plan.configurations}
    starts = {each.label: plan.cold_starts_of(each) for each in plan.configurations}

    assert (requests["lambda"], requests["lambda json"], requests["lambda empty cache"]) == (400, 100, 0)
    assert (starts["lambda"], starts["lambda json"], starts["lambda empty cache"]) == (6, 0, 3)
    assert plan.planned_requests_of(plan.configurations[0]) == 400 + 6 + 10 * 40


def test_remote_targets_are_what_their_urls_say() -> None:
    urls = ("lambda:f", "sagemaker:e", "https://x.run.app", "grpc://127.0.0.1:1")
    plan = make_plan(replace(ALL, targets=urls), MACHINE)

    assert [each.platform for each in plan.configurations] == ["lambda", "sagemaker", "cloudrun", "grpc"]
    assert [each.url for each in plan.configurations] == list(urls)
    assert {each.memory_mb for each in plan.configurations} == {None}


def test_the_size_of_remote_instances_is_a_fact_that_is_given() -> None:
    urls = ("lambda:f", "sagemaker:e", "https://x.run.app")
    plan = make_plan(replace(ALL, targets=urls, memories_mb=(2000,), cpus=2.0), MACHINE)

    assert [(each.memory_mb, round(each.cpus or 0, 2)) for each in plan.configurations] == [
        (2000, 1.13), (2048, 1.0), (2000, 2.0),
    ]  # fmt: skip
    alone = make_plan(replace(ALL, targets=urls, cpus=2.0), MACHINE)
    assert [(each.memory_mb, each.cpus) for each in alone.configurations] == [(None, None), (None, None), (None, 2.0)]
    with pytest.raises(OptionError, match=r"not 1\.5"):
        make_plan(replace(ALL, targets=urls, cpus=1.5), MACHINE)


def test_nobody_expects_cold_starts_of_what_is_remote() -> None:
    remote = make_plan(replace(ALL, targets=("lambda:f", "cloudrun")), MACHINE)
    without = make_plan(replace(ALL, targets=("lambda:f",), workload=Workload(cold_starts=0)), MACHINE)

    (finding,) = remote.findings
    assert (finding.code, finding.severity, finding.configuration) == ("NO COLD STARTS", "note", "lambda:f")
    assert [remote.cold_starts_of(each) for each in remote.configurations] == [0, Workload().cold_starts, 3]
    assert without.findings == ()


def _printed(**changes: object) -> str:
    plan, console = make_plan(replace(ALL, **changes), MACHINE), Console(file=StringIO(), width=200)
    print_plan(plan, estimate_plan(plan, packaged_prices()), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_what_a_remote_run_costs_says_for_which_size() -> None:
    assumed, given = _printed(targets=("lambda:f",)), _printed(targets=("lambda:f",), memories_mb=(4096,))
    prices = packaged_prices()
    costs = [
        estimate_plan(make_plan(replace(ALL, targets=("https://x.run.app",), cpus=cpus), MACHINE), prices).cost_usd
        for cpus in (1.0, 4.0)
    ]

    assert "US dollars at list prices, without data transfer, for instances of 1,769 MB" in assumed
    assert "which is assumed: give --memory" in assumed
    assert "for instances of 4,096 MB and 2.32 vCPU\n" in given
    assert costs[0]["https://x.run.app"] != costs[1]["https://x.run.app"]


def test_an_estimate_grows_with_the_work_and_prices_what_is_remote() -> None:
    prices = packaged_prices()
    small, large = (
        estimate_plan(make_plan(replace(ALL, workload=Workload(requests=count)), MACHINE), prices)
        for count in (100, 10_000)
    )
    remote = estimate_plan(make_plan(replace(ALL, targets=("lambda:f", "grpc://127.0.0.1:1")), MACHINE), prices)

    assert large.duration_s > 5 * small.duration_s > 0
    assert large.requests["lambda"] - small.requests["lambda"] == 9900
    assert small.cost_usd == {}
    assert remote.cost_usd["lambda:f"] is not None
    assert 0 < remote.cost_usd["lambda:f"] < 1
    assert remote.cost_usd["grpc://127.0.0.1:1"] is None


def test_options_can_be_written_down() -> None:
    document = replace(ALL, model_path=Path("m")).to_document()

    assert document["model_path"] == "m"
    assert document["workload"]["requests"] == 400
