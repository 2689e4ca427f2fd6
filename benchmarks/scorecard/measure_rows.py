"""Whether latencies are measured right: against a server whose latencies are scripted, and against MLPerf LoadGen."""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from loadgen import LoadGenError, Scenario, run_loadgen
from rows import Effort, Row, quartiles
from synthetic_server import Script, synthetic_server, true_latencies_ns

from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.load.arrivals import poisson
from serverless_dnn.bench.load.generator import Call, Generator
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.models.workload import make_request

_SYNTHETIC_BAR, _P50_BAR, _P99_BAR = 2.0, 5.0, 15.0
_SEED = 17
_MODEL = "mobilenet_v1"
_WARM_UP = 20
# Long enough that the way there and back is less than the bar.
_FIXED = Script((250.0,))
_BIMODAL = Script((200.0, 200.0, 200.0, 200.0, 800.0))
_PAUSE = Script((200.0,), places=16, pause_ms=2000.0)
_RATE = 50.0
# Slow enough for one machine to be server and generator, and for the model's only instance not to magnify every
# disturbance into a queue.
_SYNTHETIC_RATE, _MODEL_RATE = 80.0, 30.0
# Enough for each round to have a p99, so that their median forgets the rounds in which the machine was disturbed.
_REQUESTS = 400
_SMALL = {"x": np.ones(4, np.float32)}


def synthetic_rows(effort: Effort) -> Iterator[Row]:
    """``measure.synthetic.<script>``: the largest relative error of the latencies' percentiles and mean.

    The truth is computed from the script and from when requests are due. The pause hits an open loop, so that whatever
    is due meanwhile waits: a generator that counts from when it sends would not see that.

    Args:
        effort: How long to measure.
    """
    requests = effort.of(40, 12)
    fixed = _measured(_FIXED, ClosedLoop(requests))
    yield _synthetic_row("fixed", fixed, [250e6] * requests, "closed loop, 250 ms each", (50,))

    arrivals_ns = poisson(_RATE, effort.of(10, 4), _SEED)
    bimodal = _measured(_BIMODAL, OpenLoop(arrivals_ns))
    # The server counts the warm-up as well.
    rotated = _BIMODAL.service_ms[_WARM_UP % 5 :] + _BIMODAL.service_ms[: _WARM_UP % 5]
    truth = true_latencies_ns(replace(_BIMODAL, service_ms=rotated), arrivals_ns)
    yield _synthetic_row("bimodal", bimodal, truth, f"{_RATE:g} requests/s, 200 ms or 800 ms", (50, 90, 99))

    arrivals_ns = poisson(_RATE, effort.of(15, 6), _SEED)
    begin = len(arrivals_ns) // 3
    paused = _measured(replace(_PAUSE, pause_at=_WARM_UP + begin), OpenLoop(arrivals_ns))
    truth = true_latencies_ns(replace(_PAUSE, pause_at=begin), arrivals_ns)
    note = f"{_RATE:g} requests/s, 200 ms each, 16 at a time, and a pause of 2 s"
    yield _synthetic_row("pause", paused, truth, note, (50, 90, 99))


def loadgen_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``measure.loadgen.p50`` and ``.p99``: by how much our latency differs from LoadGen's, at most.

    Both call by the same client, in turn, on the same server; in scenario Server both send at the instants that LoadGen
    drew. LoadGen: https://github.com/mlcommons/inference/tree/master/loadgen.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    bars = {50: _P50_BAR, 99: _P99_BAR}
    try:
        found = list(_compared(models, effort))
    except LoadGenError as error:
        for percent, bar in bars.items():
            yield Row(f"measure.loadgen.p{percent}", None, bar, "n/a", "%", None, 0, str(error))
        return
    for percent, bar in bars.items():
        differences = [case.differences(percent) for case in found]
        middle = [statistics.median(each) for each in differences]
        value = max(map(abs, middle))
        told = ", ".join(f"{case.name} {each:+.1f} %" for case, each in zip(found, middle, strict=True))
        spread = quartiles([abs(each) for rounds in differences for each in rounds])
        samples = sum(len(each) for case in found for each in case.ours_ns)
        verdict = "pass" if value <= bar else "short"
        note = f"our p{percent} beside MLPerf LoadGen's, median of the rounds: {told}"
        yield Row(f"measure.loadgen.p{percent}", value, bar, verdict, "%", spread, samples, note)


@dataclass(frozen=True)
class _Compared:
    """A server under one scenario, measured by both.

    Attributes:
        name: Which.
        ours_ns: Our latencies, round by round.
        theirs_ns: LoadGen's.
    """

    name: str
    ours_ns: Sequence[Sequence[float]]
    theirs_ns: Sequence[Sequence[float]]

    def differences(self, percent: float) -> list[float]:
        """How much larger our percentile is in each round, in percent.

        Args:
            percent: Which percentile.
        """
        rounds = zip(self.ours_ns, self.theirs_ns, strict=True)
        return [(percentile(ours, percent) / percentile(theirs, percent) - 1) * 100 for ours, theirs in rounds]


def _compared(models: Path, effort: Effort) -> Iterator[_Compared]:
    scripts = {"fixed": Script((20.0,)), "bimodal": Script((*(10.0,) * 9, 50.0))}
    for name, script in scripts.items():
        with synthetic_server(script) as server, _called(server.url, "synthetic", _SMALL) as called:
            yield from _scenarios(name, called, _SYNTHETIC_RATE, effort.of(5, 1))
    if any((models / _MODEL).glob("*/saved_model.pb")):
        with tempfile.TemporaryDirectory() as logs:
            target = PLATFORMS["cloudrun"].deploy(DeployOptions(_MODEL, models / _MODEL, Path(logs), "openvino"))
            try:
                with _called(target.url, _MODEL, make_request(_MODEL)) as called:
                    yield from _scenarios(_MODEL, called, _MODEL_RATE, effort.of(11, 1))
            finally:
                target.stop()


def _scenarios(name: str, called: "_Called", rate: float, rounds: int) -> Iterator[_Compared]:
    scenarios: tuple[Scenario, ...] = ("SingleStream", "Server")
    for scenario in scenarios:
        ours: list[list[float]] = []
        theirs: list[list[float]] = []
        for number in range(rounds):
            found = run_loadgen(called.predict, scenario, _REQUESTS, rate, seed=_SEED + number)
            theirs.append([each.latency_ns for each in found])
            due_ns = tuple(sorted(each.due_ns for each in found))
            load = ClosedLoop(_REQUESTS) if scenario == "SingleStream" else OpenLoop(due_ns)
            ours.append(called.latencies_ns(load))
        yield _Compared(f"{name} {scenario}", ours, theirs)


@dataclass(frozen=True)
class _Called:
    """A server, and our generator in front of it.

    Attributes:
        generator: Sends load.
        predict: One call by the same kind of client, for another generator.
    """

    generator: Generator
    predict: Callable[[], object]

    def latencies_ns(self, load: ClosedLoop | OpenLoop) -> list[float]:
        """The latencies of a step.

        Args:
            load: The pattern.

        Raises:
            RuntimeError: A request failed.
        """
        samples = self.generator.run(Step("", "open", 0, load)).samples
        if failed := [sample.error for sample in samples if not sample.is_counted]:
            raise RuntimeError(f"{len(failed)} of {len(samples)} requests failed, such as: {failed[0]}")
        return [sample.latency_ns for sample in samples]


@contextmanager
def _called(url: str, model: str, inputs: Mapping[str, np.ndarray]) -> Iterator[_Called]:
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "inputs.npz"
        np.savez(path, **inputs)
        call = Call(url, model, path, {"check_inputs": False, "timeout_s": 60.0})
        generator = Generator()
        stack.callback(generator.close)
        generator.add("", call)
        client = stack.enter_context(call.connect())
        request = client.encode(inputs)
        called = _Called(generator, lambda: client.predict(request))
        called.predict()
        called.latencies_ns(ClosedLoop(_WARM_UP - 1))
        yield called


def _measured(script: Script, load: ClosedLoop | OpenLoop) -> list[float]:
    with synthetic_server(script) as server, _called(server.url, "synthetic", _SMALL) as called:
        return called.latencies_ns(load)


def _synthetic_row(
    name: str, measured_ns: Sequence[float], truth_ns: Sequence[float], note: str, percents: Sequence[float]
) -> Row:
    pairs = {f"p{percent:g}": (percentile(measured_ns, percent), percentile(truth_ns, percent)) for percent in percents}
    pairs["mean"] = statistics.fmean(measured_ns), statistics.fmean(truth_ns)
    errors = [abs(measured / true - 1) * 100 for measured, true in pairs.values()]
    told = ", ".join(f"{what} {measured / 1e6:.1f} of {true / 1e6:.1f} ms" for what, (measured, true) in pairs.items())
    verdict = "pass" if max(errors) <= _SYNTHETIC_BAR else "short"
    return Row(
        f"measure.synthetic.{name}",
        max(errors),
        _SYNTHETIC_BAR,
        verdict,
        "%",
        quartiles(errors),
        len(measured_ns),
        f"largest error of {told}: {note}",
    )
