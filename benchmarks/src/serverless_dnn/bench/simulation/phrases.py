"""How advice writes amounts, times, shares and options, as in a sentence."""

import math

from serverless_dnn.bench.simulation.break_even import three_digits
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.simulation.options import Candidate


def money(each: Prediction) -> str:
    """What an option costs, and how it is billed where that is not by request.

    Args:
        each: The option.
    """
    usd = each.usd_per_month
    if usd is None:
        return "at an unknown price"
    amount = f"${usd:,.0f}" if usd >= 100 else f"${usd:.2f}" if usd >= 0.01 else f"${usd:.2g}"
    return f"{amount} a month" + (", billed by instance" if each.billing == "instance-based" else "")


def surplus(more: float) -> str:
    """By how much an option is dearer.

    Args:
        more: By which share.
    """
    return f"{more:+.0%}" if more < 1 else f"{more + 1:.3g} times as much"


def facts(each: Prediction) -> str:
    """What an option would do.

    Args:
        each: The option.
    """
    found = [f"p99 {ms(each.p99_ms)}", f"{share(each.within_share)} within the objective"]
    found.append(f"{share(each.cold_share)} cold starts" if each.cold_share else "no cold starts")
    if each.refused_share:
        found.append(f"{share(each.refused_share)} refused")
    return ", ".join(found)


def share(value: float) -> str:
    """A share in percent that is not rounded to all or nothing.

    Args:
        value: From 0 to 1.
    """
    percent = value * 100
    if percent in (0, 100):
        return f"{percent:.0f} %"
    return f"{math.floor(percent * 100) / 100:.2f} %" if percent >= 0.01 else "under 0.01 %"


def number(value: float) -> str:
    """A number with three digits, never as a power of ten.

    Args:
        value: The number, above 0.
    """
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{three_digits(value):,.{digits}f}"


def ms(value_ms: float) -> str:
    """Milliseconds with three digits.

    Args:
        value_ms: The time; infinite where requests are refused.
    """
    if math.isinf(value_ms):
        return "out of reach"
    return f"{value_ms:,.0f} ms" if value_ms >= 100 else f"{value_ms:.3g} ms"


def name_beside(candidate: Candidate, other: Candidate) -> str:
    """A candidate's name, with as much as tells it from another one.

    Args:
        candidate: The candidate.
        other: The other one.
    """
    if candidate.platform != other.platform:
        return candidate.title
    remarks = [each for each in (candidate.engine, candidate.note) if each]
    return f"{candidate.title} with {candidate.size.memory_mb} MB" + (f" ({', '.join(remarks)})" if remarks else "")
