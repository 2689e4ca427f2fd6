"""Candidates are what a run measured; what does not carry the question is refused, or left out by name."""

from dataclasses import replace

import numpy as np
import pytest
from analysis_runs import instance, invocation, measured, run_data, sample

from serverless_dnn.bench.analysis.prices import packaged_prices
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.simulation.advice import advise
from serverless_dnn.bench.simulation.candidates import candidates_of, candidates_of_runs
from serverless_dnn.bench.simulation.demand import SteadyDemand
from serverless_dnn.bench.simulation.evaluation import Market
from serverless_dnn.bench.simulation.options import Candidate, Option

PRICES = packaged_prices()
ENGINE = "openvino 2026.4.1 f32"


def _data(warm: int = 400, cold: int = 5, **fields: object) -> RunData:
    """A run whose warm requests take 10 ms, 8 of them on the instance, and whose cold ones 512, 400 to start."""
    told = {"server_total_ns": 7_000_000, "bytes_sent": 1000, "bytes_received": 10, **fields}
    labels = {"lambda": 1769, "sagemaker": 2048, "cloudrun": 2048}
    samples, invocations = [], []
    for label in labels:
        for index in range(warm):
            samples.append(sample(label, "closed", 0, index, 10.0, **told))
            invocations.append(invocation(label, "closed", 0, 20.0 * index, 20.0 * index + 8))
        for number in range(cold):
            samples.append(sample(label, "cold", number, 0, 512.0, cold=True, **told))
            row = invocation(label, "cold", number, 400.0, 500.0, init_ns=300_000_000)
            invocations.append(replace(row, invocation=replace(row.invocation, arrival_ns=0)))
    configurations = [
        replace(measured(label, label, memory_mb=memory_mb), engine=ENGINE, bytes_sent=1000, bytes_received=10)
        for label, memory_mb in labels.items()
    ]
    return run_data(configurations, samples, invocations, [instance(label) for label in labels])


def _candidates(data: RunData) -> tuple[tuple[Candidate, ...], dict[str, str]]:
    found, missing = candidates_of(data, summarize(data))
    return found, dict(missing)


def test_candidates_are_what_the_run_measured() -> None:
    found, missing = _candidates(_data())
    behaviour = found[0].behaviour

    assert [each.label for each in found] == ["lambda", "sagemaker", "cloudrun"]
    assert not missing
    assert behaviour.service_s == pytest.approx(np.full(400, 0.008))
    assert behaviour.overhead_s == pytest.approx(np.full(400, 0.002))
    assert behaviour.start_s == pytest.approx(np.full(5, 0.4))
    assert behaviour.first_service_s == pytest.approx(np.full(5, 0.1))
    assert behaviour.first_overhead_s == pytest.approx(np.full(5, 0.012))
    assert [float(each.behaviour.start_billed_s[0]) for each in found] == pytest.approx([0.3, 0.0, 0.4])
    assert [each.size.data_bytes for each in found] == [1010.0] * 3
    assert behaviour.workers == 1


def test_where_the_platform_tells_nothing_the_server_does() -> None:
    data = replace(_data(), invocations=())
    found, _ = _candidates(data)

    assert found[0].behaviour.service_s == pytest.approx(np.full(400, 0.007))
    assert found[0].behaviour.overhead_s == pytest.approx(np.full(400, 0.003))
    assert found[0].behaviour.start_s == pytest.approx(np.full(5, 0.512 - 0.007 - 0.003))


def _with_open_loop(data: RunData, count: int = 400) -> RunData:
    """The run, with requests to Lambda that are 12 ms on a busy instance, 2 of them waiting in it, and 11 before it."""
    told = {"server_total_ns": 11_000_000, "server_queue_ns": 2_000_000, "bytes_sent": 1000, "bytes_received": 10}
    samples, invocations = list(data.samples), list(data.invocations)
    for index in range(count):
        begin_ms = 20.0 * index
        samples.append(sample("lambda", "open", 0, index, 26.0, **told))
        row = invocation("lambda", "open", 0, begin_ms, begin_ms + 12)
        arrival_ns = row.invocation.begin_ns - 11_000_000
        invocations.append(replace(row, invocation=replace(row.invocation, arrival_ns=arrival_ns)))
    return replace(data, samples=samples, invocations=invocations)


def test_times_are_those_under_load_where_an_open_loop_was_measured() -> None:
    found, _ = _candidates(_with_open_loop(_data()))
    lambda_, sagemaker = found[0].behaviour, found[1].behaviour

    assert lambda_.is_under_load
    assert lambda_.service_s == pytest.approx(np.full(400, 0.010))
    # What it waited for the instance is the simulation's to say.
    assert lambda_.overhead_s == pytest.approx(np.full(400, 0.003))
    assert lambda_.start_s == pytest.approx(np.full(5, 0.4))
    assert not sagemaker.is_under_load
    assert sagemaker.service_s == pytest.approx(np.full(400, 0.008))
    said = " ".join(advise(found, SteadyDemand(10), Market(100, PRICES), requests=500).assumptions)
    assert "lambda: times are drawn from 400 warm requests of an open loop and 5 cold starts" in said
    assert "sagemaker: times are drawn from 400 warm requests one after another" in said
    assert "A run with --rate measures it" in said


def test_an_open_loop_of_few_requests_says_too_little() -> None:
    found, _ = _candidates(_with_open_loop(_data(), 100))

    assert not found[0].behaviour.is_under_load
    assert found[0].behaviour.service_s == pytest.approx(np.full(400, 0.008))


def test_requests_that_shared_an_instance_are_not_slowed_down_twice() -> None:
    data = _with_open_loop(_data())
    shared = [
        replace(each, engine="tensorflow 2.21", configuration=replace(each.configuration, requests_per_instance=4))
        for each in data.run.configurations
    ]
    found, _ = _candidates(replace(data, run=replace(data.run, configurations=shared)))

    assert not found[0].behaviour.is_under_load


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_data(cold=0), "no cold start was measured: run with --cold-starts 6"),
        (_data(warm=100), "100 warm requests say nothing about p99, it takes 368: run with --requests 400"),
        (replace(_data(server_total_ns=None), invocations=()), "neither the platform nor the server told"),
    ],
)
def test_a_run_that_does_not_carry_the_question_is_refused(data: RunData, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        _candidates(data)


def test_what_does_not_carry_the_question_is_left_out_and_named() -> None:
    data = _data()
    lacking = [each for each in data.samples if (each.configuration, each.experiment) != ("cloudrun", "cold")]
    found, missing = _candidates(replace(data, samples=lacking))

    assert [each.label for each in found] == ["lambda", "sagemaker"]
    assert list(missing) == ["cloudrun"]
    advice = advise(found, SteadyDemand(10), Market(50, PRICES), left_out=missing, requests=500)
    assert "no cold start" in advice.left_out["cloudrun"]


def test_the_engine_is_named_where_there_are_several() -> None:
    data = _data()
    several = [
        replace(each, engine="tensorflow 2.21") if each.label == "cloudrun" else each
        for each in data.run.configurations
    ]
    found, _ = _candidates(replace(data, run=replace(data.run, configurations=several)))

    assert Option(found[2]).text == "Cloud Run with 2048 MB, 1 vCPU, concurrency 1 (tensorflow 2.21)"
    assert Option(_candidates(data)[0][2]).text == "Cloud Run with 2048 MB, 1 vCPU, concurrency 1"


def _with_beside(data: RunData, json_requests: int = 400) -> RunData:
    """The run, with what JSON costs and starts that compile shown beside Lambda."""
    lambda_ = data.run.configurations[0]
    of_json = replace(lambda_.configuration, label="lambda json", body_format="json", role="beside")
    empty = replace(lambda_.configuration, label="lambda empty cache", deployment="empty", cache="empty", role="beside")
    told = {"server_total_ns": 7_000_000, "bytes_sent": 3000, "bytes_received": 10}
    samples = [
        *data.samples,
        *(sample("lambda json", "closed", 0, index, 20.0, **told) for index in range(json_requests)),
    ]
    samples += [sample("lambda empty cache", "cold", number, 0, 2000.0, cold=True, **told) for number in range(3)]
    configurations = [
        *data.run.configurations,
        replace(lambda_, configuration=of_json),
        replace(lambda_, configuration=empty),
    ]
    return replace(data, run=replace(data.run, configurations=configurations), samples=samples)


def test_what_is_shown_beside_is_chosen_from_only_when_asked_for() -> None:
    data = _with_beside(_data())
    summary = summarize(data)
    without, _ = candidates_of(data, summary)
    found, missing = candidates_of(data, summary, with_beside=True)

    assert [each.label for each in without] == ["lambda", "sagemaker", "cloudrun"]
    assert [each.label for each in found] == ["lambda", "sagemaker", "cloudrun", "lambda json", "lambda empty cache"]
    assert not missing
    by_label = {each.label: each for each in found}
    assert by_label["lambda json"].behaviour.overhead_s == pytest.approx(np.full(400, 0.013))
    # What was not measured of it is that of the configuration that it is shown beside.
    assert by_label["lambda json"].behaviour.start_s == pytest.approx(np.full(5, 0.4))
    assert by_label["lambda empty cache"].behaviour.start_s[0] > 1.9
    assert by_label["lambda empty cache"].behaviour.service_s == pytest.approx(np.full(400, 0.008))
    assert Option(by_label["lambda empty cache"]).text == "AWS Lambda with 1769 MB (empty cache)"
    assert Option(by_label["lambda json"]).text == "AWS Lambda with 1769 MB (json bodies)"


def test_what_is_shown_beside_needs_four_times_the_requests() -> None:
    data = _with_beside(_data(), json_requests=100)
    _, missing = candidates_of(data, summarize(data), with_beside=True)

    assert list(missing) == ["lambda json"]
    assert missing["lambda json"].endswith("run with --requests 1600")


def test_requests_several_at_a_time_do_not_tell_what_one_takes() -> None:
    data = _data()
    several = replace(data, run=replace(data.run, options={"workload": {"concurrency": 4}}))

    with pytest.raises(OptionError, match="4 requests were in flight at a time: run with --in-flight 1"):
        _candidates(several)


def test_numbers_that_must_not_be_used_are_not() -> None:
    data = _data()
    wrong = Finding("OUTPUTS DIFFER", "invalid", "expected at most 0.0001, got 0.3", "lambda")
    busy = Finding("BUSY MACHINE", "doubtful", "other processes used 0.8 of 2 cores")
    found, missing = _candidates(replace(data, run=replace(data.run, findings=[wrong, busy])))

    assert [each.label for each in found] == ["sagemaker", "cloudrun"]
    assert "OUTPUTS DIFFER" in missing["lambda"]
    ended = Finding("INCOMPLETE", "invalid", "the run was interrupted")
    assert len(_candidates(replace(data, run=replace(data.run, findings=[ended])))[0]) == 3


def test_several_runs_are_chosen_from_together() -> None:
    data = _data()
    without_lambda = replace(data, run=replace(data.run, configurations=data.run.configurations[1:]))
    found, _ = candidates_of_runs([(each, summarize(each)) for each in (data, without_lambda)])

    assert [each.label for each in found] == [
        "lambda", "sagemaker (run 1)", "cloudrun (run 1)", "sagemaker (run 2)", "cloudrun (run 2)",
    ]  # fmt: skip
    other = replace(data, run=replace(data.run, model="bert_base"))
    with pytest.raises(OptionError, match="expected runs of one model, got mobilenet_v1, bert_base"):
        candidates_of_runs([(each, summarize(each)) for each in (data, other)])
