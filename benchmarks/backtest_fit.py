"""Trials of moving figures, and intervals fitted by them: each kind of figure is tested by what the others fit."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import polars as pl

from benchmarks.backtest_figures import AGES, CENSUS, CREDIT, HARDSHIP, Truth, family
from pipelines.areas import Areas
from pipelines.certainty import CERTAINTY, errors_by_share, unevenness, with_interval
from pipelines.crosswalks import Geography, crosswalk
from pipelines.moving import move
from pipelines.slicing import SLICE

DAY = date(2020, 6, 30)


class Trial(NamedTuple):
    """What is moved from where to where, and by whom it is shared out."""

    from_system: str
    to_system: str
    group: str
    figures: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, str]:
        """Give the kinds of place led from and to."""
        return self.from_system.rsplit("_", 1)[0], self.to_system.rsplit("_", 1)[0]


PAIRS = (
    ("lad_2021", "icb_2022"), ("lad_2021", "sub_icb_2022"), ("lad_2021", "ttwa_2011"), ("lad_2024", "pcon_2024"),
    ("msoa_2011", "icb_2022"), ("msoa_2011", "sub_icb_2022"), ("msoa_2011", "ttwa_2011"), ("icb_2022", "lad_2021"),
    ("sub_icb_2022", "lad_2021"), ("pfa_2024", "lad_2024"), ("ttwa_2011", "lad_2021"),
)  # fmt: skip
BANDS = tuple(AGES)
GROUPS = {
    "all_ages": (*BANDS, *HARDSHIP, *CREDIT),
    "age_16_64": (*BANDS[4:13], *HARDSHIP, *CREDIT),
    "age_65_plus": BANDS[13:],
    "age_85_plus": (*(f"aged {age}" for age in range(85, 90)), "aged 90 and over"),
    "age_0_4": tuple(f"aged {age}" for age in range(5)),
}
TRIALS = [Trial(*pair, group, figures) for pair in PAIRS for group, figures in GROUPS.items()] + [
    # Of splits the census knows both ends; of mergers the estimates of 2020 do.
    Trial("lsoa_2011", "lsoa_2021", "all_ages", CENSUS),
    Trial("lsoa_2021", "lsoa_2011", "all_ages", BANDS),
]
FEW = 40
"""A pair with fewer places cut than this borrows the errors of others that lead from the same kind of place."""
NESTED = {"icb": frozenset({"icb", "sub_icb"}), "sub_icb": frozenset({"icb", "sub_icb"})}
"""Kinds whose borders are among those of another: of them a pair borrows first."""


def known_at(truth: Truth, figure: str, areas: Areas, system: str) -> pl.DataFrame:
    """Add a figure up to the places of a system: place_code, value; those whose truth is not sure are left out.

    Not sure is a place that a fine place lies in only in part, or that has a fine place without a figure.
    """
    pairs = areas.table.select(pl.col(truth.system).alias("fine"), pl.col(system).alias("place_code")).unique()
    told = pairs.join(truth.table.select(pl.col("place_code").alias("fine"), figure), on="fine", how="left")
    sure = pl.col(figure).is_not_null() & (pl.len().over("fine") == 1) & pl.col("fine").is_not_null()
    places = told.drop_nulls("place_code").with_columns(sure.alias("sure")).group_by("place_code")
    return places.agg(pl.col(figure).sum().alias("value"), pl.col("sure").all()).filter("sure").drop("sure")


def tried(trial: Trial, truths: list[Truth], held: Geography) -> pl.DataFrame:
    """Move figures and put the result beside its truth: what `move` gives, estimate, truth and unevenness."""
    areas = held.areas[0]
    drawn = crosswalk(held, trial.from_system, trial.to_system, trial.group, DAY)
    moved = []
    for figure, truth in _of(truths, trial):
        known = known_at(truth, figure, areas, trial.from_system)
        slices = known.with_columns(
            pl.lit(figure).alias("measure"), pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end")
        )
        there = known_at(truth, figure, areas, trial.to_system).rename({"value": "truth"})
        result = move(slices, drawn).drop_nulls("value").join(there, on="place_code")
        moved.append(result.join(unevenness(slices, drawn), on=SLICE).with_columns(estimate="value"))
    return pl.concat(moved)


def _of(truths: list[Truth], trial: Trial) -> Iterator[tuple[str, Truth]]:
    for figure in trial.figures:
        found = [truth for truth in truths if figure in truth.table.columns]
        # Between two vintages of LSOA a figure is known at both ends only where it is published by the finer one.
        yield figure, found[-1] if trial.to_system == "lsoa_2021" else found[0]


Tried = dict[Trial, pl.DataFrame]


class Result(NamedTuple):
    """What one trial found: the interval, the errors over all places, and what of each kind of figure it held.

    `tests` has a row for each figure at each place that is cut: measure, place_code, and whether its truth lies in the
    interval (`inside`) that all other kinds of figure fit.
    """

    trial: Trial
    certainty: pl.DataFrame
    places: int
    cut: int
    mean: float
    p95: float
    largest: float
    tests: pl.DataFrame


def result_of(trial: Trial, found: Tried) -> Result:
    """Fit the interval of one trial by all figures, and test it on each kind of figure by what the others fit."""
    mine, pool = found[trial], peers(trial, found)
    every = mine.filter(pl.col("estimate") > 0)
    error = every.select((pl.col("truth") / pl.col("estimate") - 1).abs()).to_series()
    figures = (every["place_code"].n_unique(), _places(cut(mine)), error.mean(), error.quantile(0.95), error.max())
    kinds = dict.fromkeys(family(figure) for figure in trial.figures)
    tests = pl.concat([_tested(trial, mine, pool, kind) for kind in kinds])
    return Result(trial, fitted(trial, pool), *figures, tests)  # type: ignore[arg-type]


def peers(trial: Trial, found: Tried) -> pl.DataFrame:
    """Give the figures that fit a pair: its own, or where too few places are cut, those of its kin, or of all alike.

    Kin leads from the same kind of place to kinds whose borders include its own (NESTED).
    """
    alike = [each for each in found if (each.kinds[0], each.group) == (trial.kinds[0], trial.group)]
    near = [each for each in alike if each.kinds[1] in NESTED.get(trial.kinds[1], {trial.kinds[1]})]
    for pool in ([trial], near, alike):
        if sum(_places(cut(found[each])) for each in pool) >= FEW:
            break
    return pl.concat([found[each] for each in pool])


def fitted(trial: Trial, pool: pl.DataFrame) -> pl.DataFrame:
    """Give the interval of a trial by some figures: CERTAINTY."""
    key = dict(zip(("from_kind", "to_kind", "weighed_by"), (*trial.kinds, trial.group), strict=True))
    certainty = errors_by_share(pool).with_columns(pl.lit(value).alias(name) for name, value in key.items())
    return certainty.select(list(CERTAINTY))


def _tested(trial: Trial, mine: pl.DataFrame, pool: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Leave one kind of figure out of the fit, and tell which of its truths lie in the interval."""
    out = [figure for figure in trial.figures if family(figure) == kind]
    return inside(trial, mine.filter(pl.col("measure").is_in(out)), pool.filter(~pl.col("measure").is_in(out)))


def inside(trial: Trial, tests: pl.DataFrame, pool: pl.DataFrame) -> pl.DataFrame:
    """Tell of figures at places that are cut whether their truth lies in the interval that others fit."""
    cuts = cut(tests)
    spread = cuts.select(*SLICE, "unevenness").unique()
    told = with_interval(cuts.drop("unevenness"), spread, trial.kinds, trial.group, fitted(trial, pool))
    within = pl.col("truth").is_between(pl.col("likely_low") - 1e-6, pl.col("likely_high") + 1e-6)
    return told.select(pl.col("measure").cast(pl.String), "place_code", within.fill_null(False).alias("inside"))


def cut(tried_out: pl.DataFrame) -> pl.DataFrame:
    """Give the figures of places that some boundary cuts."""
    return tried_out.filter(pl.col("split_share") > 0, pl.col("estimate") > 0)


def _places(tried_out: pl.DataFrame) -> int:
    return tried_out["place_code"].n_unique()
