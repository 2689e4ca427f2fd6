"""Declares each option once: its name, default, help text and parser.

The option ``max_body_mib`` is the flag ``--max-body-mib`` and the environment variable ``SDNN_MAX_BODY_MIB``. Commands
accept both (``commands/command_line.py``); a process without a command line, such as a Lambda function, reads only the
variables.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from serverless_dnn.runtime.errors import InvalidArgumentError

_OptionsT = TypeVar("_OptionsT")

BOOLEANS = ("true", "false")


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: In lower case, with underscores.
        variable: The environment variable.
        default: The value when the option is not set.
        help: What it does, in a sentence.
        parse: Parses its text; raises a ValueError that states what was expected.
        choices: The accepted values, where they can be enumerated.
    """

    name: str
    variable: str
    default: Any
    help: str
    parse: Callable[[str], Any]
    choices: tuple[str, ...] = ()


def option(
    default: object,
    text: str,
    parse: Callable[[str], Any] = str,
    *,
    choices: tuple[str, ...] = (),
    name: str | None = None,
    variable: str | None = None,
) -> Any:
    """A dataclass field that is an option.

    Args:
        default: The value when the option is not set.
        text: The help text.
        parse: Parses its text.
        choices: The accepted values; ``true`` and ``false`` for ``boolean``.
        name: The option's name, if it differs from the field's.
        variable: The environment variable, if it is not ``SDNN_<NAME>``.

    Returns:
        The field.
    """
    given = {"help": text, "parse": parse, "choices": choices, "name": name, "variable": variable}
    return field(default=default, metadata={"option": given})


def options_of(settings: type) -> Iterator[tuple[str, Option]]:
    """The options of a settings class.

    Args:
        settings: A dataclass with fields made by ``option``.

    Yields:
        Each option's field and the option.
    """
    for item in fields(settings):
        if given := item.metadata.get("option"):
            name = given["name"] or item.name
            variable = given["variable"] or f"SDNN_{name.upper()}"
            yield item.name, Option(name, variable, item.default, given["help"], given["parse"], given["choices"])


def from_values(settings: type[_OptionsT], values: Mapping[str, Any], **others: Any) -> _OptionsT:
    """Make settings from values that have already been parsed.

    Args:
        settings: The class.
        values: By option name; an option that is absent or ``None`` keeps its default.
        **others: Other fields of the class.

    Returns:
        The settings.

    Raises:
        InvalidArgumentError: The values contradict each other.
    """
    given = {item: values[row.name] for item, row in options_of(settings) if values.get(row.name) is not None}
    return settings(**(given | others))


def values_from_environment(settings: type, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Read the options of a settings class from environment variables only.

    Args:
        settings: The class.
        environment: Variables by name; an empty value counts as absent.

    Returns:
        Values by option name.

    Raises:
        InvalidArgumentError: A variable has a value that its option does not accept.
    """
    values = {}
    for _, row in options_of(settings):
        if text := environment.get(row.variable):
            try:
                values[row.name] = row.parse(text)
            except ValueError as error:
                raise InvalidArgumentError(f"{row.variable}: {error}") from None
    return values


def whole_number(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Returns a parser for whole numbers within bounds."""

    def parse(text: str) -> int:
        # Longer texts exceed every bound, and int() rejects thousands of digits.
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
        if number < minimum or (maximum is not None and number > maximum):
            bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            raise ValueError(f"expected a whole number {bounds}, got {text!r}")
        return number

    return parse


def seconds(text: str) -> float:
    """Parses a duration in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise ValueError(f"expected a number of seconds, 0 or more, got {text!r}")
    return value


def positive_seconds(text: str) -> float:
    """Parses a nonzero duration in seconds."""
    value = seconds(text)
    if not value:
        raise ValueError(f"expected a number of seconds, more than 0, got {text!r}")
    return value


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Returns a parser that accepts only the given choices."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {text!r}")
        return text

    return parse


def boolean(text: str) -> bool:
    """Parses ``true`` or ``false``."""
    return one_of(BOOLEANS)(text) == "true"


def folders(text: str) -> tuple[Path, ...]:
    """Parses a colon-separated list of folders."""
    return tuple(Path(part) for part in text.split(":") if part)


def port_number(text: str) -> int:
    """Parses a port number; 0 means any free port."""
    return whole_number(0, 65_535)(text)
