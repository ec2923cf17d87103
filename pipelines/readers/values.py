"""Figures and markers: whether a cell's text is a number, a publisher's marker or neither."""

import re
from collections.abc import Mapping
from itertools import count

import numpy as np
import polars as pl

from pipelines.core.digits import drop_float_error
from pipelines.core.distinct import Numbers, number_entries
from pipelines.core.schema import CATEGORY, OBSERVATION_STATUSES, STATUSES_WITHOUT_VALUE
from pipelines.declarations.source import Source

_POWER = r"(?:[eE][+-]?\d+)?"
_NUMBER = rf"^[+-]?(\d+\.?\d*|\.\d+){_POWER}$"
_READS_AS_NUMBER = re.compile(rf"[+-]?((\d{{1,3}}(,\d{{3}})+|\d+)(\.\d*)?|\.\d+){_POWER}")
_SPACES = "[\u00a0\u202f\u2009]"
"""Non-breaking spaces; in a figure they group thousands, like commas."""


BAND = r"^(\d{1,3}(?:,\d{3})+|\d+) to (\d{1,3}(?:,\d{3})+|\d+)$"
"""A published band of figures, such as `1 to 4`: no figure, with two bounds."""


def parse_band(text: pl.Expr, end: int) -> pl.Expr:
    """Parse the lower (1) or upper (2) end of a band; null for any other text, and where the ends are reversed."""
    ends = [text.str.extract(BAND, n).str.replace_all(",", "").cast(pl.Float64, strict=False) for n in (1, 2)]
    return pl.when(ends[0] <= ends[1]).then(ends[end - 1])


def parse_values(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Separate figures from markers and assign the worst status of cell, footnote mark, column and heading.

    Takes `text` and `status_text`. Returns value, obs_status, published_marker, and a fault for a text that is
    neither a figure nor a marker. Each distinct pair of texts is read once. All plain numbers count as one text,
    because status and marker do not depend on the number.
    """
    plain = cells.with_columns(_plain_figure(source).alias("_plain"))["_plain"]
    status_of_row, statuses = number_entries(cells["status_text"])
    if not plain.null_count() and statuses.to_list() == [""]:
        return _read_plain_figures(cells, plain, source)
    number = next(text for text in map(str, count()) if text not in source.markers)
    text_of_row, texts = _number_odd_texts(cells["text"], plain, number)
    pair_of_row, pairs = _number_pairs(text_of_row, texts.len(), status_of_row, statuses.len())
    pair_texts = pl.DataFrame(
        {
            "text": texts.gather(pairs // statuses.len()),
            "status_text": statuses.cast(pl.String).gather(pairs % statuses.len()),
        }
    )
    parsed = _parse_texts(pair_texts, source).with_columns(pl.col("obs_status", "published_marker").cast(CATEGORY))
    read = pl.concat([cells, plain.to_frame(), parsed[pair_of_row]], how="horizontal")
    has_value = pl.col("_number") & ~pl.col("_bad") & ~pl.col("obs_status").is_in(sorted(STATUSES_WITHOUT_VALUE))
    read = read.with_columns(pl.coalesce("_plain", "_figure").alias("_figure"))
    read = read.with_columns(pl.when(has_value).then(_convert_to_unit(source)).alias("value"))
    evidence = pl.format("found {} with status {}, expected a figure or a declared marker", "text", "status_text")
    return set_fault(read, pl.col("_bad"), "unreadable", evidence).drop("_plain", "_figure", "_number", "_bad")


def _read_plain_figures(cells: pl.DataFrame, plain: pl.Series, source: Source) -> pl.DataFrame:
    """Return the values of cells that are all plain numbers without a status: there is no other text to read."""
    return cells.with_columns(
        plain.alias("_figure"),
        pl.lit("normal").cast(CATEGORY).alias("obs_status"),
        pl.lit(None, CATEGORY).alias("published_marker"),
    ).with_columns(_convert_to_unit(source).alias("value")).drop("_figure")  # fmt: skip


def _number_pairs(text_of_row: Numbers, texts: int, status_of_row: Numbers, statuses: int) -> tuple[Numbers, pl.Series]:
    """Number the pairs of a text and a status, and list them; with one status the pairs are the texts."""
    if statuses == 1:
        return text_of_row, pl.Series(np.arange(texts))
    return number_entries(pl.Series(text_of_row * statuses + status_of_row))


def _number_odd_texts(text: pl.Series, plain: pl.Series, number: str) -> tuple[Numbers, pl.Series]:
    """Number the texts that are no plain number; all plain numbers are the text `number`, the first."""
    numbers = np.zeros(text.len(), np.int64)
    odd = plain.is_null().arg_true()
    of_odd, texts = number_entries(text.gather(odd))
    numbers[odd.to_numpy()] = of_odd + 1
    return numbers, pl.concat([pl.Series([number]), texts.cast(pl.String)])


def _plain_figure(source: Source) -> pl.Expr:
    """Return a text's number where it needs no reading: no mark, no grouped thousands and no decimal comma."""
    if source.footnotes or source.decimal == "comma":
        return pl.lit(None, pl.Float64)
    figure = pl.col("text").cast(pl.Float64, strict=False)
    numeric = sorted(text for text in source.markers if _may_be_number(text))
    is_plain = figure.is_finite() & ~pl.col("text").is_in(numeric) if numeric else figure.is_finite()
    return pl.when(is_plain).then(figure)


def _may_be_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_texts(texts: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Read distinct texts with their rows' statuses: _figure, obs_status, published_marker, _number and _bad."""
    marker_texts = [text for text in source.markers if text]
    split = _split_footnote_mark(texts, source, marker_texts).with_columns(
        _parse_figure(pl.col("_bare"), source.decimal).alias("_figure")
    )
    # A number beyond the range of a float, such as 1e400, is no figure.
    is_number = pl.col("_figure").is_finite().fill_null(False)
    is_band = parse_band(pl.col("_bare"), 1).is_not_null() & ~pl.col("_bare").is_in(marker_texts)
    is_marker = pl.col("_bare").is_in(marker_texts) | (pl.col("_bare") == "") | is_band
    status = {text: marker.status for text, marker in source.markers.items()}
    by_cell = _status_by_text("_bare", {"": "not_available", **status}, is_number)
    by_cell = pl.when(is_band).then(pl.lit("low")).otherwise(by_cell)
    by_row = _select_worse_status(status)
    # A blank cell has no status itself: where its row has one, such as z or [c], that applies.
    hidden = by_cell.is_in(sorted(STATUSES_WITHOUT_VALUE)) & ~(
        (pl.col("_bare") == "") & by_row.is_in(sorted(STATUSES_WITHOUT_VALUE))
    )
    strange_row = ~pl.col("status_text").is_in(["", *marker_texts])
    return split.select(
        "_figure",
        # Where a row is marked as withheld but the cell has a figure, the marker applies.
        pl.when(hidden).then(by_cell).otherwise(by_row).alias("obs_status"),
        pl.when(is_marker & (pl.col("_bare") != ""))
        .then("_bare")
        .otherwise(pl.coalesce(_blank_as_null("_mark"), _blank_as_null("status_text")))
        .alias("published_marker"),
        is_number.alias("_number"),
        ((~is_number & ~is_marker) | strange_row).alias("_bad"),
    )


def set_fault(cells: pl.DataFrame, where: pl.Expr, fault: str, evidence: pl.Expr) -> pl.DataFrame:
    """Set `fault` and `fault_evidence` in the chosen cells without a fault; evidence is worded for these alone."""
    rows = cells.select((where.fill_null(False) & pl.col("fault").is_null()).arg_true()).to_series()
    if rows.is_empty():
        return cells
    texts = cells[rows].select(evidence.cast(pl.String)).to_series()
    return cells.with_columns(
        cells["fault"].scatter(rows, pl.repeat(fault, rows.len(), eager=True)),
        cells["fault_evidence"].scatter(rows, texts),
    )


def _convert_to_unit(source: Source) -> pl.Expr:
    """Convert a published figure to its measure's unit; with `at_most`, to 1 up to the limit and 0 above it."""
    conversions = {key: (measure.scale, measure.at_most) for key, measure in source.measures.items()}
    if set(conversions.values()) <= {(1.0, None)}:
        return pl.col("_figure")
    scale, limit = (
        pl.col("measure").replace_strict({key: pair[n] for key, pair in conversions.items()}, return_dtype=pl.Float64)
        for n in (0, 1)
    )
    inside = (pl.col("_figure") <= limit).cast(pl.Float64)
    scaled = pl.when(scale == 1).then("_figure").otherwise(drop_float_error(pl.col("_figure") * scale))
    return pl.when(limit.is_null()).then(scaled).otherwise(inside)


def _split_footnote_mark(cells: pl.DataFrame, source: Source, marker_texts: list[str]) -> pl.DataFrame:
    """Split each text into its content (`_bare`) and a declared footnote mark after it (`_mark`)."""
    text = pl.col("text").str.strip_prefix("'").str.strip_chars()
    if not source.footnotes:
        return cells.with_columns(text.alias("_bare"), pl.lit("").alias("_mark"))
    # A text that is itself a marker is not a figure with a footnote mark.
    whole = text.is_in(marker_texts)
    mark = (
        pl.when(whole).then(pl.lit("")).otherwise(text.str.extract(rf"((?:{source.footnotes})\s*)$", 1).fill_null(""))
    )
    bare = text.str.strip_suffix(mark).str.strip_chars()
    return cells.with_columns(bare.alias("_bare"), mark.str.strip_chars().alias("_mark"))


def _parse_figure(text: pl.Expr, decimal: str) -> pl.Expr:
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


def parse_number(text: pl.Expr, source: Source) -> pl.Expr:
    """Parse a text as a number, without its footnote mark; null where it is no number."""
    bare = text.str.strip_prefix("'").str.strip_chars()
    if source.footnotes:
        bare = bare.str.replace(rf"\s*(?:{source.footnotes})\s*$", "")
    figure = _parse_figure(bare, source.decimal)
    return pl.when(figure.is_finite()).then(figure)


def _select_worse_status(status: Mapping[str, str]) -> pl.Expr:
    """Return the worse status of a figure's footnote mark and its row or heading."""
    # `markers` may declare blank cells: a blank mark or heading beside a figure still has no status.
    by_row = _status_by_text("status_text", {**status, "": "normal"})
    # `markers` may give a mark with or without its brackets, as in headings.
    in_brackets = {f"{left}{text}{right}": value for text, value in status.items() for left, right in ("()", "[]")}
    by_mark = _status_by_text("_mark", {**in_brackets, **status, "": "normal"})
    order = {value: number for number, value in enumerate(OBSERVATION_STATUSES)}
    rank = [expression.replace_strict(order, return_dtype=pl.Int64) for expression in (by_mark, by_row)]
    return pl.when(rank[0] > rank[1]).then(by_mark).otherwise(by_row)


def looks_like_figure(text: str) -> bool:
    """Return whether a text is a number, with or without thousands grouped by commas."""
    return bool(_READS_AS_NUMBER.fullmatch(text))


def _status_by_text(column: str, status: Mapping[str, str], number: pl.Expr | None = None) -> pl.Expr:
    """Return the status of a text; `normal` for a number and for a text without a status."""
    result = pl.col(column).replace_strict(status, default="normal", return_dtype=pl.String)
    return result if number is None else pl.when(number).then(pl.lit("normal")).otherwise(result)


def _blank_as_null(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))
