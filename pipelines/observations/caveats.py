"""Caveats of single figures: a recalled release, a break in the series, or a nation that is not comparable."""

import polars as pl

from pipelines.core.snapshots import Snapshot
from pipelines.declarations.recalls import describe_recall, find_recall
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import SeriesBreak


def add_declared_caveats(cells: pl.DataFrame, source: Source, snapshot: Snapshot) -> pl.DataFrame:
    """Add the declared caveats to cells (conform.CELLS), each with its evidence."""
    recall = find_recall(source, snapshot)
    if recall:
        cells = add_caveat(cells, pl.lit(True), "recalled", describe_recall(recall))
    for series_break in source.breaks:
        text = f"from {series_break.from_} on: {series_break.text}"
        cells = add_caveat(cells, _is_after_break(series_break), "definition_break", text)
    for nation, text in source.not_comparable.items():
        in_nation = pl.col("place_code").cast(pl.String).str.starts_with(NATION_LETTER[nation]).fill_null(False)
        cells = add_caveat(cells, in_nation, "not_comparable", f"{nation} uses another definition: {text}")
    return cells


NATION_LETTER = {"England": "E", "Wales": "W", "Scotland": "S", "Northern Ireland": "N"}
"""First letter of the area codes of each nation (GSS coding and naming policy)."""


def add_caveat(cells: pl.DataFrame, where: pl.Expr, code: str, evidence: str | pl.Expr) -> pl.DataFrame:
    """Add one caveat and its evidence to the selected cells."""
    return cells.with_columns(
        pl.when(where).then(_append_text("caveats", code, ",")).otherwise("caveats").alias("caveats"),
        pl.when(where).then(_append_text("caveat_evidence", evidence, ". ")).otherwise("caveat_evidence")
        .alias("caveat_evidence"),
    )  # fmt: skip


def _append_text(column: str, text: str | pl.Expr, separator: str) -> pl.Expr:
    addition = pl.lit(text) if isinstance(text, str) else text
    return pl.concat_str(column, addition, separator=separator, ignore_nulls=True)


def _is_after_break(series_break: SeriesBreak) -> pl.Expr:
    """Return whether a break affects a cell: its period ends on the day of the break or later."""
    affected = pl.col("period_end") >= series_break.from_
    for column, allowed in (("measure", series_break.measures), ("place_code", series_break.place_codes)):
        affected = affected & pl.col(column).is_in(list(allowed)) if allowed else affected
    return affected.fill_null(False)


def unknown_recalls(source: Source, stored_hashes: list[str]) -> list[str]:
    """Return a message for each declared recall that matches no stored file by sha256."""
    unmatched = [start for start in source.withdrawn if not any(sha256.startswith(start) for sha256 in stored_hashes)]
    return [f"{start}: declared as recalled, but no stored file has this sha256" for start in unmatched]
