"""The platforms, each declared here and nowhere else: what it is, what can be chosen, and what it limits.

Sources are the platforms' own pages: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-invoke.html and
https://cloud.google.com/run/docs/configuring/services/cpu.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.targets.local_lambda.function import MAX_REQUEST_BYTES
from serverless_dnn.bench.targets.local_sagemaker.endpoint import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from serverless_dnn.bench.targets.base import DeployOptions, LocalTarget


@dataclass(frozen=True)
class Platform:
    """A platform that serves a model without managed servers.

    Attributes:
        name: As in commands and results.
        title: Display name.
        customization: What its user hands in: a function, a model or a container.
        protocol: How it is called.
        model_server: The software between the platform and the engine.
        body_formats: How a request can be encoded, the default first.
        memory_sizes_mb: The memory that an instance can have.
        default_memory_mb: Gives about one vCPU.
        mb_per_cpu: How much memory comes with each vCPU; ``None`` where vCPUs are chosen on their own.
        cpu_note: Where that figure comes from.
        memory_mb_of_cpus: The least and the most memory for each number of vCPUs, where vCPUs are chosen on their own;
            below 1, numbers between those named are allowed as well, and have the memory of the next lower.
        requests_per_instance: How many requests one instance takes at a time.
        max_requests_per_instance: What that can be raised to.
        payload_bytes: The largest body of a request or a response, beyond which its server takes pre-signed URLs;
            ``None`` if it carries whatever our servers take.
        color: In every picture, as an sRGB hex code.
        local_class: The class that runs it on this machine, as ``module:class``.
    """

    name: str
    title: str
    customization: str
    protocol: str
    model_server: str
    body_formats: tuple[str, ...]
    memory_sizes_mb: Sequence[int]
    default_memory_mb: int
    mb_per_cpu: int | None
    cpu_note: str
    memory_mb_of_cpus: Mapping[float, tuple[int, int]]
    requests_per_instance: int
    max_requests_per_instance: int
    payload_bytes: int | None
    color: str
    local_class: str

    def at_least_memory_mb(self, memory_mb: int) -> int:
        """The smallest memory that an instance can have and that is no less than what was asked for.

        Args:
            memory_mb: What was asked for, in MiB.

        Returns:
            The memory.

        Raises:
            OptionError: Even the largest is less.
        """
        size = next((size for size in self.memory_sizes_mb if size >= memory_mb), None)
        if size is None:
            raise OptionError(
                f"{self.title} has no instances of {memory_mb} MB: the largest have {self.memory_sizes_mb[-1]} MB"
            )
        return size

    def cpus_of(self, memory_mb: int, cpus: float | None = None) -> float:
        """The vCPUs of an instance.

        Args:
            memory_mb: Its memory in MiB.
            cpus: What was asked for; ``None`` takes what comes with the memory, or the fewest that it needs.

        Returns:
            The vCPUs.

        Raises:
            OptionError: The platform does not let them be chosen, has no such number, or not with this memory.
        """
        if self.mb_per_cpu is not None:
            if cpus is not None:
                raise OptionError(f"{self.title} gives vCPUs by memory, 1 for each {self.mb_per_cpu} MB: choose memory")
            return memory_mb / self.mb_per_cpu
        if cpus is None:
            size_mb = self.at_least_memory_mb(memory_mb)
            bounds_mb = self.memory_mb_of_cpus.items()
            return float(next(each for each, (_, most_mb) in bounds_mb if each >= 1 and size_mb <= most_mb))
        least_mb, most_mb = self._memory_bounds_mb(cpus)
        if not least_mb <= memory_mb <= most_mb:
            advice = f"; {memory_mb} MB need at least {self.cpus_of(memory_mb):g} vCPU" if memory_mb > most_mb else ""
            raise OptionError(
                f"{self.title} gives an instance of {cpus:g} vCPU {least_mb} to {most_mb} MB, got {memory_mb}{advice}"
            )
        return cpus

    def default_memory_mb_of(self, cpus: float | None) -> int:
        """The memory of an instance of which only the vCPUs are given.

        Args:
            cpus: The vCPUs; ``None`` where they are not given either, or follow from the memory.

        Returns:
            The default memory, or what is allowed next to it.

        Raises:
            OptionError: The platform has no instances of so many vCPUs.
        """
        if cpus is None or self.mb_per_cpu is not None:
            return self.default_memory_mb
        least_mb, most_mb = self._memory_bounds_mb(cpus)
        return min(max(self.default_memory_mb, least_mb), most_mb)

    def _memory_bounds_mb(self, cpus: float) -> tuple[int, int]:
        lower = [each for each in self.memory_mb_of_cpus if each <= cpus]
        if not lower or (cpus > 1 and cpus not in lower):
            whole = ", ".join(f"{each:g}" for each in self.memory_mb_of_cpus if each >= 1)
            raise OptionError(
                f"{self.title} gives an instance {whole} vCPU, or {min(self.memory_mb_of_cpus):g} to 1: choose --cpus "
                f"from that, not {cpus:g}"
            )
        return self.memory_mb_of_cpus[max(lower)]

    def deploy(self, options: "DeployOptions") -> "LocalTarget":
        """Run it on this machine.

        Args:
            options: What is deployed.

        Returns:
            The deployment, with no instance yet.

        Raises:
            StartError: Its front door failed to start.
        """
        module, _, name = self.local_class.partition(":")
        target: LocalTarget = getattr(importlib.import_module(module), name)(options)
        return target


_TARGETS = "serverless_dnn.bench.targets"
_ALL = (
    Platform(
        name="lambda",
        title="AWS Lambda",
        customization="function",
        protocol="REST",
        model_server="awslambdaric",
        body_formats=("protobuf", "json", "npy"),
        memory_sizes_mb=range(128, 10_241),
        default_memory_mb=1769,
        mb_per_cpu=1769,
        cpu_note="AWS: 1 vCPU at 1,769 MB, in proportion",
        memory_mb_of_cpus=MappingProxyType({}),
        requests_per_instance=1,
        max_requests_per_instance=1,
        payload_bytes=MAX_REQUEST_BYTES,
        color="#D55E00",
        local_class=f"{_TARGETS}.local_lambda.deployment:LocalLambda",
    ),
    Platform(
        name="sagemaker",
        title="SageMaker Serverless",
        customization="model",
        protocol="REST",
        model_server="waitress",
        body_formats=("protobuf", "json", "npy"),
        memory_sizes_mb=(1024, 2048, 3072, 4096, 5120, 6144),
        default_memory_mb=2048,
        mb_per_cpu=2048,
        cpu_note="assumed: AWS says in proportion to memory, and publishes no ratio",
        memory_mb_of_cpus=MappingProxyType({}),
        requests_per_instance=1,
        max_requests_per_instance=1,
        payload_bytes=MAX_PAYLOAD_BYTES,
        color="#0072B2",
        local_class=f"{_TARGETS}.local_sagemaker.deployment:LocalSageMaker",
    ),
    Platform(
        name="cloudrun",
        title="Cloud Run",
        customization="container",
        protocol="gRPC",
        model_server="grpc.aio",
        body_formats=("protobuf",),
        memory_sizes_mb=range(512, 32_769),
        default_memory_mb=2048,
        mb_per_cpu=None,
        cpu_note="chosen with --cpus",
        memory_mb_of_cpus=MappingProxyType(
            {
                0.08: (512, 512),
                0.5: (512, 1024),
                1: (512, 4096),
                2: (512, 8192),
                4: (2048, 16_384),
                6: (4096, 24_576),
                8: (4096, 32_768),
            }
        ),
        # The platform's default is 80 for each vCPU; inference keeps a vCPU busy with one.
        requests_per_instance=1,
        max_requests_per_instance=1000,
        payload_bytes=None,
        color="#009E73",
        local_class=f"{_TARGETS}.local_cloudrun.deployment:LocalCloudRun",
    ),
)
PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.name: platform for platform in _ALL})
"""All platforms by name, from the least freedom to the most."""
