"""What commands that deploy to a cloud share: calls that a dry run prints, progress, variables, the shapes of names."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from serverless_dnn.runtime.errors import InvalidArgumentError

ROLE_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/[\w+=,.@/-]+", re.ASCII)
# The last host is LocalStack's.
ECR_IMAGE = re.compile(
    r"\d{12}\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(amazonaws\.com(\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn|localhost\.localstack\.cloud(:\d+)?)"
    r"/[a-z0-9]+([._/-]+[a-z0-9]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


@dataclass(frozen=True)
class Call:
    """One call of a cloud's API.

    Attributes:
        service: For example ``lambda``.
        operation: For example ``CreateFunction``.
        parameters: As the API reference names them.
        when: On which condition it is made, or how often; empty for once and always.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    when: str = ""

    def document(self) -> dict[str, Any]:
        """The call as it is printed."""
        told = {"service": self.service, "operation": self.operation, "parameters": dict(self.parameters)}
        return {**told, "when": self.when} if self.when else told


def print_calls(calls: Iterable[Call]) -> None:
    """Print calls on stdout, each as a line of JSON.

    Args:
        calls: The calls.
    """
    for call in calls:
        click.echo(json.dumps(call.document()))


def environment_variables(pairs: Iterable[str]) -> dict[str, str]:
    """Read what ``--env`` was given.

    Args:
        pairs: Texts such as ``SDNN_ENGINE=openvino``.

    Returns:
        The values by name.

    Raises:
        InvalidArgumentError: A text has no ``=``, or a name is given twice. No value is shown: it may be a secret.
    """
    variables: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidArgumentError("--env: expected NAME=VALUE, got a text without =")
        if name in variables:
            raise InvalidArgumentError(f"--env {name}: given twice")
        variables[name] = value
    return variables


def check_shape(option: str, text: str, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
    """Check an option's text.

    Args:
        option: The option, for the message.
        text: What was given.
        pattern: What it must match as a whole.
        expected: The pattern in words, for the message.

    Returns:
        The match.

    Raises:
        InvalidArgumentError: It does not match.
    """
    match = pattern.fullmatch(text)
    if match is None:
        raise InvalidArgumentError(f"{option}: expected {expected}, got {text!r}")
    return match


class TerminalProgress:
    """Progress on stderr: a line that changes on a terminal, a line per change elsewhere.

    Args:
        name: What is deployed.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = ""
        self._is_terminal = sys.stderr.isatty()

    def step(self, text: str) -> None:
        """Show that something is done.

        Args:
            text: What.
        """
        self.end_line()
        click.echo(text, err=True)

    def waiting(self, status: str, elapsed_s: float) -> None:
        """Show what is waited for.

        Args:
            status: The status now.
            elapsed_s: Since when, in seconds.
        """
        if self._is_terminal:
            self._shown = f"{self._name} is {status}, {elapsed_s:.0f} s"
            click.echo(f"\r\x1b[K{self._shown}", err=True, nl=False)
        elif status != self._shown:
            self._shown = status
            click.echo(f"{self._name} is {status}", err=True)

    @contextmanager
    def line(self, when_interrupted: str) -> Iterator[None]:
        """End the changing line, however the work ends.

        Args:
            when_interrupted: What to say if the user interrupts it.
        """
        try:
            yield
        except KeyboardInterrupt:
            self.step(when_interrupted)
            raise
        finally:
            self.end_line()

    def end_line(self) -> None:
        """End the line that changes."""
        if self._shown and self._is_terminal:
            click.echo(err=True)
        self._shown = ""
