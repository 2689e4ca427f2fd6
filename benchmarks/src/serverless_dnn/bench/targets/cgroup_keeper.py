"""Removes the control groups that its parent leaves behind, however the parent ends.

Run as a script, without site packages: it waits in a session of its own until its standard input ends, which the kernel
sees to even after SIGKILL. Each line is ``+`` and a group's folder that is about to be made, or ``-`` and one that is
gone.
"""

import os
import signal
import sys
import time
from pathlib import Path

_PATIENCE_S = 20.0
_POLL_S = 0.002


def clear(folder: Path) -> None:
    """Kill every process in a group, and remove it.

    Args:
        folder: The group's folder; it may be gone already.

    Raises:
        OSError: It cannot be removed, for example because the kernel does not let a process in it go.
    """
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > end_s:
                raise
        else:
            return
        _kill(folder)
        time.sleep(_POLL_S)


def _kill(folder: Path) -> None:
    try:
        ids = [int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").splitlines()]
    except FileNotFoundError:
        return
    for each in ids:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def main() -> None:
    """Keep the list of groups until the parent has ended, then clear what is left of it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folders: dict[Path, None] = {}
    for line in sys.stdin:
        folder = Path(line[1:].rstrip("\n"))
        if line.startswith("+"):
            folders[folder] = None
        else:
            folders.pop(folder, None)
    for folder in folders:
        try:
            clear(folder)
        except OSError:
            # Nobody is left to tell; the others can still be cleared.
            continue


if __name__ == "__main__":
    main()
