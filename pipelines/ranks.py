"""Where a place stands among those asked about, between the best and the worst that its bounds allow.

The highest figure has rank 1; equal figures share a rank, and the next one is counted on from there. A figure's
rank is sure only as far as no interval overlaps another. A gap stands anywhere that its bounds allow, which
without bounds is anywhere: it is not left out, for then everybody else would seem to be better known.
"""

import numpy as np
import polars as pl

from pipelines.model import Measure
from pipelines.schema import CELL, NUMBER, TEXT, WHOLE, Column, conformed

ASKED = ["problem", "measure", "period_start"]
RANK: dict[str, Column] = {
    **{name: CELL[name] for name in ("problem", "measure", "place_code", "place_name", "period_start", "period_end",
                                     "value", "low", "high", "reason")},
    "rank_low": Column(WHOLE, "Best that the place can stand: 1 is the highest figure; equal figures share a rank"),
    "rank_high": Column(WHOLE, "Worst that it can stand, given the bounds of its figure and of all others"),
    "places": Column(WHOLE, "How many places are asked about"),
    "rank_share": Column(NUMBER, "How much of the places the two ranks span: 0 where the rank is known"),
    "noise": Column(TEXT, "That noise of a size the publisher does not state may move the rank further; else null"),
}  # fmt: skip


def ranks(cells: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Give RANK for every cell (schema.CELL) of each measure and period of which any place is known."""
    noisy = sorted(name for name, each in measures.items() if each.perturbed)
    floor = {name: 0.0 if _never_below_nought(each) else -np.inf for name, each in measures.items()}
    known = cells.filter(pl.col("value").is_not_null().any().over(ASKED)).with_columns(
        pl.col("measure").is_in(noisy).alias("is_noisy"),
        pl.col("measure").replace_strict(floor, default=-np.inf, return_dtype=pl.Float64).alias("floor"),
    )
    # Noise of a size that nobody states has no bounds: such figures are ranked as printed, and said to be noisy.
    ends = known.with_columns(
        pl.coalesce("low", pl.when("is_noisy").then("value"), "floor").alias("least"),
        pl.coalesce("high", pl.when("is_noisy").then("value"), np.inf).alias("most"),
    )
    ranked = [_ranked(frame) for frame in ends.partition_by(ASKED, maintain_order=True)]
    noise = pl.when("is_noisy").then(pl.lit("the publisher adds noise of a size it does not state"))
    return conformed(pl.concat([ends.clear(), *ranked], how="diagonal").with_columns(noise.alias("noise")), RANK)


def _never_below_nought(measure: Measure) -> bool:
    return measure.kind in ("count", "stock") and (measure.range or (0.0,))[0] >= 0 and not measure.perturbed


def _ranked(frame: pl.DataFrame) -> pl.DataFrame:
    """Rank one measure in one period: one more than those surely above, and than those that may be above."""
    least, most = frame["least"].to_numpy(), frame["most"].to_numpy()
    surely = len(least) - np.searchsorted(np.sort(least), most, side="right")
    maybe = len(most) - np.searchsorted(np.sort(most), least, side="right")
    # A place is not above itself, though its most is above its least.
    worst = 1 + maybe - (most > least)
    return frame.with_columns(
        pl.Series("rank_low", 1 + surely, pl.Int64),
        pl.Series("rank_high", worst, pl.Int64),
        pl.lit(frame.height, pl.Int64).alias("places"),
        pl.Series("rank_share", (worst - 1 - surely) / frame.height),
    )
