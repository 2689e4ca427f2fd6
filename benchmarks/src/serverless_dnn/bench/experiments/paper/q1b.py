"""Q1b: AVX-512 on and off."""

from dataclasses import replace

from serverless_dnn.bench.analysis.claims import Claim, Condition, decide
from serverless_dnn.bench.analysis.estimates import round_percentiles
from serverless_dnn.bench.experiments.paper.evidence import (
    Evidence,
    compute,
    end_to_end,
    ratio_of,
    round_ratios,
)
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, LARGER, SMALL, TEXT
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.session import Session, local_configuration
from serverless_dnn.bench.experiments.paper.shown import engine_name, marked, title_of, with_interval
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Panel, Row, Table
from serverless_dnn.bench.report.wording import ABSENT

NAME = "q1b"
CAPPED, UNCAPPED = "AVX2", "all"
CAP = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Caps TensorFlow's oneDNN, and OpenVINO's but for what it computes without oneDNN; see ``is_capped``."""
ENGINES = ("tensorflow", "openvino")
_LARGER_GAINS = Claim(
    "q1b.larger",
    "AVX-512 helps the larger image-classification model more",
    "with TensorFlow, compute time with AVX2 / with all instructions is above for InceptionV3 what it is for "
    "MobileNetV1",
)
_OVERHEAD = Claim(
    "q1b.overhead",
    "The overhead's share is higher in small models",
    "with TensorFlow and all instructions, the share of end to end that is not compute is above for MobileNetV1 what "
    "it is for InceptionV3",
)
_COLORS = {UNCAPPED: "#5B3E96", CAPPED: "#A9AEB8"}
_NOT_CAPPED = "not capped"


def is_capped(model: str, engine: str) -> bool:
    """Whether the cap reaches what takes the time.

    OpenVINO multiplies matrices of float32 by MLAS and not by oneDNN, and MLAS obeys no variable. Nearly all that the
    other models compute is convolutions, which are oneDNN's.

    Args:
        model: The model.
        engine: The engine.
    """
    return not (model == TEXT and engine == "openvino")


def label_of(engine: str, isa: str) -> str:
    """The label of a configuration.

    Args:
        engine: The engine.
        isa: ``AVX2`` or ``all``.
    """
    return f"{engine} {isa}"


def _measure(session: Session) -> None:
    # What was compiled for all instructions is for no others: nothing is cached.
    uncached = {"SDNN_CACHE_FOLDER": ""}
    configurations = tuple(
        replace(
            local_configuration(label_of(engine, isa), "cloudrun", engine, cpus=1),
            variables={**uncached, **(CAP if isa == CAPPED else {})},
        )
        for engine in ENGINES
        for isa in (UNCAPPED, CAPPED)
    )
    for model in session.options.models_of(NAME):
        session.run(NAME, model, model, session.options.workload(model), configurations=configurations)


def _result(rerun: Rerun) -> ExperimentResult:
    has_avx512 = "avx512f" in rerun.record.machine.get("isa", ())
    reason = "" if has_avx512 else "this machine's CPU has no AVX-512"
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question="How much does AVX-512 help?",
        differences=(
            (
                "The paper compares hosts with AVX-512 (Cloud Run's Skylake) and without; here the same CPU is "
                "capped at AVX2 by ONEDNN_MAX_CPU_ISA. Both engines obey it in convolutions, and TensorFlow in matrix "
                "products. OpenVINO multiplies matrices by another library (MLAS), which cannot be capped, so BERT on "
                "OpenVINO is not compared."
            ),
            "Measured on Cloud Run's server with 1 vCPU; OpenVINO beside TensorFlow.",
        ),
        decisions=(
            decide(_LARGER_GAINS, [_gain_condition(rerun)], reason),
            decide(_OVERHEAD, [_overhead_condition(rerun)]),
        ),
        tables=(_table(rerun),),
        figure=_figure(rerun),
    )


def gain(evidence: Evidence | None, engine: str = "tensorflow") -> list[float]:
    """How many times as long computing takes without AVX-512, in each round.

    Args:
        evidence: The run of a model.
        engine: The engine.
    """
    if evidence is None or evidence.missing(label_of(engine, CAPPED), label_of(engine, UNCAPPED)):
        return []
    capped, uncapped = (evidence.rounds(label_of(engine, isa), compute) for isa in (CAPPED, UNCAPPED))
    return round_ratios(capped, uncapped)


def saved_ms(evidence: Evidence | None, engine: str = "tensorflow") -> list[float]:
    """How much computing AVX-512 saves, in each round, in milliseconds.

    Args:
        evidence: The run of a model.
        engine: The engine.
    """
    if evidence is None or evidence.missing(label_of(engine, CAPPED), label_of(engine, UNCAPPED)):
        return []
    capped, uncapped = (
        round_percentiles(evidence.rounds(label_of(engine, isa), compute), 50) for isa in (CAPPED, UNCAPPED)
    )
    return [capped[number] - uncapped[number] for number in capped if number in uncapped]


def _gain_condition(rerun: Rerun) -> Condition:
    small, larger = (gain(rerun.of(NAME).get(model)) for model in (SMALL, LARGER))
    missing = "" if small and larger else "MobileNetV1 and InceptionV3 were not both measured"
    return Condition("InceptionV3's gain / MobileNetV1's", "above", 1.0, ratio_of(small, larger), missing)


def _overhead_condition(rerun: Rerun) -> Condition:
    small, larger = (_overhead_shares(rerun.of(NAME).get(model)) for model in (SMALL, LARGER))
    missing = "" if small and larger else "MobileNetV1 and InceptionV3 were not both measured"
    return Condition("MobileNetV1's share / InceptionV3's", "above", 1.0, ratio_of(larger, small), missing)


def _overhead_shares(evidence: Evidence | None) -> list[float]:
    label = label_of("tensorflow", UNCAPPED)
    if evidence is None or evidence.missing(label):
        return []
    return [1 - share for share in round_ratios(evidence.rounds(label, compute), evidence.rounds(label, end_to_end))]


def _table(rerun: Rerun) -> Table:
    rows = []
    for model, evidence in _in_order(rerun):
        for engine in ENGINES:
            capped, uncapped = label_of(engine, CAPPED), label_of(engine, UNCAPPED)
            shares = _overhead_shares(evidence) if engine == "tensorflow" else []
            rows.append(
                (
                    title_of(model),
                    engine_name(evidence, uncapped, engine),
                    with_interval(evidence.median(capped, compute)) if is_capped(model, engine) else _NOT_CAPPED,
                    with_interval(evidence.median(uncapped, compute)),
                    with_interval(evidence.ratio(capped, uncapped, compute))
                    if is_capped(model, engine)
                    else _NOT_CAPPED,
                    f"{sum(shares) / len(shares):.0%}" if shares else ABSENT,
                )
            )
    header = ("model", "engine", "compute, AVX2 ms", "compute, all ms", "AVX2 / all", "overhead of end to end")
    return Table("Compute time by instruction set, medians with 95 % intervals", header, tuple(rows))


def _figure(rerun: Rerun) -> Figure | None:
    panels = []
    for model, evidence in _in_order(rerun):
        rows = []
        for engine in ENGINES:
            marks = [
                mark
                for isa in ((UNCAPPED, CAPPED) if is_capped(model, engine) else (UNCAPPED,))
                for mark in marked(isa, evidence.median(label_of(engine, isa), compute))
            ]
            if marks:
                rows.append(Row(engine_name(evidence, label_of(engine, UNCAPPED), engine), tuple(marks)))
        if rows:
            panels.append(Panel(title_of(model), "ms", tuple(rows), "points"))
    if not panels:
        return None
    note = "Compute time with all of the CPU's vector instructions, and capped at AVX2; bars are 95 % intervals."
    return Figure("What AVX-512 saves", note, tuple(panels), _COLORS)


def _in_order(rerun: Rerun) -> list[tuple[str, Evidence]]:
    return [(model, rerun.of(NAME)[model]) for model in ALL_MODELS if model in rerun.of(NAME)]


EXPERIMENT = PaperExperiment(NAME, "AVX-512 on and off", _measure, _result)
