"""A run that is shown again says what it said at first: by its own prices, and for its own objective."""

import json
from pathlib import Path
from typing import Any

import pytest
from analysis_runs import invocation, measured, rounds, run_data
from click.testing import CliRunner

from serverless_dnn.bench.analysis.prices import Price
from serverless_dnn.bench.cli import main
from serverless_dnn.bench.run_folder import write_run

_HEADER = "platform,item,region,unit,usd,found,source,certainty\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of 10 ms at 1,024 MB, made with prices of one's own: 100 dollars per GB-s, and requests for nothing."""
    samples = rounds("lambda", [10] * 10, count=40)
    invocations = [
        invocation(number=row.round, begin_ms=100 * row.index, end_ms=100 * row.index + 10) for row in samples
    ]
    prices = tuple(
        Price("lambda", item, "here", "unit", 0.0, usd, None, "2026", "me", "known")
        for item, usd in (("duration", 100.0), ("requests", 0.0))
    )
    path = tmp_path / "run"
    path.mkdir()
    write_run(path, run_data([measured()], samples, invocations, prices=prices, options={"slo_p99_ms": 50}))
    return path


def _shown(folder: Path, *more: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["show", str(folder), "--format", "json", *more])
    assert done.exit_code == 0, done.output
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def _usd(shown: dict[str, Any]) -> float:
    usd: float = shown["configurations"][0]["cost"]["per_million_usd"]
    return usd


def test_by_its_own_prices_and_for_its_own_objective(folder: Path) -> None:
    shown = _shown(folder)

    assert _usd(shown) == pytest.approx(1e6)
    assert (shown["slo_p99_ms"], shown["within_slo"]) == (50, ["lambda"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "1,000,000" in page
    assert "The cheapest that keeps p99 within 50" in page


def test_by_others(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "prices.csv"
    table.write_text(f"{_HEADER}lambda,duration,x,GB-s,200,2026,me,known\nlambda,requests,x,request,0,2026,me,known\n")

    shown = _shown(folder, "--prices", str(table), "--slo-p99-ms", "5")

    assert _usd(shown) == pytest.approx(2e6)
    assert (shown["slo_p99_ms"], shown["objective"]) == (5, {"lambda": "missed"})
    assert "2,000,000" in (folder / "report.html").read_text(encoding="utf-8")
    compared = CliRunner().invoke(main, ["compare", str(folder), str(folder), "--prices", str(table)])
    assert compared.exit_code == 0, compared.output
    assert CliRunner().invoke(main, ["show", str(folder), "--prices", str(tmp_path / "none.csv")]).exit_code == 1
