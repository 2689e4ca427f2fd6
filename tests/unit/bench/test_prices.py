"""The packaged prices are those of the sources, and what is unknown stays so; a table of one's own is checked."""

from pathlib import Path

import pytest

from serverless_dnn.bench.analysis.prices import cost_usd, load_prices, packaged_prices
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.platforms import PLATFORMS

_HEADER = "platform,item,region,unit,usd,found,source,certainty\n"
_ROW = "lambda,duration,here,GB-s,0.5,2026-01-02,me,known\n"


def test_every_platform_has_its_prices() -> None:
    table = packaged_prices()
    items = {"lambda": ["duration", "requests"], "cloudrun": ["cpu", "memory", "requests"]}
    items["sagemaker"] = [
        "data processed",
        *(f"duration at {size} MB" for size in PLATFORMS["sagemaker"].memory_sizes_mb),
    ]

    assert set(items) == set(PLATFORMS)
    for platform, names in items.items():
        for name in names:
            assert all(price.usd for price in table.tiers(platform, name)), (platform, name)
            assert table.tiers(platform, name), (platform, name)


def test_unknown_prices_are_empty() -> None:
    table = packaged_prices()
    [egress] = table.tiers("cloudrun", "network egress")

    assert (egress.usd, egress.certainty) == (None, "unknown")
    assert cost_usd([egress], 1) is None
    assert cost_usd([], 1) is None
    assert all((row.usd is None) == (row.certainty == "unknown") for row in table.rows)


def test_tiers_and_free_quantities() -> None:
    """Lambda: 0.0000166667 up to 6e9 GB-s, 0.000015 up to 15e9, 0.0000133334 beyond; 400,000 are free."""
    tiers = packaged_prices().tiers("lambda", "duration")

    assert cost_usd(tiers, 1e6) == pytest.approx(16.6667)
    assert cost_usd(tiers, 1e6, free_tier=True) == pytest.approx(10.00002)
    assert cost_usd(tiers, 4e5, free_tier=True) == 0
    assert cost_usd(tiers, 6e9) == pytest.approx(100_000.2)
    assert cost_usd(tiers, 16e9) == pytest.approx(100_000.2 + 135_000 + 13_333.4)


def test_other_regions() -> None:
    table = packaged_prices()

    assert table.tiers("cloudrun", "cpu")[0].usd == 0.000024
    assert table.in_regions({"cloudrun": "tier 2"}).tiers("cloudrun", "cpu")[0].usd == 0.0000336
    assert table.in_regions({"cloudrun": "tier 2"}).tiers("lambda", "duration") == table.tiers("lambda", "duration")
    with pytest.raises(OptionError, match="no prices of cloudrun for 'moon': there are us-central1, tier 2"):
        table.in_regions({"cloudrun": "moon"})


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("\ufeff" + _HEADER + _ROW, encoding="utf-8")

    [price] = load_prices(path).tiers("lambda", "duration")

    assert (price.usd, price.above, price.free, price.found) == (0.5, 0, None, "2026-01-02")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns platform, item"),
        ("platform,item\n", "lacks the columns region, unit, usd"),
        (_HEADER, "has no prices"),
        (_HEADER + "lambda,duration\n", "line 2: expected as many values as there are columns"),
        (_HEADER + _ROW.strip() + ",more\n", "line 2: expected as many values as there are columns"),
        (_HEADER + _ROW.replace("0.5", "cheap"), "line 2: expected a number from 0 in usd, got 'cheap'"),
        (_HEADER + _ROW.replace("0.5", "-1"), "line 2: expected a number from 0 in usd, got '-1'"),
        (_HEADER + _ROW.replace("0.5", "nan"), "line 2: expected a number from 0 in usd, got 'nan'"),
        (_HEADER + _ROW.replace("0.5", ""), "a price is empty if and only if its certainty is unknown"),
        (_HEADER + _ROW.replace("known", "unknown"), "a price is empty if and only if its certainty is unknown"),
        (_HEADER + _ROW.replace("known", "sure"), "line 2: expected a certainty of known, derived"),
        (_HEADER + _ROW.replace("2026-01-02", "today"), "line 2: expected a date such as 2026-08-21"),
        (_HEADER + _ROW.replace("GB-s", ""), "line 2: unit is empty"),
        (_HEADER + _ROW + _ROW, "has two prices of lambda, duration, here, above 0"),
        (_HEADER + 'lambda,"broken\n', "expected CSV"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(OptionError) as caught:
        load_prices(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot read the prices in"):
        load_prices(tmp_path / "missing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="cannot read the prices in"):
        load_prices(tmp_path / "binary.csv")
