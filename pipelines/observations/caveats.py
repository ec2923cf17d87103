"""What to mind of single figures as read: of a release that was recalled, or from a break in the series on."""

import polars as pl

from pipelines.core.store import Snapshot
from pipelines.declarations.recalls import recall_of, said
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import Break


def cautioned(cells: pl.DataFrame, source: Source, snapshot: Snapshot) -> pl.DataFrame:
    """Add to cells (conform.CELLS) the caveats that the declaration gives them, each with its evidence."""
    recall = recall_of(source, snapshot)
    if recall:
        cells = with_caveat(cells, pl.lit(True), "recalled", said(recall))
    for each in source.breaks:
        text = f"from {each.from_} on: {each.text}"
        cells = with_caveat(cells, _touched(each), "definition_break", text)
    for nation, text in source.not_comparable.items():
        of_it = pl.col("place_code").str.starts_with(NATION_LETTER[nation]).fill_null(False)
        cells = with_caveat(cells, of_it, "not_comparable", f"{nation} is counted otherwise: {text}")
    return cells


NATION_LETTER = {"England": "E", "Wales": "W", "Scotland": "S", "Northern Ireland": "N"}
"""First letter of the codes of each nation's places (GSS coding and naming policy)."""


def with_caveat(cells: pl.DataFrame, where: pl.Expr, code: str, evidence: str | pl.Expr) -> pl.DataFrame:
    """Add one caveat, and what it rests on, to some cells."""
    return cells.with_columns(
        pl.when(where).then(_added("caveats", code, ",")).otherwise("caveats").alias("caveats"),
        pl.when(where).then(_added("caveat_evidence", evidence, ". ")).otherwise("caveat_evidence")
        .alias("caveat_evidence"),
    )  # fmt: skip


def _added(column: str, text: str | pl.Expr, separator: str) -> pl.Expr:
    told = pl.lit(text) if isinstance(text, str) else text
    return pl.concat_str(column, told, separator=separator, ignore_nulls=True)


def _touched(each: Break) -> pl.Expr:
    """Tell the cells a break touches: those whose period ends on its day or later."""
    touched = pl.col("period_end") >= each.from_
    for column, wanted in (("measure", each.measures), ("place_code", each.place_codes)):
        touched = touched & pl.col(column).is_in(list(wanted)) if wanted else touched
    return touched.fill_null(False)


def strange_recalls(source: Source, held: list[str]) -> list[str]:
    """Say which recalls are of a sha256 that no file held has."""
    strange = [start for start in source.withdrawn if not any(sha256.startswith(start) for sha256 in held)]
    return [f"{start}: declared as recalled, and no file held has this sha256" for start in strange]
