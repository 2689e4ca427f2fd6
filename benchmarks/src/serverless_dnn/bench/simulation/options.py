"""What advice can choose from: a measured configuration, and what can be set on it without measuring anew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.bills import Size
from serverless_dnn.bench.simulation.scaling import (
    AWS_IDLE_S,
    CLOUD_RUN_IDLE_S,
    CLOUD_RUN_MAX_INSTANCES,
    LAMBDA_CONCURRENCY,
    SAGEMAKER_MAX_CONCURRENCY,
    Scaling,
    cloud_run_scaling,
    lambda_scaling,
    sagemaker_scaling,
)

CONCURRENCIES = (1, 2, 4, 8, 16)
"""Requests per instance that are tried where they can be chosen."""


@dataclass(frozen=True)
class Quotas:
    """How far each platform may scale, and how long it keeps what is idle.

    Attributes:
        lambda_concurrency: The account's limit of concurrent executions; its default.
        sagemaker_concurrency: The endpoint's maximum concurrency; the most that it can be set to.
        cloud_run_instances: The service's maximum of instances; its default.
        idle_s: How long every platform keeps an idle instance; ``None`` takes what is assumed of each.
    """

    lambda_concurrency: int = LAMBDA_CONCURRENCY
    sagemaker_concurrency: int = SAGEMAKER_MAX_CONCURRENCY
    cloud_run_instances: int = CLOUD_RUN_MAX_INSTANCES
    idle_s: float | None = None

    def __post_init__(self) -> None:
        limits = {"lambda": math.inf, "sagemaker": SAGEMAKER_MAX_CONCURRENCY, "cloudrun": math.inf}
        for platform, most in limits.items():
            if not 1 <= self.of(platform) <= most:
                limit = "1 or more" if math.isinf(most) else f"1 to {most}"
                raise OptionError(f"expected a quota of {platform} of {limit}, got {self.of(platform)}")
        if self.idle_s is not None and not 0 < self.idle_s < math.inf:
            raise OptionError(f"expected idle instances to be kept for more than 0 s, got {self.idle_s:g}")

    def of(self, platform: str) -> int:
        """The most instances of a platform.

        Args:
            platform: Its name.
        """
        return {
            "lambda": self.lambda_concurrency,
            "sagemaker": self.sagemaker_concurrency,
            "cloudrun": self.cloud_run_instances,
        }[platform]

    def with_most(self, platform: str, most: int) -> Self:
        """The same quotas with another one of a platform.

        Args:
            platform: Its name.
            most: The most instances.
        """
        if platform == "lambda":
            return replace(self, lambda_concurrency=most)
        if platform == "sagemaker":
            return replace(self, sagemaker_concurrency=most)
        return replace(self, cloud_run_instances=most)


@dataclass(frozen=True)
class Candidate:
    """A measured configuration.

    Attributes:
        label: As in the run.
        title: The platform's display name.
        engine: The engine that ran the model, where the run compares several; otherwise empty.
        size: What is billed beside time.
        behaviour: How long its instances took.
        max_requests_per_instance: What the platform allows.
        note: What tells it from what it is shown beside; empty for what is compared.
    """

    label: str
    title: str
    engine: str
    size: Size
    behaviour: Behaviour
    max_requests_per_instance: int = 1
    note: str = ""

    @property
    def platform(self) -> str:
        """The platform's name."""
        return self.size.platform

    def starting_later(self, extra_s: float) -> Self:
        """The same configuration with longer cold starts.

        Args:
            extra_s: How much longer each takes.
        """
        return replace(self, behaviour=replace(self.behaviour, start_s=self.behaviour.start_s + extra_s))


@dataclass(frozen=True)
class Option:
    """A candidate, and how it is set.

    Attributes:
        candidate: The candidate.
        requests_per_instance: How many requests an instance takes at a time.
        kept_instances: How many instances always run.
    """

    candidate: Candidate
    requests_per_instance: int = 1
    kept_instances: int = 0

    def without_kept(self) -> Self:
        """The same option without instances that always run."""
        return replace(self, kept_instances=0)

    @property
    def size(self) -> Size:
        """What is billed beside time."""
        return replace(self.candidate.size, kept_instances=self.kept_instances)

    @property
    def text(self) -> str:
        """What to deploy, as in a sentence."""
        size = self.candidate.size
        parts = [f"{self.candidate.title} with {size.memory_mb} MB"]
        if size.platform == "cloudrun":
            parts += [f"{size.cpus:g} vCPU", f"concurrency {self.requests_per_instance}"]
        if self.kept_instances:
            parts.append(f"{self.kept_instances} {self._kept}")
        return ", ".join(parts) + self._remark

    @property
    def setting(self) -> str:
        """What is set on the candidate, beside its label; empty if nothing is."""
        parts = []
        if self.candidate.max_requests_per_instance > 1:
            parts.append(f"concurrency {self.requests_per_instance}")
        if self.kept_instances:
            parts.append(f"{self.kept_instances} {self._kept}")
        return ", ".join(parts)

    @property
    def _kept(self) -> str:
        return "always running" if self.candidate.platform == "cloudrun" else "provisioned"

    @property
    def _remark(self) -> str:
        remarks = [each for each in (self.candidate.engine, self.candidate.note) if each]
        return f" ({', '.join(remarks)})" if remarks else ""

    def scaling(self, quotas: Quotas) -> Scaling:
        """The platform's rules for it.

        Args:
            quotas: How far it may scale.
        """
        most = quotas.of(self.candidate.platform)
        idle_s = quotas.idle_s or (CLOUD_RUN_IDLE_S if self.candidate.platform == "cloudrun" else AWS_IDLE_S)
        if self.candidate.platform == "lambda":
            return lambda_scaling(concurrency=most, provisioned=self.kept_instances, idle_s=idle_s)
        if self.candidate.platform == "sagemaker":
            return sagemaker_scaling(max_concurrency=most, provisioned=self.kept_instances, idle_s=idle_s)
        return cloud_run_scaling(
            requests_per_instance=self.requests_per_instance,
            max_instances=most,
            min_instances=self.kept_instances,
            mean_start_s=self.candidate.behaviour.mean_start_s,
            idle_s=idle_s,
        )


def concurrencies(candidate: Candidate) -> Sequence[int]:
    """How many requests per instance are tried.

    Args:
        candidate: The candidate.
    """
    return [each for each in CONCURRENCIES if each <= candidate.max_requests_per_instance]
