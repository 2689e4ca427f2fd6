"""Q1a: processing time of each model on each platform."""

from functools import partial
from types import MappingProxyType

from serverless_dnn.bench.analysis.claims import Claim, Condition, Decision, decide
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.experiments.paper.evidence import Evidence, compute, end_to_end, processing
from serverless_dnn.bench.experiments.paper.inputs import goes_by_url
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, DETECTION, LARGER, SMALL, TEXT
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.scale_out import REQUESTS, warm_burst
from serverless_dnn.bench.experiments.paper.session import Session
from serverless_dnn.bench.experiments.paper.shown import engine_name, title_of, with_interval
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.report.colors import PHASES
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Mark, Panel, Row, Table
from serverless_dnn.bench.report.wording import ABSENT, number

NAME = "q1a"
ENGINES = ("tensorflow", "auto")
"""The paper's, and the one that this project takes by itself."""
_IMAGES = Claim(
    "q1a.images",
    "SPF is fastest for image classification",
    "with TensorFlow, the median processing times of GPF (its JSON, as in the paper) and of SCS are above that of SPF, "
    "for MobileNetV1 and InceptionV3",
)
_LARGE = Claim(
    "q1a.large",
    "SCS is fastest for YOLOv5 and BERT",
    "with TensorFlow, the median processing times of GPF (its JSON; YOLOv5 by pre-signed URLs) and of SPF are above "
    "that of SCS, for YOLOv5 and BERT",
)
_LABELS = MappingProxyType({"lambda": "lambda json", "sagemaker": "sagemaker", "cloudrun": "cloudrun"})
_PARTS = ("compute", "rest of processing", "client, network and platform")
_SIMULATED, _HERE = f"on {REQUESTS} instances, simulated", "on the instances that fit here"


def run_name(model: str, engine: str) -> str:
    """The name of a run.

    Args:
        model: The model.
        engine: The engine.
    """
    return f"{model}-{engine}"


def label_of(model: str, platform: str) -> str:
    """The configuration with the paper's protocol.

    Args:
        model: The model.
        platform: The platform.
    """
    return platform if goes_by_url(model, platform) else _LABELS[platform]


def _measure(session: Session) -> None:
    options = session.options
    for model in options.models_of(NAME):
        for engine in ENGINES:
            # A burst on a model of half a second takes most of a minute.
            bursts = 1 if options.quick or (model == TEXT and engine == "tensorflow") else 3
            burst = 0 if options.quick and model == TEXT else REQUESTS
            workload = options.workload(model, burst=burst, burst_rounds=bursts)
            name = run_name(model, engine)
            session.run(NAME, name, model, workload, targets=tuple(PLATFORMS), engine=engine, with_json=True)


def _result(rerun: Rerun) -> ExperimentResult:
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question="How do GPF, SPF and SCS compare in processing time? (40 simultaneous requests, 3 GB of memory)",
        differences=(
            "All three platforms run on this machine's CPU, so differences between the clouds' hosts cannot show.",
            (
                "An instance has 3,072 MB and the vCPUs that come with them: Lambda 1.74, SageMaker 1.5 (assumed), "
                "Cloud Run 1 (the default of the authors' scripts). The paper does not give them."
            ),
            "The server of SPF is this project's, where the paper's is TensorFlow Serving.",
            (
                "Processing is what the server takes from arrival to response, without its queue, of requests one "
                "after another. Forty instances do not fit on this machine: they are simulated from those requests, "
                "beside a burst of 40 on the instances that fit."
            ),
            "BERT gets 500 tokens, one sentence of 11 words, masks all ones, as the authors sent it.",
            (
                "YOLOv5 is too large for Lambda's and SageMaker's bodies: its tensors go by pre-signed URLs, as the "
                "authors' did, but of an object store on this machine. Reading and writing it is part of processing, "
                "and end to end there are the client's own four requests to it as well."
            ),
        ),
        decisions=_decisions(rerun),
        tables=(_table(rerun), *_published(rerun)),
        figure=_figure(rerun),
    )


def _decisions(rerun: Rerun) -> tuple[Decision, ...]:
    return (
        decide(_IMAGES, _slower_than("sagemaker", (SMALL, LARGER), rerun)),
        decide(_LARGE, _slower_than("cloudrun", (DETECTION, TEXT), rerun)),
    )


def _slower_than(fastest: str, models: tuple[str, ...], rerun: Rerun) -> list[Condition]:
    conditions = []
    for model in models:
        for platform in (each for each in PLATFORMS if each != fastest):
            what = f"{title_of(model)}: {PLATFORMS[platform].title} / {PLATFORMS[fastest].title}"
            labels = label_of(model, platform), label_of(model, fastest)
            condition = rerun.condition(
                what,
                "above",
                1.0,
                experiment=NAME,
                run=run_name(model, "tensorflow"),
                labels=labels,
                value=partial(_ratio, *labels),
            )
            conditions.append(condition)
    return conditions


def _ratio(label: str, baseline: str, evidence: Evidence) -> Estimate | None:
    return evidence.ratio(label, baseline, processing)


def _table(rerun: Rerun) -> Table:
    rows = tuple(
        (title_of(model), engine_name(evidence, label, engine), *_cells(evidence, label))
        for model in ALL_MODELS
        for engine in ENGINES
        for evidence, label in rerun.labelled(NAME, run_name(model, engine))
    )
    header = (
        "model", "engine", "platform", "vCPU", "processing p50 ms", "compute p50 ms", "end to end p50 ms",
        f"p50, last of {REQUESTS} on {REQUESTS} instances, simulated ms", f"p50, last of {REQUESTS} here ms",
    )  # fmt: skip
    return Table("Warm requests, medians with 95 % intervals", header, rows)


def _cells(evidence: Evidence, label: str) -> tuple[str, ...]:
    measured = evidence.measured(label)
    assert measured is not None
    configuration = measured.configuration
    simulated = warm_burst(evidence, label, configuration.platform)
    here = [value for values in evidence.rounds(label, end_to_end, "burst").values() for value in values]
    instances = f" on {configuration.instances}" if here else ""
    return (
        label,
        f"{configuration.cpus:.2f}" if configuration.cpus else ABSENT,
        with_interval(evidence.median(label, processing)),
        with_interval(evidence.median(label, compute)),
        with_interval(evidence.median(label, end_to_end)),
        f"{number(simulated.median_ms)}, {number(simulated.last_ms)}" if simulated else ABSENT,
        f"{number(percentile(here, 50))}, {number(max(here))}{instances}" if here else ABSENT,
    )


def _figure(rerun: Rerun) -> Figure | None:
    panels = []
    for model in ALL_MODELS:
        labelled = [
            (evidence, label, engine)
            for engine in ENGINES
            for evidence, label in rerun.labelled(NAME, run_name(model, engine))
        ]
        if rows := tuple(filter(None, (_row(*each) for each in labelled))):
            panels.append(Panel(title_of(model), "ms", rows))
        if bursts := tuple(filter(None, (_burst_row(*each) for each in labelled))):
            panels.append(Panel(f"{title_of(model)}, {REQUESTS} at once", "ms, median", bursts, "points"))
    if not panels:
        return None
    colors = {"compute": PHASES["compute"][0], "rest of processing": PHASES["server decode"][0]}
    colors[_PARTS[-1]] = PHASES["network and platform"][0]
    colors |= {_SIMULATED: "#D55E00", _HERE: "#1F2430"}
    return Figure(
        "Processing time on three platforms, 3 GB of memory",
        f"Bars: one request after another, medians of compute, processing and end to end. Points: {REQUESTS} at once.",
        tuple(panels),
        colors,
    )


def _row(evidence: Evidence, label: str, engine: str) -> Row | None:
    medians = [evidence.median(label, quantity) for quantity in (compute, processing, end_to_end)]
    ends = [each.value for each in medians if each is not None]
    if len(ends) < len(medians):
        return None
    widths = [ends[0], max(0.0, ends[1] - ends[0]), max(0.0, ends[2] - ends[1])]
    marks = tuple(Mark(name, width) for name, width in zip(_PARTS, widths, strict=True))
    return Row(f"{label}, {engine_name(evidence, label, engine)}", marks, f"{number(ends[2])} ms")


def _burst_row(evidence: Evidence, label: str, engine: str) -> Row | None:
    here = [value for values in evidence.rounds(label, end_to_end, "burst").values() for value in values]
    measured = evidence.measured(label)
    simulated = warm_burst(evidence, label, measured.configuration.platform) if measured and here else None
    if simulated is None or simulated.median_ms is None:
        return None
    marks = Mark(_SIMULATED, simulated.median_ms), Mark(_HERE, percentile(here, 50))
    return Row(f"{label}, {engine_name(evidence, label, engine)}", marks)


def _published(rerun: Rerun) -> tuple[Table, ...]:
    evidence = rerun.of(NAME).get(run_name(SMALL, "tensorflow"))
    if evidence is None:
        return ()
    rows = (
        (
            "MobileNetV1 on Cloud Run over gRPC, end to end ms",
            with_interval(evidence.median("cloudrun", end_to_end)),
            "about 100, with their network (their repository, pull request 12)",
        ),
        (
            "MobileNetV1's compute time on Cloud Run's 1 vCPU / on Lambda's 1.74",
            with_interval(evidence.ratio("cloudrun", "lambda", compute)),
            "no gain from more of Lambda's memory (pull request 14)",
        ),
    )
    return (Table("Beside what the authors published", ("", "ours", "the authors'"), rows),)


EXPERIMENT = PaperExperiment(NAME, "Processing time of each model on each platform", _measure, _result)
