"""The local function's name and its limits."""

from serverless_dnn.bench.targets.base import DeployOptions

FUNCTION_NAME = "sdnn"
FUNCTION_ARN = f"arn:aws:lambda:local:000000000000:function:{FUNCTION_NAME}"
VERSION = "$LATEST"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_REQUEST_BYTES = 6 * 1024 * 1024
MAX_EVENT_BYTES = 1024 * 1024
# 6 MiB and 100 bytes (AWS's Runtime Interface Emulator).
MAX_RESPONSE_BYTES = 6_291_556
# What the Runtime Interface Emulator reports.
_UNLIMITED_MEMORY_MB = 3008


def reported_memory_mb(options: DeployOptions) -> int:
    """The memory that the function is told it has: Lambda has no functions without a limit.

    Args:
        options: What is deployed.

    Returns:
        The memory in MiB; not enforced if the options do not limit it.
    """
    return _UNLIMITED_MEMORY_MB if options.memory_mb is None else options.memory_mb
