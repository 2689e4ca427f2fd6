"""Signals that are handled after a fork instead of in the middle of it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Handle SIGINT and SIGTERM when the block has ended.

    Around a fork Python runs hooks that take and release the locks of ``logging`` and others. What a signal's handler
    raises in a hook is printed and forgotten: Ctrl-C is lost, and a lock that the hook was to release stays taken.

    Yields:
        Nothing; signals that came meanwhile are handled at the end, where the handler may raise.
    """
    # Handlers run in the main thread only, so no other thread is interrupted by one.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    handlers = {number: handler for number in _NUMBERS if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for arrived in dict.fromkeys(came):
            handlers[signal.Signals(arrived)](arrived, None)
