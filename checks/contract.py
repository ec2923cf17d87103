"""The contract of a source, judged by Great Expectations: columns, types, keys, ranges and sets.

Each expectation is asked with a tolerance. Within it the build goes on and what was found is a finding;
beyond it the file has the wrong shape, the release is refused and the one before stays in use.
"""

from typing import Any, NamedTuple

import polars as pl

from pipelines.conform import CELLS
from pipelines.model import Source
from pipelines.schema import STATUSES

TOLERANCE = 0.95
"""Least share of a release's cells that must meet an expectation for the release to be used."""
TOLERANCE_OF_CODES = 0.9
"""The same for codes of the declared time: tables that go back in time keep rows of councils that have merged since."""

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


class Expectation(NamedTuple):
    """One expectation of a contract: what Great Expectations is asked, of which measure."""

    name: str
    measure: str
    arguments: dict[str, Any]


def expectations(source: Source) -> list[Expectation]:
    """List what is expected of every release of a source."""
    whole = [
        Expectation("ExpectTableRowCountToBeBetween", "", {"min_value": 1}),
        Expectation("ExpectTableColumnsToMatchSet", "", {"column_set": list(CELLS)}),
        Expectation("ExpectColumnValuesToBeInSet", "", {"column": "measure", "value_set": sorted(source.measures)}),
        Expectation("ExpectColumnValuesToBeInSet", "", {"column": "status", "value_set": list(STATUSES)}),
        Expectation("ExpectColumnValuesToBeOfType", "", {"column": "value", "type_": "float"}),
        Expectation("ExpectColumnValuesToNotBeNull", "", {"column": "period_start"}),
        Expectation("ExpectColumnValuesToNotBeInSet", "", {"column": "fault", "value_set": ["unmatched_place"]}),
        Expectation("ExpectColumnValuesToNotBeInSet", "", {"column": "fault", "value_set": ["unreadable"]}),
        Expectation("ExpectColumnValuesToNotBeInSet", "", {"column": "fault", "value_set": ["duplicate"]}),
        Expectation("ExpectColumnValuesToNotBeInSet", "", {"column": "fault", "value_set": ["retired_code"]}),
    ]
    ranges = [
        Expectation(
            "ExpectColumnValuesToBeBetween",
            name,
            {"column": "value", "min_value": measure.range[0], "max_value": measure.range[1]},
        )
        for name, measure in source.measures.items()
        if measure.range
    ]
    return whole + ranges


_WHOLE_TABLE = "ExpectTable"


def judge(source: Source, releases: list[pl.DataFrame]) -> pl.DataFrame:
    """Judge each release (conform.CELLS, one frame a release) by the source's contract; give CONTRACT rows.

    Great Expectations is imported here and nowhere else: that takes seconds, and only a release that was
    not judged before needs it.
    """
    rows = [row for cells in releases for row in _judged(source, cells)]
    return pl.DataFrame(rows, schema=CONTRACT, orient="row")


def _judged(source: Source, cells: pl.DataFrame) -> list[tuple[Any, ...]]:
    name, release = cells.select("source", "release").row(0) if cells.height else ("", "")
    return [
        (name, release, asked.name.removeprefix("Expect"), asked.measure, *_verdict(asked, result))
        for asked, result in _results(expectations(source), cells)
    ]


def _results(asked: list[Expectation], cells: pl.DataFrame) -> list[tuple[Expectation, Any]]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("cells").add_dataframe_asset("cells")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    found: list[tuple[Expectation, Any]] = []
    for measure in sorted({each.measure for each in asked}):
        # Expectations pass over nulls: a cell without a fault must count as one that meets them.
        told = cells.with_columns(pl.col("fault").fill_null("none"))
        rows = told.filter(pl.col("measure") == measure) if measure else told
        batch = whole.get_batch({"dataframe": rows.to_pandas(use_pyarrow_extension_array=True)})
        mine = [each for each in asked if each.measure == measure]
        suite = gx.ExpectationSuite("contract", expectations=[_asked(gx, each) for each in mine])
        found += zip(mine, batch.validate(suite, result_format="BASIC").results, strict=True)
    return found


def _asked(gx: Any, each: Expectation) -> Any:
    of_codes = each.arguments.get("value_set") == ["retired_code"]
    mostly = {} if each.name.startswith(_WHOLE_TABLE) else {"mostly": TOLERANCE_OF_CODES if of_codes else TOLERANCE}
    return getattr(gx.expectations, each.name)(**each.arguments, **mostly)


def _verdict(asked: Expectation, result: Any) -> tuple[bool, bool, int, int, str]:
    told = result.result
    failing = int(told.get("unexpected_count") or 0)
    sample = ", ".join(str(value) for value in (told.get("partial_unexpected_list") or [])[:5])
    what = asked.arguments.get("column", "") + (" " + "/".join(asked.arguments.get("value_set", []))[:60]).rstrip()
    return (
        bool(result.success) and failing == 0,
        bool(result.success),
        int(told.get("element_count") or 0),
        failing or int(not result.success),
        f"{what}: {sample}" if sample else what,
    )
