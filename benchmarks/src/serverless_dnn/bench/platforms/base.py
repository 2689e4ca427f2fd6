"""What a platform is to an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class DeployOptions:
    """What is deployed, and how much of it.

    Attributes:
        model: The model's name.
        model_folder: Its folder, of version folders.
        log_folder: Where servers' logs go.
        engine: ``auto``, ``tensorflow`` or ``openvino``.
        instances: How many instances there may be at once.
        throttle: Whether requests beyond the instances are refused, as the real platform does when its quota is
            reached; else they wait, for the machines that this one cannot be.
        start_timeout_s: How long an instance may take to start.
        cache_folder: Where compiled models are kept between starts; ``None`` keeps none.
    """

    model: str
    model_folder: Path
    log_folder: Path
    engine: str = "auto"
    instances: int = 1
    throttle: bool = False
    start_timeout_s: float = 120.0
    cache_folder: Path | None = None

    def environment(self) -> dict[str, str]:
        """The variables every server reads."""
        cache = {} if self.cache_folder is None else {"SDNN_CACHE_FOLDER": str(self.cache_folder)}
        return {
            **cache,
            "SDNN_MODEL_BASE_PATH": str(self.model_folder),
            "SDNN_MODEL_NAME": self.model,
            "SDNN_ENGINE": self.engine,
            "SDNN_HOST": "127.0.0.1",
        }


@dataclass(frozen=True)
class PlatformFacts:
    """What a result must say about where it was measured.

    Attributes:
        name: ``lambda``, ``sagemaker`` or ``cloudrun``.
        title: For people.
        customization: The degree: function, endpoint or container.
        protocol: How it is called.
        model_server: What stands between the platform and the engine.
        limits: What is enforced, by name with its unit, and what is not.
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
        facts: What a result must say about it.
    """

    facts: PlatformFacts

    @property
    def url(self) -> str:
        """What ``serverless_dnn.client.connect`` takes."""
        ...

    def ensure_instance(self) -> None:
        """Have an instance running where the platform's front door would not start one by itself."""
        ...

    def stop(self) -> None:
        """End all processes and the front door."""
        ...
