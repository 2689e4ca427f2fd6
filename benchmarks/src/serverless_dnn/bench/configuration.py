"""What is compared: one way of serving the model and of calling it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Cache = Literal["filled", "empty"]
Role = Literal["compared", "beside"]
Quantity = Literal["rate", "concurrency"]
"""What a ramp or a search varies."""
# The vCPU share of a size in MB is rarely whole.
_CPU_TOLERANCE = 1.02


@dataclass(frozen=True)
class Configuration:
    """One way of serving the model and of calling it.

    Attributes:
        label: Names it in every result; unique in a run.
        deployment: Shared by the configurations that the same instances serve.
        platform: A platform's name, or what a remote target's URL says it is.
        url: Where a remote target is; ``None`` for a local platform.
        memory_mb: An instance's memory in MiB; ``None`` if unknown.
        cpus: An instance's vCPUs; ``None`` if unknown.
        instances: The most instances at a time.
        requests_per_instance: How many requests one instance takes at a time.
        engine: What was asked for: ``auto``, ``tensorflow`` or ``openvino``.
        body_format: How a request is encoded.
        cache: Whether an instance finds its model compiled, as in an image, or compiles it.
        role: ``compared`` with the others between equals, or shown ``beside`` them.
        variables: More environment variables of its servers.
        is_pinned: Whether each instance has cores of its own, beside its share of CPU time.
        link: A network in front of it, in place of the run's; empty takes that.
        by_url: Whether tensors that are too large for the platform go by pre-signed URLs.
    """

    label: str
    deployment: str
    platform: str
    url: str | None = None
    memory_mb: int | None = None
    cpus: float | None = None
    instances: int = 1
    requests_per_instance: int = 1
    engine: str = "auto"
    body_format: str = "protobuf"
    cache: Cache = "filled"
    role: Role = "compared"
    variables: Mapping[str, str] = field(default_factory=dict)
    is_pinned: bool = False
    link: str = ""
    by_url: bool = False

    def oversubscribes(self, cores: int, instances: int) -> bool:
        """Whether instances that are busy together get less than their vCPUs.

        Args:
            cores: The machine's.
            instances: How many.
        """
        return (self.cpus or 0) * instances > cores * _CPU_TOLERANCE


@dataclass(frozen=True)
class MeasuredConfiguration:
    """A configuration, and what was found out about it.

    Attributes:
        configuration: The configuration.
        title: The platform's display name.
        customization: What is handed in: a function, a model or a container; empty if unknown.
        protocol: How it is called.
        model_server: The software between the platform and the engine.
        is_local: Whether it ran on this machine.
        limits: Limits by name (with the unit), and how each was enforced.
        engine: The engine that ran the model, such as ``openvino 2026.4.1 f32``; ``None`` if not reported.
        engine_facts: Everything the server tells of it: name, version, precision, threads, reason; ``None`` if unknown.
        warnings: What the servers warned of.
        bytes_sent: The size of a request's body or message; ``None`` if nothing was answered.
        bytes_received: The size of a response's.
    """

    configuration: Configuration
    title: str
    customization: str
    protocol: str
    model_server: str
    is_local: bool
    limits: Mapping[str, Any] = field(default_factory=dict)
    engine: str | None = None
    engine_facts: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    bytes_sent: int | None = None
    bytes_received: int | None = None

    @property
    def label(self) -> str:
        """The configuration's label."""
        return self.configuration.label


Severity = Literal["invalid", "doubtful", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that whoever reads the numbers must know.

    Attributes:
        code: Such as ``FAILED REQUESTS``, ``OUT OF MEMORY``, ``OUTPUTS DIFFER``, ``WRONG KIND``, ``UNSTABLE``,
            ``PRECISION NOT REACHED``, ``BUSY MACHINE``, ``OVERSUBSCRIBED``, ``TOO LARGE``, ``BY URL``,
            ``TOO FEW ROUNDS``, ``NO COLD STARTS``, ``GENERATOR SATURATED``, ``INCOMPLETE`` or ``NOT ENFORCED``.
        severity: ``invalid`` if the numbers must not be used, ``doubtful`` if they may be off, ``note`` if they are
            right and something else must be known.
        message: What was expected, what came, and what to do.
        configuration: Whom it concerns; ``None`` for all.
    """

    code: str
    severity: Severity
    message: str
    configuration: str | None = None
