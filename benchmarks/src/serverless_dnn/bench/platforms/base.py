"""The interface between an experiment and a platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class DeployOptions:
    """What is deployed, and at what scale.

    Attributes:
        model: The model's name.
        model_folder: Its folder, which contains version folders.
        log_folder: Where server logs go.
        engine: ``auto``, ``tensorflow`` or ``openvino``.
        instances: The maximum number of concurrent instances.
        throttle: Whether requests beyond the instance cap are refused, as the real platform does once its quota is
            reached; otherwise they wait, because one machine cannot stand in for many.
        idle_timeout_s: How long an instance is kept without requests, where the front door starts instances; ``None``
            keeps it until the end.
        start_timeout_s: How long an instance may take to start.
        cache_folder: Where compiled models are kept between starts; ``None`` disables the cache.
        warm_up: Whether servers run a model's warm-up requests; ``None`` leaves it to them.
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
        }


@dataclass(frozen=True)
class PlatformFacts:
    """What a result must record about where it was measured.

    Attributes:
        name: ``lambda``, ``sagemaker`` or ``cloudrun``.
        title: Display name.
        customization: The degree: function, endpoint or container.
        protocol: How it is called.
        model_server: The software between the platform and the engine.
        limits: Limits by name (with the unit), both enforced and not enforced.
    """

    name: str
    title: str
    customization: str
    protocol: str
    model_server: str
    limits: Mapping[str, object] = field(default_factory=dict)


class Deployment(Protocol):
    """A model on a platform.

    Attributes:
        facts: What a result must record about it.
    """

    facts: PlatformFacts

    @property
    def url(self) -> str:
        """The URL to pass to ``serverless_dnn.client.connect``."""
        ...

    def ensure_instance(self) -> None:
        """Start an instance if the platform's front door would not start one by itself."""
        ...

    def server_pids(self) -> tuple[int, ...]:
        """The processes of the running instances, without what the platform itself consists of."""
        ...

    def stop(self) -> None:
        """Stop all processes and the front door."""
        ...
