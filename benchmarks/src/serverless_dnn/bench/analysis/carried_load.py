"""How much load each configuration carries, in plain English, and no claim beyond what was tried; pure."""

from collections.abc import Sequence

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.statistics import is_carried, needed_count


def carried_load(probes: Sequence[Probe], slo_p99_ms: float | None) -> str:
    """Say how much load each configuration carries.

    Args:
        probes: What each amount led to.
        slo_p99_ms: The objective; ``None`` if there is none.

    Returns:
        A sentence for each configuration.
    """
    if not probes:
        return "No amount of load was tried to its end."
    by_label: dict[str, list[Probe]] = {}
    for probe in sorted(probes, key=lambda probe: probe.amount):
        by_label.setdefault(probe.configuration, []).append(probe)
    labels = dict.fromkeys(probe.configuration for probe in probes)
    if slo_p99_ms is None:
        return " ".join(_answered(label, by_label[label]) for label in labels)
    return " ".join(_carried(label, by_label[label], f"p99 within {slo_p99_ms:g} ms") for label in labels)


def _answered(label: str, tried: Sequence[Probe]) -> str:
    most = max(tried, key=lambda probe: probe.answered_rate)
    return f"{label} answered at most {most.answered_rate:.3g} requests/s, when sent {_amount(most)}."


def _carried(label: str, tried: Sequence[Probe], objective: str) -> str:
    """What is kept beyond an amount that is not was luck, and counts for nothing."""
    first_missed = next((place for place, probe in enumerate(tried) if probe.keeps_objective is False), len(tried))
    missed = tried[first_missed] if first_missed < len(tried) else None
    kept = [probe for probe in tried[:first_missed] if probe.keeps_objective]
    if kept:
        most = kept[-1]
        if missed is not None:
            return f"{label} keeps {objective} with up to {_amount(most)}, and misses it with {_amount(missed)}."
        beyond = "the most that was tried" if most is tried[-1] else "beyond which it cannot be told"
        return f"{label} keeps {objective} with at least {_amount(most)}, {beyond}."
    if missed is tried[0]:
        return f"{label} does not keep {objective} even with {_amount(missed)}, the least that was tried."
    few = [probe for probe in tried[:first_missed] if not is_carried(probe.requests - probe.failures, 99)]
    reason = f": a p99 takes {needed_count(99)} requests at each amount, so raise --duration-s" if few else ""
    if missed is not None:
        return f"{label} misses {objective} with {_amount(missed)}; below that it cannot be told{reason}."
    return f"It cannot be told whether {label} keeps {objective}{reason}."


def _amount(probe: Probe) -> str:
    return f"{probe.amount:.3g} requests/s" if probe.quantity == "rate" else f"{probe.value:g} in flight"
