"""What every unary call over ``grpc.aio`` goes through: admission, a thread, its deadline, its timing and its status.

Messages arrive and leave as bytes, so that parsing and printing them is timed and happens with the prediction, in a
worker thread: the event loop only moves bytes, and answers probes whatever the threads do.
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
# TensorFlow Serving cuts longer messages (tensorflow_serving/util/.../grpc_status_util).
_MAX_MESSAGE_CHARACTERS = 1024
# What is answered on the event loop is read there too.
_MAX_AT_ONCE_BYTES = 1 << 16
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Call:
    """What the work on one call needs beside the request.

    Attributes:
        timer: Takes each phase, and the model's name.
        deadline: Until when the caller waits.
        budget: What the request may take.
    """

    timer: PhaseTimer
    deadline: Deadline
    budget: DecodeBudget


# grpc's classes are generic in their type stubs alone.
Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[bytes, bytes]]"
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
# Turns a request's bytes into the answer's.
Work: TypeAlias = Callable[[bytes, Call], bytes]
# Is told of a call's end: its method, the name of its status, and its timer.
CallObserver: TypeAlias = Callable[[str, str, PhaseTimer], None]
_CURRENT: "ContextVar[Context | None]" = ContextVar("call", default=None)
_MessageT = TypeVar("_MessageT", bound=Message)


class GrpcCalls:
    """Runs the calls of all services of one server.

    Args:
        instance: Names this process in every answer.
        threads: Threads to work in.
        admission: Gives calls their places.
        observer: Is told of every call's end.
    """

    def __init__(
        self, instance: Instance, threads: WorkerThreads, admission: Admission, observer: CallObserver | None = None
    ) -> None:
        self._instance = instance
        self._threads = threads
        self._admission = admission
        self._observer = observer

    def unary(self, name: str, work: Work) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """A handler that answers each call with what ``work`` makes of it, or with the status of its error.

        Args:
            name: The method's name.
            work: Makes the answer.

        Returns:
            The handler; every answer carries ``server-timing`` as trailing metadata.
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
        """A handler that answers on the event loop, also when no place is free: for probes, and what is as small.

        Args:
            work: Turns a request's bytes into the answer's, in microseconds.
            name: The method's name, for one that is observed and timed. Probes are not, so that they do not take the
                cold start's timing from the first call.

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
        """Work on one request in a thread.

        When the task that waits is cancelled, because the caller went away or its deadline passed, work that has not
        begun never does; what has begun keeps its place until the engine returns.

        Args:
            work: Makes the answer.
            body: The request's bytes.
            timer: Takes the time waited for a thread (``queue``).
            deadline: Until when the caller waits.

        Returns:
            The answer's bytes.

        Raises:
            UnavailableError: The server is draining.
            ResourceExhaustedError: As many calls as are allowed are running or waiting, or they take too much memory.
            DeadlineExceededError: No thread was free in time.
            InternalError: ``work`` failed with another error than a ServingError, which is logged.
            ServingError: What ``work`` raised.
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
            _log.exception("a call failed through a fault of this server")
            raise InternalError("internal error: the server's log has the details") from error

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


def deadline_of(context: Context) -> Deadline:
    """When a call's time ends.

    Args:
        context: The call.

    Returns:
        The deadline; without an end if the caller gave none.
    """
    return Deadline.after(context.time_remaining())


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


def abort_status(error: ServingError) -> tuple[grpc.StatusCode, str]:
    """What a call is aborted with.

    Args:
        error: Why.

    Returns:
        The code, and the text in the length that is allowed.
    """
    return _CODES[status_of(error).code], cut_message(str(error))
