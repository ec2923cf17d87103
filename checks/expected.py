"""What each figure would be if it went on as its place did before and as its peers did in that period.

Figures are compared as logarithms: level of the place, plus movement of all places in the period, plus what
the place did around that period (a median polish, after Tukey 1977). How far figures usually stray is told twice,
by the place's own history and by its peers in the same period, each by the median absolute deviation; for counts
the noise of counting is added (one over the count expected). Only medians are used, so that a few faults, or a
provider that was silent for years, do not hide themselves.
"""

from math import log

import polars as pl

from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

SERIES_KEY = ["measure", "place_code"]
PERIOD_KEY = ["measure", "period_start"]
FEWEST_PERIODS = 5
"""Own history is judged where the place has at least so many periods."""
FEWEST_PEERS = 10
"""Peers are judged where the period has at least so many places."""
NEAR_ZERO = 0.1
"""A figure under this share of what was expected is next to nothing, not merely low."""
FAR_SPREADS = 4.5
"""Times its spread, own and peers', that a figure must be away to be doubted."""
LEAST_FACTOR = 1.6
"""Least factor between a figure and what was expected; docs/detection.md says on what it was fitted."""
_ODD_SPREADS = 3.0
"""The same to be left out when its neighbours in time are judged."""
_AROUND, _BEFORE = 2, 3
"""How many periods on either side, and before, tell what is usual: two fit best on the series named in the docs."""
_ROUNDS = 3
_MAD = 1.4826
"""Median absolute deviation of normal errors, times this, is their standard deviation."""


def fit_expected(observation: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Set each figure beside what its own history and its peers make likely; one row a figure of 0 or more.

    Takes one release for each slice (schema.OBSERVATION_COLUMNS). Adds, in the measure's unit, `usual` (by the periods
    around), `before` (by the periods before) and `long_run` (by the upper quarter of all its periods); as
    logarithms `apart`, `apart_before` and `apart_long`, how far the figure is from each; `own_spread`,
    `peer_spread`, `noise`; `movement` of all places in the period; `periods` and `peers`, how many there are.
    """
    observations = observation.filter(pl.col("value") >= 0, pl.col("value").is_finite())
    steps = observations.join(
        find_smallest_steps(observations, measures), on="measure", how="left", maintain_order="left"
    )
    ordered = steps.sort(*SERIES_KEY, "period_start").with_columns(
        _take_logarithm().alias("log"), pl.struct(SERIES_KEY).rle_id().alias("place_number")
    )
    polished = _polish_medians(ordered).with_columns(pl.lit(False).alias("odd"))
    count_measures = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    first = _add_spreads(_compare_nearby(polished), count_measures)
    # What stands out is no norm for its neighbours in time: they are compared again without it.
    return _add_spreads(_compare_nearby(first.with_columns(_is_odd().alias("odd"))), count_measures)


def find_smallest_steps(observations: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Give for each measure its `step`: its rounding base, 1 for counts, else the smallest figure there is."""
    declared_steps = {
        name: measure.rounding or (1.0 if measure.kind in ADDITIVE_KINDS else None)
        for name, measure in measures.items()
    }
    smallest = observations.filter(pl.col("value") > 0).group_by("measure").agg(pl.col("value").min().alias("smallest"))
    declared = pl.col("measure").replace_strict(declared_steps, default=None, return_dtype=pl.Float64)
    return smallest.select("measure", pl.coalesce(declared, "smallest").alias("step"))


def _take_logarithm() -> pl.Expr:
    """Take a nought for half the smallest step, which rounds to nought."""
    step = pl.col("step").fill_null(1.0)
    return pl.when(pl.col("value") > 0).then(pl.col("value")).otherwise(step / 2).log()


def _polish_medians(ordered: pl.DataFrame) -> pl.DataFrame:
    """Part each logarithm into the level of its place, the movement of its period, and the rest."""
    fitted = ordered.with_columns(pl.lit(0.0).alias("movement"))
    for _ in range(_ROUNDS):
        fitted = fitted.with_columns((pl.col("log") - pl.col("movement")).median().over(SERIES_KEY).alias("level"))
        fitted = fitted.with_columns((pl.col("log") - pl.col("level")).median().over(PERIOD_KEY).alias("movement"))
    return fitted.with_columns((pl.col("log") - pl.col("level") - pl.col("movement")).alias("rest"))


def _compare_nearby(fitted: pl.DataFrame) -> pl.DataFrame:
    """Say what the place did in the periods around, before, and in the upper quarter of all."""
    nearby = [n for n in range(-_AROUND, _AROUND + 1) if n]
    base, rest = pl.col("level") + pl.col("movement"), pl.col("rest")
    better = fitted.with_columns(rest.quantile(0.75).over(SERIES_KEY).alias("local_long"))
    # What is next to nothing beside the place's better periods is no norm for those around it.
    sound = (rest - pl.col("local_long") > log(NEAR_ZERO)) & ~pl.col("odd")
    norm = better.with_columns(pl.when(sound).then(rest).alias("norm"))
    around = pl.coalesce(_nearby_median(nearby), "local_long")
    local = {"": around, "_before": _nearby_median(range(1, _BEFORE + 1))}
    with_local = norm.with_columns(expression.alias(f"local{name}") for name, expression in local.items())
    names = {"usual": "local", "before": "local_before", "long_run": "local_long"}
    return with_local.with_columns(
        *((base + pl.col(column)).exp().alias(name) for name, column in names.items()),
        *((rest - pl.col(f"local{name}")).alias(f"apart{name}") for name in (*local, "_long")),
        pl.len().over(SERIES_KEY).alias("periods"),
        pl.len().over(PERIOD_KEY).alias("peers"),
    )


def _is_odd() -> pl.Expr:
    """Tell the figures that are far from both, and further than those before and after."""
    apart = pl.col("apart").abs()
    around = pl.max_horizontal(shift_within_place(apart, n) for n in (-1, 1))
    far = [spreads_away(spread).abs() > _ODD_SPREADS for spread in ("own_spread", "peer_spread")]
    return pl.all_horizontal(far) & (apart > log(LEAST_FACTOR)) & (apart >= around)


def shift_within_place(figure: pl.Expr, n: int) -> pl.Expr:
    """Give the figure of the same place n rows before, of rows sorted by place: many times faster than by groups."""
    return pl.when(pl.col("place_number").shift(n) == pl.col("place_number")).then(figure.shift(n))


def _nearby_median(shifts: range | list[int]) -> pl.Expr:
    near = [shift_within_place(pl.col("norm"), n) for n in shifts]
    return pl.concat_list(near).list.drop_nulls().list.median()


def _add_spreads(fitted: pl.DataFrame, count_measures: list[str]) -> pl.DataFrame:
    """Say how far figures usually are from the usual, in the place's history and among its peers."""
    spread = pl.col("apart").filter(pl.col("norm").is_not_null()).abs().median() * _MAD
    # The figure's own noise, and about half of it again for the few figures that it is compared with.
    counting = 1.5 / pl.max_horizontal(pl.col("usual"), pl.lit(0.5))
    rounding = (pl.col("step") / pl.col("usual")) ** 2 / 12
    return fitted.with_columns(
        spread.over(SERIES_KEY).alias("own_spread"),
        spread.over(PERIOD_KEY).alias("peer_spread"),
        pl.when(pl.col("measure").is_in(count_measures)).then(counting).otherwise(rounding).alias("noise"),
    )


def spreads_away(spread: str, apart: str = "apart") -> pl.Expr:
    """Say how many of a spread, with the noise of counting or rounding, a figure is away from the usual."""
    return pl.col(apart) / (pl.col(spread) ** 2 + pl.col("noise")).sqrt()
