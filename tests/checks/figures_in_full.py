"""Flags of figures worked out in full: every figure of every measure in one frame, with windows over texts.

The plain way, which the checks took before they worked on arrays by measure: the same flags, for small tables only.
"""

from math import log

import polars as pl

from checks.confirmation import LEAST_LATER_PERIODS, LargerAreas
from checks.expected import LEAST_FACTOR, NEAR_ZERO, spreads_away
from checks.flags import FIGURE_KEY, build_flags, keep_first_flags
from checks.plausible import find_implausible_figures, find_near_zero_leaks, find_partial_returns, find_suspected_zeros
from checks.published_together import flag_identical_series, flag_shared_labels
from checks.repeats import find_repeated_values, find_undeclared_rounding
from checks.units import find_changed_periods, find_changes_between_releases, find_unit_changes
from pipelines.core.slices import SLICE_KEY, newest_slices, sum_by_total
from pipelines.core.text import format_figure_column
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

SERIES, PERIOD = ["measure", "place_code"], ["measure", "period_start"]


def fit_in_full(observation: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Add to figures of 0 or more their expected values, as checks.expected.describe_expected names it."""
    counts = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    declared = {name: measure.rounding or (1.0 if name in counts else None) for name, measure in measures.items()}
    known = observation.filter(pl.col("value") >= 0, pl.col("value").is_finite()).sort(
        *SERIES, "period_start", "period_end"
    )
    smallest = pl.col("value").filter(pl.col("value") > 0).min().over("measure")
    step = pl.coalesce(pl.col("measure").replace_strict(declared, return_dtype=pl.Float64), smallest)
    fitted = known.with_columns(step.alias("step"), pl.lit(0.0).alias("movement"))
    zero = pl.col("step").fill_null(1.0) / 2
    fitted = fitted.with_columns(pl.when(pl.col("value") > 0).then("value").otherwise(zero).log().alias("log"))
    for _ in range(3):
        fitted = fitted.with_columns((pl.col("log") - pl.col("movement")).median().over(SERIES).alias("level"))
        fitted = fitted.with_columns((pl.col("log") - pl.col("level")).median().over(PERIOD).alias("movement"))
    rest = (pl.col("log") - pl.col("level") - pl.col("movement")).alias("rest")
    fitted = fitted.with_columns(rest, pl.lit(False).alias("odd"))
    fitted = fitted.with_columns(pl.col("rest").quantile(0.75).over(SERIES).alias("long"))
    first = _compare(fitted, counts)
    apart = pl.col("apart").abs()
    beside = pl.max_horizontal(apart.shift(n).over(SERIES) for n in (-1, 1))
    far = [spreads_away(spread).abs() > 3.0 for spread in ("own_spread", "peer_spread")]
    odd = pl.all_horizontal(far) & (apart > log(LEAST_FACTOR)) & (apart >= beside)
    return _number(_compare(first.with_columns(odd.alias("odd")), counts))


def _compare(fitted: pl.DataFrame, counts: list[str]) -> pl.DataFrame:
    rest = pl.col("rest")
    sound = (rest - pl.col("long") > log(NEAR_ZERO)) & ~pl.col("odd")
    norm = fitted.with_columns(pl.when(sound).then(rest).alias("norm"))

    def median(steps: list[int]) -> pl.Expr:
        return pl.concat_list([pl.col("norm").shift(n).over(SERIES) for n in steps]).list.drop_nulls().list.median()

    near = norm.with_columns(pl.coalesce(median([-2, -1, 1, 2]), "long").alias("near"), median([1, 2, 3]).alias("old"))
    base = pl.col("level") + pl.col("movement")
    compared = near.with_columns(
        *((base + pl.col(at)).exp().alias(name) for name, at in (("usual", "near"), ("before", "old"))),
        (base + pl.col("long")).exp().alias("long_run"), (rest - pl.col("near")).alias("apart"),
        (rest - pl.col("old")).alias("apart_before"), (rest - pl.col("long")).alias("apart_long"),
    )  # fmt: skip
    spread = pl.col("apart").filter(pl.col("norm").is_not_null()).abs().median() * 1.4826
    counting, rounding = 1.5 / pl.max_horizontal("usual", pl.lit(0.5)), (pl.col("step") / pl.col("usual")) ** 2 / 12
    return compared.with_columns(
        spread.over(SERIES).alias("own_spread"), spread.over(PERIOD).alias("peer_spread"),
        pl.when(pl.col("measure").is_in(counts)).then(counting).otherwise(rounding).alias("noise"),
    )  # fmt: skip


def _number(fitted: pl.DataFrame) -> pl.DataFrame:
    later = pl.col("period_start").rank("dense", descending=True).over("measure") - 1
    return fitted.with_columns(
        pl.len().over(SERIES).alias("periods"), pl.len().over(PERIOD).alias("peers"),
        (pl.col("value") > 0).sum().over(PERIOD).alias("above"), later.alias("later_periods"),
    )  # fmt: skip


def add_repeats(fitted: pl.DataFrame) -> pl.DataFrame:
    """Keep the figures that repeat the one before, with `share`, `due` and `run` (repeats.describe_repeats)."""
    before = {name: pl.col(name).shift(1).over(SERIES) for name in ("value", "movement")}
    again = fitted.with_columns(
        (pl.col("value") == before["value"]).fill_null(False).alias("again"),
        (pl.col("movement") - before["movement"]).alias("due"),
    )
    runs = again.with_columns(
        pl.col("again").mean().over(PERIOD).alias("share"), (~pl.col("again")).cum_sum().alias("run")
    )
    return runs.filter("again")


def add_telling(fitted: pl.DataFrame) -> pl.DataFrame:
    """Add `telling` (together.describe_labels)."""
    return fitted.with_columns((pl.col("place_label").n_unique().over(SLICE_KEY) > 1).alias("telling"))


def list_periods(fitted: pl.DataFrame) -> pl.DataFrame:
    """Return the periods of each measure that are off by a power of ten (units.find_changed_periods)."""
    moved = fitted.select(*PERIOD, "movement", "peers").unique(PERIOD).sort(PERIOD)
    parts = moved.partition_by("measure") or [moved]
    return pl.concat([find_changed_periods(part) for part in parts])


def add_kept(fitted: pl.DataFrame, counts: list[str]) -> pl.DataFrame:
    """Add `kept`: whether the place continues at a figure's level, and its return was whole where that is recent."""
    rest = pl.col("rest")
    near = pl.min_horizontal(-pl.min_horizontal("apart", "apart_before") / 2, pl.lit(log(LEAST_FACTOR)))
    most = rest.cum_max(reverse=True).shift(-1).over(SERIES)
    least = rest.cum_min(reverse=True).shift(-1).over(SERIES)
    later = (rest.cum_count(reverse=True) - 1).over(SERIES).cast(pl.Int64)
    level = (most - rest < near) & (rest - least < near) & (later == pl.col("later_periods"))
    spot, count = ["place_code", "period_start", "period_end"], pl.col("measure").is_in(counts)
    usual = (count & (pl.col("value") > 0) & (pl.col("apart") > -log(LEAST_FACTOR) / 2)).fill_null(False)
    others = count.sum().over(spot) - count
    whole = (others > 0) & (usual.sum().over(spot) - usual == others)
    enough = (later >= LEAST_LATER_PERIODS) | ((later >= 1) & whole)
    return fitted.with_columns((level & enough).fill_null(False).alias("kept"))


def drop_confirmed_in_full(
    low: pl.DataFrame, observation: pl.DataFrame, larger: LargerAreas, measures: dict[str, Measure]
) -> pl.DataFrame:
    """Drop flags of figures that agree with the totals of all larger areas that contain them."""
    halves = {name: (item.rounding or 0.0) / 2 for name, item in measures.items() if item.kind in ADDITIVE_KINDS}
    of_slice, confirmed = [*SLICE_KEY, "order"], [low.select(FIGURE_KEY).clear()]
    current = newest_slices(observation)
    stored = observation.select(of_slice).unique().with_columns(pl.lit(False).alias("apart"))
    used = current.select(of_slice).unique().with_columns(pl.lit(True).alias("beside"))
    for system, member in larger.members.items():
        rows = larger.total.filter(pl.col("role") == "total", pl.col("value").is_not_null())
        totals = rows.filter(pl.col("measure").is_in(list(halves))).select(
            *of_slice, pl.col("place_code").alias("total_code"), pl.col("value").alias("total")
        ).join(stored, on=of_slice, how="left").join(used, on=of_slice, how="left")  # fmt: skip
        totals = totals.with_columns(pl.col("apart").fill_null(True)).filter(pl.col("apart") | pl.col("beside"))
        sums = sum_by_total(current.filter(pl.col("geography") == system), member)
        due = member.group_by("total_code").agg(pl.len().alias("due"))
        summed = totals.join(sums, on=[*SLICE_KEY, "total_code"]).join(due, on="total_code")
        half = pl.col("measure").replace_strict(halves, return_dtype=pl.Float64)
        rounding = half * (pl.col("figures") + 1) + 1e-9 * (1 + pl.col("total").abs())
        near = (pl.col("total") - pl.col("sum_of_places")).abs() <= rounding
        compared = summed.with_columns((near & (pl.col("places_given") == pl.col("due"))).alias("agrees"))
        inside = low.join(member, on="place_code").join(compared, on=[*SLICE_KEY, "total_code"])
        alone = inside.with_columns((pl.len().over(*SLICE_KEY, "total_code", "order") == 1).alias("alone"))
        judged = alone.filter(pl.col("apart") | (pl.col("reason") == "suspected_zero")).sort("due")
        whole = judged.group_by(FIGURE_KEY).agg(
            pl.col("agrees").all(), (pl.col("alone").first() | pl.col("apart").any()).alias("confirms")
        )
        confirmed.append(whole.filter("agrees", "confirms").select(FIGURE_KEY))
    return low.join(pl.concat(confirmed), on=FIGURE_KEY, how="anti")


def flag_after_low(fitted: pl.DataFrame, low: pl.DataFrame, counts: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Flag counts after a low figure that are far below those before it, and list those near them (unrecovered)."""
    is_low = pl.struct(FIGURE_KEY).is_in(low.select(pl.struct(FIGURE_KEY).alias("key"))["key"].implode())
    marked = fitted.with_columns(is_low.shift(1).over(SERIES).alias("after"), pl.col("old").shift(1).over(SERIES))
    after = marked.with_columns((pl.col("rest") - pl.col("old")).alias("gap")).filter(
        "after", pl.col("measure").is_in(counts)
    )
    compared = after.filter(
        pl.col("gap") < -log(LEAST_FACTOR),
        *(spreads_away(spread, "gap") < -3.0 for spread in ("own_spread", "peer_spread")),
    )  # fmt: skip
    expected = (pl.col("level") + pl.col("movement") + pl.col("old")).exp()
    named = compared.with_columns(
        expected.alias("expected"), pl.lit("the periods before a short return").alias("compared_with"),
        spreads_away("own_spread", "gap").round(1).alias("own_history"), (pl.col("peers") - 1).alias("others"),
        spreads_away("peer_spread", "gap").round(1).alias("peers"),
    )  # fmt: skip
    evidence = pl.format(
        "{}, {} % of the {} expected from the periods before a short return, and the movement of {} peers",
        format_figure_column("value"), (100 * pl.col("value") / pl.col("expected")).round(1),
        format_figure_column("expected"), "others",
    )  # fmt: skip
    recovered = after.filter(pl.col("gap").abs() <= log(LEAST_FACTOR)).select(FIGURE_KEY)
    return build_flags("implausible", named.with_columns(evidence.alias("evidence"))), recovered


def flag_in_full(
    observation: pl.DataFrame, measures: dict[str, Measure], larger: LargerAreas | None = None
) -> pl.DataFrame:
    """Flag implausible figures of one source, as checks.figures.flag_figures does."""
    current = newest_slices(observation)
    used = current.select(*SLICE_KEY, pl.col("order").alias("used")).unique()
    older = observation.join(used, on=SLICE_KEY).filter(pl.col("order") < pl.col("used")).drop("used")
    counts = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    fitted = fit_in_full(current, measures)
    low = keep_first_flags([
        find_suspected_zeros(fitted, counts), find_near_zero_leaks(fitted),
        find_partial_returns(add_kept(fitted, counts), counts),
    ])  # fmt: skip
    if larger:
        low = drop_confirmed_in_full(low, observation, larger, measures)
    after_low, recovered = flag_after_low(fitted, low, counts)
    implausible = find_implausible_figures(fitted).join(recovered, on=FIGURE_KEY, how="anti")
    repeats = find_repeated_values(add_repeats(fitted))
    level = keep_first_flags([
        flag_shared_labels(add_telling(fitted)), flag_identical_series(fitted),
        find_unit_changes(fitted, list_periods(fitted)),
        find_changes_between_releases(newest_slices(older), current), low, after_low,
        implausible,
    ]).join(repeats, on=FIGURE_KEY, how="anti")  # fmt: skip
    rounding = find_undeclared_rounding(fitted).join(level, on=FIGURE_KEY, how="anti")
    plain = [name for name, measure in measures.items() if not measure.rounding]
    return pl.concat([level, repeats, rounding.filter(pl.col("measure").is_in(plain))])
