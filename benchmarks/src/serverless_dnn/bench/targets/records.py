"""What a platform itself knows of its instances and invocations: the rows of ``invocations`` and ``instances``.

Every time stamp is ``time.perf_counter_ns`` of this machine, which all its processes share.
"""

import math
from dataclasses import dataclass
from typing import Literal

Status = Literal["success", "error", "timeout"]


@dataclass(frozen=True)
class Invocation:
    """One request, as the platform saw it.

    Attributes:
        request_id: Its id.
        instance: The platform's id of the instance that ran it.
        status: How it ended.
        error_type: Such as ``ValueError`` or ``Runtime.ExitError``; ``None`` after a success.
        arrival_ns: When the front door had the request.
        begin_ns: When an instance got it; the difference is the wait for an instance.
        end_ns: When the instance had answered, or was given up.
        init_ns: How long the instance's init phase took, in its first invocation; otherwise ``None``.
        memory_mb: The instance's memory; ``None`` if it is not limited.
        max_memory_mb: The most memory that the instance's own process has used so far.
    """

    request_id: str
    instance: str
    status: Status
    error_type: str | None
    arrival_ns: int
    begin_ns: int
    end_ns: int
    init_ns: int | None
    memory_mb: int | None
    max_memory_mb: int

    @property
    def duration_ns(self) -> int:
        """How long the instance had it."""
        return self.end_ns - self.begin_ns

    @property
    def billed_ms(self) -> int:
        """The duration Lambda charges for: with the init phase, rounded up to a millisecond."""
        return math.ceil((self.duration_ns + (self.init_ns or 0)) / 1e6)


@dataclass(frozen=True)
class InstanceRecord:
    """One instance, from its start to its end.

    Attributes:
        instance: The platform's id of it.
        begin_ns: When the front door decided to start it.
        spawned_ns: When its process was started.
        ready_ns: When it was ready; ``None`` if it never was.
        end_ns: When it ended; ``None`` while it runs.
        end_reason: ``idle``, ``scaled to zero``, ``stopped``, ``timed out``, ``OUT OF MEMORY`` or how it exited;
            ``None`` while it runs.
        max_memory_mb: The most memory that it has used, page cache excluded where that is known.
        cpu_ns: The CPU time that it has used; ``None`` if unknown.
    """

    instance: str
    begin_ns: int
    spawned_ns: int
    ready_ns: int | None
    end_ns: int | None
    end_reason: str | None
    max_memory_mb: int
    cpu_ns: int | None


@dataclass(frozen=True)
class PlatformRecords:
    """What a front door tells.

    Attributes:
        server_pids: The processes of the running instances.
        invocations: Every invocation so far, in the order in which they ended.
        instances: Every instance so far, in the order in which they were started.
    """

    server_pids: tuple[int, ...]
    invocations: tuple[Invocation, ...]
    instances: tuple[InstanceRecord, ...]


OUT_OF_MEMORY = "OUT OF MEMORY"
