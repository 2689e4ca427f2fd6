"""Loading that may outlast Lambda's init phase, and is then waited for by the first request."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from serverless_dnn.runtime.errors import DeadlineExceededError, InternalError, ServingError

_log = logging.getLogger(__name__)
_LoadedT = TypeVar("_LoadedT")
# Their init may take minutes (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
_PATIENT_TYPES = frozenset({"provisioned-concurrency", "snap-start", "lambda-managed-instances"})


class Initialization(Generic[_LoadedT]):
    """Loads something once, in a thread.

    Args:
        load: Loads it.
    """

    def __init__(self, load: Callable[[], _LoadedT]) -> None:
        self._load = load
        self._done = threading.Event()
        self._loaded: _LoadedT
        self._error: ServingError | None = None

    def start(self) -> None:
        """Begin to load."""
        threading.Thread(target=self._run, name="init", daemon=True).start()

    def wait(self, timeout_s: float | None = None) -> _LoadedT:
        """Wait for what is loaded.

        Args:
            timeout_s: How long; ``None`` waits for as long as it takes.

        Returns:
            What was loaded.

        Raises:
            DeadlineExceededError: It is still loading.
            ServingError: It cannot be loaded.
        """
        if not self._done.wait(timeout_s):
            raise DeadlineExceededError("the model is still being loaded: try again, or give the function more time")
        if self._error is not None:
            raise self._error
        return self._loaded

    def _run(self) -> None:
        try:
            self._loaded = self._load()
        except ServingError as error:
            self._error = error
        except OSError as error:
            self._error = InternalError(f"cannot start: {error}")
        except Exception:  # noqa: BLE001 - whoever waits must learn of it
            _log.exception("loading failed because of a bug in this server")
            self._error = InternalError("cannot start: the log has the details")
        self._done.set()


def init_left_s(birth_ns: int, init_timeout_s: float, environment: Mapping[str, str] = os.environ) -> float | None:
    """How long init may still take.

    Args:
        birth_ns: When the process was started, on this machine's boot clock.
        init_timeout_s: When init ends, in seconds since then.
        environment: ``AWS_LAMBDA_INITIALIZATION_TYPE`` says whether init is bounded.

    Returns:
        Seconds, at least 0; ``None`` if init is not bounded.
    """
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") in _PATIENT_TYPES:
        return None
    age_s = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - birth_ns) / 1e9
    return max(0.0, init_timeout_s - age_s)
