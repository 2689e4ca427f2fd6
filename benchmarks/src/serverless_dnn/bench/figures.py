"""A run's charts as SVG, from its numbers alone."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from serverless_dnn.bench.samples import OK, Sample
from serverless_dnn.bench.summary import PARTS

# Okabe and Ito's palette, distinguishable for colour-blind readers too.
_COLORS = ("#56B4E9", "#999999", "#009E73", "#F0E442", "#D55E00", "#0072B2", "#CC79A7")
_PLATFORM_COLORS = {"lambda": "#D55E00", "sagemaker": "#0072B2", "cloudrun": "#009E73"}


def stacked_bars(rows: Mapping[str, Mapping[str, float]], names: Sequence[str], label: str) -> str:
    """Horizontal stacked bars.

    Args:
        rows: For each bar, its segments in milliseconds.
        names: The order of the segments.
        label: The axis label.

    Returns:
        The SVG.
    """
    figure = Figure(figsize=(9, 0.9 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(rows)
    for index, name in enumerate(names):
        widths = [parts.get(name, 0.0) for parts in rows.values()]
        color = _COLORS[PARTS.index(name) if name in PARTS else index % len(_COLORS)]
        axes.barh(list(rows), widths, left=left, label=name, color=color, height=0.6)
        left = [begin + width for begin, width in zip(left, widths, strict=True)]
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:.3g} ms", va="center", fontsize=9)
    axes.set_xlabel(label)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return _svg(figure)


def latency_distributions(samples: Sequence[Sample], platforms: Sequence[str]) -> str:
    """Cumulative distributions of end-to-end latency, one panel per experiment.

    Args:
        samples: All samples of a run.
        platforms: The platforms, in order.

    Returns:
        The SVG.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (experiment, title) in zip(
        panels, (("sequential", "one after another"), ("burst", "all at once")), strict=True
    ):
        for platform in platforms:
            latencies_ms = [
                sample.latency_ns / 1e6
                for sample in samples
                if (sample.platform, sample.experiment, sample.status) == (platform, experiment, OK)
            ]
            if latencies_ms:
                axes.ecdf(latencies_ms, label=platform, color=_PLATFORM_COLORS.get(platform))
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("end-to-end latency, ms")
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of requests")
    panels[0].legend(frameon=False)
    return _svg(figure)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # A fixed salt and no date, so that the same run yields the same SVG.
    with mpl.rc_context({"svg.hashsalt": "sdnn", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
