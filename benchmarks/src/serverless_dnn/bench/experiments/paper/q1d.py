"""Q1d: what the same requests cost on each platform, from the time that is billed."""

from functools import partial

from serverless_dnn.bench.analysis.claims import Claim, Condition, decide
from serverless_dnn.bench.analysis.cost import round_costs, summarize_cost
from serverless_dnn.bench.analysis.estimates import paired_ratio
from serverless_dnn.bench.analysis.prices import packaged_prices
from serverless_dnn.bench.analysis.results import CostSummary, Estimate
from serverless_dnn.bench.experiments.paper import q1a
from serverless_dnn.bench.experiments.paper.evidence import Evidence
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, SMALL
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.shown import engine_name, marked, title_of
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Panel, Row, Table
from serverless_dnn.bench.report.wording import dollars, interval, priced

NAME = "q1d"
# The paper's protocols, and the same bytes on all platforms.
_LABELS = {*PLATFORMS, q1a.label_of(SMALL, "lambda")}
_CLAIM = Claim(
    "q1d.cost",
    "SCS is the most cost-efficient",
    "with TensorFlow, a million requests cost more on GPF (its JSON; YOLOv5 by pre-signed URLs) and on SPF than on "
    "SCS, for each model",
)


def _result(rerun: Rerun) -> ExperimentResult:
    every = list(rerun.of(q1a.NAME).values())
    costs = [cost for evidence in every for label in evidence.labels if (cost := _cost(evidence, label))]
    where = ", ".join(dict.fromkeys(priced(cost) for cost in costs if cost.region))
    notes = tuple(dict.fromkeys(note for cost in costs for note in cost.notes))
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question="Which platform is the most cost-efficient?",
        differences=(
            (
                f"The same requests as in Q1a, at list prices of {where or 'today'}, by the time that each platform "
                "bills; data transfer out of the cloud, free tiers, and the object store that YOLOv5's tensors go by "
                "on Lambda and SageMaker are not counted."
            ),
            "Cloud Run bills a request that is alone on its instance in steps of 100 ms, Lambda in steps of 1 ms.",
            *notes,
        ),
        decisions=(decide(_CLAIM, _conditions(rerun)),),
        tables=(_table(rerun),),
        figure=_figure(rerun),
    )


def _conditions(rerun: Rerun) -> list[Condition]:
    return [
        rerun.condition(
            f"{title_of(model)}: {PLATFORMS[platform].title} / {PLATFORMS['cloudrun'].title}",
            "above",
            1.0,
            experiment=q1a.NAME,
            run=q1a.run_name(model, "tensorflow"),
            labels=(q1a.label_of(model, platform), "cloudrun"),
            value=partial(_ratio, q1a.label_of(model, platform)),
        )
        for model in ALL_MODELS
        for platform in PLATFORMS
        if platform != "cloudrun"
    ]


def _round_costs(evidence: Evidence, label: str) -> dict[int, list[float]]:
    measured = evidence.measured(label)
    return {} if measured is None else round_costs(evidence.rows, measured.configuration, packaged_prices())


def _ratio(label: str, evidence: Evidence) -> Estimate | None:
    return paired_ratio(_round_costs(evidence, label), _round_costs(evidence, "cloudrun"))


def _cost(evidence: Evidence, label: str) -> CostSummary | None:
    measured = evidence.measured(label)
    return None if measured is None else summarize_cost(evidence.rows, measured.configuration, packaged_prices())


def _per_million(evidence: Evidence, label: str) -> Estimate | None:
    cost = _cost(evidence, label)
    if cost is None or cost.per_million_usd is None:
        return None
    return Estimate(cost.per_million_usd, cost.per_million_interval, len(evidence.requests(label)))


def _table(rerun: Rerun) -> Table:
    rows = tuple(
        (
            title_of(model),
            engine_name(evidence, label, engine),
            label,
            dollars(cost.per_million_usd),
            interval(cost.per_million_interval),
            dollars(cost.per_million_busy_usd),
            dollars(cost.per_million_instance_based_usd),
        )
        for model in ALL_MODELS
        for engine in q1a.ENGINES
        for evidence, label in rerun.labelled(q1a.NAME, q1a.run_name(model, engine))
        if label in _LABELS and (cost := _cost(evidence, label)) is not None
    )
    header = ("model", "engine", "platform", "$ per million", "95 % interval", "in bursts $", "instance-based $")
    return Table("US dollars for a million warm requests", header, rows)


def _figure(rerun: Rerun) -> Figure | None:
    panels = []
    for model in ALL_MODELS:
        rows = []
        for engine in q1a.ENGINES:
            evidence = rerun.of(q1a.NAME).get(q1a.run_name(model, engine))
            if evidence is None:
                continue
            marks = [mark for platform in PLATFORMS for mark in marked(platform, _per_million(evidence, platform))]
            if marks:
                rows.append(Row(engine_name(evidence, "cloudrun", engine), tuple(marks)))
        if rows:
            panels.append(Panel(title_of(model), "US dollars per million requests", tuple(rows), "points"))
    if not panels:
        return None
    colors = {name: platform.color for name, platform in PLATFORMS.items()}
    note = "Requests one after another, by billed time at list prices, 3 GB of memory; bars are 95 % intervals."
    return Figure("What a million requests cost", note, tuple(panels), colors)


EXPERIMENT = PaperExperiment(NAME, "Cost on each platform", None, _result, measured_by=q1a.NAME)
