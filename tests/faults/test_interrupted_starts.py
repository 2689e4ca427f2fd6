"""A Ctrl-C in the middle of a fork: it arrives, and neither a lock nor the new process stays behind."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from serverless_dnn.bench.targets.deferred_signals import deferred_signals


@pytest.mark.parametrize("hook", ["before", "after_in_parent"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_server_is_forked_ends_the_start(
    hook: str, number: signal.Signals, tmp_path: Path
) -> None:
    # Hooks cannot be taken back, so they are for a process of their own.
    program = f"""
        import logging, os, signal, sys
        from pathlib import Path
        from serverless_dnn.bench.targets.processes import start_server

        signal.signal(signal.SIGTERM, signal.default_int_handler)
        os.register_at_fork({hook}=lambda: signal.raise_signal({int(number)}))
        try:
            start_server(["sleep", "3600"], {{}}, Path(sys.argv[1]) / "sleep.log")
        except KeyboardInterrupt:
            children = Path(f"/proc/self/task/{{os.getpid()}}/children").read_text()
            logging.getLogger("free").warning("interrupted, children: %s", children or "none")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "interrupted, children: none\n")


def test_deferred_signals_are_handled_in_the_order_in_which_they_came_once_each() -> None:
    seen: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, _: seen.append(number)) for number in numbers}
    try:
        with deferred_signals():
            for number in (*numbers, *numbers):
                os.kill(os.getpid(), number)
            assert seen == []
        assert seen == [signal.SIGTERM, signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
        assert seen == [signal.SIGTERM, signal.SIGINT, signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
