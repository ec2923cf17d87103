"""What to mind of single figures as read: of a release that was recalled, or from a break in the series on."""

import polars as pl

from pipelines.core.store import Snapshot
from pipelines.declarations.recalls import describe_recall, find_recall
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import SeriesBreak


def add_declared_caveats(cells: pl.DataFrame, source: Source, snapshot: Snapshot) -> pl.DataFrame:
    """Add to cells (conform.CELLS) the caveats that the declaration gives them, each with its evidence."""
    recall = find_recall(source, snapshot)
    if recall:
        cells = add_caveat(cells, pl.lit(True), "recalled", describe_recall(recall))
    for series_break in source.breaks:
        text = f"from {series_break.from_} on: {series_break.text}"
        cells = add_caveat(cells, _is_after_break(series_break), "definition_break", text)
    for nation, text in source.not_comparable.items():
        in_nation = pl.col("place_code").str.starts_with(NATION_LETTER[nation]).fill_null(False)
        cells = add_caveat(cells, in_nation, "not_comparable", f"{nation} is counted otherwise: {text}")
    return cells


NATION_LETTER = {"England": "E", "Wales": "W", "Scotland": "S", "Northern Ireland": "N"}
"""First letter of the codes of each nation's places (GSS coding and naming policy)."""


def add_caveat(cells: pl.DataFrame, where: pl.Expr, code: str, evidence: str | pl.Expr) -> pl.DataFrame:
    """Add one caveat, and what it rests on, to some cells."""
    return cells.with_columns(
        pl.when(where).then(_append_text("caveats", code, ",")).otherwise("caveats").alias("caveats"),
        pl.when(where).then(_append_text("caveat_evidence", evidence, ". ")).otherwise("caveat_evidence")
        .alias("caveat_evidence"),
    )  # fmt: skip


def _append_text(column: str, text: str | pl.Expr, separator: str) -> pl.Expr:
    addition = pl.lit(text) if isinstance(text, str) else text
    return pl.concat_str(column, addition, separator=separator, ignore_nulls=True)


def _is_after_break(series_break: SeriesBreak) -> pl.Expr:
    """Tell the cells a break touches: those whose period ends on its day or later."""
    affected = pl.col("period_end") >= series_break.from_
    for column, allowed in (("measure", series_break.measures), ("place_code", series_break.place_codes)):
        affected = affected & pl.col(column).is_in(list(allowed)) if allowed else affected
    return affected.fill_null(False)


def unknown_recalls(source: Source, stored_hashes: list[str]) -> list[str]:
    """Say which recalls are of a sha256 that no file held has."""
    unmatched = [start for start in source.withdrawn if not any(sha256.startswith(start) for sha256 in stored_hashes)]
    return [f"{start}: declared as recalled, and no file held has this sha256" for start in unmatched]
