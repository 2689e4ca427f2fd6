"""Two runs differ where they differ beyond noise, and a gate that cannot be checked does not pass."""

from dataclasses import replace

import pytest
from analysis_runs import invocation, measured, rounds, run_data, sample

from serverless_dnn.bench.analysis.comparison import Change, Comparison, Rule, broken_rules, compare, parse_rule
from serverless_dnn.bench.analysis.prices import Price, PriceTable
from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report.comparison_report import answer

_CALM = (10.0, 10.1, 9.9, 10.05, 9.95)
_WILD = (10.0, 13.0, 8.0, 11.0, 9.0)


def _run(samples: list[Sample]) -> RunData:
    return run_data([measured()], samples)


def _change(comparison: Comparison, metric: str) -> Change:
    [change] = [each for each in comparison.changes if each.metric == metric]
    return change


def test_a_change_beyond_noise() -> None:
    comparison = compare(_run(rounds("lambda", _CALM)), _run(rounds("lambda", [ms * 1.1 for ms in _CALM])))

    change = _change(comparison, "p50")

    assert (change.label, change.experiment, change.changed) == ("lambda", "closed", True)
    assert change.after / change.before == pytest.approx(1.1)
    assert change.ratio is not None
    assert change.ratio.interval is not None
    assert 1.08 < change.ratio.interval.low < 1.1 < change.ratio.interval.high < 1.12


def test_the_same_change_within_noise() -> None:
    comparison = compare(_run(rounds("lambda", _WILD)), _run(rounds("lambda", [ms * 1.1 for ms in _WILD])))

    assert _change(comparison, "p50").changed is False
    assert broken_rules(comparison, [parse_rule("p50>5%")]) == []


def test_a_run_of_one_round_cannot_tell() -> None:
    comparison = compare(_run(rounds("lambda", [10], count=100)), _run(rounds("lambda", [20], count=100)))

    assert _change(comparison, "p50").changed is None
    [message] = broken_rules(comparison, [parse_rule("p50>5%")])
    assert message == "p50>5% cannot be checked for lambda (closed): measure more or larger rounds"


def test_percentiles_that_a_run_does_not_carry_are_not_compared() -> None:
    comparison = compare(_run(rounds("lambda", _CALM)), _run(rounds("lambda", _CALM)))

    assert {change.metric for change in comparison.changes} == {"p50", "p90", "p95", "failures"}
    [message] = broken_rules(comparison, [parse_rule("p99>5%")])
    assert message == "p99>5% cannot be checked: the runs have no p99 in common"


def test_capacities_are_set_beside_each_other_and_their_loads_are_not_mixed() -> None:
    def run(highest: float) -> RunData:
        samples = [each for rate in range(5) for each in rounds("lambda", [10.0 * (rate + 1)], experiment="open")]
        probes = [
            Probe("lambda", "rate", value, 500, 0, value, 10.0, 20.0, kept)
            for value, kept in ((highest, True), (2 * highest, False))
        ]
        data = run_data([measured()], samples)
        return replace(data, run=replace(data.run, kind="capacity", probes=probes, options={"slo_p99_ms": 50}))

    comparison = compare(run(40), run(30))

    assert comparison.changes == ()
    assert answer(comparison).splitlines() == [
        "Before: lambda keeps p99 within 50 ms with up to 40 requests/s, and misses it with 80 requests/s.",
        "After: lambda keeps p99 within 50 ms with up to 30 requests/s, and misses it with 60 requests/s.",
    ]
    assert broken_rules(comparison, [parse_rule("p50>5%")]) == [
        "p50>5% cannot be checked: the runs have no p50 in common"
    ]
    assert compare(run(40), _run(rounds("lambda", _CALM))).changes == ()


def test_broken_rules_say_what_by_how_much() -> None:
    comparison = compare(_run(rounds("lambda", _CALM)), _run(rounds("lambda", [ms * 1.1 for ms in _CALM])))

    [message] = broken_rules(comparison, [parse_rule("p50>5%"), parse_rule("p50>20%")])
    assert message.startswith("p50>5% is broken by lambda (closed): 9.")
    assert message.endswith("ms, +10.0 %")
    assert (
        broken_rules(
            compare(_run(rounds("lambda", [ms * 1.1 for ms in _CALM])), _run(rounds("lambda", _CALM))),
            [parse_rule("p50>5%")],
        )
        == []
    )


def test_cold_starts_and_costs() -> None:
    def run(factor: float) -> RunData:
        cold = [sample(experiment="cold", number=number, ms=factor * (800 + number), cold=True) for number in range(6)]
        invocations = [
            invocation(number=row.round, begin_ms=100 * row.index, end_ms=100 * row.index + factor * 10)
            for row in rounds("lambda", _CALM)
        ]
        return run_data([measured()], [*rounds("lambda", _CALM), *cold], invocations)

    comparison = compare(run(1), run(2))

    assert (_change(comparison, "cold").experiment, _change(comparison, "cold").changed) == ("cold", True)
    cost = _change(comparison, "cost")
    assert (cost.before, cost.after) == (pytest.approx(0.2 + 0.166667), pytest.approx(0.2 + 2 * 0.166667))
    assert cost.changed is True
    messages = broken_rules(comparison, [parse_rule("cold>10%"), parse_rule("cost>1%"), parse_rule("p50>5%")])
    assert [message.partition(" is broken by lambda: ")[0] for message in messages] == ["cold>10%", "cost>1%"]


def test_a_new_price_is_no_change_of_what_was_measured() -> None:
    prices = [
        Price("lambda", item, "here", "unit", 0.0, usd, None, "2026", "me", "known")
        for item, usd in (("duration", 1.0), ("requests", 1.0))
    ]
    samples = rounds("lambda", _CALM, count=2)
    invocations = [
        invocation(number=row.round, begin_ms=100 * row.index, end_ms=100 * row.index + 10) for row in samples
    ]
    before = run_data([measured()], samples, invocations)
    after = run_data([measured()], samples, invocations, prices=tuple(prices))

    change = _change(compare(before, after), "cost")
    assert change.before == change.after > 1e6
    assert _change(compare(after, before), "cost").after < 1
    assert _change(compare(before, before, prices=PriceTable(tuple(prices))), "cost").after == change.after


def test_failures_are_forbidden_old_ones_too() -> None:
    failing = _run([*rounds("lambda", _CALM), sample(index=90, status="INTERNAL")])
    good = _run(rounds("lambda", _CALM))
    rule = [parse_rule("failures>0")]

    assert broken_rules(compare(good, good), rule) == []
    assert broken_rules(compare(failing, good), rule) == []
    assert broken_rules(compare(good, failing), rule) == ["failures>0 is broken by lambda: 1 failed"]
    assert broken_rules(compare(failing, failing), rule) == ["failures>0 is broken by lambda: 1 failed"]
    assert broken_rules(compare(good, failing), [parse_rule("failures>1")]) == []


def test_settings_that_differ_are_listed() -> None:
    before = run_data(
        [measured("a"), measured("gone")],
        options={"rounds": 5, "runs_dir": "x"},
        packages={"numpy": "1"},
        machine={"cores": 2},
    )
    after = run_data(
        [replace(measured("a", memory_mb=2048), engine="openvino"), measured("new")],
        options={"rounds": 9, "runs_dir": "y"},
        packages={"numpy": "1", "scipy": "2"},
        machine={"cores": 4},
    )

    comparison = compare(before, after)

    assert [(each.name, each.before, each.after) for each in comparison.differences] == [
        ("option rounds", 5, 9),
        ("machine: cores", 2, 4),
        ("package scipy", None, "2"),
        ("a: memory_mb", 1024, 2048),
        ("a: engine that ran", None, "openvino"),
    ]
    assert (comparison.only_before, comparison.only_after) == (("gone",), ("new",))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("p50>5%", Rule("p50>5%", "p50", 5)),
        (" p99 > 2.5 % ", Rule("p99 > 2.5 %", "p99", 2.5)),
        ("cold>10%", Rule("cold>10%", "cold", 10)),
        ("failures>0", Rule("failures>0", "failures", 0)),
    ],
)
def test_rules(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no rule: expected one such as p50>5%"),
        ("p50<5%", "is no rule"),
        ("p50>5%%", "is no rule"),
        ("p50>-5%", "is no rule"),
        ("speed>5%", "names no known metric: choose p50"),
        ("p50>5", "expected a percentage, such as p50>5%"),
        ("failures>1%", "expected a number of failures, such as failures>0"),
    ],
)
def test_what_is_no_rule(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("+", r"\+")):
        parse_rule(text)
