"""Figures and markers: which text of a cell is a number, which is a publisher's marker, and which is neither."""

import re
from collections.abc import Mapping

import polars as pl

from pipelines.core.schema import STATUSES, VALUELESS
from pipelines.declarations.source import Source

_POWER = r"(?:[eE][+-]?\d+)?"
_NUMBER = rf"^[+-]?(\d+\.?\d*|\.\d+){_POWER}$"
_READS_AS_NUMBER = re.compile(rf"[+-]?((\d{{1,3}}(,\d{{3}})+|\d+)(\.\d*)?|\.\d+){_POWER}")
_SPACES = "[\u00a0\u202f\u2009]"
"""Spaces that don't break: in a figure they group thousands, as a comma does."""


def valued(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Tell figures from markers, and give each cell its status: the worst of cell, mark, column and heading.

    Takes `text` and `status_text`; gives value, status, marker, and a fault for what is neither figure nor marker.
    """
    known = [text for text in source.markers if text]
    cells = _parted(cells, source, known).with_columns(_figure(pl.col("_bare"), source.decimal).alias("_figure"))
    # A number too large to hold, such as 1e400, is no figure.
    is_number = pl.col("_figure").is_finite().fill_null(False)
    marked = pl.col("_bare").is_in(known) | (pl.col("_bare") == "")
    status = {text: marker.status for text, marker in source.markers.items()}
    by_cell = _status_of("_bare", {"": "not_available", **status}, is_number)
    by_row = _milder(status)
    # A blank cell says nothing itself: where its row's status says why, as z or [c], that is why.
    hidden = by_cell.is_in(sorted(VALUELESS)) & ~((pl.col("_bare") == "") & by_row.is_in(sorted(VALUELESS)))
    strange_row = ~pl.col("status_text").is_in(["", *known])
    bad = (~is_number & ~marked) | strange_row
    found = pl.format("found {} with status {}: neither a figure nor a declared marker", "text", "status_text")
    return cells.with_columns(
        pl.when(is_number & ~bad).then(_in_unit(source)).alias("value"),
        pl.when(hidden).then(by_cell).otherwise(by_row).alias("status"),
        pl.when(marked & (pl.col("_bare") != ""))
        .then("_bare")
        .otherwise(pl.coalesce(_blank("_mark"), _blank("status_text")))
        .alias("marker"),
        pl.coalesce("fault", pl.when(bad).then(pl.lit("unreadable"))).alias("fault"),
        pl.coalesce("fault_evidence", pl.when(bad).then(found)).alias("fault_evidence"),
    ).with_columns(
        # A row marked as hidden whose cell carries a figure all the same: the marker is believed.
        pl.when(~pl.col("status").is_in(sorted(VALUELESS))).then("value").alias("value")
    )


def _in_unit(source: Source) -> pl.Expr:
    """Give a printed figure in its measure's unit; of one with `at_most`, 1 or 0 for being up to that or above."""
    of = {key: (measure.scale, measure.at_most) for key, measure in source.measures.items()}
    scale, limit = (
        pl.col("measure").replace_strict({key: each[n] for key, each in of.items()}, return_dtype=pl.Float64)
        for n in (0, 1)
    )
    inside = (pl.col("_figure") <= limit).cast(pl.Float64)
    return pl.when(limit.is_null()).then(pl.col("_figure") * scale).otherwise(inside)


def _parted(cells: pl.DataFrame, source: Source, known: list[str]) -> pl.DataFrame:
    """Part each text into what it says (`_bare`) and a declared footnote mark after it (`_mark`)."""
    text = pl.col("text").str.strip_prefix("'").str.strip_chars()
    if not source.footnotes:
        return cells.with_columns(text.alias("_bare"), pl.lit("").alias("_mark"))
    # What is a marker as it stands is no figure with a mark.
    whole = text.is_in(known)
    mark = (
        pl.when(whole).then(pl.lit("")).otherwise(text.str.extract(rf"((?:{source.footnotes})\s*)$", 1).fill_null(""))
    )
    bare = text.str.strip_suffix(mark).str.strip_chars()
    return cells.with_columns(bare.alias("_bare"), mark.str.strip_chars().alias("_mark"))


def _figure(text: pl.Expr, decimal: str) -> pl.Expr:
    """Read a number, its thousands grouped or not; a comma that groups nothing is no part of a number."""
    group, mark = (",", r"\.") if decimal == "point" else (r"\.", ",")
    plain = text.str.replace_all(_SPACES, "\u00a0")
    grouped = plain.str.contains(rf"^[+-]?\d{{1,3}}(?:(?:{group}\d{{3}})+|(?:\u00a0\d{{3}})+)(?:{mark}\d*)?{_POWER}$")
    bare = pl.when(grouped).then(plain.str.replace_all(rf"{group}|\u00a0", "")).otherwise(plain)
    # In a text whose decimal mark is a comma, a point that groups nothing is no part of a number either.
    if decimal == "comma":
        bare = (
            pl.when(bare.str.contains(".", literal=True))
            .then(pl.lit(""))
            .otherwise(bare.str.replace(",", ".", literal=True))
        )
    return pl.when(bare.str.contains(_NUMBER)).then(bare).cast(pl.Float64, strict=False)


def number_of(text: pl.Expr, source: Source) -> pl.Expr:
    """Read a text as a number, a footnote mark after it left out; null where it is none."""
    bare = text.str.strip_prefix("'").str.strip_chars()
    if source.footnotes:
        bare = bare.str.replace(rf"\s*(?:{source.footnotes})\s*$", "")
    figure = _figure(bare, source.decimal)
    return pl.when(figure.is_finite()).then(figure)


def _milder(status: Mapping[str, str]) -> pl.Expr:
    """Give the worse of what the mark after a figure and the row or heading say of it."""
    # A blank that `markers` declare is a blank cell: beside a figure, or in its heading, nothing is said of it.
    by_row = _status_of("status_text", {**status, "": "normal"})
    # `markers` may spell a mark with its brackets or without them, as headings do.
    in_brackets = {f"{left}{text}{right}": said for text, said in status.items() for left, right in ("()", "[]")}
    by_mark = _status_of("_mark", {**in_brackets, **status, "": "normal"})
    order = {said: number for number, said in enumerate(STATUSES)}
    rank = [each.replace_strict(order, return_dtype=pl.Int64) for each in (by_mark, by_row)]
    return pl.when(rank[0] > rank[1]).then(by_mark).otherwise(by_row)


def looks_like_figure(text: str) -> bool:
    """Tell whether a text reads as a number, its thousands grouped by commas or not."""
    return bool(_READS_AS_NUMBER.fullmatch(text))


def _status_of(column: str, status: Mapping[str, str], number: pl.Expr | None = None) -> pl.Expr:
    """Give the status that a text stands for; that of a number, and of a text without one, is normal."""
    found = pl.col(column).replace_strict(status, default="normal", return_dtype=pl.String)
    return found if number is None else pl.when(number).then(pl.lit("normal")).otherwise(found)


def _blank(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))
