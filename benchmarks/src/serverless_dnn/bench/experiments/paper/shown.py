"""How numbers are written in the paper's tables and figures."""

from types import MappingProxyType

from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.experiments.paper.evidence import Evidence
from serverless_dnn.bench.report.paper_results import Mark
from serverless_dnn.bench.report.wording import ABSENT, interval, number
from serverless_dnn.models.registry import get_model

_ENGINES = MappingProxyType({"tensorflow": "TensorFlow", "openvino": "OpenVINO"})


def with_interval(value: Estimate | None) -> str:
    """Write an estimate with its interval.

    Args:
        value: The estimate, or ``None``.

    Returns:
        Such as ``9.31 (9.02 to 9.77)``; a dash for ``None``.
    """
    if value is None:
        return ABSENT
    return number(value.value) if value.interval is None else f"{number(value.value)} ({interval(value.interval)})"


def marked(name: str, value: Estimate | None) -> tuple[Mark, ...]:
    """A point of a figure.

    Args:
        name: What it is.
        value: The estimate, or ``None``.

    Returns:
        The point; none for ``None``.
    """
    if value is None:
        return ()
    low, high = (None, None) if value.interval is None else (value.interval.low, value.interval.high)
    return (Mark(name, value.value, low, high),)


def title_of(model: str) -> str:
    """A model's display name without what stands after a comma.

    Args:
        model: The model.
    """
    return get_model(model).title.partition(",")[0]


def engine_name(evidence: Evidence, label: str, asked: str) -> str:
    """The engine that ran a configuration.

    Args:
        evidence: The run.
        label: The configuration.
        asked: What was asked for, such as ``auto``.

    Returns:
        Such as ``OpenVINO``; what was asked for if the server did not tell.
    """
    measured = evidence.measured(label)
    facts = (measured.engine_facts if measured else None) or {}
    name = _ENGINES.get(str(facts.get("name")), asked)
    return f"{name} (auto)" if asked == "auto" and name == _ENGINES["tensorflow"] else name
