"""Trials of moving figures, and intervals fitted by them: each kind of figure is tested by what the others fit."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import permutations
from typing import NamedTuple

import polars as pl

from benchmarks.backtest_figures import AGES, CENSUS, CREDIT, HARDSHIP, Truth, figure_family
from pipelines.apportionment.error_model import ERROR_CLASS, add_interval, errors_by_share, slice_unevenness
from pipelines.apportionment.sparse import apportion_counts
from pipelines.core.slices import SLICE_KEY
from pipelines.geography.crosswalk import PlaceData, build_crosswalk
from pipelines.geography.overlay import find_membership
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas

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


SYSTEMS = (
    "lsoa_2011", "msoa_2011", "ward_2024", "pcon_2024", "lad_2021", "csp_2024", "utla_2021", "ttwa_2011", "nuts3_2018",
    "ccg_2021", "sub_icb_2022", "icb_2022", "stp_2021", "pfa_2024", "fra_2024", "itl2_2021", "nuts2_2018",
    "county_2021", "health_board_2019", "combined_authority_2023", "nhs_region_2022", "itl1_2021", "nuts1_2018",
    "region_2021", "nation_2021",
)  # fmt: skip
"""One system of each kind of place that small areas lead to, those of the smallest places first."""
DISTRICTS = ("lad_2021", "lad_2024")
"""Districts are those of the year that is nearer to the other system's."""
SAME_KIND = (
    ("lad_2024", "lad_2018"), ("utla_2019", "utla_2021"), ("msoa_2011", "msoa_2021"), ("msoa_2021", "msoa_2011"),
    ("sub_icb_2021", "sub_icb_2022"), ("sub_icb_2022", "sub_icb_2021"), ("icb_2021", "icb_2022"),
    ("icb_2022", "icb_2021"),
)  # fmt: skip
"""Systems of one kind at two times that cut each other's places."""
BANDS = tuple(AGES)
GROUPS = {
    "all_ages": (*BANDS, *HARDSHIP, *CREDIT),
    "age_16_64": (*BANDS[4:13], *HARDSHIP, *CREDIT),
    "age_65_plus": BANDS[13:],
    "age_85_plus": (*(f"aged {age}" for age in range(85, 90)), "aged 90 and over"),
    "age_0_4": tuple(f"aged {age}" for age in range(5)),
}


def pair_systems(one: str, other: str) -> tuple[str, str]:
    """Give two systems of SYSTEMS, the districts being those of the nearer year."""
    years = [int(system.rsplit("_", 1)[1]) for system in (one, other)]

    def nearest_vintage(system: str, year: int) -> str:
        return min(DISTRICTS, key=lambda vintage: abs(int(vintage[-4:]) - year)) if system in DISTRICTS else system

    return nearest_vintage(one, years[1]), nearest_vintage(other, years[0])


PAIRS = [pair_systems(*pair) for pair in permutations(SYSTEMS, 2)] + list(SAME_KIND)
TRIALS = [
    # What is published by LSOAs of 2011 is not known for parts of them: the census of 2021 knows those.
    Trial(*pair, group, (*CENSUS, *HARDSHIP) if pair[0] == "lsoa_2011" else figures)
    for pair in PAIRS
    for group, figures in GROUPS.items()
    if pair[0] != "lsoa_2011" or group == "all_ages"
] + [
    # Of splits the census knows both ends; of mergers the estimates of 2020 do.
    Trial("lsoa_2011", "lsoa_2021", "all_ages", CENSUS),
    Trial("lsoa_2021", "lsoa_2011", "all_ages", BANDS),
]
TO_COME = ("lad_2021", "utla_2021")
"""Districts lie whole in upper tiers; councils to come, which are about as large, may cut them."""
MIN_PLACES_CUT = 40
"""A pair with fewer places cut than this borrows the errors of others that lead from the same kind of place."""
MIN_SHARE_HELD = 0.85
"""An interval that holds fewer than these of the truths it should hold nine in ten of is not kept."""
SHARED_BORDERS = (
    frozenset({"icb", "stp"}), frozenset({"sub_icb", "ccg"}), frozenset({"itl1", "nuts1", "region"}),
    frozenset({"itl2", "nuts2"}),
)  # fmt: skip
"""Kinds that share most of their borders: what one of them tells is not told again by another."""


def with_systems(areas: Areas, places: Places) -> Areas:
    """Add the place of every system that is tried to each small area, where the table has it from the register only."""
    systems = {system for pair in PAIRS for system in pair}
    memberships = {system: find_membership(areas, places, system) for system in sorted(systems)}
    columns = [member[0].alias(system) for system, member in memberships.items() if member]
    return areas._replace(table=areas.table.with_columns(columns))


PEOPLE = "residents_census_2021__all_ages"
FINE = frozenset({"lsoa", "msoa", "ward"})
"""Kinds of place that are not much larger than the places figures are published for."""


def truths_at(
    truth: Truth, figures: Sequence[str], areas: Areas, system: str, *, by_parts: bool = False
) -> pl.DataFrame:
    """Add figures up to the places of a system: measure, place_code, value; those whose truth is not sure are left out.

    Not sure is a place that has a fine place without a figure, or in which a fine place lies only in part, unless the
    parts are to have the figure `by_parts`: by the people of each.
    """
    fine, place = pl.col(truth.system).alias("fine"), pl.col(system).alias("place_code")
    pairs = areas.table.group_by(fine, place).agg(pl.col(PEOPLE).sum().alias("people"))
    parts = pairs.join(truth.table.rename({"place_code": "fine"}), on="fine", how="left").with_columns(
        (pl.len().over("fine") == 1).alias("alone"),
        (pl.col("people") / pl.col("people").sum().over("fine")).alias("part"),
    )
    share = pl.when("alone").then(1.0).otherwise("part")
    sure = (pl.col("alone") | by_parts) & pl.col("fine").is_not_null()
    sums = (
        parts.drop_nulls("place_code")
        .group_by("place_code")
        .agg(
            pl.when((sure & pl.col(name).is_not_null()).all()).then((pl.col(name) * share).sum()).alias(name)
            for name in figures
        )
    )
    return sums.unpivot(index="place_code", variable_name="measure").drop_nulls("value")


def run_trial(trial: Trial, truths: list[Truth], geography: PlaceData, areas: Areas) -> pl.DataFrame:
    """Move figures and put the result beside its truth: TRIAL_FIGURE. Empty where too few truths are known at
    places cut.

    `areas` are those of `held` by `with_systems`. Between places that are both large the figures of small areas that
    a border cuts may be put on either side by people, at both ends alike, where too few truths are sure else.
    """
    drawn = build_crosswalk(geography, trial.from_system, trial.to_system, trial.group, DAY)
    by_part_options = (False, True) if FINE.isdisjoint(trial.kinds) else (False,)
    tests = pl.DataFrame(schema=TRIAL_FIGURE)
    for by_parts in by_part_options if count_cut_targets(drawn) else ():
        figures, there = (
            pl.concat(
                [
                    truths_at(truth, names, areas, system, by_parts=by_parts)
                    for truth, names in _truths_for_trial(truths, trial)
                ]
            )
            for system in (trial.from_system, trial.to_system)
        )
        tests = compare_with_truth(figures, drawn, there.rename({"value": "truth"})).with_columns(
            pl.lit(by_parts).alias("by_parts")
        )
        if require_enough_places(tests, drawn).height:
            break
    return require_enough_places(tests, drawn)


TRIAL_FIGURE = {
    "measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "place_code": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "split_share": pl.Float64, "truth": pl.Float64, "unevenness": pl.Float64,
    "estimate": pl.Float64, "by_parts": pl.Boolean,
}  # fmt: skip
"""What `move` gives, beside the truth, how uneven the figure is, and whether parts have it by people."""


def compare_with_truth(
    figures: pl.DataFrame, drawn: pl.DataFrame, there: pl.DataFrame, by: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Move figures (measure, place_code, value) along a crosswalk, beside their truth: TRIAL_FIGURE.

    The truth is measure, place_code and truth. How uneven each figure is, the people of the crosswalk tell, or those of
    another one.
    """
    slices = figures.with_columns(pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"))
    result = apportion_counts(slices, drawn).drop_nulls("value").join(there, on=["measure", "place_code"])
    joined = result.join(slice_unevenness(slices, drawn if by is None else by), on=SLICE_KEY)
    return joined.with_columns(pl.col("value").alias("estimate"), pl.lit(False).alias("by_parts")).select(
        list(TRIAL_FIGURE)
    )


def count_cut_targets(drawn: pl.DataFrame) -> int:
    """Count the places that a crosswalk leads to of which a boundary cuts some part."""
    return drawn.filter(pl.col("kind") == "apportioned")["to_code"].n_unique()


def require_enough_places(tests: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """Give trials back, or none where truths are known at few of the places that are cut: those few tell nothing."""
    places = _count_places(cut_places(tests))
    return tests if places >= MIN_PLACES_CUT or 2 * places >= count_cut_targets(drawn) > 0 else tests.clear()


def _truths_for_trial(truths: list[Truth], trial: Trial) -> Iterator[tuple[Truth, list[str]]]:
    """Give the truths that have figures of a trial, and which: each figure by one of them."""
    left = list(trial.figures)
    # Between two vintages of LSOA a figure is known at both ends only where it is published by the finer one.
    for truth in truths[::-1] if trial.to_system == "lsoa_2021" else truths:
        names = [figure for figure in left if figure in truth.table.columns]
        left = [figure for figure in left if figure not in names]
        if names:
            yield truth, names


TrialFigures = dict[Trial, pl.DataFrame]


class Result(NamedTuple):
    """What one trial found: the interval, the errors over all places, and what of each kind of figure it held.

    `tests` has a row for each figure at each place that is cut: left_out (the kind of figure, or the region, that did
    not fit), place_code, and whether its truth lies in the interval (`evaluate_interval`) that all others fit.
    """

    trial: Trial
    certainty: pl.DataFrame
    places: int
    cut: int
    mean: float
    p95: float
    largest: float
    tests: pl.DataFrame

    @property
    def narrow(self) -> bool:
        """Tell whether enough places are cut to see that the interval is too narrow."""
        return self.cut >= MIN_PLACES_CUT and float(self.tests["inside"].mean() or 0.0) < MIN_SHARE_HELD


def rejected_pairs(results: list[Result]) -> set[tuple[str, str]]:
    """Name the pairs of kinds whose figures are given no interval: too narrow by some group, or like most others."""
    pairs = {result.trial.kinds for result in results}
    narrow = {result.trial.kinds for result in results if result.narrow}
    starts = [start for start, _ in pairs]
    astray = {start for start in starts if 2 * sum(one == start for one, _ in narrow) > starts.count(start)}
    return narrow | {pair for pair in pairs if pair[0] in astray}


def fit_result(trial: Trial, trials: TrialFigures, regions: dict[str, str] | None = None) -> Result:
    """Fit the interval of one trial by all figures, and test it on each kind of figure by what the others fit.

    Where one kind of figure is all there is, each region is left out in turn instead: `regions` names that of a place.
    """
    mine, pool = trials[trial], pool_of_trial(trial, trials)
    every = mine.filter(pl.col("estimate") > 0)
    error = every.select((pl.col("truth") / pl.col("estimate") - 1).abs()).to_series()
    figures = (
        every["place_code"].n_unique(),
        _count_places(cut_places(mine)),
        error.mean(),
        error.quantile(0.95),
        error.max(),
    )
    kinds = dict.fromkeys(figure_family(figure) for figure in trial.figures)
    if len(kinds) > 1:
        family_of = {figure: figure_family(figure) for figure in trial.figures}
        by = pl.col("measure").replace_strict(family_of, default=None, return_dtype=pl.String)
    else:
        by = pl.col("place_code").replace_strict(regions or {}, default="elsewhere", return_dtype=pl.String)
    return Result(trial, fit_interval(trial, pool), *figures, _test_held_out(trial, mine, pool, by))  # type: ignore[arg-type]


def pool_of_trial(trial: Trial, trials: TrialFigures) -> pl.DataFrame:
    """Give the figures that fit a pair: its own, and where too few places are cut, those of the pairs most like it.

    These lead from the same kind of place to kinds next in size, one after another until enough places are cut; of
    kinds that share their borders only one. Two pairs of the same two kinds are one, as LSOAs of 2011 to 2021 and back.
    """
    key = (*trial.kinds, trial.group)
    pool, borders = (
        [other_trial for other_trial in trials if (*other_trial.kinds, other_trial.group) == key],
        _border_group(trial),
    )
    rank = {system.rsplit("_", 1)[0]: number for number, system in enumerate(SYSTEMS)}
    alike = [
        other_trial
        for other_trial in trials
        if (other_trial.kinds[0], other_trial.group) == (trial.kinds[0], trial.group)
    ]
    near = [other_trial for other_trial in alike if other_trial not in pool and other_trial.kinds[1] in rank]
    for other_trial in sorted(near, key=lambda other: abs(rank[other.kinds[1]] - rank.get(trial.kinds[1], 0))):
        if sum(_count_places(cut_places(trials[pooled])) for pooled in pool) >= MIN_PLACES_CUT:
            break
        if not borders & _border_group(other_trial):
            pool.append(other_trial)
            borders |= _border_group(other_trial)
    return pl.concat([trials[other_trial] for other_trial in pool])


def pairs_without_truth(results: TrialFigures, geography: PlaceData) -> list[Trial]:
    """Give a trial, by all ages, of each pair of kinds that a boundary cuts and that no truth in hand tells of.

    So is TO_COME, by each group of people.
    """
    tested_kinds = {trial.kinds for trial in results}
    trials = [Trial(*pair, "all_ages", ()) for pair in PAIRS]
    cutting = [
        trial
        for trial in trials
        if trial.kinds not in tested_kinds
        and count_cut_targets(build_crosswalk(geography, trial.from_system, trial.to_system, "all_ages", DAY))
    ]
    return cutting + [Trial(*TO_COME, group, ()) for group in GROUPS]


def _border_group(trial: Trial) -> frozenset[str]:
    kind = trial.kinds[1]
    return next((group for group in SHARED_BORDERS if kind in group), frozenset({kind}))


def fit_interval(trial: Trial, pool: pl.DataFrame) -> pl.DataFrame:
    """Give the interval of a trial by some figures: CERTAINTY."""
    key = dict(zip(("from_kind", "to_kind", "weighed_by"), (*trial.kinds, trial.group), strict=True))
    certainty = errors_by_share(pool).with_columns(pl.lit(value).alias(name) for name, value in key.items())
    return certainty.select(list(ERROR_CLASS))


def _test_held_out(trial: Trial, mine: pl.DataFrame, pool: pl.DataFrame, by: pl.Expr) -> pl.DataFrame:
    """Leave each name out of the fit in turn, and tell which truths the interval holds."""
    labelled, others = mine.with_columns(by.alias("left_out")), pool.with_columns(by.alias("left_out"))
    tests = [
        evaluate_interval(
            trial, own.drop("left_out"), others.filter(pl.col("left_out").ne_missing(name)).drop("left_out")
        )
        .with_columns(pl.lit(name).alias("left_out"))
        for (name,), own in labelled.partition_by("left_out", as_dict=True, maintain_order=True).items()
    ]  # fmt: skip
    return pl.concat(tests).select("left_out", "measure", "place_code", "inside")


def evaluate_interval(trial: Trial, tests: pl.DataFrame, pool: pl.DataFrame) -> pl.DataFrame:
    """Tell of figures at places that are cut whether their truth lies in the interval that others fit."""
    cuts = cut_places(tests)
    spread = cuts.select(*SLICE_KEY, "unevenness").unique()
    intervals = add_interval(cuts.drop("unevenness"), spread, trial.kinds, trial.group, fit_interval(trial, pool))
    within = pl.col("truth").is_between(pl.col("likely_low") - 1e-6, pl.col("likely_high") + 1e-6)
    return intervals.select(pl.col("measure").cast(pl.String), "place_code", within.fill_null(False).alias("inside"))


def cut_places(trial_figures: pl.DataFrame) -> pl.DataFrame:
    """Give the figures of places that some boundary cuts."""
    return trial_figures.filter(pl.col("split_share") > 0, pl.col("estimate") > 0)


def _count_places(trial_figures: pl.DataFrame) -> int:
    return trial_figures["place_code"].n_unique()
