"""Confidence limits that a publisher gives for an estimate, read beside its figure, with their level."""

from statistics import NormalDist

import polars as pl

from pipelines.core.schema import NUMBER, TEXT
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.observations.caveats import add_caveat
from pipelines.readers import INTERVAL_COLUMNS, parse_number

PUBLISHED_SOURCE = "published"
SIGNIFICANT_DIGITS = 12
"""Significant digits of computed limits; further digits are floating-point error."""


def add_published_limits(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add the published interval to cells: interval_lower, interval_upper, interval_level and interval_source.

    Takes measure, value, caveats, caveat_evidence and the texts reshape.INTERVAL_COLUMNS. A blank limit or a
    marker gives no interval. Limits that exclude their figure, and texts that are neither number nor marker, are
    rejected with a caveat.
    """
    blank = {"interval_lower": NUMBER, "interval_upper": NUMBER, "interval_level": NUMBER, "interval_source": TEXT}
    cells = cells.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in blank.items())
    for key, measure in source.measures.items():
        if measure.interval:
            cells = _add_measure_limits(
                cells, (pl.col("measure") == key) & pl.col("value").is_not_null(), measure, source
            )
    return cells.drop(INTERVAL_COLUMNS, strict=False)


def _add_measure_limits(cells: pl.DataFrame, of_measure: pl.Expr, measure: Measure, source: Source) -> pl.DataFrame:
    lower, upper = _limit_pair(measure, source)
    known_texts = ["", *(text for text in source.markers if text)]
    bare = [pl.col(name).fill_null("").str.strip_chars() for name in INTERVAL_COLUMNS]
    unreadable = pl.any_horizontal(~limit.is_in(known_texts) & parse_number(limit, source).is_null() for limit in bare)
    outside = (lower > pl.col("value")).fill_null(False) | (upper < pl.col("value")).fill_null(False)
    flagged = cells.with_columns(
        lower.alias("_lower"), upper.alias("_upper"), (of_measure & (outside | unreadable)).alias("_wrong")
    )
    beside = pl.concat_list(INTERVAL_COLUMNS).list.eval(pl.element().filter(pl.element() != "")).list.join(" and ")
    evidence = pl.format("{} is not within the limits beside it: {}", "text", beside)
    flagged = add_caveat(flagged, pl.col("_wrong"), "limits_contradict", evidence)
    some = of_measure & ~pl.col("_wrong") & pl.any_horizontal(pl.col("_lower", "_upper").is_not_null())
    ends = {"interval_lower": pl.col("_lower"), "interval_upper": pl.col("_upper"),
            "interval_source": pl.lit(PUBLISHED_SOURCE),
            "interval_level": pl.lit(measure.interval.level if measure.interval else None, NUMBER)}  # fmt: skip
    return flagged.with_columns(pl.when(some).then(new).otherwise(name).alias(name) for name, new in ends.items()).drop(
        "_lower", "_upper", "_wrong"
    )


def _limit_pair(measure: Measure, source: Source) -> tuple[pl.Expr, pl.Expr]:
    """Return both limits in the measure's unit, from the declared columns beside the figure."""
    first, second = (parse_number(pl.col(name), source) * measure.scale for name in INTERVAL_COLUMNS)
    interval = measure.interval
    if interval is None or interval.lower:
        return first, second
    times = NormalDist().inv_cdf(0.5 + interval.level / 200) if interval.standard_error else 1.0
    lower, upper = (round_limit(pl.col("value") + sign * times * first) for sign in (-1, 1))
    return lower, upper


def round_limit(end: pl.Expr) -> pl.Expr:
    """Remove floating-point error from a limit: 76.1 - 0.05 and 76.0 + 0.05 both give 76.05."""
    return pl.when(end.is_finite()).then(end.round_sig_figs(SIGNIFICANT_DIGITS)).otherwise(end)
