"""The tables of columns in ``docs/metrics.md``, generated from what is written to parquet.

::

    python -m serverless_dnn.bench.report.glossary docs/metrics.md
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from inspect import getdoc
from pathlib import Path

from serverless_dnn.bench.load.samples import COLUMNS
from serverless_dnn.bench.recorded_run import RecordedInstance, RecordedInvocation
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation

_BEGIN, _END = "<!-- generated: columns of {} -->", "<!-- end of columns of {} -->"


def column_tables() -> Mapping[str, str]:
    """The columns of each parquet file as a Markdown table.

    Returns:
        By the file's name.
    """
    requests = {name: (facts["unit"], facts["meaning"]) for name, facts in COLUMNS.items()}
    return {
        "requests.parquet": _table(requests),
        "invocations.parquet": _table(_documented(RecordedInvocation, "invocation") | _documented(Invocation)),
        "instances.parquet": _table(_documented(RecordedInstance, "record") | _documented(InstanceRecord)),
    }


def with_tables(page: str) -> str:
    """Put the tables into a page.

    Args:
        page: Markdown with a beginning and an ending comment for each table.

    Returns:
        The page with the tables of today.
    """
    for name, table in column_tables().items():
        begin, end = _BEGIN.format(name), _END.format(name)
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        page = pattern.sub(lambda _, text=f"{begin}\n{table}\n{end}": text, page)  # type: ignore[misc]
    return page


def _documented(row: type, *without: str) -> dict[str, tuple[str, str]]:
    """What a dataclass's docstring says of each field."""
    text = " ".join((getdoc(row) or "").split())
    names = [field.name for field in fields(row)]
    meanings = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        begin = text.index(f" {name}: ") + len(name) + 3
        end = text.index(f" {following}: ", begin) if following else len(text)
        meaning = text[begin:end].strip().rstrip(".")
        meanings[name] = (_unit(name), meaning[:1].lower() + meaning[1:])
    return {name: value for name, value in meanings.items() if name not in without}


def _unit(name: str) -> str:
    return {"ns": "ns", "mb": "MiB", "ms": "ms"}.get(name.rpartition("_")[2], "")


def _table(columns: Mapping[str, tuple[str, str]]) -> str:
    rows = [
        f"| `{name}` | {unit} | {meaning.replace('``', '`').replace('|', chr(92) + '|')} |"
        for name, (unit, meaning) in columns.items()
    ]
    return "\n".join(["| column | unit | meaning |", "|---|---|---|", *rows])


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
