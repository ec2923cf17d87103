"""The limits that a publisher gives of an estimate, read beside its figure, with the level that they hold at."""

from statistics import NormalDist

import polars as pl

from pipelines.core.schema import NUMBER, TEXT
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.observations.caveats import with_caveat
from pipelines.readers import LIMITS, number_of

PUBLISHED = "published"
DIGITS = 12
"""Digits to which limits are worked out: more are the dust of binary arithmetic."""


def with_limits(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Give cells their published interval: likely_low, likely_high, likely_level and likely_source.

    Takes measure, value, caveats, caveat_evidence and the texts melt.LIMITS. A blank limit and a marker give none.
    Limits that do not hold their figure, and texts that are neither number nor marker, are not taken: a caveat says so.
    """
    blank = {"likely_low": NUMBER, "likely_high": NUMBER, "likely_level": NUMBER, "likely_source": TEXT}
    cells = cells.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in blank.items())
    for key, measure in source.measures.items():
        if measure.interval:
            cells = _limited(cells, (pl.col("measure") == key) & pl.col("value").is_not_null(), measure, source)
    return cells.drop(LIMITS, strict=False)


def _limited(cells: pl.DataFrame, here: pl.Expr, measure: Measure, source: Source) -> pl.DataFrame:
    lower, upper = _ends(measure, source)
    known = ["", *(text for text in source.markers if text)]
    bare = [pl.col(name).fill_null("").str.strip_chars() for name in LIMITS]
    strange = pl.any_horizontal(~each.is_in(known) & number_of(each, source).is_null() for each in bare)
    outside = (lower > pl.col("value")).fill_null(False) | (upper < pl.col("value")).fill_null(False)
    told = cells.with_columns(
        lower.alias("_lower"), upper.alias("_upper"), (here & (outside | strange)).alias("_wrong")
    )
    beside = pl.concat_list(LIMITS).list.eval(pl.element().filter(pl.element() != "")).list.join(" and ")
    evidence = pl.format("{} stands beside {}, which can't be the limits that it lies in", "text", beside)
    told = with_caveat(told, pl.col("_wrong"), "limits_contradict", evidence)
    some = here & ~pl.col("_wrong") & pl.any_horizontal(pl.col("_lower", "_upper").is_not_null())
    ends = {"likely_low": pl.col("_lower"), "likely_high": pl.col("_upper"), "likely_source": pl.lit(PUBLISHED),
            "likely_level": pl.lit(measure.interval.level if measure.interval else None, NUMBER)}  # fmt: skip
    return told.with_columns(pl.when(some).then(new).otherwise(name).alias(name) for name, new in ends.items()).drop(
        "_lower", "_upper", "_wrong"
    )


def _ends(measure: Measure, source: Source) -> tuple[pl.Expr, pl.Expr]:
    """Give both limits in the measure's unit, from what the declaration says stands beside the figure."""
    first, second = (number_of(pl.col(name), source) * measure.scale for name in LIMITS)
    interval = measure.interval
    if interval is None or interval.lower:
        return first, second
    times = NormalDist().inv_cdf(0.5 + interval.level / 200) if interval.standard_error else 1.0
    lower, upper = (exact(pl.col("value") + sign * times * first) for sign in (-1, 1))
    return lower, upper


def exact(end: pl.Expr) -> pl.Expr:
    """Take the dust of binary arithmetic off a limit: 76.1 - 0.05 is 76.05, which 76.0 + 0.05 is too."""
    return pl.when(end.is_finite()).then(end.round_sig_figs(DIGITS)).otherwise(end)
