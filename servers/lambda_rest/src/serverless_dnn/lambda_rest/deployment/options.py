"""What a deployment to Lambda is asked for, checked before anything is sent.

Limits are those of https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, patterns those of the API
reference (CreateFunction).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from serverless_dnn.runtime.commands.deploying import ECR_IMAGE, ROLE_ARN, check_shape
from serverless_dnn.runtime.errors import InvalidArgumentError

Architecture = Literal["x86_64", "arm64"]
FunctionUrl = Literal["none", "iam", "public"]
MEMORY_MB = (128, 10_240)
TIMEOUT_S = (1, 900)
EPHEMERAL_STORAGE_MB = (512, 10_240)
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MB_PER_VCPU = 1769
_MOST_VARIABLE_BYTES = 4096
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+", re.ASCII)
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_RESERVED_VARIABLES = frozenset(
    {
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)


@dataclass(frozen=True)
class Deployment:
    """What to deploy.

    Attributes:
        name: The function's name.
        image_uri: The server's image, in ECR.
        role_arn: What the function may do.
        memory_mb: The memory of an instance; its share of the CPUs grows with it.
        timeout_s: How long an invocation may take, in seconds.
        architecture: What the image was built for.
        function_url: Who may call the function's URL: nobody, for there is none; who signs requests and may by IAM; or
            everybody.
        ephemeral_storage_mb: The size of ``/tmp``.
        environment: The function's environment variables.
        provisioned_concurrency: Instances kept warm, and paid for, without invocations.
        reserved_concurrency: The most invocations at once, set aside from the account's; 0 turns the function off.
        region: Where; it must be the image's, and is by default.
    """

    name: str
    image_uri: str
    role_arn: str
    memory_mb: int = 3008
    timeout_s: int = 60
    architecture: Architecture = "x86_64"
    function_url: FunctionUrl = "iam"
    ephemeral_storage_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    provisioned_concurrency: int | None = None
    reserved_concurrency: int | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        """Check everything that can be checked without a call, and fill in the region.

        Raises:
            InvalidArgumentError: A value is out of bounds or has the wrong shape; the message says which, and what was
                expected.
        """
        check_name("--name", self.name)
        check_shape("--role", self.role_arn, ROLE_ARN, "a role's ARN, arn:aws:iam::ACCOUNT:role/NAME")
        image = check_shape(
            "--image-uri", self.image_uri, ECR_IMAGE,
            "an image in ECR (Lambda takes no other registry), ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG",
        )  # fmt: skip
        if self.region not in (None, image["region"]):
            raise InvalidArgumentError(
                f"--region {self.region}: Lambda takes images of the same region only, and --image-uri is in "
                f"{image['region']}: copy the image, or deploy there"
            )
        object.__setattr__(self, "region", image["region"])
        _check_bounds("--memory-mb", self.memory_mb, MEMORY_MB)
        _check_bounds("--timeout-s", self.timeout_s, TIMEOUT_S)
        _check_bounds("--ephemeral-storage-mb", self.ephemeral_storage_mb, EPHEMERAL_STORAGE_MB)
        _check_choice("--architecture", self.architecture, get_args(Architecture))
        _check_choice("--function-url", self.function_url, get_args(FunctionUrl))
        _check_environment(self.environment)
        _check_concurrency(self.provisioned_concurrency, self.reserved_concurrency)

    @property
    def partition(self) -> str:
        """Which of Amazon's clouds: ``aws``, ``aws-cn`` and so on."""
        return self.role_arn.split(":")[1]

    @property
    def cpu_share(self) -> str:
        """What the memory means for the speed of a prediction, in words."""
        share = self.memory_mb / MB_PER_VCPU
        told = f"{self.memory_mb} MB is {share:.2f} vCPU (one per {MB_PER_VCPU:,} MB)"
        if share >= 1:
            return told
        return f"{told}: a prediction takes {1 / share:.1f} times as long as on a whole one"


def check_name(option: str, name: str) -> None:
    """Check a function's name.

    Args:
        option: Where it was given, for the message.
        name: The name.

    Raises:
        InvalidArgumentError: It is none.
    """
    check_shape(option, name, _NAME, "1 to 64 letters, digits, hyphens and underscores")


def _check_bounds(option: str, value: int, bounds: tuple[int, int]) -> None:
    least, most = bounds
    if not least <= value <= most:
        raise InvalidArgumentError(f"{option}: expected a number from {least:,} to {most:,}, got {value:,}")


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidArgumentError(f"{option}: expected one of {', '.join(choices)}, got {value!r}")


def _check_environment(environment: Mapping[str, str]) -> None:
    for name in environment:
        check_shape(
            "--env", name, _VARIABLE, "NAME=VALUE with a name of at least two letters, digits and underscores, "
            "the first a letter",
        )  # fmt: skip
        if name in _RESERVED_VARIABLES:
            raise InvalidArgumentError(f"--env {name}: Lambda sets this variable itself; leave it out")
    # Lambda measures them as one JSON text. The values may be secrets, so they are not shown.
    size_bytes = len(json.dumps(dict(environment), ensure_ascii=False, separators=(",", ":")).encode())
    if size_bytes > _MOST_VARIABLE_BYTES:
        raise InvalidArgumentError(
            f"--env: Lambda takes {_MOST_VARIABLE_BYTES:,} bytes of variables in all, got {size_bytes:,}: "
            "put long values into the image"
        )


def _check_concurrency(provisioned: int | None, reserved: int | None) -> None:
    if provisioned is not None and provisioned < 1:
        raise InvalidArgumentError(f"--provisioned-concurrency: expected at least 1, got {provisioned}")
    if reserved is not None and reserved < 0:
        raise InvalidArgumentError(f"--reserved-concurrency: expected at least 0, got {reserved}")
    if provisioned is not None and reserved is not None and provisioned > reserved:
        raise InvalidArgumentError(
            f"--provisioned-concurrency {provisioned} is more than --reserved-concurrency {reserved}: lower the one or "
            "raise the other"
        )
