"""What a deployment to SageMaker is asked for, checked before anything is sent.

Limits and patterns are those of the API reference (CreateModel, CreateEndpointConfig, CreateEndpoint) and of
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serverless_dnn.runtime.commands.deploying import ECR_IMAGE, ROLE_ARN, check_shape
from serverless_dnn.runtime.errors import InvalidArgumentError

MEMORY_SIZES_MB = (1024, 2048, 3072, 4096, 5120, 6144)
MOST_CONCURRENCY = 200
_LONGEST_NAME = 63
_MOST_VARIABLES = 100
_LONGEST_VARIABLE = 1024
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_INSTANCE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True)
class ServerlessSize:
    """A serverless variant.

    Attributes:
        memory_mb: The memory of an instance; its share of a CPU grows with it.
        max_concurrency: The most invocations at once.
        provisioned_concurrency: Instances kept warm, and paid for, without invocations.
    """

    memory_mb: int = 2048
    max_concurrency: int = 5
    provisioned_concurrency: int | None = None

    def __post_init__(self) -> None:
        """Check the values against the limits and each other.

        Raises:
            InvalidArgumentError: One of them is out of bounds.
        """
        if self.memory_mb not in MEMORY_SIZES_MB:
            sizes = ", ".join(map(str, MEMORY_SIZES_MB))
            raise InvalidArgumentError(f"--memory-mb {self.memory_mb}: expected one of {sizes}")
        _check_concurrency("--max-concurrency", self.max_concurrency)
        if self.provisioned_concurrency is not None:
            _check_concurrency("--provisioned-concurrency", self.provisioned_concurrency)
            if self.provisioned_concurrency > self.max_concurrency:
                raise InvalidArgumentError(
                    f"--provisioned-concurrency {self.provisioned_concurrency} is more than --max-concurrency "
                    f"{self.max_concurrency}: lower the one or raise the other"
                )

    def variant(self) -> dict[str, Any]:
        """Its part of a production variant."""
        config = {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": self.max_concurrency}
        if self.provisioned_concurrency is not None:
            config["ProvisionedConcurrency"] = self.provisioned_concurrency
        return {"ServerlessConfig": config}

    def __str__(self) -> str:
        return f"serverless, {self.memory_mb} MB, at most {self.max_concurrency} at once"


@dataclass(frozen=True)
class InstanceSize:
    """A variant on an instance that is always there, and always paid for.

    Attributes:
        instance_type: For example ``ml.m5.large``.
    """

    instance_type: str

    def __post_init__(self) -> None:
        """Check the type's shape.

        Raises:
            InvalidArgumentError: It is none.
        """
        check_shape("--instance-type", self.instance_type, _INSTANCE, "a type such as ml.m5.large")

    def variant(self) -> dict[str, Any]:
        """Its part of a production variant."""
        return {"InstanceType": self.instance_type, "InitialInstanceCount": 1}

    def __str__(self) -> str:
        return f"one {self.instance_type}"


@dataclass(frozen=True)
class Deployment:
    """What to deploy, apart from the model.

    Attributes:
        name: The endpoint's name.
        revision: What tells this deployment's model and configuration from those before.
        image_uri: The server's image, in ECR.
        role_arn: What the container may do.
        size: What it runs on.
        environment: The container's environment variables.
        bucket: Where the archive goes; by default the bucket of SageMaker's SDK.
        region: Where; it must be the image's, and is by default.
    """

    name: str
    revision: str
    image_uri: str
    role_arn: str
    size: ServerlessSize | InstanceSize = field(default_factory=ServerlessSize)
    environment: Mapping[str, str] = field(default_factory=dict)
    bucket: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        """Check everything that can be checked without a call, and fill in what follows from the rest.

        Raises:
            InvalidArgumentError: A value has the wrong shape; the message says which, and what was expected.
        """
        check_shape("--name", self.name, _NAME, "letters, digits and single hyphens between them")
        check_shape("--revision", self.revision, _NAME, "letters, digits and single hyphens between them")
        if len(self.resource_name) > _LONGEST_NAME:
            most = _LONGEST_NAME - len(self.revision) - 1
            raise InvalidArgumentError(
                f"--name {self.name} is too long: with the revision, -{self.revision}, SageMaker takes at most "
                f"{most} characters, got {len(self.name)}"
            )
        check_shape("--role", self.role_arn, ROLE_ARN, "a role's ARN, arn:aws:iam::ACCOUNT:role/NAME")
        image = check_shape(
            "--image-uri", self.image_uri, ECR_IMAGE,
            "an image in ECR (SageMaker takes no other registry), ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG",
        )  # fmt: skip
        if self.region not in (None, image["region"]):
            raise InvalidArgumentError(
                f"--region {self.region}: SageMaker takes images of the same region only, and --image-uri is in "
                f"{image['region']}: copy the image, or deploy there"
            )
        object.__setattr__(self, "region", image["region"])
        if self.bucket is not None:
            check_shape("--bucket", self.bucket, _BUCKET, "a bucket's name")
        _check_environment(self.environment)

    @property
    def account(self) -> str:
        """The account's number: CreateModel takes a role of the same account only."""
        return self.role_arn.split(":")[4]

    @property
    def partition(self) -> str:
        """Which of Amazon's clouds: ``aws``, ``aws-cn`` and so on."""
        return self.role_arn.split(":")[1]

    @property
    def resource_name(self) -> str:
        """The name of the model and of the configuration, neither of which can be changed once made."""
        return f"{self.name}-{self.revision}"


def _check_concurrency(option: str, value: int) -> None:
    if not 1 <= value <= MOST_CONCURRENCY:
        raise InvalidArgumentError(f"{option}: expected a number from 1 to {MOST_CONCURRENCY}, got {value}")


def _check_environment(environment: Mapping[str, str]) -> None:
    if len(environment) > _MOST_VARIABLES:
        raise InvalidArgumentError(f"--env: at most {_MOST_VARIABLES} variables, got {len(environment)}")
    for name, value in environment.items():
        check_shape("--env", name, _VARIABLE, "NAME=VALUE with a name of letters, digits and underscores")
        # The value may be a secret, so it is not shown.
        if len(value) > _LONGEST_VARIABLE:
            raise InvalidArgumentError(
                f"--env {name}: a value has at most {_LONGEST_VARIABLE} characters, got {len(value)}"
            )
