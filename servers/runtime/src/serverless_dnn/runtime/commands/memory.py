"""Keep freed message memory in the process: the next message of that size reuses it without page faults."""

import ctypes
import os
from collections.abc import Mapping

# Parameters of glibc's mallopt, and the largest value the second accepts (malloc.h, malloc.c: HEAP_MAX_SIZE / 2).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GREATEST_MMAP_THRESHOLD = 32 << 20
# How much free memory the process keeps: a few of the largest messages a server accepts by default.
_KEPT_BYTES = 256 << 20


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell the C library not to return freed memory to the system immediately.

    By default glibc returns it as soon as some tens of megabytes are free, so a server of large messages pays for every
    page of every message: 3,600 page faults for a 4.9 MB call that takes 11 ms.

    Args:
        environment: Variables by name; explicit glibc settings (``MALLOC_...``, ``GLIBC_TUNABLES``) take precedence.

    Returns:
        Whether the setting was applied; ``False`` with a C library other than glibc.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in environment):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _GREATEST_MMAP_THRESHOLD) and mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
