"""How commands end when something goes wrong: one line, never a traceback."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from serverless_dnn.bench.errors import BenchError
from serverless_dnn.client.errors import ClientError
from serverless_dnn.models.errors import ModelsError

INTERRUPTED = 130


@contextmanager
def one_line_errors(interrupted: str) -> Iterator[None]:
    """End the command with status 1 and one line for errors, and with 130 after Ctrl-C or SIGTERM.

    Args:
        interrupted: What to say after Ctrl-C, from "interrupted" on.

    Yields:
        Nothing.
    """
    # `timeout`, a CI and an operating system that shuts down send it: what was measured is kept then, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except (BenchError, ClientError, ModelsError) as error:
        click.echo(f"sdnn-bench: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo(f"sdnn-bench: {interrupted}", err=True)
        sys.exit(INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)
