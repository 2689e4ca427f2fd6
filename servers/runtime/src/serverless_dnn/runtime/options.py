"""Declares each option once: its name, default, help text and parser.

The option ``max_body_mib`` is the flag ``--max-body-mib`` and the environment variable ``SDNN_MAX_BODY_MIB``. Commands
accept both (``commands/command_line.py``); a process without a command line, such as a Lambda function, reads only the
variables.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from serverless_dnn.runtime.errors import InvalidArgumentError

_OptionsT = TypeVar("_OptionsT")

BOOLEANS = ("true", "false")

# A name such as minio.example.com, *.example.com or minio:9000. A last label that starts with a digit would let IPv4
# addresses in, in any of their spellings.
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"(?:\*\.(?:{_LABEL}\.)+|(?:{_LABEL}\.)*)(?![0-9]){_LABEL}(?::[1-9][0-9]{{0,4}})?"
# RFC 1918, 6598 and 4193, loopback, and the well-known prefix of NAT64 (RFC 6052).
_PRIVATE_NETWORKS = (
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1/128", "64:ff9b::/96", "fc00::/7"),
)


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


def host_patterns(text: str) -> str:
    """Parses a comma-separated list of host patterns, or ``none``; returns it normalised."""
    names = _listed(text)
    for name in set(names) - {"s3", "none"}:
        if not re.fullmatch(_HOST, name) or int(name.partition(":")[2] or 1) > 65_535:
            raise ValueError(f"expected none, or names such as s3, *.example.com or minio.internal:9000, got {name!r}")
    if "none" in names and len(names) > 1:
        raise ValueError(f"expected none, or host names, got both: {text!r}")
    return ",".join(names) or "none"


def private_networks(text: str) -> str:
    """Parses a comma-separated list of private networks in CIDR notation; returns it normalised."""
    # Only a few servers list networks; the others start without this module.
    from ipaddress import ip_network

    for name in _listed(text):
        try:
            network = ip_network(name)
        except ValueError as error:
            raise ValueError(f"expected networks such as 10.1.0.0/16, got {name!r}: {error}") from None
        private = [ip_network(each) for each in _PRIVATE_NETWORKS]
        if not any(network.version == each.version and network.subnet_of(each) for each in private):  # type: ignore[arg-type]
            raise ValueError(f"expected parts of {', '.join(_PRIVATE_NETWORKS)}, got {name!r}")
    return ",".join(_listed(text))


def _listed(text: str) -> list[str]:
    return [part for item in text.lower().split(",") if (part := item.strip())]
