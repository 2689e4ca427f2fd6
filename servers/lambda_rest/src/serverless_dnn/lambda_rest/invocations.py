"""One invocation: an event in, a result out, in time and within Lambda's limits, whatever the event is."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from typing import Any

from serverless_dnn.lambda_rest.events import Event, EventKind, read_event
from serverless_dnn.lambda_rest.function import Function
from serverless_dnn.lambda_rest.initialization import Initialization
from serverless_dnn.lambda_rest.invocation_log import begin_invocation, current_trace, log_metrics
from serverless_dnn.lambda_rest.options import LambdaOptions
from serverless_dnn.lambda_rest.replies import check_size, encode_result, result_of
from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    ServingError,
)
from serverless_dnn.runtime.http.bodies import compress
from serverless_dnn.runtime.http.messages import HttpReply
from serverless_dnn.runtime.http.rest_api import error_reply
from serverless_dnn.runtime.timing import Instance, PhaseTimer

_log = logging.getLogger(__name__)
# What is left of an invocation's time for printing and posting its result.
_RESERVE_S = 0.2
# Whatever waits within an invocation ends by itself at the deadline, and knows best what it waited for.
_GRACE_S = 0.05
# A prediction that did not end in time keeps its thread until it does; the next invocations take others.
_THREADS = 4
# A shorter wait is no news.
_WAITED_S = 0.001


@dataclass
class Invocations:
    """Answers events.

    Attributes:
        initialization: Loads the function.
        instance: Identifies this process in every response.
        options: The function's options.
    """

    initialization: Initialization[Function]
    instance: Instance
    options: LambdaOptions
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "invocation"))
    _model: str = ""
    _is_first: bool = True

    def observe(self, _api: str, _outcome: str, timer: PhaseTimer) -> None:
        """Note which model a request was for.

        Args:
            _api: The API.
            _outcome: The name of its status.
            timer: The request's timer.
        """
        self._model = timer.model

    def handle(self, event: Any, context: object) -> Any:
        """Answer an event.

        Args:
            event: Its JSON text, or the value parsed from it.
            context: Lambda's context; anything else sets no limit on time.

        Returns:
            The result in the form that the event's sender expects: as JSON text if the event was text.
        """
        begin_invocation(context)
        self._model = ""
        read = read_event(event, self.options.base_path)
        reply = self._in_time(read, context)
        if self.options.metrics and read.kind is not EventKind.WARM_UP:
            timing = reply.headers.get("server-timing", "")
            log_metrics(timing, reply.status, self._model, is_cold=self._is_first)
            self._is_first = False
        return encode_result(reply, read) if isinstance(event, (bytes, bytearray)) else result_of(reply, read)

    def _in_time(self, event: Event, context: object) -> HttpReply:
        """The reply, or an error in its place."""
        try:
            remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
            reply = self._reply(event, FOREVER) if remaining_ms is None else self._within(event, remaining_ms() / 1000)
            check_size(reply, event.kind)
        except ServingError as error:
            reply = error_reply(error)
        except Exception:  # noqa: BLE001 - an answer is due whatever happens
            _log.exception("an invocation failed because of a bug in this server")
            reply = error_reply(InternalError("internal error: the function's log has the details"))
        trace = current_trace()
        return reply if trace is None else replace(reply, headers={**reply.headers, "x-amzn-trace-id": trace})

    def _within(self, event: Event, remaining_s: float) -> HttpReply:
        deadline = Deadline.after(max(0.0, remaining_s - _RESERVE_S))
        work = self._threads.submit(self._reply, event, deadline)
        try:
            return work.result((deadline.left_s() or 0.0) + _GRACE_S)
        except FutureTimeoutError:
            if work.done():
                return work.result()
            deadline.cancel()
            work.cancel()
            raise DeadlineExceededError(
                f"the function's time is over before the answer: {remaining_s:.1f} s were left for it"
            ) from None

    def _reply(self, event: Event, deadline: Deadline) -> HttpReply:
        if event.error is not None:
            raise event.error
        if event.kind is EventKind.WARM_UP:
            self.initialization.wait(deadline.left_s())
            return HttpReply(200, JSON_TYPE, json.dumps({"warm": True, "instance": self.instance.id}).encode())
        begin_s = time.perf_counter()
        function = self.initialization.wait(deadline.left_s())
        waited_s = time.perf_counter() - begin_s
        request = event.request
        if event.kind is EventKind.BARE:
            request = replace(request, path=_default_path(function))
        reply = function.api.handle(request, deadline)
        if event.kind is not EventKind.BARE:
            reply = compress(reply, request.headers.get("accept-encoding", ""))
        if waited_s < _WAITED_S:
            return reply
        timing = f"init;dur={waited_s * 1e3:.3f}, {reply.headers.get('server-timing', '')}"
        return replace(reply, headers={**reply.headers, "server-timing": timing})


def _default_path(function: Function) -> str:
    if function.default_model is None:
        raise InvalidArgumentError(
            f"this function serves several models ({', '.join(function.model_names)}): name one with "
            '{"path": "/v1/models/NAME:predict", "body": {...}}, or set SDNN_MODEL_NAME'
        )
    return f"/v1/models/{function.default_model}:predict"
