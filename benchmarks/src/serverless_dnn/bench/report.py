"""A run as one self-contained HTML report, from its folder alone."""

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from serverless_dnn.bench.errors import RunFolderError
from serverless_dnn.bench.figures import latency_distributions, stacked_bars
from serverless_dnn.bench.run_folder import REPORT_FILE, Run, read_run
from serverless_dnn.bench.samples import Sample
from serverless_dnn.bench.summary import PARTS, engine_of, summarize_cold, summarize_warm
from serverless_dnn.bench.table import EXPERIMENT_TITLES, milliseconds

_DETAILS = ("options", "platforms", "machine", "packages")


def write_report(folder: Path) -> Path:
    """Write a run's report next to its data.

    Args:
        folder: The run's folder.

    Returns:
        The report's path.

    Raises:
        RunFolderError: The folder is not a run, or the report cannot be written.
    """
    run, samples = read_run(folder)
    path = folder / REPORT_FILE
    aside = path.with_suffix(".partial")
    try:
        aside.write_text(render_report(run, samples), encoding="utf-8")
        aside.rename(path)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def render_report(run: Run, samples: Sequence[Sample]) -> str:
    """Render a run's report.

    Args:
        run: The run.
        samples: Its requests.

    Returns:
        Self-contained HTML.
    """
    names = [facts["name"] for facts in run.platforms]
    warm = {name: {key: summarize_warm(samples, name, key) for key in EXPERIMENT_TITLES} for name in names}
    cold = {name: summarize_cold(samples, name) for name in names}
    phases = list(dict.fromkeys(phase for row in cold.values() for phase in row.phases_ms))
    environment = Environment(
        loader=PackageLoader("serverless_dnn.bench"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["ms"] = milliseconds
    return environment.get_template("report.html.j2").render(
        run=run,
        warm=warm,
        cold=cold,
        phases=phases,
        engines={name: engine_of(samples, name) for name in names},
        experiments=EXPERIMENT_TITLES,
        parts_figure=stacked_bars({name: warm[name]["sequential"].parts_ms for name in names}, PARTS, "median, ms"),
        latency_figure=latency_distributions(samples, names),
        cold_figure=stacked_bars({name: cold[name].phases_ms for name in names}, phases, "ms"),
        details=json.dumps(
            {"options": run.options, "platforms": run.platforms, "machine": run.machine, "packages": run.packages},
            indent=2,
        ),
    )
