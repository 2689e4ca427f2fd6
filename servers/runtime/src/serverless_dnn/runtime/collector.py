"""Python's collector of objects that refer to each other in circles: out of the way of what is made once and stays.

It looks through all objects there are, and no other thread runs meanwhile: with TensorFlow imported, for a quarter of a
second each time, a dozen times during the import alone.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_paused = 0


@contextmanager
def paused() -> Iterator[None]:
    """Do without the collector while much is made that stays; then leave that out of its sight."""
    global _paused  # noqa: PLW0603 - the collector is the process's
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
