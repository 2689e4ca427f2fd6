"""The price table: what each platform charges, where, and who says so; anyone can bring their own."""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self, cast, get_args

from serverless_dnn.bench.errors import OptionError

Certainty = Literal["known", "derived", "unverified", "unknown"]
_REQUIRED = ("platform", "item", "region", "unit", "usd", "found", "source", "certainty")
_OPTIONAL = ("above", "free")


@dataclass(frozen=True)
class Price:
    """What one unit of something costs.

    Attributes:
        platform: A platform's name.
        item: What is charged for.
        region: Where; the first row of an item is for its default region.
        unit: What a price is for.
        above: The monthly quantity beyond which this price holds.
        usd: US dollars for a unit; ``None`` if unknown.
        free: The monthly quantity that costs nothing; ``None`` if there is none.
        found: The date of the source, as much of ISO 8601 as is known; empty if none is.
        source: Who says so.
        certainty: ``known``, ``derived`` by a published rule, ``unverified`` or ``unknown``.
    """

    platform: str
    item: str
    region: str
    unit: str
    above: float
    usd: float | None
    free: float | None
    found: str
    source: str
    certainty: Certainty


@dataclass(frozen=True)
class PriceTable:
    """Prices of all platforms.

    Attributes:
        rows: The prices; those of an item in one region are its tiers, from the least quantity.
    """

    rows: tuple[Price, ...]

    def tiers(self, platform: str, item: str) -> tuple[Price, ...]:
        """The prices of an item in its default region.

        Args:
            platform: The platform's name.
            item: What is charged for.

        Returns:
            Its tiers, from the least quantity; empty if the table does not have it.
        """
        rows = [row for row in self.rows if (row.platform, row.item) == (platform, item)]
        return tuple(sorted((row for row in rows if row.region == rows[0].region), key=lambda row: row.above))

    def in_regions(self, regions: Mapping[str, str]) -> Self:
        """The same table with other default regions.

        Args:
            regions: A region by platform's name.

        Returns:
            The table without those platforms' prices for other regions.

        Raises:
            OptionError: It has no price for one of them.
        """
        for platform, region in regions.items():
            known = dict.fromkeys(row.region for row in self.rows if row.platform == platform)
            if region not in known:
                raise OptionError(f"no prices of {platform} for {region!r}: there are {', '.join(known) or 'none'}")
        kept = [row for row in self.rows if row.region in (regions.get(row.platform, row.region), "all")]
        return type(self)(tuple(kept))


def cost_usd(tiers: Sequence[Price], quantity: float, *, free_tier: bool = False) -> float | None:
    """What a month's quantity costs.

    Args:
        tiers: An item's prices, from the least quantity.
        quantity: How many units in a month.
        free_tier: Whether to take off what is free.

    Returns:
        US dollars; ``None`` if a price that it takes is unknown.
    """
    begin = (tiers[0].free or 0.0) if tiers and free_tier else 0.0
    total = 0.0
    for number, tier in enumerate(tiers):
        end = tiers[number + 1].above if number + 1 < len(tiers) else math.inf
        units = min(quantity, end) - max(begin, tier.above)
        if units > 0:
            if tier.usd is None:
                return None
            total += units * tier.usd
    return total if tiers else None


def packaged_prices() -> PriceTable:
    """The table that comes with the benchmark."""
    text = files(__package__).joinpath("prices.csv").read_text(encoding="utf-8")
    return parse_prices(text.splitlines(), "prices.csv")


def load_prices(path: Path) -> PriceTable:
    """Read a table of one's own.

    Args:
        path: A CSV file with the columns of the packaged one; ``above`` and ``free`` may be left out.

    Returns:
        The table.

    Raises:
        OptionError: It cannot be read, or a row is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return parse_prices(lines, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read the prices in {path}: {error}") from None


def parse_prices(lines: Iterable[str], name: str) -> PriceTable:
    """Read a table.

    Args:
        lines: Lines of CSV.
        name: What to call it in errors.

    Returns:
        The table.

    Raises:
        OptionError: A column is missing, or a row is wrong.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
        if missing:
            raise OptionError(f"{name} lacks the columns {', '.join(missing)}: it needs {', '.join(_REQUIRED)}")
        rows = tuple(_price(row, f"{name}, line {reader.line_num}") for row in reader)
    except csv.Error as error:
        raise OptionError(f"{name}, line {reader.line_num}: expected CSV, got {error}") from None
    if not rows:
        raise OptionError(f"{name} has no prices")
    seen = [(row.platform, row.item, row.region, row.above) for row in rows]
    for key in seen:
        if seen.count(key) > 1:
            raise OptionError(f"{name} has two prices of {key[0]}, {key[1]}, {key[2]}, above {key[3]:g}: keep one")
    return PriceTable(rows)


def _price(row: Mapping[str | None, str | None], where: str) -> Price:
    if None in row or any(row.get(column) is None for column in _REQUIRED):
        raise OptionError(f"{where}: expected as many values as there are columns")
    text = {column: (row.get(column) or "").strip() for column in (*_REQUIRED, *_OPTIONAL)}
    for column in ("platform", "item", "region", "unit", "source"):
        if not text[column]:
            raise OptionError(f"{where}: {column} is empty")
    if text["certainty"] not in get_args(Certainty):
        raise OptionError(
            f"{where}: expected a certainty of {', '.join(get_args(Certainty))}, got {text['certainty']!r}"
        )
    certainty = cast("Certainty", text["certainty"])
    usd = _number(text["usd"], "usd", where)
    if (usd is None) != (certainty == "unknown"):
        raise OptionError(f"{where}: a price is empty if and only if its certainty is unknown")
    if not re.fullmatch(r"(\d{4}(-\d\d(-\d\d)?)?)?", text["found"]):
        raise OptionError(
            f"{where}: expected a date such as 2026-08-21 or 2026, or none, in found, got {text['found']!r}"
        )
    return Price(
        platform=text["platform"],
        item=text["item"],
        region=text["region"],
        unit=text["unit"],
        above=_number(text["above"], "above", where) or 0.0,
        usd=usd,
        free=_number(text["free"], "free", where),
        found=text["found"],
        source=text["source"],
        certainty=certainty,
    )


def _number(text: str, column: str, where: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise OptionError(f"{where}: expected a number from 0 in {column}, got {text!r}")
    return number
