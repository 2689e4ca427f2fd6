"""Keeps Python's cyclic garbage collector away from long-lived objects.

It scans all objects while no other thread runs: with TensorFlow imported, a quarter of a second each time, and a dozen
times during the import alone.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_paused = 0


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector while many long-lived objects are created, then exempt them from collection."""
    global _paused  # noqa: PLW0603 - the collector is process-wide
    with _lock:
        _paused += 1
        gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        with _lock:
            _paused -= 1
            if not _paused:
                gc.enable()
