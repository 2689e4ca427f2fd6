"""The steps of a flow: what is to be done next, and by whom it is waited for is up to the driver."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from serverless_dnn.client.wire.exchange import Request

_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request, and get its response.

    Attributes:
        request: The request.
        timeout_s: How long that may take.
    """

    request: Request
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait.

    Attributes:
        duration_s: How long.
    """

    duration_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that takes its time, such as storing an object, and get its result.

    Attributes:
        do: Does it.
    """

    do: Callable[[], Any]


Step = Send | Pause | Work
Flow = Generator[Step, Any, _ResultT]
