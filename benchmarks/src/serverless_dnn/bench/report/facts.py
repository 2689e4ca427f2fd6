"""Everything else that a run recorded, as names and values; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from serverless_dnn.bench.configuration import MeasuredConfiguration
from serverless_dnn.bench.recorded_run import Run
from serverless_dnn.bench.report.wording import ABSENT, size

Entries = list[tuple[str, str]]


def settings(run: Run) -> list[tuple[str, Entries]]:
    """The settings of a run and where it ran, for the folded part of the page.

    Args:
        run: The run.

    Returns:
        Sections with their names and values.
    """
    about = {
        "model": run.model, "model source": run.model_source, "input": run.input, "started": run.started,
        "duration_s": run.duration_s, "seed": run.seed, "git revision": run.git_revision,
    }  # fmt: skip
    configurations = {each.label: dict(_entries(_configuration(each))) for each in run.configurations}
    common = _common(list(configurations.values()))
    sections: list[tuple[str, Entries]] = [
        ("Run", list(_entries(about))),
        ("Options", list(_entries(run.options))),
        ("All configurations", list(common.items())),
        *(
            (label, [(name, value) for name, value in values.items() if name not in common])
            for label, values in configurations.items()
        ),
        ("Machine", list(_entries(run.machine))),
        ("Machine's load", list(_entries(run.machine_load))),
        ("Packages", list(_entries(run.packages))),
    ]
    return [(title, entries) for title, entries in sections if entries]


def _common(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What several configurations have all in common."""
    if len(rows) < 2:
        return {}
    return {name: value for name, value in rows[0].items() if all(row.get(name) == value for row in rows)}


def _configuration(measured: MeasuredConfiguration) -> dict[str, object]:
    facts = asdict(measured)
    configuration = facts.pop("configuration")
    configuration["engine requested"] = configuration.pop("engine")
    return {**{name: value for name, value in configuration.items() if name != "label"}, **facts}


def _entries(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        title = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _entries(value, f"{title}: ")
        else:
            yield title, _text(name, value)


def _text(name: str, value: object) -> str:
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and "bytes" in name:
        return size(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_text("", each) for each in value) or ABSENT
    return f"{value:.6g}" if isinstance(value, float) else str(value)
