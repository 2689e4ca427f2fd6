"""Which configurations belong together in a picture, and how each is drawn; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serverless_dnn.bench.analysis.results import ConfigurationSummary, RunSummary
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.report.colors import variable

_DASHES = ("", "7 4", "2 4", "9 3 2 3", "1 3", "12 5")


@dataclass(frozen=True)
class Series:
    """Configurations that differ in memory alone.

    Attributes:
        name: The platform's title, and what else tells it from the others.
        color: A CSS colour: the platform's.
        dash: Tells series of one platform apart; empty for its first.
        members: The configurations with a known memory, the least memory first.
    """

    name: str
    color: str
    dash: str
    members: tuple[ConfigurationSummary, ...]


def color_of(configuration: Configuration) -> str:
    """The colour of a configuration: its platform's.

    Args:
        configuration: The configuration.

    Returns:
        A CSS colour.
    """
    return f"var({variable('platform', configuration.platform)})"


def dashes(configurations: Sequence[ConfigurationSummary]) -> Mapping[str, str]:
    """A dash for each configuration, so that those of one platform can be told apart.

    Args:
        configurations: The configurations, the solid one of each platform first.

    Returns:
        An SVG dash array by label.
    """
    seen: dict[str, int] = {}
    result = {}
    for each in configurations:
        platform = each.measured.configuration.platform
        result[each.label] = _DASHES[seen.get(platform, 0) % len(_DASHES)]
        seen[platform] = seen.get(platform, 0) + 1
    return result


def memory_series(summary: RunSummary) -> list[Series]:
    """The series of a sweep.

    Args:
        summary: The run.

    Returns:
        One for each platform, engine, body format and cache, and for each number of vCPUs where one memory has several.
    """
    known = [each for each in summary.configurations if each.measured.configuration.memory_mb is not None]
    groups: dict[tuple[object, ...], list[ConfigurationSummary]] = {}
    for each in known:
        groups.setdefault(_key(each.measured.configuration), []).append(each)
    for key, members in list(groups.items()):
        if len({each.measured.configuration.memory_mb for each in members}) < len(members):
            del groups[key]
            for each in members:
                groups.setdefault((*key, each.measured.configuration.cpus), []).append(each)
    counts: dict[str, int] = {}
    result = []
    for members in groups.values():
        first = members[0].measured
        index = counts.get(first.configuration.platform, 0)
        counts[first.configuration.platform] = index + 1
        ordered = sorted(members, key=lambda each: each.measured.configuration.memory_mb or 0)
        name = _name(first.title, first.configuration, list(groups))
        result.append(Series(name, color_of(first.configuration), _DASHES[index % len(_DASHES)], tuple(ordered)))
    return result


def _key(configuration: Configuration) -> tuple[object, ...]:
    return (configuration.platform, configuration.engine, configuration.body_format, configuration.cache)


def _name(title: str, configuration: Configuration, keys: Sequence[tuple[object, ...]]) -> str:
    own = [key for key in keys if key[0] == configuration.platform]
    told = ("", configuration.engine, configuration.body_format, f"{configuration.cache} cache")
    different = [told[index] for index in range(1, 4) if len({key[index] for key in own}) > 1]
    if any(len(key) > len(told) for key in own) and configuration.cpus is not None:
        different.append(f"{configuration.cpus:g} vCPU")
    return ", ".join([title, *different])
