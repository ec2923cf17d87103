"""Figures and markers: whether a cell's text is a number, a publisher's marker or neither."""

import re
from collections.abc import Mapping

import polars as pl

from pipelines.core.schema import STATUSES, VALUELESS
from pipelines.declarations.source import Source

_POWER = r"(?:[eE][+-]?\d+)?"
_NUMBER = rf"^[+-]?(\d+\.?\d*|\.\d+){_POWER}$"
_READS_AS_NUMBER = re.compile(rf"[+-]?((\d{{1,3}}(,\d{{3}})+|\d+)(\.\d*)?|\.\d+){_POWER}")
_SPACES = "[\u00a0\u202f\u2009]"
"""Non-breaking spaces; in a figure they group thousands, like commas."""


def valued(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Separate figures from markers and assign the worst status of cell, footnote mark, column and heading.

    Takes `text` and `status_text`. Returns value, status, marker, and a fault for a text that is neither a figure nor a
    marker.
    """
    known = [text for text in source.markers if text]
    cells = _parted(cells, source, known).with_columns(_figure(pl.col("_bare"), source.decimal).alias("_figure"))
    # A number beyond the range of a float, such as 1e400, is no figure.
    is_number = pl.col("_figure").is_finite().fill_null(False)
    marked = pl.col("_bare").is_in(known) | (pl.col("_bare") == "")
    status = {text: marker.status for text, marker in source.markers.items()}
    by_cell = _status_of("_bare", {"": "not_available", **status}, is_number)
    by_row = _milder(status)
    # A blank cell has no status itself: where its row has one, such as z or [c], that applies.
    hidden = by_cell.is_in(sorted(VALUELESS)) & ~((pl.col("_bare") == "") & by_row.is_in(sorted(VALUELESS)))
    strange_row = ~pl.col("status_text").is_in(["", *known])
    bad = (~is_number & ~marked) | strange_row
    found = pl.format("found {} with status {}, expected a figure or a declared marker", "text", "status_text")
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
        # Where a row is marked as withheld but the cell has a figure, the marker applies.
        pl.when(~pl.col("status").is_in(sorted(VALUELESS))).then("value").alias("value")
    )


def _in_unit(source: Source) -> pl.Expr:
    """Convert a published figure to its measure's unit; with `at_most`, to 1 up to the limit and 0 above it."""
    of = {key: (measure.scale, measure.at_most) for key, measure in source.measures.items()}
    scale, limit = (
        pl.col("measure").replace_strict({key: each[n] for key, each in of.items()}, return_dtype=pl.Float64)
        for n in (0, 1)
    )
    inside = (pl.col("_figure") <= limit).cast(pl.Float64)
    return pl.when(limit.is_null()).then(pl.col("_figure") * scale).otherwise(inside)


def _parted(cells: pl.DataFrame, source: Source, known: list[str]) -> pl.DataFrame:
    """Split each text into its content (`_bare`) and a declared footnote mark after it (`_mark`)."""
    text = pl.col("text").str.strip_prefix("'").str.strip_chars()
    if not source.footnotes:
        return cells.with_columns(text.alias("_bare"), pl.lit("").alias("_mark"))
    # A text that is itself a marker is not a figure with a footnote mark.
    whole = text.is_in(known)
    mark = (
        pl.when(whole).then(pl.lit("")).otherwise(text.str.extract(rf"((?:{source.footnotes})\s*)$", 1).fill_null(""))
    )
    bare = text.str.strip_suffix(mark).str.strip_chars()
    return cells.with_columns(bare.alias("_bare"), mark.str.strip_chars().alias("_mark"))


def _figure(text: pl.Expr, decimal: str) -> pl.Expr:
    """Parse a number, with or without grouped thousands; a comma that groups nothing makes it no number."""
    group, mark = (",", r"\.") if decimal == "point" else (r"\.", ",")
    plain = text.str.replace_all(_SPACES, "\u00a0")
    grouped = plain.str.contains(rf"^[+-]?\d{{1,3}}(?:(?:{group}\d{{3}})+|(?:\u00a0\d{{3}})+)(?:{mark}\d*)?{_POWER}$")
    bare = pl.when(grouped).then(plain.str.replace_all(rf"{group}|\u00a0", "")).otherwise(plain)
    # Where the decimal mark is a comma, a point that groups nothing makes the text no number.
    if decimal == "comma":
        bare = (
            pl.when(bare.str.contains(".", literal=True))
            .then(pl.lit(""))
            .otherwise(bare.str.replace(",", ".", literal=True))
        )
    return pl.when(bare.str.contains(_NUMBER)).then(bare).cast(pl.Float64, strict=False)


def number_of(text: pl.Expr, source: Source) -> pl.Expr:
    """Parse a text as a number, without its footnote mark; null where it is no number."""
    bare = text.str.strip_prefix("'").str.strip_chars()
    if source.footnotes:
        bare = bare.str.replace(rf"\s*(?:{source.footnotes})\s*$", "")
    figure = _figure(bare, source.decimal)
    return pl.when(figure.is_finite()).then(figure)


def _milder(status: Mapping[str, str]) -> pl.Expr:
    """Return the worse status of a figure's footnote mark and its row or heading."""
    # `markers` may declare blank cells: a blank mark or heading beside a figure still has no status.
    by_row = _status_of("status_text", {**status, "": "normal"})
    # `markers` may give a mark with or without its brackets, as in headings.
    in_brackets = {f"{left}{text}{right}": said for text, said in status.items() for left, right in ("()", "[]")}
    by_mark = _status_of("_mark", {**in_brackets, **status, "": "normal"})
    order = {said: number for number, said in enumerate(STATUSES)}
    rank = [each.replace_strict(order, return_dtype=pl.Int64) for each in (by_mark, by_row)]
    return pl.when(rank[0] > rank[1]).then(by_mark).otherwise(by_row)


def looks_like_figure(text: str) -> bool:
    """Return whether a text is a number, with or without thousands grouped by commas."""
    return bool(_READS_AS_NUMBER.fullmatch(text))


def _status_of(column: str, status: Mapping[str, str], number: pl.Expr | None = None) -> pl.Expr:
    """Return the status of a text; `normal` for a number and for a text without a status."""
    found = pl.col(column).replace_strict(status, default="normal", return_dtype=pl.String)
    return found if number is None else pl.when(number).then(pl.lit("normal")).otherwise(found)


def _blank(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))
