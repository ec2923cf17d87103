"""Expected figures: each figure as its place's history and its peers in the period predict it.

Figures are compared as logarithms: the level of the place, plus the movement of all places in the period, plus the
place's deviation around that period (a median polish, after Tukey 1977). Spread is estimated twice, from the place's
history and from its peers in the period, by the median absolute deviation. Counts add their counting noise (one over
the expected count). Only medians are used, so a few faults, or a provider without returns for years, do not hide
themselves.
"""

from math import log

import polars as pl

from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

SERIES_KEY = ["measure", "place_code"]
PERIOD_KEY = ["measure", "period_start"]
FEWEST_PERIODS = 5
"""Fewest periods of a place for a comparison with its own history."""
FEWEST_PEERS = 10
"""Fewest places in a period for a comparison with peers."""
NEAR_ZERO = 0.1
"""Share of the expected figure below which a figure is near zero, not merely low."""
FAR_SPREADS = 4.5
"""Distance at which a figure is flagged, in spreads of its own history and of its peers."""
LEAST_FACTOR = 1.6
"""Least ratio between a figure and the expected figure; docs/detection.md describes the data that it was fitted on."""
_ODD_SPREADS = 3.0
"""Distance at which a figure is left out of the comparison of its neighbours in time."""
_AROUND, _BEFORE = 2, 3
"""Periods on either side, and before, that form the expectation; two fit best on the series in docs/detection.md."""
_ROUNDS = 3
_MAD = 1.4826
"""The median absolute deviation of normal errors times this is their standard deviation."""


def fit_expected(observation: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Fit the expected figure of each figure of 0 or more, by its own history and its peers.

    Takes one release for each slice (schema.OBSERVATION_COLUMNS). Adds, in the measure's unit, `usual` (from the
    periods around), `before` (from the periods before) and `long_run` (from the upper quarter of all periods). Adds as
    logarithms `apart`, `apart_before` and `apart_long`, the distances from each. Adds `own_spread`, `peer_spread` and
    `noise`, the `movement` of all places in the period, and the numbers of `periods` and `peers`.
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
    # Outliers distort the expectation of their neighbours in time, which are compared again without them.
    return _add_spreads(_compare_nearby(first.with_columns(_is_odd().alias("odd"))), count_measures)


def find_smallest_steps(observations: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Find the `step` of each measure: its rounding base, 1 for counts, else its smallest positive figure."""
    declared_steps = {
        name: measure.rounding or (1.0 if measure.kind in ADDITIVE_KINDS else None)
        for name, measure in measures.items()
    }
    smallest = observations.filter(pl.col("value") > 0).group_by("measure").agg(pl.col("value").min().alias("smallest"))
    declared = pl.col("measure").replace_strict(declared_steps, default=None, return_dtype=pl.Float64)
    return smallest.select("measure", pl.coalesce(declared, "smallest").alias("step"))


def _take_logarithm() -> pl.Expr:
    """Take the logarithm; zero counts as half the smallest step, which rounds to zero."""
    step = pl.col("step").fill_null(1.0)
    return pl.when(pl.col("value") > 0).then(pl.col("value")).otherwise(step / 2).log()


def _polish_medians(ordered: pl.DataFrame) -> pl.DataFrame:
    """Split each logarithm into the level of its place, the movement of its period, and the rest."""
    fitted = ordered.with_columns(pl.lit(0.0).alias("movement"))
    for _ in range(_ROUNDS):
        fitted = fitted.with_columns((pl.col("log") - pl.col("movement")).median().over(SERIES_KEY).alias("level"))
        fitted = fitted.with_columns((pl.col("log") - pl.col("level")).median().over(PERIOD_KEY).alias("movement"))
    return fitted.with_columns((pl.col("log") - pl.col("level") - pl.col("movement")).alias("rest"))


def _compare_nearby(fitted: pl.DataFrame) -> pl.DataFrame:
    """Compare each figure with its place's periods around, before, and in the upper quarter of all."""
    nearby = [n for n in range(-_AROUND, _AROUND + 1) if n]
    base, rest = pl.col("level") + pl.col("movement"), pl.col("rest")
    better = fitted.with_columns(rest.quantile(0.75).over(SERIES_KEY).alias("local_long"))
    # A figure near zero beside the place's better periods does not form the expectation of those around it.
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
    """Select figures far from both expectations, and further than the figures before and after."""
    apart = pl.col("apart").abs()
    around = pl.max_horizontal(shift_within_place(apart, n) for n in (-1, 1))
    far = [spreads_away(spread).abs() > _ODD_SPREADS for spread in ("own_spread", "peer_spread")]
    return pl.all_horizontal(far) & (apart > log(LEAST_FACTOR)) & (apart >= around)


def shift_within_place(figure: pl.Expr, n: int) -> pl.Expr:
    """Return the same place's figure n rows before, of rows sorted by place; much faster than by groups."""
    return pl.when(pl.col("place_number").shift(n) == pl.col("place_number")).then(figure.shift(n))


def _nearby_median(shifts: range | list[int]) -> pl.Expr:
    near = [shift_within_place(pl.col("norm"), n) for n in shifts]
    return pl.concat_list(near).list.drop_nulls().list.median()


def _add_spreads(fitted: pl.DataFrame, count_measures: list[str]) -> pl.DataFrame:
    """Add the usual deviation in the place's history and among its peers, and the noise."""
    spread = pl.col("apart").filter(pl.col("norm").is_not_null()).abs().median() * _MAD
    # The figure's own noise, plus about half as much for the few figures in the comparison.
    counting = 1.5 / pl.max_horizontal(pl.col("usual"), pl.lit(0.5))
    rounding = (pl.col("step") / pl.col("usual")) ** 2 / 12
    return fitted.with_columns(
        spread.over(SERIES_KEY).alias("own_spread"),
        spread.over(PERIOD_KEY).alias("peer_spread"),
        pl.when(pl.col("measure").is_in(count_measures)).then(counting).otherwise(rounding).alias("noise"),
    )


def spreads_away(spread: str, apart: str = "apart") -> pl.Expr:
    """Return the distance from the expected figure, in spreads plus the noise of counting or rounding."""
    return pl.col(apart) / (pl.col(spread) ** 2 + pl.col("noise")).sqrt()
