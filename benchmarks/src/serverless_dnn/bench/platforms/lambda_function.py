"""A function's configuration, and the facts of its invocations; both cross the border to the front door's process."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import orjson

FUNCTION_NAME = "sdnn"
FUNCTION_ARN = f"arn:aws:lambda:local:000000000000:function:{FUNCTION_NAME}"
VERSION = "$LATEST"
FACTS_PATH = "/facts"
"""Where the front door's second port tells the function's facts."""
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_REQUEST_BYTES = 6 * 1024 * 1024
MAX_EVENT_BYTES = 1024 * 1024
# 6 MiB and 100 bytes (AWS's Runtime Interface Emulator).
MAX_RESPONSE_BYTES = 6_291_556
Status = Literal["success", "error", "timeout"]


@dataclass(frozen=True)
class FunctionConfig:
    """How a function is run.

    Attributes:
        command: The command that starts the runtime client.
        environment: The function's own variables.
        log_folder: Where the instances' logs go.
        instances: The maximum number of concurrent instances.
        throttle: Whether requests beyond the instance cap are refused instead of waiting.
        idle_timeout_s: How long an instance is kept without requests; ``None`` keeps it.
        timeout_s: How long an invocation may take.
        init_timeout_s: How long the init phase may take before it is run again as part of the first invocation.
        memory_mb: Reported to the function and in its logs; not enforced.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_folder: Path
    instances: int
    throttle: bool
    idle_timeout_s: float | None
    timeout_s: float
    init_timeout_s: float
    memory_mb: int

    def to_json(self) -> str:
        """Write it for another process."""
        return orjson.dumps(self, default=str).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Args:
            text: The JSON.

        Returns:
            The configuration.
        """
        fields = orjson.loads(text)
        return cls(**{**fields, "command": tuple(fields["command"]), "log_folder": Path(fields["log_folder"])})


@dataclass(frozen=True)
class Invocation:
    """What Lambda reports of one invocation.

    Attributes:
        request_id: Its id, which is also in the answer's ``x-amzn-RequestId``.
        instance: The instance that ran it, as in ``Server-Timing``.
        status: ``success``, ``error`` or ``timeout``.
        error_type: Such as ``ValueError`` or ``Runtime.ExitError``; ``None`` after a success.
        duration_ns: From handing over the event until the result; includes an init phase that had to be run again.
        init_ns: The instance's init phase, in its first invocation.
        memory_mb: The configured memory.
        max_memory_mb: The most memory that the instance has ever used.
    """

    request_id: str
    instance: str
    status: Status
    error_type: str | None
    duration_ns: int
    init_ns: int | None
    memory_mb: int
    max_memory_mb: int

    @property
    def billed_ms(self) -> int:
        """The duration Lambda charges for: with the init phase, rounded up to a millisecond."""
        return math.ceil((self.duration_ns + (self.init_ns or 0)) / 1e6)


@dataclass(frozen=True)
class FunctionFacts:
    """The state of a function.

    Attributes:
        server_pids: The processes of its instances.
        invocations: Every invocation so far, in the order in which they ended.
    """

    server_pids: tuple[int, ...]
    invocations: tuple[Invocation, ...]

    def to_json(self) -> bytes:
        """Write them for another process."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what ``to_json`` wrote.

        Args:
            text: The JSON.

        Returns:
            The facts.
        """
        fields = orjson.loads(text)
        invocations = tuple(Invocation(**invocation) for invocation in fields["invocations"])
        return cls(tuple(fields["server_pids"]), invocations)
