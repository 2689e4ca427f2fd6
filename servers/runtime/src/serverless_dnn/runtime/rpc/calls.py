"""What every unary call over ``grpc.aio`` needs, whichever service it belongs to: a thread, a place, a timer, a status.

Messages arrive and leave as bytes, so that parsing and printing them is timed, and happens with the prediction: in a
worker thread, so that the event loop only moves bytes, or on the loop where a thread would take longer than the work.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from serverless_dnn.runtime.engines.base import WouldBlockError, may_block
from serverless_dnn.runtime.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    ResourceExhaustedError,
    ServingError,
    UnavailableError,
    status_of,
)
from serverless_dnn.runtime.rpc.short_calls import ShortCalls
from serverless_dnn.runtime.rpc.worker_threads import WorkerThreads
from serverless_dnn.runtime.timing import Instance, PhaseTimer

_log = logging.getLogger(__name__)
# TensorFlow Serving cuts longer messages (tensorflow_serving/util/.../grpc_status_util).
_MAX_MESSAGE_CHARACTERS = 1024
# No call within this time means that senders know.
_QUIET_S = 0.1
_CODES = {code.value[0]: code for code in grpc.StatusCode}

# grpc's classes are generic in their type stubs alone.
Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[bytes, bytes]]"
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
# Turns a request's bytes into the answer's; takes the timer and the deadline on the clock of time.perf_counter_ns.
Work: TypeAlias = Callable[[bytes, PhaseTimer, int | None], bytes]
# Is told of a call's end: its method, the name of its status, and its timer.
CallObserver: TypeAlias = Callable[[str, str, PhaseTimer], None]
_CURRENT: "ContextVar[Context | None]" = ContextVar("call", default=None)
_MessageT = TypeVar("_MessageT", bound=Message)


class GrpcCalls:
    """Runs the calls of all services of one server, and counts them together.

    Args:
        instance: Names this process in every answer.
        threads: Threads to work in.
        concurrency: The most calls in work or waiting at once.
        observer: Is told of every call's end.

    Attributes:
        accepted: Unary calls that reached a handler.
        answered: Those of them that were given an answer or a status.
    """

    def __init__(
        self, instance: Instance, threads: WorkerThreads, *, concurrency: int, observer: CallObserver | None = None
    ) -> None:
        self._instance = instance
        self._threads = threads
        self._concurrency = concurrency
        self._observer = observer
        self._draining = False
        self._last_refused_ns = 0
        self.accepted = 0
        self.answered = 0
        # Counted on the event loop alone.
        self._in_work = 0
        self._short_calls = ShortCalls()

    def unary(self, name: str, work: Work, *, predicts: bool = False) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """A handler that answers each call with what ``work`` makes of it, or with the status of its error.

        Args:
            name: The method's name.
            work: Makes the answer.
            predicts: It does no more than predict, and may be worked on here once it has proved short.

        Returns:
            The handler; every answer carries ``server-timing`` as trailing metadata.
        """

        async def handle(body: bytes, context: Context) -> bytes:
            timer = PhaseTimer()
            self.accepted += 1
            enter_call(context)
            try:
                answer = await self.work_on(name, work, body, timer, deadline_of(context), predicts=predicts)
            except ServingError as error:
                self.answered += 1
                self.ended(name, error, timer)
                await context.abort(*_status(error), self._metadata(timer))
            self.answered += 1
            self.ended(name, None, timer)
            context.set_trailing_metadata(self._metadata(timer))
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    def at_once(self, work: Callable[[bytes], bytes]) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """A handler that answers on the event loop, also when no place is free: for probes, and what is as small.

        Args:
            work: Turns a request's bytes into the answer's, in microseconds.

        Returns:
            The handler; answers carry no timing, so that a probe does not take the cold start's from the first call.
        """

        async def handle(body: bytes, context: Context) -> bytes:
            try:
                return work(body)
            except ServingError as error:
                return await context.abort(*_status(error))

        return grpc.unary_unary_rpc_method_handler(handle)

    async def work_on(
        self,
        name: str,
        work: Work,
        body: bytes,
        timer: PhaseTimer,
        deadline_ns: int | None,
        *,
        predicts: bool,
    ) -> bytes:
        """Work on one request, in a thread unless it is a prediction that is short and alone.

        Args:
            name: The method's name.
            work: Makes the answer.
            body: The request's bytes.
            timer: Takes the time waited for a thread (``queue``).
            deadline_ns: Until when the call may wait, on the clock of ``time.perf_counter_ns``.
            predicts: It does no more than predict: what has been short stays short, unlike the loading of a model.

        Returns:
            The answer's bytes.

        Raises:
            UnavailableError: The server is draining.
            ResourceExhaustedError: As many calls as are allowed are in work or waiting.
            DeadlineExceededError: No thread was free in time.
            InternalError: ``work`` failed with another error than a ServingError, which is logged.
            ServingError: What ``work`` raised.
        """
        if self._draining:
            self._last_refused_ns = time.perf_counter_ns()
            raise UnavailableError("this instance is shutting down: send the call to another")
        if self._in_work >= self._concurrency:
            raise ResourceExhaustedError(
                f"{self._in_work} calls are in work or waiting, as many as this instance takes at once"
            )
        queued_ns = time.perf_counter_ns()
        # Calls of one method and size are mostly of one model, and take about as long.
        kind = (name, len(body))

        def run() -> bytes:
            started_ns = time.perf_counter_ns()
            timer.add("queue", started_ns - queued_ns)
            if deadline_ns is not None and deadline_ns <= started_ns:
                raise DeadlineExceededError("the deadline passed before a thread was free")
            try:
                return work(body, timer, deadline_ns)
            finally:
                self._short_calls.ended(kind, started_ns)

        stays = predicts and self._short_calls.stays(kind, self._in_work)
        self._in_work += 1
        try:
            if stays:
                blocking = may_block.set(False)
                try:
                    return run()
                except WouldBlockError:
                    # Calls of its kind are short, and this one is not.
                    pass
                finally:
                    may_block.reset(blocking)
            return await self._threads.run(run)
        except ServingError:
            raise
        except Exception as error:
            _log.exception("a call failed through a fault of this server")
            raise InternalError("internal error: the server's log has the details") from error
        finally:
            self._in_work -= 1

    async def drain(self, grace_s: float) -> None:
        """Refuse new calls as UNAVAILABLE until those in work are done and no more come.

        A server that stops at once has gRPC cancel the calls it has received and not yet handed out, and a cancelled
        call tells its sender nothing, where UNAVAILABLE says that it may be sent elsewhere.

        Args:
            grace_s: How long that may take.
        """
        begin_ns = self._last_refused_ns = time.perf_counter_ns()
        self._draining = True
        while self._in_work or time.perf_counter_ns() - self._last_refused_ns < _QUIET_S * 1e9:
            if time.perf_counter_ns() - begin_ns > grace_s * 1e9:
                return
            await asyncio.sleep(_QUIET_S / 10)

    def ended(self, name: str, error: ServingError | None, timer: PhaseTimer) -> None:
        """Tell the observer of a call's end.

        Args:
            name: The method's name.
            error: Why there is no answer.
            timer: The call's timer.
        """
        if self._observer is not None:
            self._observer(name, "OK" if error is None else status_of(error).name, timer)

    def server_timing(self, timer: PhaseTimer) -> str:
        """What one answer says that it cost; see ``Instance.server_timing``."""
        return self._instance.server_timing(timer)

    def _metadata(self, timer: PhaseTimer) -> tuple[tuple[str, str]]:
        return (("server-timing", self.server_timing(timer)),)


def enter_call(context: Context) -> None:
    """Note which call this task works on.

    Args:
        context: The call.
    """
    _CURRENT.set(context)


def current_metadata() -> dict[str, str]:
    """The metadata of the call in work in this task; empty outside of a call."""
    context = _CURRENT.get()
    metadata = () if context is None else context.invocation_metadata() or ()
    return {str(name): value for name, value in metadata if isinstance(value, str)}


def deadline_of(context: Context) -> int | None:
    """When a call's time ends.

    Args:
        context: The call.

    Returns:
        Nanoseconds on the clock of ``time.perf_counter_ns``; ``None`` without a deadline.
    """
    remaining_s = context.time_remaining()
    return None if remaining_s is None else time.perf_counter_ns() + int(remaining_s * 1e9)


def parse_message(message_type: type[_MessageT], body: bytes) -> _MessageT:
    """Parse a request.

    Args:
        message_type: What it should be.
        body: Its bytes.

    Returns:
        The message.

    Raises:
        InvalidArgumentError: It is something else.
    """
    try:
        return message_type.FromString(body)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a {message_type.DESCRIPTOR.name}: {error}") from None


def _status(error: ServingError) -> tuple[grpc.StatusCode, str]:
    return _CODES[status_of(error).code], cut_message(str(error))


def cut_message(message: str) -> str:
    """An error's text, no longer than TensorFlow Serving's may be.

    Args:
        message: The text.

    Returns:
        It, or its beginning and a mark.
    """
    if len(message) <= _MAX_MESSAGE_CHARACTERS:
        return message
    mark = "...TRUNCATED"
    return message[: _MAX_MESSAGE_CHARACTERS - len(mark)] + mark
