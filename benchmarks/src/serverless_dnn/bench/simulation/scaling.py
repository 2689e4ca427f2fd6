"""How each platform decides how many instances there are, and what becomes of a request that finds none free.

Rules are those of https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html,
https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html and
https://cloud.google.com/run/docs/about-instance-autoscaling; what they leave open is assumed, and said in ``notes``.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from scipy.special import pdtrik  # type: ignore[import-untyped]

LAMBDA_CONCURRENCY = 1000
LAMBDA_STARTS_PER_S = 100.0
LAMBDA_START_BURST = 1000
LAMBDA_REQUESTS_PER_S_PER_CONCURRENCY = 10
SAGEMAKER_MAX_CONCURRENCY = 200
CLOUD_RUN_MAX_INSTANCES = 100
AWS_IDLE_S = 300.0
"""AWS does not say how long an idle instance is kept; measurements of both platforms found some minutes."""
CLOUD_RUN_IDLE_S = 900.0


@dataclass(frozen=True)
class Rate:
    """A limit that is refilled continuously, as a token bucket.

    Attributes:
        per_s: How much is refilled each second.
        burst: The most that is there at an instant; what is not used beyond it is lost.
        begins_empty: Whether nothing is there at the start, as after a load that has long been beyond it.
    """

    per_s: float
    burst: float
    begins_empty: bool = False


class TokenBucket:
    """What is left of a rate.

    Args:
        rate: The rate; ``None`` has no limit.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._left = 0.0 if rate is None or rate.begins_empty else rate.burst
        self._at_s = 0.0

    def take(self, now_s: float) -> bool:
        """Take one.

        Args:
            now_s: The time; never earlier than before.

        Returns:
            Whether there was one.
        """
        if self._rate is None:
            return True
        self._left = min(self._rate.burst, self._left + (now_s - self._at_s) * self._rate.per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True)
class UtilizationTarget:
    """Instances are added until their average load is at most a share of what they can take.

    Attributes:
        share: The share, of both an instance's places and its vCPUs.
        window_s: The load is averaged over so long.
        every_s: How often that is looked at.
    """

    share: float = 0.6
    window_s: float = 60.0
    every_s: float = 5.0


@dataclass(frozen=True)
class Scaling:
    """The rules of one deployment.

    Attributes:
        max_instances: The most instances at a time.
        requests_per_instance: How many requests one takes at a time.
        kept_instances: Instances that always run: provisioned or minimum ones.
        idle_s: How long the others are kept without a request.
        is_pinned: Whether a request for which an instance is started waits for that one; otherwise it takes whichever
            place is free first.
        max_wait_s: How long a request waits for a place; 0 refuses it at once.
        spreads: Whether a request goes to the instance with the fewest requests, or to that with the most.
        start_rate: How fast instances can be started; ``None`` has no limit.
        request_rate: How many requests are accepted; ``None`` has no limit.
        target: Adds instances before all are full; ``None`` does not.
        notes: What is assumed, each as a sentence.
    """

    max_instances: int
    requests_per_instance: int = 1
    kept_instances: int = 0
    idle_s: float = math.inf
    is_pinned: bool = True
    max_wait_s: float = math.inf
    spreads: bool = False
    start_rate: Rate | None = None
    request_rate: Rate | None = None
    target: UtilizationTarget | None = None
    notes: tuple[str, ...] = ()

    def usual_instances(self, rate: float, service_s: float, busy_cpu_share: float) -> int:
        """About how many instances run under a steady load, of which no more is accepted than the rules allow.

        Requests that come at random are in flight in a number with Poisson's distribution, that of a platform which
        never lets them wait. An instance stays as long as that number reaches it once while it is kept.

        Args:
            rate: Requests a second.
            service_s: How long an instance is busy with one.
            busy_cpu_share: The share of an instance's vCPUs that one keeps busy meanwhile.
        """
        accepted = rate if self.request_rate is None else min(rate, self.request_rate.per_s)
        in_flight = accepted * service_s
        reached = (
            float(pdtrik(1 - min(0.5, service_s / self.idle_s), in_flight)) if self.idle_s < math.inf else in_flight
        )
        wanted = reached / self.requests_per_instance
        if self.target is not None:
            by_target = max(in_flight / self.requests_per_instance, in_flight * busy_cpu_share) / self.target.share
            wanted = max(wanted, by_target)
        return min(self.max_instances, max(self.kept_instances, math.ceil(wanted)))

    def after(self, rate: float) -> Self:
        """The same rules as they are after a steady load.

        A window of seconds would not use up what a platform accepts in a burst; a load that lasts has.

        Args:
            rate: Requests a second.
        """
        if self.request_rate is None or rate <= self.request_rate.per_s:
            return self
        return replace(self, request_rate=replace(self.request_rate, begins_empty=True))


def lambda_scaling(
    *, concurrency: int = LAMBDA_CONCURRENCY, provisioned: int = 0, idle_s: float = AWS_IDLE_S
) -> Scaling:
    """AWS Lambda: a new environment for every request that finds none free, at 1,000 each 10 s.

    Args:
        concurrency: The account's limit.
        provisioned: Environments that always run.
        idle_s: How long the others are kept without a request.
    """
    requests_per_s = LAMBDA_REQUESTS_PER_S_PER_CONCURRENCY * concurrency
    return Scaling(
        max_instances=concurrency,
        kept_instances=provisioned,
        idle_s=idle_s,
        max_wait_s=0.0,
        start_rate=Rate(LAMBDA_STARTS_PER_S, LAMBDA_START_BURST),
        request_rate=Rate(requests_per_s, requests_per_s),
        notes=(
            (
                f"AWS Lambda runs at most {concurrency:,} requests at a time and {requests_per_s:,} a second"
                f"{_by_default(concurrency, LAMBDA_CONCURRENCY)}."
            ),
            "AWS Lambda starts at most 1,000 environments each 10 s; what is beyond its limits is refused.",
            f"AWS Lambda keeps an idle environment for {idle_s / 60:g} minutes: assumed, AWS does not say.",
        ),
    )


def sagemaker_scaling(
    *, max_concurrency: int = SAGEMAKER_MAX_CONCURRENCY, provisioned: int = 0, idle_s: float = AWS_IDLE_S
) -> Scaling:
    """SageMaker Serverless: like Lambda, up to the endpoint's maximum concurrency.

    Args:
        max_concurrency: The endpoint's setting, 1 to 200.
        provisioned: Instances that always run.
        idle_s: How long the others are kept without a request.
    """
    return Scaling(
        max_instances=max_concurrency,
        kept_instances=provisioned,
        idle_s=idle_s,
        max_wait_s=0.0,
        notes=(
            (
                f"A SageMaker endpoint runs at most {max_concurrency} requests at a time"
                f"{', the most that it can be set to' if max_concurrency == SAGEMAKER_MAX_CONCURRENCY else ''}, "
                "and refuses what is beyond that."
            ),
            "A SageMaker instance takes one request at a time: assumed, AWS does not say.",
            f"SageMaker keeps an idle instance for {idle_s / 60:g} minutes: assumed, AWS does not say.",
        ),
    )


def cloud_run_scaling(
    *,
    requests_per_instance: int = 1,
    max_instances: int = CLOUD_RUN_MAX_INSTANCES,
    min_instances: int = 0,
    mean_start_s: float,
    idle_s: float = CLOUD_RUN_IDLE_S,
) -> Scaling:
    """Cloud Run: starts when all are full or average load is above 60 %; requests wait for any instance.

    Args:
        requests_per_instance: The service's concurrency.
        max_instances: The service's maximum.
        min_instances: The service's minimum.
        mean_start_s: How long a start takes; requests wait 3.5 times as long, and at least 10 s.
        idle_s: How long an instance is kept without a request; at most 15 minutes.
    """
    return Scaling(
        max_instances=max_instances,
        requests_per_instance=requests_per_instance,
        kept_instances=min_instances,
        idle_s=idle_s,
        is_pinned=False,
        max_wait_s=max(10.0, 3.5 * mean_start_s),
        spreads=True,
        target=UtilizationTarget(),
        notes=(
            (
                f"Cloud Run runs at most {max_instances:,} instances"
                f"{_by_default(max_instances, CLOUD_RUN_MAX_INSTANCES)}, and starts more when all places are taken."
            ),
            "Cloud Run looks every 5 s whether places and vCPUs were more than 60 % busy over a minute.",
            "Cloud Run refuses a request that has waited for 3.5 starts and at least 10 s.",
            f"Cloud Run keeps an idle instance for {idle_s / 60:g} minutes: assumed, Google says up to 15.",
            "Cloud Run gives a request to the instance with the fewest: assumed, Google does not say.",
        ),
    )


def local_scaling(
    instances: int, *, requests_per_instance: int = 1, throttle: bool = False, idle_s: float = math.inf
) -> Scaling:
    """This machine's own platforms, whose instances are limited by its cores.

    Args:
        instances: The most instances.
        requests_per_instance: How many requests one takes at a time.
        throttle: Refuse requests beyond that instead of letting them wait.
        idle_s: How long an idle instance is kept.
    """
    return Scaling(
        max_instances=instances,
        requests_per_instance=requests_per_instance,
        idle_s=idle_s,
        max_wait_s=0.0 if throttle else math.inf,
    )


def _by_default(quota: int, default: int) -> str:
    return " by default" if quota == default else ""
