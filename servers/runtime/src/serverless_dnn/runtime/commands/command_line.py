"""A server's command line: flags come from the option table, errors are reported on one line."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.options import (
    Option,
    folders,
    from_values,
    host_patterns,
    options_of,
    positive_seconds,
    private_networks,
    seconds,
)
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])

_METAVARS: dict[Callable[[str], Any], str] = {
    Path: "path",
    str: "text",
    seconds: "seconds",
    positive_seconds: "seconds",
    folders: "folders",
    host_patterns: "hosts",
    private_networks: "networks",
}


class OptionType(click.ParamType[Any]):
    """Parses an option's text with the parser in the option table.

    Args:
        option: The option.
    """

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = _METAVARS.get(option.parse, "integer")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text; see ``click.ParamType``."""
        if not isinstance(value, str):
            return value
        try:
            return self.option.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """What the help shows for the value; see ``click.ParamType``."""
        return f"[{'|'.join(self.option.choices)}]" if self.option.choices else super().get_metavar(param, ctx)


def settings_options(*settings: type, omit: Collection[str] = ()) -> Callable[[_CommandT], _CommandT]:
    """Add the options of settings classes to a command, which gets their values by option name.

    Args:
        *settings: The classes.
        omit: Names of options to leave out.

    Returns:
        The decorator.
    """

    def add(command: _CommandT) -> _CommandT:
        rows = [row for each in settings for _, row in options_of(each) if row.name not in omit]
        for row in reversed(rows):
            command = _click_option(row)(command)
        return command

    return add


def server_settings(values: Mapping[str, Any], *, default_base_path: Path | None = None) -> ServerSettings:
    """Make a server's settings from its command-line values.

    Args:
        values: By option name.
        default_base_path: Where the models are if no option sets it.

    Returns:
        The settings.

    Raises:
        InvalidArgumentError: The values contradict each other, or no model is given.
    """
    given = dict(values)
    if given.get("model_base_path") is None and given.get("model_config_file") is None:
        given["model_base_path"] = default_base_path
    return from_values(ServerSettings, given, engine=from_values(EngineOptions, given))


def environment_of(values: Mapping[str, Any], *settings: type) -> dict[str, str]:
    """The environment variables equivalent to a command line, for a child process that is started without one.

    Args:
        values: By option name.
        *settings: The classes whose options they are.

    Returns:
        Variables by name, for the options that were set.
    """
    rows = [row for each in settings for _, row in options_of(each)]
    return {row.variable: _text(values[row.name]) for row in rows if values.get(row.name) is not None}


@contextmanager
def exit_on_serving_error(command: str) -> Iterator[None]:
    """Turn a startup error into one line on stderr and exit status 1.

    Args:
        command: The command's name, printed first.
    """
    try:
        yield
    except ServingError as error:
        click.echo(f"{command}: {error}", err=True)
        sys.exit(1)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _click_option(row: Option) -> Callable[[_CommandT], _CommandT]:
    return click.option(
        f"--{row.name.replace('_', '-')}",
        row.name,
        type=OptionType(row),
        envvar=row.variable,
        show_envvar=True,
        # Display only: the settings classes apply the defaults.
        show_default=_text(row.default) if row.default not in (None, ()) else False,
        help=row.help,
    )
