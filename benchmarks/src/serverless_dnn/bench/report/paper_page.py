"""The paper's experiments, rerun: a self-contained HTML page, and the same as Markdown; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from serverless_dnn.bench.analysis.claims import NOT_REPRODUCED, REPRODUCED, RULE, UNTESTABLE, Verdict
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.report.colors import palette
from serverless_dnn.bench.report.pages import new_environment
from serverless_dnn.bench.report.paper_figures import draw_figure
from serverless_dnn.bench.report.paper_results import ExperimentResult, Table
from serverless_dnn.bench.report.wording import listed

PAPER = (
    "When Serverless Computing Meets Different Degrees of Customization for DNN Inference "
    "(Song, Hur, Lee; Kookmin University)"
)
_VERDICTS: tuple[Verdict, ...] = (REPRODUCED, NOT_REPRODUCED, UNTESTABLE)


@dataclass(frozen=True)
class RunFacts:
    """A run on which results rest.

    Attributes:
        experiment: The experiment.
        name: Its name.
        verdict: Its verdict.
        findings: The codes of its findings.
        report: Its report, from the paper's folder.
        requests: How many requests it has.
        duration_s: How long it took; ``None`` if unknown.
    """

    experiment: str
    name: str
    verdict: str
    findings: tuple[str, ...]
    report: str
    requests: int
    duration_s: float | None


@dataclass(frozen=True)
class PaperFacts:
    """What is known of a rerun beside its results.

    Attributes:
        started: ISO 8601 in UTC.
        quick: Whether it has fewer models and rounds.
        machine: See ``machine.describe_machine``.
        packages: Versions by package.
        git_revision: Revision of the source tree.
        durations_s: How long each experiment took.
        problems: Why something was not measured, by experiment.
        runs: The runs.
    """

    started: str
    quick: bool
    machine: Mapping[str, Any]
    packages: Mapping[str, str]
    git_revision: str | None
    durations_s: Mapping[str, float]
    problems: Mapping[str, Sequence[str]]
    runs: tuple[RunFacts, ...]

    @property
    def where(self) -> str:
        """The machine and the time, in a line."""
        machine = self.machine
        isa = "AVX-512" if "avx512f" in machine.get("isa", ()) else "no AVX-512"
        kind = "quick, with fewer models and rounds" if self.quick else "in full"
        when = f"{self.started[:16].replace('T', ' ')} UTC"
        return f"{machine.get('cpu')}, {machine.get('cores')} cores, {isa}; {when}, {kind}"

    def remarks(self, result: ExperimentResult) -> tuple[str, ...]:
        """What differs from the paper, and what was not measured and why.

        Args:
            result: Of an experiment.
        """
        return (*result.differences, *result.problems, *self.problems.get(result.name, ()))


def headline(results: Sequence[ExperimentResult]) -> str:
    """How many claims there are of each verdict, in a sentence.

    Args:
        results: The results.
    """
    counts = Counter(decision.verdict for result in results for decision in result.decisions)
    parts = [f"{counts[verdict]} {_said(verdict, counts[verdict])}" for verdict in _VERDICTS if counts[verdict]]
    return f"Of the paper's {counts.total()} claims, {listed(parts)}" if parts else "Nothing was measured"


def _said(verdict: Verdict, count: int) -> str:
    verb = "is" if count == 1 else "are"
    return verdict if verdict == UNTESTABLE else f"{verb} {verdict}"


def render_paper(results: Sequence[ExperimentResult], facts: PaperFacts) -> str:
    """Render the page.

    Args:
        results: The results.
        facts: What is known beside.

    Returns:
        Self-contained HTML: nothing in it is loaded from elsewhere.
    """
    template = new_environment().get_template("paper.html.j2")
    return template.render(
        headline=headline(results),
        paper=PAPER,
        rule=RULE,
        results=results,
        facts=facts,
        figures={each.name: Markup(draw_figure(each.figure)) for each in results if each.figure},  # noqa: S704 - ours
        light=palette(PLATFORMS, dark=False),
        dark=palette(PLATFORMS, dark=True),
    )


def markdown(results: Sequence[ExperimentResult], facts: PaperFacts, figures_url: str = "") -> str:
    """Write the results as Markdown.

    Args:
        results: The results.
        facts: What is known beside.
        figures_url: What precedes the figures' names in links.

    Returns:
        The text.
    """
    return "\n".join(_lines(results, facts, figures_url)).rstrip() + "\n"


def _lines(results: Sequence[ExperimentResult], facts: PaperFacts, figures_url: str) -> Iterator[str]:
    yield f"{headline(results)}. Measured on {facts.where}."
    yield ""
    yield from _table(
        Table(
            "",
            ("experiment", "the paper's claim", "the paper's number", "verdict", "why"),
            tuple(
                (result.name, each.claim.text, each.claim.paper_number or "none", f"**{each.verdict}**", each.reason)
                for result in results
                for each in result.decisions
            ),
        )
    )
    yield from (f"How it is decided: {RULE}", "")
    for result in results:
        yield from (f"### {result.name}: {result.title}", "", result.question, "")
        if result.figure is not None:
            yield from (f"![{result.figure.title}]({figures_url}{result.name}.svg)", "")
            yield from (f"Made by `sdnn-bench paper {result.name}{' --quick' if facts.quick else ''}`.", "")
        for decision in result.decisions:
            yield from (f"**{decision.verdict}**: {decision.claim.text}.", f"Rule: {decision.claim.rule}.", "")
        for table in result.tables:
            yield from (f"{table.title}:", "")
            yield from _table(table)
        yield from ("What differs from the paper:", "")
        yield from (f"- {text}" for text in facts.remarks(result))
        yield ""


def _table(table: Table) -> Iterator[str]:
    yield _row(table.header)
    yield _row(("---",) * len(table.header))
    yield from (_row(row) for row in table.rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
