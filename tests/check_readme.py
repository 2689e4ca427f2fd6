"""Check that every command the pages show exists, with its options: scripts of hatch.toml and our own commands."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _pages() -> Iterator[Path]:
    for pattern in ("*.md", "docs/**/*.md", "*/README.md", "servers/*/README.md"):
        yield from sorted(ROOT.glob(pattern))


def _commands(page: Path) -> Iterator[list[str]]:
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines()
        prompts = [line[2:] for line in lines if line.startswith("$ ")]
        for line in prompts or lines:
            for part in re.split(r"&&|\||;", line):
                words = shlex.split(part, comments=True)
                while words and "=" in words[0] and not words[0].startswith("-"):
                    words = words[1:]
                if words:
                    yield words


def _problem(words: list[str], scripts: set[str], ours: dict[str, click.Command]) -> str | None:
    if words[:2] == ["hatch", "run"] and words[2].startswith("sdnn-"):
        words = words[2:]
    if words[:2] == ["hatch", "run"]:
        name = words[2]
        environment, _, script = name.rpartition(":")
        known = scripts if not environment else _scripts(environment)
        return None if script in known else f"hatch.toml has no script {name}"
    if words[0] not in ours:
        return f"there is no command {words[0]}" if words[0].startswith("sdnn-") else None
    command = ours[words[0]]
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return f"{words[0]} has no subcommand {rest[0]}"
        command, rest = found, rest[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    wrong = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{words[0]} has no option {wrong[0]}" if wrong else None


def _scripts(environment: str) -> set[str]:
    config = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))["envs"][environment]
    return set(config.get("scripts", {}))


def main() -> None:
    """Print what is wrong, and exit 1 if anything is."""
    ours = {
        point.name: point.load() for point in entry_points(group="console_scripts") if point.name.startswith("sdnn-")
    }
    scripts, problems, count = _scripts("default"), [], 0
    for page in _pages():
        for words in _commands(page):
            count += 1
            if problem := _problem(words, scripts, ours):
                problems.append(f"{page.relative_to(ROOT)}: {problem}: {' '.join(words)}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"{count} commands in the pages exist")


if __name__ == "__main__":
    main()
