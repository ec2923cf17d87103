"""Figures that no measure can have, whatever its source declares: numbers used as markers, and counts below 0.

A publisher may print -1, -99 or 9999 for a figure that it withholds. A count or a stock is 0 or more, unless its
declared range begins below 0, as for returned stock. A rate of nothing is no rate. A fraction
among percentages is a figure in another unit.
"""

import polars as pl

from checks.expected import FEWEST_PEERS
from pipelines.core.schema import empty_frame
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure
from pipelines.declarations.source import Source

IMPOSSIBLE = {"_cell": pl.UInt32, "fault": pl.String, "evidence": pl.String}
"""A cell that is no figure: the number of its row, the reason, and what was found."""
NEGATIVE_MARKERS = (-1.0, -9.0, *(1.0 - 10.0**digits for digits in range(2, 10)))
"""Numbers below 0 that publishers print for a withheld figure: -1, -9, -99 and so on."""
POSITIVE_MARKERS = tuple(10.0**digits - 1 for digits in range(4, 10))
"""Numbers of four nines or more: 9999, 99999 and so on."""
LEAST_REPEATS = 3
"""Fewest cells with one number of nines that suggest a marker, in a measure that may have such figures."""
FAR_ABOVE = 10.0
"""Times the greatest other figure from which a single number of nines suggests a marker."""
FEWEST_OTHERS = 5
"""Fewest other figures for that comparison."""
FAR_BELOW = 5.0
"""Times that every other percentage of a period is at least as high as a fraction among them."""
FAR_OUT = 1.5
"""Times beyond the other percentages of a period that a hundred times a fraction may be."""
ZERO_DIVISION = "#DIV/0!"
"""What a spreadsheet prints for a division by 0."""
_KEY = ["place_code", "period_start", "period_end"]


def find_impossible_figures(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Find the cells of a release that are no figure; return IMPOSSIBLE, at most one row for each cell.

    Takes measure, value (in the measure's unit), text, place_code, period_start and period_end.
    """
    numbered = cells[["measure", "value", "text", *_KEY]].with_row_index("_cell")
    tables = [
        *(_find_marker_numbers(numbered, name, measure) for name, measure in _open_measures(numbered, source)),
        *_find_negative_counts(numbered, source),
        *_find_zero_denominators(numbered, source),
    ]
    if percentages := [name for name, measure in source.measures.items() if measure.unit == "%"]:
        figures = numbered.filter(pl.col("value").is_not_null(), pl.col("measure").is_in(percentages))
        tables += [_find_signless_fractions(figures), _find_fractions_among_percentages(figures)]
    faults = [table for table in tables if table.height] or [_no_faults()]
    return pl.concat(faults).unique("_cell", keep="first", maintain_order=True) if len(faults) > 1 else faults[0]


def _no_faults() -> pl.DataFrame:
    return empty_frame(IMPOSSIBLE)


def allows_negative(measure: Measure) -> bool:
    """Return whether a figure below 0 is valid: it is declared, or the measure is neither a count nor a stock."""
    return measure.range[0] < 0 if measure.range else measure.kind not in ADDITIVE_KINDS


def _open_measures(cells: pl.DataFrame, source: Source) -> list[tuple[str, Measure]]:
    """Return the measures with a figure that is below 0 or of nines; most releases have none."""
    if not _is_any_below_zero(cells) and not _greatest(cells) >= POSITIVE_MARKERS[0]:
        return []
    is_odd = (pl.col("value") < 0) | (pl.col("value") >= POSITIVE_MARKERS[0])
    names = set(cells.filter(is_odd)["measure"].unique().cast(pl.String))
    return [(name, measure) for name, measure in source.measures.items() if name in names and not measure.count_rows]


def _find_marker_numbers(cells: pl.DataFrame, name: str, measure: Measure) -> pl.DataFrame:
    published = (pl.col("value") / measure.scale).round_sig_figs(12)
    figures = cells.filter(pl.col("measure") == name, pl.col("value").is_not_null()).select(
        "_cell", published.alias("published")
    )
    counted = figures.group_by("published").agg(pl.len().alias("cells"))
    is_marker = {number: _is_marker(number, cells_with, counted, measure) for number, cells_with in counted.filter(
        pl.col("published").is_in([*NEGATIVE_MARKERS, *POSITIVE_MARKERS])
    ).iter_rows()}  # fmt: skip
    markers = [number for number, is_one in is_marker.items() if is_one]
    rows = figures.filter(pl.col("published").is_in(markers)).join(counted, on="published", maintain_order="left")
    evidence = pl.format("found {} in {} cells of the release: a number used as a marker", _whole("published"), "cells")
    return _build_rows(rows, "numeric_marker", evidence)


def _is_marker(number: float, cells: int, counted: pl.DataFrame, measure: Measure) -> bool:
    """Return whether a number of NEGATIVE_MARKERS or POSITIVE_MARKERS is no figure of this measure."""
    others = counted.filter(pl.col("published") != number)
    if number < 0 and not allows_negative(measure):
        return True
    size = pl.col("published").abs()
    greatest = _number(others.filter(~size.is_in([*POSITIVE_MARKERS, *(-n for n in NEGATIVE_MARKERS)])), size.max())
    if number < 0 and measure.range is None:
        return others.filter(pl.col("published") < 0, ~pl.col("published").is_in(NEGATIVE_MARKERS)).is_empty()
    if abs(number) < 99 or others["cells"].sum() < FEWEST_OTHERS:
        return False
    rival = _number(others.filter(size >= abs(number) / FAR_ABOVE), pl.col("cells").max())
    return abs(number) >= FAR_ABOVE * greatest or (cells >= LEAST_REPEATS and cells > rival)


def _number(table: pl.DataFrame, expression: pl.Expr) -> float:
    return float(table.select(expression.fill_null(0)).item()) if table.height else 0.0


def _find_negative_counts(cells: pl.DataFrame, source: Source) -> list[pl.DataFrame]:
    if not _is_any_below_zero(cells):
        return []
    never = [name for name, measure in source.measures.items() if not measure.range and not allows_negative(measure)]
    rows = cells.filter(pl.col("value") < 0, pl.col("measure").is_in(never))
    return [_build_rows(rows, "implausible", pl.format("found {}, expected 0 or more", "text"))]


def _is_any_below_zero(cells: pl.DataFrame) -> bool:
    lowest: float | None = cells["value"].min()  # type: ignore[assignment]
    return lowest is not None and lowest < 0


def _greatest(cells: pl.DataFrame) -> float:
    greatest: float | None = cells["value"].max()  # type: ignore[assignment]
    return float("-inf") if greatest is None else greatest


def _find_zero_denominators(cells: pl.DataFrame, source: Source) -> list[pl.DataFrame]:
    """Find rates of a denominator that the same file gives as 0, and divisions by 0 that a spreadsheet printed."""
    rates = {name: measure for name, measure in source.measures.items() if measure.kind == "rate"}
    if not rates:
        return []
    printed = cells.filter(pl.col("text").str.strip_chars() == ZERO_DIVISION, pl.col("measure").is_in(list(rates)))
    tables = [_build_rows(printed, "zero_denominator", pl.lit(f"found {ZERO_DIVISION}: a division by 0"))]
    zero = cells.filter(pl.col("value") == 0)
    for name, measure in rates.items():
        nothing = zero.filter(pl.col("measure") == (measure.denominator or ""))
        if nothing.height:
            of_rate = cells.filter(pl.col("measure") == name, pl.col("value").is_not_null())
            rows = of_rate.join(nothing.select(_KEY).unique(), on=_KEY, how="semi", maintain_order="left")
            tables.append(_build_rows(rows, "zero_denominator", _describe_division(cells, rows, measure)))
    return tables


def _find_signless_fractions(percentages: pl.DataFrame) -> pl.DataFrame:
    """Find figures of at most 1 without a percent sign, in a measure with the sign at most other figures."""
    figures = percentages.with_columns(pl.col("text").str.contains("%", literal=True).alias("has_sign"))
    mostly_signed = pl.col("has_sign").mean().over("measure") > 0.5
    rows = figures.filter(~pl.col("has_sign") & mostly_signed & (pl.col("value").abs() <= 1))
    return _build_rows(rows, "unit_change", pl.format("found {}, where most other figures have a sign of %", "text"))


def _find_fractions_among_percentages(percentages: pl.DataFrame) -> pl.DataFrame:
    """Find figures of at most 1 that a hundred times more brings among the other percentages of their period.

    Fewer than half of the figures are so, and all others are above 1 and at least FAR_BELOW times as high. A place that
    is usually as low, by the median of its other periods, has no fault.
    """
    period = ["measure", "period_start", "period_end"]
    is_low = (pl.col("value") > 0) & (pl.col("value") <= 1)
    figures = percentages.filter(pl.col("value") > 0)
    if not (figures["value"] <= 1).any():
        return _no_faults()
    others = pl.col("value").filter(pl.col("value") > 1)
    compared = figures.with_columns(
        others.min().over(period).alias("lowest"), others.max().over(period).alias("highest"),
        others.median().over(period).alias("middle"), others.len().over(period).alias("others"),
        is_low.sum().over(period).alias("low"),
    )  # fmt: skip
    times = 100 * pl.col("value")
    suspects = compared.filter(
        is_low, pl.col("others") >= FEWEST_PEERS, pl.col("low") < pl.col("others"),
        pl.col("value") * FAR_BELOW <= pl.col("lowest"),
        times.is_between(pl.col("lowest") / FAR_OUT, pl.col("highest") * FAR_OUT),
        (times / pl.col("middle")).log().abs() < (pl.col("value") / pl.col("middle")).log().abs(),
    )  # fmt: skip
    history = figures.select("measure", "place_code", "period_start", pl.col("value").alias("other"))
    usual = (
        suspects.join(history, on=["measure", "place_code"])
        .filter(pl.col("period_start") != pl.col("period_start_right"))
        .group_by("_cell", "value")
        .agg(pl.col("other").median())
        .filter(pl.col("other") <= FAR_BELOW * pl.col("value"))
    )
    rows = suspects.join(usual, on="_cell", how="anti", maintain_order="left")
    evidence = pl.format("found {}, where {} other places have {} to {} %", "text", "others", "lowest", "highest")
    return _build_rows(rows, "unit_change", evidence)


def _describe_division(cells: pl.DataFrame, rows: pl.DataFrame, measure: Measure) -> pl.Expr:
    """Describe each rate of nothing, with its numerator where the file has it."""
    evidence = pl.format(f"found {{}}, but {measure.denominator} is 0", "text")
    if not measure.numerator:
        return evidence
    top = cells.filter(pl.col("measure") == measure.numerator).unique(_KEY).select(*_KEY, pl.col("text").alias("top"))
    tops = rows.join(top, on=_KEY, how="left", maintain_order="left")["top"]
    return pl.when(tops.is_not_null()).then(
        pl.format(f"found {{}}, but {measure.denominator} is 0 and {measure.numerator} is {{}}", "text", tops)
    ).otherwise(evidence)  # fmt: skip


def _build_rows(rows: pl.DataFrame, fault: str, evidence: pl.Expr) -> pl.DataFrame:
    if rows.is_empty():
        return _no_faults()
    built = rows.select("_cell", pl.lit(fault).alias("fault"), evidence.cast(pl.String).alias("evidence"))
    return built.cast(pl.Schema(IMPOSSIBLE))


def _whole(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64).cast(pl.String)
