"""How the paper's experiments are rerun: which models, how often, and where."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.options import Workload
from serverless_dnn.models.registry import MODELS

ALL_MODELS = tuple(MODELS)
SMALL, LARGER, DETECTION, TEXT = "mobilenet_v1", "inception_v3", "yolo_v5s", "bert_base"
QUICK_MODELS = MappingProxyType(
    {
        "q1a": (SMALL, TEXT),
        "q1b": (SMALL, LARGER),
        "q1c": (SMALL,),
        "q2": (SMALL, DETECTION),
        "q3": (LARGER,),
        "q4": (SMALL, TEXT),
    }
)
"""What --quick measures in each experiment; a full run measures all models in each."""
# Requests in a round, by the model: about the same time for each.
_ROUND_REQUESTS = MappingProxyType({SMALL: 20, LARGER: 8, DETECTION: 6, TEXT: 3})
# Slow requests have settled before there are enough of them to tell.
_WARM_UP_REQUESTS = MappingProxyType({LARGER: 10, DETECTION: 8, TEXT: 4})


@dataclass(frozen=True)
class PaperOptions:
    """How the experiments are rerun.

    Attributes:
        quick: Fewer models and rounds.
        models: Only these; empty takes those of each experiment.
        models_dir: Holds one folder per exported model.
        runs_dir: Where the paper's folder goes.
        into: A paper's folder to measure into instead; ``None`` makes a new one.
        seed: Of everything random.
    """

    quick: bool = False
    models: tuple[str, ...] = ()
    models_dir: Path = Path(".cache/models")
    runs_dir: Path = Path("runs")
    into: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Reject models that the paper does not have.

        Raises:
            OptionError: There is one.
        """
        if unknown := [model for model in self.models if model not in MODELS]:
            raise OptionError(f"the paper's models are {', '.join(MODELS)}: {unknown[0]} is none of them")

    def models_of(self, experiment: str) -> tuple[str, ...]:
        """The models of an experiment.

        Args:
            experiment: Its name.
        """
        return self.models or (QUICK_MODELS[experiment] if self.quick else ALL_MODELS)

    def workload(self, model: str, **other: object) -> Workload:
        """Requests one after another: 5 rounds if quick, otherwise 10.

        Args:
            model: The model.
            **other: What is different, as fields of ``Workload``.

        Returns:
            The workload, without bursts and cold starts.
        """
        rounds = 5 if self.quick else 10
        standard: dict[str, object] = {"requests": rounds * _ROUND_REQUESTS[model], "rounds": rounds, "seed": self.seed}
        standard["warm_up_requests"] = _WARM_UP_REQUESTS.get(model)
        return Workload(**{**standard, "burst": 0, "cold_starts": 0, **other})  # type: ignore[arg-type]
