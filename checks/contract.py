"""The contract of a source, judged by Great Expectations: columns, types, keys, ranges and sets.

Each expectation is asked with a tolerance. Within it the build goes on and what was found is a finding;
beyond it the file has the wrong shape, the release is refused and the one before stays in use.
"""

from typing import Any

import polars as pl

from checks.shares import FAULTS, TOLERANCE, TOLERANCE_OF_CODES, counts_of_cells, failing, shares_of_cells
from pipelines.declarations.source import Source

CONTRACT: dict[str, Any] = {
    "source": pl.String,
    "release": pl.String,
    "expectation": pl.String,
    "measure": pl.String,
    "met": pl.Boolean,
    "tolerated": pl.Boolean,
    "cells": pl.Int64,
    "failing": pl.Int64,
    "sample": pl.String,
}


def judge(source: Source, releases: list[pl.DataFrame]) -> pl.DataFrame:
    """Judge each release (conform.CELLS, one frame a release) by the source's contract; give CONTRACT rows.

    Great Expectations is imported here and nowhere else: that takes seconds, and only a release in which some cell
    fails needs it. What it judges are the shares of cells that meet each expectation, one row a release.
    """
    fails = failing(source)
    least = {"cells": 1.0, **dict.fromkeys(fails, TOLERANCE), "no_retired_codes": TOLERANCE_OF_CODES}
    shares = [shares_of_cells(cells, fails) for cells in releases]
    rows = [
        row
        for cells, tolerated in zip(releases, _tolerated(shares, least), strict=True)
        for row in _judged(cells, fails, tolerated)
    ]
    return pl.DataFrame(rows, schema=CONTRACT, orient="row")


def _tolerated(shares: list[pl.DataFrame], least: dict[str, float]) -> list[dict[str, bool]]:
    """Judge the releases in which some cell fails: all at once, and one by one only where some release is refused.

    A release without a failing cell meets the contract whatever is tolerated: only counting is needed to know it.
    """
    faulty = [each for each in shares if not _is_whole(each)]
    if not faulty:
        return [dict.fromkeys(least, True) for _ in shares]
    from checks.expectations import met

    together = met(pl.concat(faulty), least)
    if all(together.values()):
        return [together] * len(shares)
    return [dict.fromkeys(least, True) if _is_whole(each) else met(each, least) for each in shares]


def _is_whole(shares: pl.DataFrame) -> bool:
    """Return whether a release has cells, and all of them meet every expectation."""
    return shares["cells"].item() > 0 and all(share == 1 for share in shares.drop("cells").row(0))


def _judged(
    cells: pl.DataFrame, fails: dict[str, pl.Expr], tolerated: dict[str, bool]
) -> list[tuple[str, str, str, str, bool, bool, int, int, str]]:
    name, release = cells.select("source", "release").row(0) if cells.height else ("", "")
    counts = counts_of_cells(cells, fails)
    rows = [(name, release, "cells", "", cells.height > 0, tolerated["cells"], cells.height,
             int(cells.is_empty()), "rows of the file")]  # fmt: skip
    for column, expr in fails.items():
        expectation, _, measure = column.partition("__")
        of = cells.filter(pl.col("measure") == measure) if measure else cells
        sample = _sample(of.filter(expr), expectation) if counts[column] else FAULTS.get(expectation, expectation)
        rows.append((name, release, expectation, measure, counts[column] == 0, tolerated[column], of.height,
                     counts[column], sample))  # fmt: skip
    return rows


def _sample(found: pl.DataFrame, expectation: str) -> str:
    """Say what fails: the fault, and a few of the places and figures; every one is in the findings."""
    some = found.head(5).select(pl.format("{} {}", pl.coalesce("place_label", "place_code").fill_null("?"),
                                          pl.col("text").fill_null("")))  # fmt: skip
    return f"{FAULTS.get(expectation, expectation)}: " + ", ".join(some.to_series().to_list())
