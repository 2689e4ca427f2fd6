"""What the analysis of a SavedModel's graph found, apart from how: a recorded result is read without the prover."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from serverless_dnn.runtime.engines.openvino.proof.guards import Guard

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.proof.trace import Seen


@dataclass(frozen=True)
class Analysis:
    """What a SavedModel's graph implies for running its default signature in OpenVINO.

    Attributes:
        reasons: Why its results are not proven equal to TensorFlow's; empty if they are.
        unsafe: Reasons that apply even if OpenVINO is requested by name: it cannot run this, or could crash the
            process.
        guards: What must be checked on every call.
        equal: Groups of input dimensions, by name and position, whose sizes must be equal for the proof to hold.
        same: Other signatures that are the same function under another name.
        operators: The operators the signature reaches, by operator and type.
    """

    reasons: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    equal: tuple[tuple[tuple[str, int], ...], ...] = ()
    same: tuple[str, ...] = ()
    operators: Mapping[tuple[str, str], "Seen"] = field(default_factory=dict, compare=False)

    def as_record(self) -> dict[str, Any]:
        """The decision as JSON types, without the operators."""
        return {
            "reasons": list(self.reasons),
            "unsafe": list(self.unsafe),
            "guards": [asdict(guard) for guard in self.guards],
            "equal": [[list(place) for place in group] for group in self.equal],
            "same": list(self.same),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Analysis":
        """Restore a decision from ``as_record``.

        Args:
            record: The value returned by ``as_record``.
        """
        guards = tuple(Guard(**{**guard, "free": tuple(map(tuple, guard["free"]))}) for guard in record["guards"])
        equal = tuple(tuple((alias, axis) for alias, axis in group) for group in record["equal"])
        return cls(tuple(record["reasons"]), tuple(record["unsafe"]), guards, equal, tuple(record["same"]))

    @property
    def against(self) -> str:
        """The first reason against OpenVINO; empty if there is none."""
        return next(iter((*self.unsafe, *self.reasons)), "")
