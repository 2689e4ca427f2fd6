"""The glossary has every column and every term that a report shows."""

from pathlib import Path
from typing import get_args

import pytest

from serverless_dnn.bench.analysis.results import COLD_PHASES, REQUEST_PARTS
from serverless_dnn.bench.load.samples import COLUMNS, Experiment
from serverless_dnn.bench.recorded_run import Verdict
from serverless_dnn.bench.report.glossary import column_tables, with_tables

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_the_tables_of_columns_are_those_of_today() -> None:
    assert with_tables(PAGE) == PAGE, "run: python -m serverless_dnn.bench.report.glossary docs/metrics.md"
    assert all(table in PAGE for table in column_tables().values())


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_has_a_meaning(column: str) -> None:
    assert COLUMNS[column]["meaning"]
    assert f"| `{column}` |" in column_tables()["requests.parquet"]


@pytest.mark.parametrize("term", [*REQUEST_PARTS, *COLD_PHASES, *get_args(Experiment), *get_args(Verdict)])
def test_every_term_is_explained(term: str) -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert any(term in [part.strip() for part in row.split(",")] for row in rows)
