"""Q1c: a model server inside the function, in place of TensorFlow in its process."""

import shutil
from dataclasses import replace

from serverless_dnn.bench.analysis.claims import Claim, Relation, decide
from serverless_dnn.bench.experiments.paper.evidence import Evidence, end_to_end, processing
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, SMALL, TEXT
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.session import Session, local_configuration
from serverless_dnn.bench.experiments.paper.shown import marked, title_of, with_interval
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Panel, Row, Table

NAME = "q1c"
IN_PROCESS, BESIDE = "TensorFlow in process", "model server beside"
BINARY = "tensorflow_model_server"
_BINARY_VARIABLE = "SDNN_TFS_BINARY"
_CLAIM = Claim(
    "q1c.server",
    "Small models perform better with TensorFlow Serving in GPF; large ones hardly, because computing dominates",
    "processing time in process / with TensorFlow Serving is above 1 for MobileNetV1, and about 1 for BERT; decided "
    "only where the server is TensorFlow Serving's own binary",
)
_COLORS = {IN_PROCESS: "#D55E00", BESIDE: "#0072B2"}


def _measure(session: Session) -> None:
    in_process = local_configuration(IN_PROCESS, "lambda", "tensorflow")
    # Named, so that the run records which of the two it was.
    binary = shutil.which(BINARY)
    variables = {"SDNN_MODEL_SERVER": "child", **({_BINARY_VARIABLE: binary} if binary else {})}
    beside = replace(in_process, label=BESIDE, deployment=BESIDE, variables=variables)
    for model in session.options.models_of(NAME):
        workload = session.options.workload(model)
        session.run(NAME, model, model, workload, configurations=(in_process, beside))


def _result(rerun: Rerun) -> ExperimentResult:
    servers = {_served_by(evidence) for evidence in rerun.of(NAME).values()}
    reason = ""
    if servers and BINARY not in servers:
        reason = f"{BINARY} is not on this machine, and {', '.join(sorted(servers))} took its place"
    wanted: tuple[tuple[str, Relation], ...] = ((SMALL, "above"), (TEXT, "about"))
    conditions = [
        rerun.condition(
            f"{title_of(model)}: in process / beside",
            relation,
            1.0,
            experiment=NAME,
            run=model,
            labels=(IN_PROCESS, BESIDE),
            value=lambda evidence: evidence.ratio(IN_PROCESS, BESIDE, processing),
        )
        for model, relation in wanted
    ]
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question="Does TensorFlow Serving inside a function beat TensorFlow in its process?",
        differences=(
            (
                f"Where {BINARY} is not installed, this project's model server takes its place, in Python; both "
                "sides run TensorFlow."
            ),
            "YOLOv5's tensors go by pre-signed URLs, as in Q1a.",
        ),
        decisions=(decide(_CLAIM, conditions, reason),),
        tables=(_table(rerun),),
        figure=_figure(rerun),
    )


def _served_by(evidence: Evidence) -> str:
    measured = evidence.measured(BESIDE)
    is_binary = measured is not None and _BINARY_VARIABLE in measured.configuration.variables
    return BINARY if is_binary else "sdnn-model-server"


def _table(rerun: Rerun) -> Table:
    rows = [
        (
            title_of(model),
            _served_by(evidence),
            with_interval(evidence.median(IN_PROCESS, processing)),
            with_interval(evidence.median(BESIDE, processing)),
            with_interval(evidence.ratio(IN_PROCESS, BESIDE, processing)),
            with_interval(evidence.ratio(IN_PROCESS, BESIDE, end_to_end)),
        )
        for model in ALL_MODELS
        if (evidence := rerun.of(NAME).get(model)) is not None
    ]
    header = (
        "model", "server beside", "processing, in process ms", "processing, beside ms", "in process / beside",
        "end to end, likewise",
    )  # fmt: skip
    return Table("Processing time inside the function, medians with 95 % intervals", header, tuple(rows))


def _figure(rerun: Rerun) -> Figure | None:
    rows = []
    for model in ALL_MODELS:
        if (evidence := rerun.of(NAME).get(model)) is not None:
            marks = [
                mark for label in (IN_PROCESS, BESIDE) for mark in marked(label, evidence.median(label, processing))
            ]
            rows.append(Row(title_of(model), tuple(marks)))
    if not any(row.marks for row in rows):
        return None
    servers = ", ".join(sorted({_served_by(evidence) for evidence in rerun.of(NAME).values()}))
    note = f"Processing time of a warm request; the server beside is {servers}. Bars are 95 % intervals."
    return Figure("A model server inside the function", note, (Panel("Lambda", "ms", tuple(rows), "points"),), _COLORS)


EXPERIMENT = PaperExperiment(NAME, "A model server inside the function", _measure, _result)
