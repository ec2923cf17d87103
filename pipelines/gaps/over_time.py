"""Figures for a requested period from the shorter periods inside it, where a need declares `over_time`.

The shorter periods do not overlap and are wholly inside: a week that crosses the end of a month belongs to neither
month. Coverage is the share of the days with a figure. For figures of single days that are published less often, such
as the last Thursday of a month, it is the share of those days.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.periods import ReferencePeriod, format_period
from pipelines.core.schema import OBSERVATION_STATUSES, conform_table
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.problem import Need, OverTime

_EXTREMES = ("max", "min")
_LAST_OR_FIRST = ("last", "first")
_NAMES: dict[OverTime, str] = {"sum": "sum", "mean": "mean", "max": "highest", "min": "lowest", "last": "last",
                               "first": "first"}  # fmt: skip
_LONGEST_STEP = 28
"""Days from one figure of a single day to the next, from which a series is taken as monthly."""
_UNEVEN_MONTHS = 3
"""Days by which a month is longer than another: the step is the shortest of a series."""


class PeriodParts(NamedTuple):
    """Shorter periods inside a requested period, and the days or figures that would cover it.

    `step` is the most days from a figure of a single day to the next; 1 for longer parts.
    """

    period: ReferencePeriod
    parts: tuple[ReferencePeriod, ...]
    expected: int
    unit: str
    step: int


def aggregate_over_time(placed: pl.DataFrame, problem: Problem, periods: Sequence[ReferencePeriod]) -> pl.DataFrame:
    """Return the figures of places (MAPPED_FIGURE) with those for requested periods from shorter periods.

    A published figure for the requested period stays, except for `max` and `min`: it is not one of the figures inside
    the period.
    """
    if problem.header.grain == "latest":
        return placed
    made, replaced = list[pl.DataFrame](), list[tuple[str, date, date]]()
    for measure, need in problem.header.measure_needs.items():
        if need.over_time:
            own = placed.filter(pl.col("measure") == measure)
            published = [ReferencePeriod(*span) for span in own.select("period_start", "period_end").unique().rows()]
            is_asked = [period for period in periods if need.over_time in _EXTREMES or period not in published]
            all_parts = [parts for period in is_asked if (parts := find_parts(period, published))]
            if all_parts:
                made.append(_aggregate_measure(own, all_parts, need))
                replaced += [(measure, *parts.period) for parts in all_parts]
    if not made:
        return placed
    table = pl.DataFrame(replaced, schema={name: MAPPED_FIGURE[name].dtype for name in SLICE_KEY}, orient="row")
    return pl.concat([placed.join(table, on=SLICE_KEY, how="anti", maintain_order="left"), *made])


def find_parts(period: ReferencePeriod, published: Sequence[ReferencePeriod]) -> PeriodParts | None:
    """Find the shorter periods that cover most of a period; of equal cover the longest. None without any."""
    inside = [span for span in published if period.start <= span.start and span.end <= period.end and span != period]
    lengths = {_length_class(span): [s for s in inside if _length_class(s) == _length_class(span)] for span in inside}
    options = [_drop_overlaps(spans) for spans in lengths.values()]
    if not options:
        return None
    best = max(options, key=lambda spans: (_share_covered(period, spans, published), _days(spans[0])))
    return PeriodParts(period, tuple(best), *_expected_cover(period, best, published))


def _days(span: ReferencePeriod) -> int:
    return (span.end - span.start).days + 1


def _length_class(span: ReferencePeriod) -> int:
    """Return the length of a period to compare by: months are of one length, and so are quarters and years."""
    days = _days(span)
    return days if days < _LONGEST_STEP else round(days / 30.44) * 1000


def _drop_overlaps(spans: list[ReferencePeriod]) -> list[ReferencePeriod]:
    kept: list[ReferencePeriod] = []
    for span in sorted(spans, key=lambda item: item.end):
        if not kept or span.start > kept[-1].end:
            kept.append(span)
    return kept


def _share_covered(
    period: ReferencePeriod, parts: list[ReferencePeriod], published: Sequence[ReferencePeriod]
) -> float:
    expected, unit, _ = _expected_cover(period, parts, published)
    return (len(parts) if unit == "figures" else sum(map(_days, parts))) / expected


def _expected_cover(
    period: ReferencePeriod, parts: list[ReferencePeriod], published: Sequence[ReferencePeriod]
) -> tuple[int, str, int]:
    """Return how many days, or figures of single days, would cover a period, and the most days between the latter."""
    if _days(parts[0]) > 1:
        return _days(period), "days", 1
    days = sorted({span.end for span in published if span.start == span.end})
    step = min(((later - day).days for day, later in pairwise(days)), default=_days(period))
    if step >= _LONGEST_STEP:
        months = 12 * (period.end.year - period.start.year) + period.end.month - period.start.month + 1
        return max(len(parts), months // max(1, round(step / 30.44))), "figures", step + _UNEVEN_MONTHS
    first = period.start + timedelta(days=(days[0] - period.start).days % step)
    return max(len(parts), (period.end - first).days // step + 1), "days" if step == 1 else "figures", step


def _tabulate_parts(all_parts: Sequence[PeriodParts]) -> pl.DataFrame:
    rows = [
        (*parts.period, *part, _days(part) if parts.unit == "days" else 1, parts.expected, parts.unit, len(parts.parts),
         part == parts.parts[-1] and (parts.period.end - part.end).days < parts.step,
         part == parts.parts[0] and (part.start - parts.period.start).days < parts.step)
        for parts in all_parts
        for part in parts.parts
    ]  # fmt: skip
    dates = dict.fromkeys(("asked_start", "asked_end", "period_start", "period_end"), pl.Date)
    schema = {**dates, "weight": pl.Int64, "expected": pl.Int64, "unit_counted": pl.String, "parts": pl.Int64,
              "is_last": pl.Boolean, "is_first": pl.Boolean}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _aggregate_measure(own: pl.DataFrame, all_parts: Sequence[PeriodParts], need: Need) -> pl.DataFrame:
    """Aggregate the figures of one measure (MAPPED_FIGURE): a row for each place and requested period."""
    assert need.over_time
    rows = own.join(_tabulate_parts(all_parts), on=["period_start", "period_end"], how="inner").sort(
        "to_code", "asked_start", "period_start"
    )
    rows = rows.with_columns(pl.col("value").is_not_null().alias("has_figure"))
    if need.over_time in _LAST_OR_FIRST:
        is_asked = pl.col(f"is_{need.over_time}")
        has_none = ~pl.col("has_figure").any().over("to_code", "asked_start", "asked_end")
        rows = rows.with_columns(
            pl.when(is_asked).then("value").alias("value"), pl.when(is_asked | has_none).then("reason").alias("reason")
        )
    is_known = pl.col("value").is_not_null()
    grouped = rows.group_by("to_code", "asked_start", "asked_end", maintain_order=True).agg(
        pl.col("weight").filter(is_known).sum().alias("covered"),
        pl.col("expected", "unit_counted", "measure", "unit", "source", "source_areas", "file_column").first(),
        pl.col("release", "released_at", "file").last(),
        pl.col("file").n_unique().alias("files"),
        pl.col("file_rows").drop_nulls().unique(maintain_order=True).str.join(",").alias("all_rows"),
        _combine_values(need.over_time).alias("aggregate"),
        *_combine_bounds(need.over_time),
        _worst_status(is_known).alias("obs_status"),
        pl.col("published_marker").drop_nulls().unique(maintain_order=True).str.join(", ").alias("published_marker"),
        (pl.col("coverage").fill_null(1.0) * pl.col("weight")).filter(is_known).sum().alias("weighted_coverage"),
        pl.col("apportioned_share").filter(is_known).max().alias("apportioned_share"),
        pl.col("caveats", "caveat_evidence").filter(is_known).drop_nulls().unique(maintain_order=True).str.join(","),
        pl.col("period_start").filter(is_known).min().alias("known_start"),
        pl.col("period_end").filter(is_known).max().alias("known_end"),
        is_known.sum().alias("known"),
        pl.col("reason").drop_nulls().mode().sort().first().alias("part_reason"),
        pl.col("evidence").filter(pl.col("reason").is_not_null()).first().alias("part_evidence"),
        pl.col("period_start").filter(~is_known).min().alias("missing_start"),
        pl.col("period_end").filter(~is_known).min().alias("missing_end"),
        *_find_nearest(need.over_time),
    )
    return conform_table(_complete_rows(grouped, need), MAPPED_FIGURE)


def _combine_values(how: OverTime) -> pl.Expr:
    value, known = pl.col("value"), pl.col("value").is_not_null()
    if how == "sum":
        return value.sum()
    if how == "mean":
        return (value * pl.col("weight")).sum() / pl.col("weight").filter(known).sum()
    if how in _EXTREMES:
        return value.max() if how == "max" else value.min()
    return value.drop_nulls().first()


def _find_nearest(how: OverTime) -> tuple[pl.Expr, pl.Expr]:
    """Return the period of the figure that is nearest to the end, or to the start, of the requested period."""
    start, end = (pl.col(name).filter(pl.col("has_figure")) for name in ("period_start", "period_end"))
    if how == "first":
        return start.first().alias("nearest_start"), end.first().alias("nearest_end")
    return start.last().alias("nearest_start"), end.last().alias("nearest_end")


def _combine_bounds(how: OverTime) -> tuple[pl.Expr, pl.Expr]:
    """Bound the figure of a period by the bounds of its parts, with or without a figure.

    A sum is bounded from below by the parts that are known, a highest figure too, and a lowest figure from above. Other
    bounds need a bound of every part, and parts that cover the period. Parts that can be negative bound no sum.
    """
    lower, upper, weight = pl.col("lower_bound"), pl.col("upper_bound"), pl.col("weight")
    if how in _LAST_OR_FIRST:
        chosen = pl.col(f"is_{how}")
        return lower.filter(chosen).first().alias("lower_bound"), upper.filter(chosen).first().alias("upper_bound")
    is_tiled = weight.sum() >= pl.col("expected").first()
    has_all_lower, has_all_upper = is_tiled & lower.is_not_null().all(), is_tiled & upper.is_not_null().all()
    if how == "mean":
        ends = tuple((bound * weight).sum() / weight.sum() for bound in (lower, upper))
    elif how == "sum":
        ends = lower.sum(), upper.sum()
    else:
        ends = (lower.max(), upper.max()) if how == "max" else (lower.min(), upper.min())
    is_positive = (pl.min_horizontal("lower_bound", "value") >= 0).fill_null(True).all()
    if how == "sum":
        has_all_lower |= is_positive & lower.is_not_null().any()
    return (
        pl.when(pl.lit(True) if how == "max" else has_all_lower).then(ends[0]).alias("lower_bound"),
        pl.when(pl.lit(True) if how == "min" else has_all_upper).then(ends[1]).alias("upper_bound"),
    )


def _worst_status(is_known: pl.Expr) -> pl.Expr:
    order = {status: number for number, status in enumerate(OBSERVATION_STATUSES)}
    rank = pl.col("obs_status").replace_strict(order, default=None, return_dtype=pl.Int64)
    worst = pl.when(is_known.any()).then(rank.filter(is_known).max()).otherwise(rank.max())
    return worst.replace_strict(dict(enumerate(OBSERVATION_STATUSES)), default=None, return_dtype=pl.String)


def _complete_rows(grouped: pl.DataFrame, need: Need) -> pl.DataFrame:
    """Decide value or reason of each row by the share of the period with figures, and word the evidence."""
    share = pl.min_horizontal(pl.lit(1.0), pl.col("covered") / pl.col("expected"))
    if need.over_time in _LAST_OR_FIRST:
        share = pl.when(pl.col("known") > 0).then(1.0).otherwise(0.0)
    rows = grouped.with_columns(share.alias("share"))
    is_whole = pl.col("share") >= 1
    has_value = (pl.col("known") > 0) & (pl.col("share") >= need.min_coverage)
    incomplete = (pl.col("known") > 0) & ~has_value
    # Without a figure the parts give the reason.
    reason = pl.when(incomplete | pl.col("part_reason").is_null()).then(pl.lit("periods_incomplete"))
    return rows.with_columns(
        pl.col("asked_start").alias("period_start"),
        pl.col("asked_end").alias("period_end"),
        pl.when(has_value).then("aggregate").alias("value"),
        pl.when(has_value).then(pl.lit("aggregated_in_time")).alias("derivation"),
        pl.when(has_value).then(_share_of_residents(need)).alias("coverage"),
        pl.when(has_value).then(None).otherwise(reason.otherwise("part_reason")).alias("reason"),
        pl.when(has_value).then(_word_value(need)).otherwise(_word_gap(need, incomplete)).alias("evidence"),
        pl.when(pl.col("files") == 1).then("all_rows").alias("file_rows"),
        pl.when(has_value & ~is_whole)
        .then(pl.concat_str(pl.lit("incomplete_aggregate"), _text_or_null("caveats"), separator=",", ignore_nulls=True))
        .otherwise(_text_or_null("caveats")).alias("caveats"),
        _text_or_null("caveat_evidence"),
        _text_or_null("published_marker"),
    )  # fmt: skip


def _text_or_null(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(name).alias(name)


def _share_of_residents(need: Need) -> pl.Expr:
    if need.over_time in _LAST_OR_FIRST:
        return pl.col("weighted_coverage") / pl.col("covered")
    return pl.min_horizontal(pl.lit(1.0), pl.col("weighted_coverage") / pl.col("expected"))


def _word_value(need: Need) -> pl.Expr:
    assert need.over_time
    name, spans = pl.lit(_NAMES[need.over_time]), _format_spans("known_start", "known_end")
    if need.over_time in _LAST_OR_FIRST:
        return pl.format("{} figure of the period, for {}", name, spans)
    return pl.format("{} of {} figures, {}", name, "known", spans)


def _word_gap(need: Need, incomplete: pl.Expr) -> pl.Expr:
    if need.over_time in _LAST_OR_FIRST:
        ends, where = ("end", "latest") if need.over_time == "last" else ("start", "first")
        text = pl.format(
            f"no figure at the {ends} of the period; the {where} inside is for {{}}",
            _format_spans("nearest_start", "nearest_end"),
        )
        return pl.when(pl.col("part_reason").is_null()).then(text).otherwise("part_evidence")
    first = pl.format("; the first without one is {}", _format_spans("missing_start", "missing_end"))
    prefix = pl.when(pl.col("unit_counted") == "days").then(pl.lit("figures for ")).otherwise(pl.lit(""))
    counts = pl.format("{}{} of {} {}", prefix, "covered", "expected", "unit_counted")
    why = pl.format(" ({})", "part_reason")
    partly = pl.concat_str(counts, first.fill_null(""), why.fill_null(""))
    return pl.when(incomplete | pl.col("part_reason").is_null()).then(partly).otherwise("part_evidence")


def _format_spans(start: str, end: str) -> pl.Expr:
    return pl.struct(start, end).map_elements(
        lambda span: format_period(*span.values()) if all(span.values()) else None, return_dtype=pl.String
    )
