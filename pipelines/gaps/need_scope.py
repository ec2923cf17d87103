"""Which needs apply to a cell, and which are open.

A need does not apply in another nation, place or time, or where another measure answers it.
"""

from typing import TYPE_CHECKING

import polars as pl

from pipelines.core.errors import DeclarationError
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, conform_table

if TYPE_CHECKING:  # a command that lists gaps needs no declarations
    from pipelines.declarations.catalogue import Problem
    from pipelines.declarations.problem import Need

_KEPT = ("cell_id", "problem", "measure", "place_code", "place_name", "nation", "period_start", "period_end", "unit",
         "source")  # fmt: skip
"""Columns of a cell that it keeps where it is not needed."""
_ROW = ["place_code", "period_start"]


def is_needed() -> pl.Expr:
    """Select the cells within the scope of their need, and those of unknowns."""
    return pl.col("need") != NOT_NEEDED


def is_open() -> pl.Expr:
    """Select the cells with an open need: those without a figure, and those with a proxy, within their need's scope."""
    return is_needed() & (pl.col("reason").is_not_null() | pl.col("proxy_measure").is_not_null())


def open_reason() -> pl.Expr:
    """Return the reason of an open need: the reason of its gap, also where a proxy is shown."""
    return pl.when(pl.col("proxy_measure").is_not_null()).then(
        pl.col("other_reasons").str.split(",").list.first()
    ).otherwise("reason")  # fmt: skip


def mark_unneeded_cells(cells: pl.DataFrame, problem: "Problem") -> pl.DataFrame:
    """Mark the cells outside the scope of their need: `need` not_needed, reason not_applicable, and no figure.

    Takes and returns schema.CELL_COLUMNS. Raises DeclarationError where no need applies to a place and period.
    """
    outside = _find_cells_outside(cells, problem)
    if outside.height:
        cells = _empty_cells(cells, outside)
    others = _find_other_alternatives(cells, problem)
    if others.height:
        cells = _empty_cells(cells, others)
    _refuse_rows_without_need(cells, problem)
    return cells


def _find_cells_outside(cells: pl.DataFrame, problem: "Problem") -> pl.DataFrame:
    """Find the cells in another nation, place or time than their need: cell_id and evidence."""
    tables = [pl.DataFrame(schema={"cell_id": pl.String, "why": pl.String})]
    for measure, need in problem.header.measure_needs.items():
        own = cells.filter(pl.col("measure") == measure)
        if need.nations:
            why = f"the problem needs it in {', '.join(need.nations)}"
            tables.append(_name_cells(own.filter(~pl.col("nation").is_in(list(need.nations)).fill_null(False)), why))
        if need.place_codes:
            why = f"the problem needs it for {len(need.place_codes)} of its places"
            tables.append(_name_cells(own.filter(~pl.col("place_code").is_in(list(need.place_codes))), why))
        if need.is_of_a_time and problem.header.grain != "latest":
            first, last = need.span
            apart = (pl.col("period_end") < first) | (pl.col("period_start") > last)
            tables.append(_name_cells(own.filter(apart), f"the problem needs it {_describe_time(need)}"))
    return pl.concat(tables).unique("cell_id", keep="first", maintain_order=True)


def _describe_time(need: "Need") -> str:
    first, last = need.span
    texts = [f"from {format_period(first, first)}"] if need.from_ else []
    return " ".join([*texts, *([f"until {format_period(last, last)}"] if need.until else [])])


def _name_cells(cells: pl.DataFrame, why: str) -> pl.DataFrame:
    return cells.select("cell_id", pl.lit(why).alias("why"))


def _find_other_alternatives(cells: pl.DataFrame, problem: "Problem") -> pl.DataFrame:
    """Find the cells of alternatives that do not answer their need: cell_id and evidence.

    The first alternative with a figure answers. Where none has one, the first that covers the nation keeps its
    gap.
    """
    tables = [pl.DataFrame(schema={"cell_id": pl.String, "why": pl.String})]
    for name, measures in problem.header.alternatives.items():
        order = pl.col("measure").replace_strict({m: n for n, m in enumerate(measures)}, return_dtype=pl.Int64)
        is_elsewhere = pl.col("reason").is_in(["nation_not_covered", "not_applicable"]).fill_null(False)
        own = cells.filter(pl.col("measure").is_in(list(measures)), is_needed()).with_columns(order.alias("order"))
        ranked = own.sort(*_ROW, pl.col("value").is_null(), is_elsewhere, "order").with_columns(
            pl.col("measure").first().over(_ROW).alias("answering")
        )
        said = pl.format("{} answers {} here", "answering", pl.lit(name)).alias("why")
        tables.append(ranked.filter(pl.col("measure") != pl.col("answering")).select("cell_id", said))
    return pl.concat(tables)


def _empty_cells(cells: pl.DataFrame, unneeded: pl.DataFrame) -> pl.DataFrame:
    """Empty the listed cells (cell_id, why)."""
    joined = cells.join(unneeded, on="cell_id", how="left", maintain_order="left")
    new = {
        "need": pl.lit(NOT_NEEDED),
        "reason": pl.lit("not_applicable"),
        "severity": pl.lit(REASONS["not_applicable"].severity),
        "evidence": pl.col("why"),
    }
    emptied = joined.with_columns(
        pl.when(pl.col("why").is_null()).then(name).otherwise(new.get(name, pl.lit(None))).alias(name)
        for name in CELL_COLUMNS
        if name not in _KEPT
    )
    return conform_table(emptied, CELL_COLUMNS)


def _refuse_rows_without_need(cells: pl.DataFrame, problem: "Problem") -> None:
    """Raise DeclarationError where no need applies to a place and period: it would have no verdict.

    A problem of unknowns alone is judged by these.
    """
    if not problem.header.needs or not (cells["need"] == NOT_NEEDED).any():
        return
    counted = cells.group_by(*_ROW, "place_name").agg((pl.col("need") == "needed").any().alias("asked"))
    outside = counted.filter(~pl.col("asked")).sort(_ROW)
    if outside.height:
        raise DeclarationError(
            f"{problem.path}: no need applies to {outside['place_name'][0]} ({outside['place_code'][0]}) in one of "
            f"the periods ({outside.height:,} such rows); limit the problem's nations, place_codes or periods"
        )
