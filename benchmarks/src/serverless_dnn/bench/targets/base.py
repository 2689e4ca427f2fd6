"""The interface between an experiment and what is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from serverless_dnn.bench.targets.records import PlatformRecords


@dataclass(frozen=True)
class DeployOptions:
    """What is deployed, and at what scale.

    Attributes:
        model: The model's name.
        model_folder: Its folder, which contains version folders.
        log_folder: Where logs and the servers' facts go; one folder for each deployment.
        engine: ``auto``, ``tensorflow`` or ``openvino``.
        instances: The maximum number of concurrent instances.
        throttle: Whether requests beyond the instances are refused, as the real platform does once its quota is
            reached; otherwise they wait, because one machine cannot stand in for many.
        idle_timeout_s: How long an instance is kept without requests; ``None`` keeps it until the end.
        start_timeout_s: How long an instance may take to start.
        cache_folder: Where compiled models are kept between starts; ``None`` disables the cache.
        warm_up: Whether servers run a model's warm-up requests; ``None`` leaves it to them.
        memory_mb: The memory of an instance, enforced; ``None`` does not limit it.
        cpus: The vCPUs of an instance, enforced; ``None`` does not limit them.
        requests_per_instance: How many requests an instance takes at a time; ``None`` is the platform's default.
        null_reply: A file with the bytes that a null server answers every request with, in place of the model's server;
            ``None`` serves the model.
        null_content_type: The content type of that reply, where the platform speaks HTTP.
        is_pinned: Whether each instance has cores of its own, beside its share of CPU time.
        variables: More environment variables of every instance.
    """

    model: str
    model_folder: Path
    log_folder: Path
    engine: str = "auto"
    instances: int = 1
    throttle: bool = False
    idle_timeout_s: float | None = None
    start_timeout_s: float = 120.0
    cache_folder: Path | None = None
    warm_up: bool | None = None
    memory_mb: int | None = None
    cpus: float | None = None
    requests_per_instance: int | None = None
    null_reply: Path | None = None
    null_content_type: str = "application/json"
    is_pinned: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The environment variables every server reads."""
        cache = {} if self.cache_folder is None else {"SDNN_CACHE_FOLDER": str(self.cache_folder)}
        warm_up = {} if self.warm_up is None else {"SDNN_WARM_UP": str(self.warm_up).lower()}
        return {
            **cache,
            **warm_up,
            "SDNN_MODEL_BASE_PATH": str(self.model_folder),
            "SDNN_MODEL_NAME": self.model,
            "SDNN_ENGINE": self.engine,
            "SDNN_HOST": "127.0.0.1",
            **self.variables,
        }


@dataclass(frozen=True)
class TargetFacts:
    """What a result must record about where it was measured.

    Attributes:
        platform: The platform's name; for a remote target what its URL says it is, such as ``sagemaker`` or ``grpc``.
        title: Display name.
        customization: What is handed in: a function, a model or a container; empty if unknown.
        protocol: How it is called.
        model_server: The software between the platform and the engine; empty if unknown.
        is_local: Whether it runs on this machine.
        limits: Limits by name (with the unit), and how each is enforced.
    """

    platform: str
    title: str
    customization: str
    protocol: str
    model_server: str
    is_local: bool = True
    limits: Mapping[str, object] = field(default_factory=dict)


class Target(Protocol):
    """What is measured: a model on a platform, on this machine or elsewhere.

    Attributes:
        facts: What a result must record about it.
    """

    facts: TargetFacts

    @property
    def url(self) -> str:
        """The URL to pass to ``serverless_dnn.client.connect``."""
        ...

    def records(self) -> PlatformRecords | None:
        """What the platform itself knows; ``None`` if it does not tell."""
        ...

    def scale_to_zero(self) -> bool:
        """End all instances, so that the next request is a cold start.

        Returns:
            Whether that can be done.
        """
        ...

    def stop(self) -> None:
        """Stop what was started for it."""
        ...


class LocalTarget(Target, Protocol):
    """A platform on this machine."""

    def records(self) -> PlatformRecords:
        """What the platform itself knows."""
        ...

    def server_pids(self) -> tuple[int, ...]:
        """The processes of the running instances, without what the platform itself consists of."""
        ...
