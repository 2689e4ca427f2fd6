"""Q2: REST against gRPC, on one server and over shaped links."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from serverless_dnn.bench.analysis.claims import Claim, Condition, decide
from serverless_dnn.bench.analysis.estimates import round_percentiles
from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.experiments.exported_models import export_if_missing
from serverless_dnn.bench.experiments.paper import q1b
from serverless_dnn.bench.experiments.paper.evidence import end_to_end, ratio_of
from serverless_dnn.bench.experiments.paper.model_server import model_server
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, DETECTION, SMALL, TEXT
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.session import Session
from serverless_dnn.bench.experiments.paper.shown import marked, title_of, with_interval
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Panel, Row, Table
from serverless_dnn.bench.report.wording import size

NAME = "q2"
LINKS = {"loopback": "loopback", "1 Gb/s, 1 ms": "lan", "100 Mb/s, 20 ms": "broadband", "20 Mb/s, 60 ms": "mobile"}
"""The links by title; the time is the round trip's."""
GRPC, REST, NPY, JSON = "gRPC", "REST, gRPC's bytes", "REST, npy", "REST, JSON"
_PROTOCOLS = (GRPC, REST, NPY, JSON)
_CLEARLY = 1.5
_HIDDEN = 0.10
_LARGE_IO = Claim(
    "q2.large_io",
    "With large inputs and outputs (YOLOv5) gRPC wins clearly over REST",
    f"YOLOv5 end to end with REST's JSON / with gRPC is above {_CLEARLY:g} on every link but loopback",
)
_HIDDEN_HARDWARE = Claim(
    "q2.hidden",
    "Network latency often overshadows hardware performance",
    f"what AVX-512 saves of TensorFlow's compute (Q1b) is below {_HIDDEN:.0%} of end to end with gRPC, for more than "
    "half of the models and links but loopback",
    needs="most",
)
_COLORS = {GRPC: "#009E73", REST: "#56B4E9", NPY: "#CC79A7", JSON: "#0072B2"}
# Slow links carry few large messages an hour.
_QUICK_ROUNDS, _ROUNDS = 3, 6


def label_of(protocol: str, link: str) -> str:
    """The label of a configuration.

    Args:
        protocol: The protocol.
        link: The link's title.
    """
    return f"{protocol}, {link}"


def _measure(session: Session) -> None:
    options = session.options
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    for model in options.models_of(NAME):
        workload = options.workload(
            model, rounds=rounds, requests=rounds * (5 if model == SMALL else 1), warm_up_requests=1
        )
        with _served(session, model) as urls:
            if urls is not None:
                session.run(NAME, model, model, workload, configurations=_configurations(model, *urls))


@contextmanager
def _served(session: Session, model: str) -> Iterator[tuple[str, str] | None]:
    log_folder = (session.folder / NAME / "servers").resolve()
    try:
        folder = export_if_missing(model, session.options.models_dir).resolve()
        with model_server(model, folder, Path(log_folder / f"{model}.log")) as urls:
            yield urls
    except BenchError as error:
        session.note(f"{model}: {error}")
        yield None


def _configurations(model: str, grpc_url: str, rest_url: str) -> tuple[Configuration, ...]:
    grpc = Configuration(label=GRPC, deployment=GRPC, platform="grpc", url=grpc_url, engine="remote")
    rest = replace(grpc, platform="rest", url=rest_url)
    by_protocol = {
        GRPC: grpc,
        REST: rest,
        NPY: replace(rest, body_format="npy"),
        JSON: replace(rest, body_format="json"),
    }
    if model == TEXT:
        # It has three inputs, and npy carries one.
        del by_protocol[NPY]
    return tuple(
        replace(each, label=label_of(protocol, title), deployment=label_of(protocol, title), link=link)
        for title, link in LINKS.items()
        for protocol, each in by_protocol.items()
    )


def _result(rerun: Rerun) -> ExperimentResult:
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question="How does the API's protocol affect end to end time?",
        differences=(
            (
                "All protocols call one and the same server, sdnn-model-server, with 1 vCPU and no platform's "
                "limits, which YOLOv5 would exceed on Lambda and SageMaker; the paper compares platforms that differ "
                "in more."
            ),
            (
                "Links are shaped by latency (round trip) and bandwidth, the same in both directions; the paper has "
                "the Internet's."
            ),
            (
                "Our JSON is about half as large as the paper's, so REST loses less here. REST with npy or with gRPC's "
                "own message as its body is not in the paper. npy carries one array, and BERT has three."
            ),
        ),
        decisions=(
            decide(_LARGE_IO, _large_io(rerun)),
            decide(_HIDDEN_HARDWARE, _hidden(rerun), "" if rerun.of(q1b.NAME) else "it takes the runs of q1b as well"),
        ),
        tables=(_table(rerun), _sizes(rerun), *_published(rerun)),
        figure=_figure(rerun),
    )


def _large_io(rerun: Rerun) -> list[Condition]:
    conditions = []
    for link in list(LINKS)[1:]:
        labels = label_of(JSON, link), label_of(GRPC, link)
        conditions.append(
            rerun.condition(
                f"{link}: JSON / gRPC",
                "above",
                _CLEARLY,
                experiment=NAME,
                run=DETECTION,
                labels=labels,
                value=lambda evidence, labels=labels: evidence.ratio(*labels, end_to_end),  # type: ignore[misc]
            )
        )
    return conditions


def _hidden(rerun: Rerun) -> list[Condition]:
    conditions = []
    for model in ALL_MODELS:
        evidence, saving = rerun.of(NAME).get(model), rerun.of(q1b.NAME).get(model)
        saved = q1b.saved_ms(saving)
        for link in list(LINKS)[1:]:
            label = label_of(GRPC, link)
            what = f"{title_of(model)}, {link}: saved by AVX-512 / end to end"
            if evidence is None or saving is None:
                conditions.append(Condition(what, "below", _HIDDEN, None, f"{model} was not measured in q1b and q2"))
                continue
            medians = list(round_percentiles(evidence.rounds(label, end_to_end), 50).values())
            value = ratio_of(medians, saved)
            missing = evidence.missing(label) or ("" if value else "AVX-512 saved nothing in some round")
            conditions.append(Condition(what, "below", _HIDDEN, value, missing))
    return conditions


def _table(rerun: Rerun) -> Table:
    rows = []
    for model in (each for each in ALL_MODELS if each in rerun.of(NAME)):
        evidence = rerun.of(NAME)[model]
        for link in LINKS:
            median = partial(evidence.median, quantity=end_to_end)
            grpc = label_of(GRPC, link)
            rows.append(
                (
                    title_of(model),
                    link,
                    *(with_interval(median(label_of(protocol, link))) for protocol in _PROTOCOLS),
                    *(
                        with_interval(evidence.ratio(label_of(protocol, link), grpc, end_to_end))
                        for protocol in _PROTOCOLS[1:]
                    ),
                )
            )
    header = (
        "model", "link", *(f"{each} ms" for each in _PROTOCOLS), *(f"{each} / {GRPC}" for each in _PROTOCOLS[1:]),
    )  # fmt: skip
    return Table("End to end, medians with 95 % intervals", header, tuple(rows))


def _sizes(rerun: Rerun) -> Table:
    rows = []
    for model in (each for each in ALL_MODELS if each in rerun.of(NAME)):
        for protocol in _PROTOCOLS:
            measured = rerun.of(NAME)[model].measured(label_of(protocol, "loopback"))
            if measured is not None:
                sizes = size(measured.bytes_sent), size(measured.bytes_received)
                rows.append((title_of(model), protocol, *sizes))
    return Table("Bytes of a message", ("model", "protocol", "request", "response"), tuple(rows))


def _server_decode(request: Request) -> int | None:
    return request.sample.server_decode_ns


def _published(rerun: Rerun) -> tuple[Table, ...]:
    evidence = rerun.of(NAME).get(DETECTION)
    if evidence is None:
        return ()
    ours = evidence.median(label_of(JSON, "loopback"), _server_decode)
    theirs = "about 1,000 (their repository, pull request 22)"
    rows = (("YOLOv5's request, JSON to arrays on the server, ms", with_interval(ours), theirs),)
    return (Table("Beside what the authors published", ("", "ours", "the authors'"), rows),)


def _figure(rerun: Rerun) -> Figure | None:
    panels = []
    for model in (each for each in ALL_MODELS if each in rerun.of(NAME)):
        evidence = rerun.of(NAME)[model]
        rows = []
        for link in LINKS:
            marks = [
                mark
                for protocol in _PROTOCOLS
                for mark in marked(protocol, evidence.median(label_of(protocol, link), end_to_end))
            ]
            if marks:
                rows.append(Row(link, tuple(marks)))
        if rows:
            panels.append(Panel(title_of(model), "ms", tuple(rows), "points"))
    if not panels:
        return None
    note = "End to end on one server, medians with 95 % intervals; links by bandwidth and round trip."
    return Figure("REST against gRPC over four links", note, tuple(panels), _COLORS)


EXPERIMENT = PaperExperiment(NAME, "REST against gRPC", _measure, _result)
