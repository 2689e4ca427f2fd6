"""MLPerf LoadGen, driving any call: https://github.com/mlcommons/inference/tree/master/loadgen."""

import re
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

Scenario = Literal["SingleStream", "Server"]
# More than will ever be under way at the rates we ask for.
_THREADS = 128
# LoadGen's only record of each sample, with the latency from when it was scheduled.
_SAMPLE = re.compile(r'"name":"Sample".*"id":(\d+),"ts":(-?[\d.]+),"args":.*"complete_ns":(\d+)')


class LoadGenError(Exception):
    """LoadGen cannot be run here."""


class Measured(NamedTuple):
    """What LoadGen measured of a request.

    Attributes:
        due_ns: When it was due, from the start.
        latency_ns: From then on until it was answered.
    """

    due_ns: int
    latency_ns: int


def run_loadgen(
    call: Callable[[], object], scenario: Scenario, requests: int, rate: float, seed: int
) -> list[Measured]:
    """Let LoadGen send requests.

    Args:
        call: One request; it must not fail.
        scenario: ``SingleStream`` sends one after another; ``Server`` at random instants, answered or not.
        requests: How many.
        rate: Requests a second, for ``Server``.
        seed: For the instants.

    Returns:
        What it measured, in the order of its samples.

    Raises:
        LoadGenError: It is not installed, or did not measure every request.
    """
    try:
        import mlperf_loadgen
    except ImportError:
        raise LoadGenError("mlcommons-loadgen is not installed: it has no wheel for this Python or machine") from None
    settings = mlperf_loadgen.TestSettings()
    settings.scenario = getattr(mlperf_loadgen.TestScenario, scenario)
    settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = 0
    settings.min_query_count = settings.max_query_count = requests
    settings.server_target_qps = rate
    settings.schedule_rng_seed = seed
    logs = mlperf_loadgen.LogSettings()
    logs.log_output.copy_summary_to_stdout = False
    logs.enable_trace = True
    failed: list[BaseException] = []

    def answer(query: int) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - LoadGen would wait for ever
            failed.append(error)
        mlperf_loadgen.QuerySamplesComplete([mlperf_loadgen.QuerySampleResponse(query, 0, 0)])

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_THREADS) as threads:
        logs.log_output.outdir = folder

        def issue(samples: Sequence[Any]) -> None:
            for sample in samples:
                if scenario == "SingleStream":
                    # As MLPerf's own reference implementations do.
                    answer(sample.id)
                else:
                    threads.submit(answer, sample.id)

        system = mlperf_loadgen.ConstructSUT(issue, lambda: None)
        library = mlperf_loadgen.ConstructQSL(1, 1, lambda _: None, lambda _: None)
        try:
            mlperf_loadgen.StartTestWithLogSettings(system, library, settings, logs, "")
        finally:
            mlperf_loadgen.DestroyQSL(library)
            mlperf_loadgen.DestroySUT(system)
        trace = (Path(folder) / "mlperf_log_trace.json").read_text(encoding="utf-8")
    if failed:
        raise failed[0]
    measured = {int(number): Measured(round(float(us) * 1e3), int(ns)) for number, us, ns in _SAMPLE.findall(trace)}
    if len(measured) != requests:
        raise LoadGenError(f"its trace tells of {len(measured)} of {requests} requests: expected another LoadGen")
    return [measured[number] for number in sorted(measured)]
