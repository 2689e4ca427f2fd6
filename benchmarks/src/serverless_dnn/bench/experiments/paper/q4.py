"""Q4: cold starts by phase, and a burst that finds no instance."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from serverless_dnn.bench.analysis.claims import Claim, Condition, decide
from serverless_dnn.bench.analysis.estimates import round_percentiles
from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.analysis.results import COLD_PHASES, Estimate
from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.analysis.summary_parts import cold_phases_ms
from serverless_dnn.bench.configuration import Cache
from serverless_dnn.bench.experiments.paper.cold_burst import share_not_completed
from serverless_dnn.bench.experiments.paper.cold_burst import table as burst_table
from serverless_dnn.bench.experiments.paper.evidence import Evidence, ratio_of
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, SMALL, TEXT
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.scale_out import REQUESTS
from serverless_dnn.bench.experiments.paper.session import Session, local_configuration
from serverless_dnn.bench.experiments.paper.shown import engine_name, title_of, with_interval
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.report.colors import PHASES
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Mark, Panel, Row, Table
from serverless_dnn.bench.report.wording import ABSENT, number

NAME = "q4"
KINDS: Mapping[str, tuple[str, Cache]] = MappingProxyType(
    {"tensorflow": ("tensorflow", "filled"), "auto": ("auto", "filled"), "auto, compiling": ("auto", "empty")}
)
"""Engine and compiled cache, by the run's name."""
# See `Evidence.requests`.
_UNCOUNTED = 1
_CONTAINER = Claim(
    "q4.container",
    "GPF loads its container fastest: it has no HTTP or gRPC server's libraries",
    "with TensorFlow, the time until the server's own libraries are loaded (start of the process, interpreter, "
    "imports) is above Lambda's on SageMaker and on Cloud Run, for each model; pulling an image is not part of it here",
)
_SIZE = Claim(
    "q4.size",
    "BERT's size lengthens loading",
    "not by these numbers: the paper means the container's load, most of which is the image's pull; with TensorFlow, "
    "and files in the page cache, loading BERT / loading each other model is compared with 1",
)
_BURST = Claim(
    "q4.burst",
    "Half of SCS's requests are not completed when a burst finds no instance",
    f"with TensorFlow, the share of {REQUESTS} requests that Cloud Run would refuse by the queue that its "
    "documentation describes (a wait of more than 3.5 starts and 10 s; not verified), on the instances that fit here, "
    "is above 25 % and below 75 %, for each model, by the spread between bursts",
    paper_number="50 %",
)


def run_name(model: str, kind: str) -> str:
    """The name of a run of cold starts.

    Args:
        model: The model.
        kind: One of ``KINDS``.
    """
    return f"{model}-{kind.replace(', ', '-')}"


def burst_name(model: str, engine: str) -> str:
    """The name of a run of a burst that finds no instance.

    Args:
        model: The model.
        engine: The engine.
    """
    return f"{model}-burst-{engine}"


def _measure(session: Session) -> None:
    options = session.options
    for model in options.models_of(NAME):
        # Quick, what takes long is measured where the paper has a claim.
        is_long = options.quick and model == TEXT
        for kind, (engine, cache) in KINDS.items():
            if is_long and cache == "empty":
                continue
            starts = _UNCOUNTED + (3 if options.quick or cache == "empty" else 8)
            workload = options.workload(model, requests=0, rounds=1, cold_starts=starts, warm_up_requests=0)
            configurations = tuple(
                replace(local_configuration(name, name, engine, cpus=1), cache=cache)
                if name == "cloudrun"
                else replace(local_configuration(name, name, engine), cache=cache)
                for name in PLATFORMS
            )
            session.run(NAME, run_name(model, kind), model, workload, configurations=configurations)
        for engine in ("tensorflow",) if options.quick else ("tensorflow", "auto"):
            rounds = 1 if options.quick or model == TEXT else 3
            workload = options.workload(
                model, requests=0, rounds=rounds, burst=REQUESTS, is_burst_cold=True, warm_up_requests=0
            )
            targets = ("cloudrun",) if is_long else tuple(PLATFORMS)
            session.run(NAME, burst_name(model, engine), model, workload, targets=targets, engine=engine)


def _result(rerun: Rerun) -> ExperimentResult:
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question="What is a cold start made of, and what becomes of a burst that finds no instance?",
        differences=(
            (
                "No image is pulled: a container is a process of this machine. The first start of each is not "
                "counted, so that the files are in the page cache."
            ),
            (
                "This machine's instances are as many as fit its cores, and further requests wait. What the "
                "platforms would do with 40 instances, and with the authors' setting of at most one, is simulated by "
                "their documented rules."
            ),
            (
                "OpenVINO, which the paper does not have, beside TensorFlow: with the compiled cache that an image's "
                "build makes, and without."
            ),
            "On Lambda and SageMaker, YOLOv5's tensors go by pre-signed URLs, as in Q1a.",
        ),
        decisions=(
            decide(_CONTAINER, _container(rerun)),
            decide(_SIZE, _size(rerun), "no image is pulled here"),
            decide(_BURST, _burst(rerun)),
        ),
        tables=(_table(rerun), burst_table(rerun), *_published(rerun)),
        figure=_figure(rerun),
    )


def until_imports(request: Request) -> int | None:
    """From a request's arrival until the server's own libraries are loaded, without the engine's."""
    sample, invocation, instance = request.sample, request.invocation, request.instance
    parts = (sample.cold_interpreter_ns, sample.cold_import_ns)
    if invocation is None or instance is None or None in parts:
        return None
    return instance.spawned_ns - invocation.arrival_ns + sum(part for part in parts if part is not None)


def loading(request: Request) -> int | None:
    """Loading the model."""
    return request.sample.cold_load_ns


def _container(rerun: Rerun) -> list[Condition]:
    return [
        rerun.condition(
            f"{title_of(model)}: {PLATFORMS[platform].title} / {PLATFORMS['lambda'].title}",
            "above",
            1.0,
            experiment=NAME,
            run=run_name(model, "tensorflow"),
            labels=(platform, "lambda"),
            value=partial(_until_imports_ratio, platform),
        )
        for model in ALL_MODELS
        for platform in ("sagemaker", "cloudrun")
    ]


def _until_imports_ratio(platform: str, evidence: Evidence) -> Estimate | None:
    return evidence.ratio(platform, "lambda", until_imports, "cold")


def _size(rerun: Rerun) -> list[Condition]:
    conditions = []
    bert = rerun.of(NAME).get(run_name(TEXT, "tensorflow"))
    for model in (each for each in ALL_MODELS if each != TEXT):
        other = rerun.of(NAME).get(run_name(model, "tensorflow"))
        for platform in PLATFORMS:
            what = f"{PLATFORMS[platform].title}: BERT / {title_of(model)}"
            if bert is None or other is None:
                conditions.append(Condition(what, "above", 1.0, None, "not both were measured"))
                continue
            missing = bert.missing(platform) or other.missing(platform)
            after, before = (
                list(round_percentiles(each.rounds(platform, loading, "cold"), 50).values()) for each in (bert, other)
            )
            conditions.append(Condition(what, "above", 1.0, ratio_of(before, after), missing))
    return conditions


def _burst(rerun: Rerun) -> list[Condition]:
    conditions = []
    for model in ALL_MODELS:
        evidence = rerun.of(NAME).get(burst_name(model, "tensorflow"))
        missing = "not measured" if evidence is None else evidence.missing("cloudrun")
        share = None if evidence is None or missing else share_not_completed(evidence, "cloudrun")
        what = f"{title_of(model)}, share not completed"
        conditions += [Condition(what, "above", 0.25, share, missing), Condition(what, "below", 0.75, share, missing)]
    return conditions


def _models(rerun: Rerun) -> list[str]:
    return [model for model in ALL_MODELS if run_name(model, "tensorflow") in rerun.of(NAME)]


def _kind_title(evidence: Evidence, label: str, kind: str) -> str:
    engine, cache = KINDS[kind]
    name = engine_name(evidence, label, engine)
    return f"{name}, compiling" if cache == "empty" else name


def _table(rerun: Rerun) -> Table:
    rows = []
    for model in _models(rerun):
        for kind in KINDS:
            for evidence, label in rerun.labelled(NAME, run_name(model, kind)):
                requests = evidence.requests(label, "cold")
                phases = cold_phases_ms(requests)
                totals = [each.sample.latency_ns / 1e6 for each in requests]
                cells = (f"{number(percentile(totals, 50))}", f"{len(totals)}") if totals else (ABSENT, "0")
                named = (title_of(model), _kind_title(evidence, label, kind), label)
                rows.append((*named, *cells, *(number(phases.get(name)) for name in COLD_PHASES)))
    header = ("model", "engine", "platform", "total p50 ms", "n", *(f"{name} ms" for name in COLD_PHASES))
    return Table("Cold starts by phase: means, which add up to the mean total", header, tuple(rows))


def _start(request: Request) -> int | None:
    return request.sample.cold_ns


def _published(rerun: Rerun) -> tuple[Table, ...]:
    evidence = rerun.of(NAME).get(run_name(SMALL, "tensorflow"))
    if evidence is None:
        return ()
    ours = evidence.median("lambda", _start, "cold")
    theirs = "36,000 to 47,000 (their repository, issue 9: TensorFlow 2.13 and 2.12 on Lambda itself)"
    rows = (
        ("MobileNetV1 on Lambda, from the process's start to the model's readiness, ms", with_interval(ours), theirs),
    )
    return (Table("Beside what the authors published", ("", "ours", "the authors'"), rows),)


def _figure(rerun: Rerun) -> Figure | None:
    panels = []
    for model in _models(rerun):
        rows = []
        for kind in KINDS:
            for evidence, label in rerun.labelled(NAME, run_name(model, kind)):
                phases = cold_phases_ms(evidence.requests(label, "cold"))
                if phases:
                    # A phase below zero, where clocks overlap, has no width.
                    marks = tuple(Mark(name, max(0.0, phases[name])) for name in COLD_PHASES if name in phases)
                    rows.append(
                        Row(
                            f"{label}, {_kind_title(evidence, label, kind)}",
                            marks,
                            f"{number(sum(phases.values()))} ms",
                        )
                    )
        if rows:
            panels.append(Panel(title_of(model), "ms", tuple(rows)))
    if not panels:
        return None
    colors = {name: PHASES[name][0] for name in COLD_PHASES}
    note = "From a request that finds no instance to its answer: the mean of each phase. No image is pulled."
    return Figure("What a cold start is made of", note, tuple(panels), colors)


EXPERIMENT = PaperExperiment(NAME, "Cold starts", _measure, _result)
