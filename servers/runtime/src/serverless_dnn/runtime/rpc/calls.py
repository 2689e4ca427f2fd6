"""Admission, threading, deadlines, timing and status codes for unary ``grpc.aio`` calls.

Messages arrive and leave as bytes, so that parsing and serialising them is timed and happens with the prediction, in a
worker thread: the event loop only moves bytes, and keeps answering probes however busy the threads are.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import CancelledError, InternalError, InvalidArgumentError, ServingError, status_of
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.rpc.worker_threads import WorkerThreads
from serverless_dnn.runtime.timing import Instance, PhaseTimer

_log = logging.getLogger(__name__)
# TensorFlow Serving truncates longer messages (tensorflow_serving/util/.../grpc_status_util).
_MAX_MESSAGE_CHARACTERS = 1024
# Requests answered on the event loop are parsed there too.
_MAX_AT_ONCE_BYTES = 1 << 16
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Call:
    """What handling a call needs besides the request.

    Attributes:
        timer: Records each phase, and the model's name.
        deadline: Until when the caller waits.
        budget: How much memory the request may use.
    """

    timer: PhaseTimer
    deadline: Deadline
    budget: DecodeBudget


# grpc's classes are generic only in their type stubs.
Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[bytes, bytes]]"
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
# Turns a request's bytes into the response's.
Work: TypeAlias = Callable[[bytes, Call], bytes]
# Called when a call ends, with its method, the name of its status, and its timer.
CallObserver: TypeAlias = Callable[[str, str, PhaseTimer], None]
_CURRENT: "ContextVar[Context | None]" = ContextVar("call", default=None)
_MessageT = TypeVar("_MessageT", bound=Message)


class GrpcCalls:
    """Runs the calls of all of a server's services.

    Args:
        instance: Identifies this process in every response.
        threads: The worker threads.
        admission: Admits calls.
        observer: Called when a call ends.
    """

    def __init__(
        self, instance: Instance, threads: WorkerThreads, admission: Admission, observer: CallObserver | None = None
    ) -> None:
        self._instance = instance
        self._threads = threads
        self._admission = admission
        self._observer = observer

    def unary(self, name: str, work: Work) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """A handler that answers each call with the result of ``work``, or with the status of its error.

        Args:
            name: The method's name.
            work: Makes the response.

        Returns:
            The handler; every response carries ``server-timing`` as trailing metadata.
        """

        async def handle(body: bytes, context: Context) -> bytes:
            timer = PhaseTimer()
            enter_call(context)
            try:
                answer = await self.work_on(work, body, timer, deadline_of(context))
            except ServingError as error:
                self.ended(name, error, timer)
                await context.abort(*abort_status(error), self._metadata(timer))
            except asyncio.CancelledError:
                self.ended(name, CancelledError("the caller went away"), timer)
                raise
            self.ended(name, None, timer)
            context.set_trailing_metadata(self._metadata(timer))
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    def at_once(self, work: Callable[[bytes], bytes], name: str | None = None) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """A handler that answers on the event loop, even when the server is full: for probes and other tiny calls.

        Args:
            work: Turns a request's bytes into the response's, in microseconds.
            name: The method's name, if it is to be observed and timed. Probes are not, so that they do not take the
                cold-start timing from the first call.

        Returns:
            The handler.
        """

        async def handle(body: bytes, context: Context) -> bytes:
            timer = PhaseTimer()
            metadata = self._metadata(timer) if name else ()
            try:
                if len(body) > _MAX_AT_ONCE_BYTES:
                    raise InvalidArgumentError(
                        f"a request of this method must be at most {_MAX_AT_ONCE_BYTES} bytes, got {len(body)}"
                    )
                answer = work(body)
            except ServingError as error:
                if name:
                    self.ended(name, error, timer)
                return await context.abort(*abort_status(error), metadata)
            if name:
                self.ended(name, None, timer)
                context.set_trailing_metadata(metadata)
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    async def work_on(self, work: Work, body: bytes, timer: PhaseTimer, deadline: Deadline) -> bytes:
        """Handle one request in a worker thread.

        When the awaiting task is cancelled, because the caller went away or its deadline passed, work that has not
        begun never does; work that has begun counts against the limit until the engine returns.

        Args:
            work: Makes the response.
            body: The request's bytes.
            timer: Records the time spent waiting for a thread (``queue``).
            deadline: Until when the caller waits.

        Returns:
            The response's bytes.

        Raises:
            UnavailableError: The server is draining.
            ResourceExhaustedError: Too many calls are running or waiting, or they use too much memory.
            DeadlineExceededError: No thread was free in time.
            InternalError: ``work`` failed with something other than a ServingError, which is logged.
            ServingError: Raised by ``work``.
        """
        place = self._admission.admit(len(body))
        queued_ns = time.perf_counter_ns()

        def run() -> bytes:
            with place:
                timer.add("queue", time.perf_counter_ns() - queued_ns)
                deadline.check("a thread was free")
                return work(body, Call(timer, deadline, place.budget))

        try:
            return await self._threads.run(run)
        except asyncio.CancelledError:
            deadline.cancel()
            raise
        except ServingError:
            raise
        except Exception as error:
            _log.exception("a call failed because of a bug in this server")
            raise InternalError("internal error: the server's log has the details") from error

    def ended(self, name: str, error: ServingError | None, timer: PhaseTimer) -> None:
        """Notify the observer that a call has ended.

        Args:
            name: The method's name.
            error: Why there is no response.
            timer: The call's timer.
        """
        if self._observer is not None:
            self._observer(name, "OK" if error is None else status_of(error).name, timer)

    def server_timing(self, timer: PhaseTimer) -> str:
        """The timing reported with one response; see ``Instance.server_timing``."""
        return self._instance.server_timing(timer)

    def _metadata(self, timer: PhaseTimer) -> tuple[tuple[str, str]]:
        return (("server-timing", self.server_timing(timer)),)


def enter_call(context: Context) -> None:
    """Record which call this task is handling.

    Args:
        context: The call.
    """
    _CURRENT.set(context)


def current_metadata() -> dict[str, str]:
    """The metadata of the call this task is handling; empty outside a call."""
    context = _CURRENT.get()
    metadata = () if context is None else context.invocation_metadata() or ()
    return {str(name): value for name, value in metadata if isinstance(value, str)}


def deadline_of(context: Context) -> Deadline:
    """A call's deadline.

    Args:
        context: The call.

    Returns:
        The deadline; one that never passes if the caller gave none.
    """
    return Deadline.after(context.time_remaining())


def parse_message(message_type: type[_MessageT], body: bytes) -> _MessageT:
    """Parse a request.

    Args:
        message_type: The expected type.
        body: Its bytes.

    Returns:
        The message.

    Raises:
        InvalidArgumentError: The bytes are not such a message.
    """
    try:
        return message_type.FromString(body)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a {message_type.DESCRIPTOR.name}: {error}") from None


def cut_message(message: str) -> str:
    """Truncate an error message to TensorFlow Serving's limit.

    Args:
        message: The text.

    Returns:
        The text, or its beginning and a truncation mark.
    """
    if len(message) <= _MAX_MESSAGE_CHARACTERS:
        return message
    mark = "...TRUNCATED"
    return message[: _MAX_MESSAGE_CHARACTERS - len(mark)] + mark


def abort_status(error: ServingError) -> tuple[grpc.StatusCode, str]:
    """The status a call is aborted with.

    Args:
        error: The error.

    Returns:
        The code, and the message truncated to the limit.
    """
    return _CODES[status_of(error).code], cut_message(str(error))
