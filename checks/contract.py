"""Contract of a source, judged by Great Expectations: columns, types, keys, ranges and sets.

Each expectation has a tolerance. Within it the build continues and failures become findings. Beyond it the file has the
wrong shape: the release is rejected and the previous release stays in use.
"""

from typing import Any

import polars as pl

from checks.shares import (
    CELL_TOLERANCE,
    CODES_TOLERANCE,
    EXPECTATION_FAULTS,
    cell_shares,
    count_failures,
    failure_expressions,
)
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


def judge_releases(source: Source, releases: list[pl.DataFrame]) -> pl.DataFrame:
    """Judge each release (conform.CELLS, one frame a release) by the source's contract; return CONTRACT rows.

    Great Expectations is imported only here, since the import takes seconds and only a new release needs it. It judges
    the shares of cells that meet each expectation, one row a release.
    """
    fails = failure_expressions(source)
    least = {"cells": 1.0, **dict.fromkeys(fails, CELL_TOLERANCE), "no_retired_codes": CODES_TOLERANCE}
    shares = [cell_shares(cells, fails) for cells in releases]
    rows = [
        row
        for cells, tolerated in zip(releases, _judge_tolerance(shares, least), strict=True)
        for row in _contract_rows(cells, fails, tolerated)
    ]
    return pl.DataFrame(rows, schema=CONTRACT, orient="row")


def _judge_tolerance(shares: list[pl.DataFrame], least: dict[str, float]) -> list[dict[str, bool]]:
    """Judge all releases at once, and one by one only where a release fails."""
    faulty = [row for row in shares if not _is_whole(row)]
    if not faulty:
        return [dict.fromkeys(least, True) for _ in shares]
    from checks.expectations import judge_shares

    together = judge_shares(pl.concat(faulty), least)
    if all(together.values()):
        return [together] * len(shares)
    return [dict.fromkeys(least, True) if _is_whole(row) else judge_shares(row, least) for row in shares]


def _is_whole(shares: pl.DataFrame) -> bool:
    """Return whether a release has cells, and all of them meet every expectation."""
    return shares["cells"].item() > 0 and all(share == 1 for share in shares.drop("cells").row(0))


def _contract_rows(
    cells: pl.DataFrame, fails: dict[str, pl.Expr], tolerated: dict[str, bool]
) -> list[tuple[str, str, str, str, bool, bool, int, int, str]]:
    name, release = cells.select("source", "release").row(0) if cells.height else ("", "")
    counts = count_failures(cells, fails)
    rows = [(name, release, "cells", "", cells.height > 0, tolerated["cells"], cells.height,
             int(cells.is_empty()), "rows of the file")]  # fmt: skip
    for column, expr in fails.items():
        expectation, _, measure = column.partition("__")
        subset = cells.filter(pl.col("measure") == measure) if measure else cells
        sample = (
            _describe_failures(subset.filter(expr), expectation)
            if counts[column]
            else EXPECTATION_FAULTS.get(expectation, expectation)
        )
        rows.append((name, release, expectation, measure, counts[column] == 0, tolerated[column], subset.height,
                     counts[column], sample))  # fmt: skip
    return rows


def _describe_failures(failures: pl.DataFrame, expectation: str) -> str:
    """Describe the failures: the fault, and a few of the places and figures; the findings have all of them."""
    examples = failures.head(5).select(pl.format("{} {}", pl.coalesce("place_label", "place_code").fill_null("?"),
                                          pl.col("text").fill_null("")))  # fmt: skip
    return f"{EXPECTATION_FAULTS.get(expectation, expectation)}: " + ", ".join(examples.to_series().to_list())
