"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from serverless_dnn.bench.experiments.options import RunOptions, Workload

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])
FORMATS = ("table", "json", "csv", "markdown")
_ENGINES = ("auto", "tensorflow", "openvino")
_BODY_FORMATS = ("protobuf", "json", "npy")
FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers above 0, separated by commas."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            self.fail(f"expected whole numbers above 0, separated by commas, got {value!r}", param, ctx)
        return numbers


MODEL_OPTIONS = (
    click.option("--model", default="mobilenet_v1", show_default=True, help="A model from `sdnn-models list`."),
    click.option("--model-path", type=_FOLDER, help="Your own SavedModel, or a folder of its versions."),
    click.option(
        "--input", type=FILE, help="What to send: a photograph, or arrays by input name (npz).  [default: a sample]"
    ),
    click.option("--models-dir", default=".cache/models", show_default=True, type=_FOLDER, help="Exported models."),
    click.option("--runs-dir", default="runs", show_default=True, type=_FOLDER, help="Where the run's folder goes."),
)
INSTANCE_OPTIONS = (
    click.option("--cpus", type=click.FloatRange(0.08, 8), help="vCPUs of a Cloud Run instance.  [default: 1]"),
    click.option(
        "--instances", type=click.IntRange(1), help="The most instances.  [default: as many as fit the cores]"
    ),
    click.option(
        "--concurrency", type=click.IntRange(1, 1000), help="Requests at a time in a Cloud Run instance.  [default: 1]"
    ),
    click.option("--body-format", type=click.Choice(_BODY_FORMATS), help="Of REST bodies.  [default: as gRPC has]"),
    click.option(
        "--by-url",
        is_flag=True,
        help="Let tensors too large for Lambda or SageMaker go by pre-signed URLs, of an object store on this machine.",
    ),
    click.option("--throttle", is_flag=True, help="Refuse requests beyond the instances, instead of having them wait."),
    click.option("--idle-timeout-s", type=click.FloatRange(0.1), help="End an instance that is idle for so long."),
    click.option(
        "--link",
        default="",
        help="A network in front: lan, broadband, mobile, or `latency=20ms,down=100Mbit,up=20Mbit`.  [default: none]",
    ),
)
LOAD_OPTIONS = (
    click.option("--generators", default=1, show_default=True, type=click.IntRange(1), help="Processes that send."),
    click.option("--ray", "ray_address", help="Address of a Ray cluster whose nodes send instead."),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of everything random."),
)
ANSWER_OPTIONS = (
    click.option("--slo-p99-ms", type=click.FloatRange(0, min_open=True), help="The objective the answer must meet."),
    click.option("--prices", type=FILE, help="Your own price table.  [default: list prices, dated]"),
    click.option(
        "--format", "output_format", default="table", show_default=True, type=click.Choice(FORMATS), help="Of stdout."
    ),
)
WORKLOAD_OPTIONS = (
    click.option("--requests", default=400, show_default=True, type=click.IntRange(0), help="One after another."),
    click.option(
        "--in-flight", default=1, show_default=True, type=click.IntRange(1), help="How many of those at a time."
    ),
    click.option("--burst", default=40, show_default=True, type=click.IntRange(0), help="All at once, in each round."),
    click.option(
        "--rate", type=click.FloatRange(0, min_open=True), help="Also send so many a second, answered or not."
    ),
    click.option(
        "--arrivals",
        default="poisson",
        show_default=True,
        help="Of --rate: poisson or constant; or a file of intervals in seconds, replayed once in place of --rate.",
    ),
    click.option("--duration-s", default=30.0, show_default=True, type=click.FloatRange(0.1), help="Of --rate."),
    click.option("--cold-starts", default=6, show_default=True, type=click.IntRange(0), help="Forced cold starts."),
    click.option("--rounds", default=10, show_default=True, type=click.IntRange(1), help="The platforms take turns."),
    click.option("--precision", type=click.FloatRange(0.1, 50), help="Go on until medians are known to so many %."),
    click.option("--max-time-s", type=click.FloatRange(1), help="Begin no round after so long."),
)
ENGINE_OPTION = click.option(
    "--engine", default="auto", show_default=True, type=click.Choice(_ENGINES), help="Inference engine."
)
DRY_RUN_OPTION = click.option("--dry-run", is_flag=True, help="Print the plan, its time and its cost, and stop.")


def with_options(*options: Callable[[_CommandT], _CommandT]) -> Callable[[_CommandT], _CommandT]:
    """Add options to a command.

    Args:
        *options: The options, in the order of ``--help``.
    """

    def add(command: _CommandT) -> _CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def workload_of(given: dict[str, Any]) -> Workload:
    """Take the workload out of a command's options.

    Args:
        given: The options; those of the workload are removed.
    """
    precision = given.pop("precision", None)
    names = ("requests", "burst", "rate", "arrivals", "duration_s", "cold_starts", "rounds", "max_time_s", "seed")
    fields = {name: given.pop(name) for name in names if name in given}
    return Workload(
        concurrency=given.pop("in_flight", 1), precision=None if precision is None else precision / 100, **fields
    )


def run_options_of(given: dict[str, Any], **more: Any) -> RunOptions:
    """Make a run's options of a command's.

    Args:
        given: The command's options.
        **more: Others.
    """
    workload = workload_of(given)
    given["requests_per_instance"] = given.pop("concurrency", None)
    return RunOptions(workload=workload, **{**given, **more})
