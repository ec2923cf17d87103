"""Trials of apportionment, and the intervals that they fit, each tested on figures left out of the fit."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import permutations
from typing import NamedTuple

import polars as pl

from benchmarks.backtest_figures import AGES, CENSUS, CREDIT, HARDSHIP, Truth, figure_family
from pipelines.apportionment.counts import apportion_counts
from pipelines.apportionment.error_model import ERROR_CLASS, add_interval, errors_by_share, slice_unevenness
from pipelines.core.slices import SLICE_KEY
from pipelines.geography.crosswalk import PlaceData, build_crosswalk
from pipelines.geography.overlay import find_membership
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas

DAY = date(2020, 6, 30)


class Trial(NamedTuple):
    """One trial: source and target geography, group of people as the weight, and figures."""

    from_system: str
    to_system: str
    group: str
    figures: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, str]:
        """Return the kinds of source and target place."""
        return self.from_system.rsplit("_", 1)[0], self.to_system.rsplit("_", 1)[0]


SYSTEMS = (
    "lsoa_2011", "msoa_2011", "ward_2024", "pcon_2024", "lad_2021", "csp_2024", "utla_2021", "ttwa_2011", "nuts3_2018",
    "ccg_2021", "sub_icb_2022", "icb_2022", "stp_2021", "pfa_2024", "fra_2024", "itl2_2021", "nuts2_2018",
    "county_2021", "health_board_2019", "combined_authority_2023", "nhs_region_2022", "itl1_2021", "nuts1_2018",
    "region_2021", "nation_2021",
)  # fmt: skip
"""One geography of each kind that small areas nest in, those of the smallest places first."""
DISTRICTS = ("lad_2021", "lad_2024")
"""Vintages of districts; a pair uses the vintage nearest to the other geography."""
SAME_KIND = (
    ("lad_2024", "lad_2018"), ("utla_2019", "utla_2021"), ("msoa_2011", "msoa_2021"), ("msoa_2021", "msoa_2011"),
    ("sub_icb_2021", "sub_icb_2022"), ("sub_icb_2022", "sub_icb_2021"), ("icb_2021", "icb_2022"),
    ("icb_2022", "icb_2021"),
)  # fmt: skip
"""Geographies of one kind in two vintages, with boundaries that cross each other."""
BANDS = tuple(AGES)
GROUPS = {
    "all_ages": (*BANDS, *HARDSHIP, *CREDIT),
    "age_16_64": (*BANDS[4:13], *HARDSHIP, *CREDIT),
    "age_65_plus": BANDS[13:],
    "age_85_plus": (*(f"aged {age}" for age in range(85, 90)), "aged 90 and over"),
    "age_0_4": tuple(f"aged {age}" for age in range(5)),
}


def pair_systems(one: str, other: str) -> tuple[str, str]:
    """Return two geographies of SYSTEMS, with districts of the nearest vintage."""
    years = [int(system.rsplit("_", 1)[1]) for system in (one, other)]

    def nearest_vintage(system: str, year: int) -> str:
        return min(DISTRICTS, key=lambda vintage: abs(int(vintage[-4:]) - year)) if system in DISTRICTS else system

    return nearest_vintage(one, years[1]), nearest_vintage(other, years[0])


PAIRS = [pair_systems(*pair) for pair in permutations(SYSTEMS, 2)] + list(SAME_KIND)
TRIALS = [
    # Figures by LSOA 2011 give no truth for parts of them, but the 2021 Census does.
    Trial(*pair, group, (*CENSUS, *HARDSHIP) if pair[0] == "lsoa_2011" else figures)
    for pair in PAIRS
    for group, figures in GROUPS.items()
    if pair[0] != "lsoa_2011" or group == "all_ages"
] + [
    # For splits the census gives both ends; for mergers the estimates of 2020 do.
    Trial("lsoa_2011", "lsoa_2021", "all_ages", CENSUS),
    Trial("lsoa_2021", "lsoa_2011", "all_ages", BANDS),
]
TO_COME = ("lad_2021", "utla_2021")
"""Districts nest in upper tiers. Planned councils are of similar size, and can cross districts."""
MIN_PLACES_CUT = 40
"""Minimum number of places crossed; a pair below it pools the errors of others from the same kind of place."""
MIN_SHARE_HELD = 0.85
"""Minimum share of truths within a nominal 90 % interval; an interval below it is rejected."""
SHARED_BORDERS = (
    frozenset({"icb", "stp"}), frozenset({"sub_icb", "ccg"}), frozenset({"itl1", "nuts1", "region"}),
    frozenset({"itl2", "nuts2"}),
)  # fmt: skip
"""Kinds with mostly the same borders, of which only one counts."""


def with_systems(areas: Areas, places: Places) -> Areas:
    """Add every geography of the trials to each small area, where the table gets it from the register only."""
    systems = {system for pair in PAIRS for system in pair}
    memberships = {system: find_membership(areas, places, system) for system in sorted(systems)}
    columns = [member[0].alias(system) for system, member in memberships.items() if member]
    return areas._replace(table=areas.table.with_columns(columns))


PEOPLE = "residents_census_2021__all_ages"
FINE = frozenset({"lsoa", "msoa", "ward"})
"""Kinds of place not much larger than those with published figures."""


def truths_at(
    truth: Truth, figures: Sequence[str], areas: Areas, system: str, *, by_parts: bool = False
) -> pl.DataFrame:
    """Add figures up to the places of a geography: measure, place_code, value; omit uncertain truths.

    A truth is uncertain where a fine place has no figure or is only partly inside. With `by_parts`, each part of
    such a fine place gets a share by people.
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
    """Apportion figures and pair them with their truth: TRIAL_FIGURE. Empty where too few crossed places have a truth.

    `areas` are those of `geography` with every geography (`with_systems`). Between kinds of large places, small areas
    crossed by a border can be divided by people at both ends, if too few truths are certain otherwise.
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
    "lower_bound": pl.Float64, "upper_bound": pl.Float64, "apportioned_share": pl.Float64, "truth": pl.Float64,
    "unevenness": pl.Float64,
    "estimate": pl.Float64, "by_parts": pl.Boolean,
}  # fmt: skip
"""Output of `apportion_counts`, with the truth, the unevenness of the figure, and whether parts have it by people."""


def compare_with_truth(
    figures: pl.DataFrame, drawn: pl.DataFrame, there: pl.DataFrame, by: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Apportion figures (measure, place_code, value) by a crosswalk, and pair them with their truth: TRIAL_FIGURE.

    The truth has measure, place_code and truth. Unevenness comes from the people of the crosswalk, or of another
    one.
    """
    slices = figures.with_columns(pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"))
    result = apportion_counts(slices, drawn).drop_nulls("value").join(there, on=["measure", "place_code"])
    joined = result.join(slice_unevenness(slices, drawn if by is None else by), on=SLICE_KEY)
    return joined.with_columns(pl.col("value").alias("estimate"), pl.lit(False).alias("by_parts")).select(
        list(TRIAL_FIGURE)
    )


def count_cut_targets(drawn: pl.DataFrame) -> int:
    """Count the target places of a crosswalk with a part crossed by a boundary."""
    return drawn.filter(pl.col("kind") == "apportioned")["to_code"].n_unique()


def require_enough_places(tests: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """Return trials, or none where few of the crossed places have a truth."""
    places = _count_places(cut_places(tests))
    return tests if places >= MIN_PLACES_CUT or 2 * places >= count_cut_targets(drawn) > 0 else tests.clear()


def _truths_for_trial(truths: list[Truth], trial: Trial) -> Iterator[tuple[Truth, list[str]]]:
    """Return the truths with figures of a trial, and which; each figure comes from one truth."""
    left = list(trial.figures)
    # Between two vintages of LSOA, only a figure published by the finer one is known at both ends.
    for truth in truths[::-1] if trial.to_system == "lsoa_2021" else truths:
        names = [figure for figure in left if figure in truth.table.columns]
        left = [figure for figure in left if figure not in names]
        if names:
            yield truth, names


TrialFigures = dict[Trial, pl.DataFrame]


class Result(NamedTuple):
    """Result of one trial: the interval, the errors over all places, and the tests of each kind of figure.

    `tests` has a row for each figure at each crossed place: left_out (the kind of figure, or the region, left out
    of the fit), place_code, and whether the truth is within the interval (`inside`) from the others.
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
        """Return whether the interval is too narrow, given enough crossed places to judge."""
        return self.cut >= MIN_PLACES_CUT and float(self.tests["inside"].mean() or 0.0) < MIN_SHARE_HELD


def rejected_pairs(results: list[Result]) -> set[tuple[str, str]]:
    """Return the pairs of kinds without an interval: too narrow, or like most other pairs of their source."""
    pairs = {result.trial.kinds for result in results}
    narrow = {result.trial.kinds for result in results if result.narrow}
    starts = [start for start, _ in pairs]
    astray = {start for start in starts if 2 * sum(one == start for one, _ in narrow) > starts.count(start)}
    return narrow | {pair for pair in pairs if pair[0] in astray}


def fit_result(trial: Trial, trials: TrialFigures, regions: dict[str, str] | None = None) -> Result:
    """Fit the interval of one trial on all figures, and test it on each kind of figure by a fit on the others.

    With a single kind of figure, each region is left out in turn; `regions` gives the region of a place.
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
    """Return the figures that fit a pair: its own and, where too few places are crossed, those of similar pairs.

    Similar pairs have the same kind of source place, and target kinds next in size, until enough places are
    crossed. Of kinds with the same borders only one counts. Two pairs of the same two kinds count as one, such as
    LSOAs of 2011 to 2021 and back.
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
    """Return a trial, by all ages, of each pair of kinds that a boundary crosses and that has no truth.

    TO_COME is included, by each group of people.
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
    """Return the interval of a trial, fitted on some figures: ERROR_CLASS."""
    key = dict(zip(("from_kind", "to_kind", "weighed_by"), (*trial.kinds, trial.group), strict=True))
    certainty = errors_by_share(pool).with_columns(pl.lit(value).alias(name) for name, value in key.items())
    return certainty.select(list(ERROR_CLASS))


def _test_held_out(trial: Trial, mine: pl.DataFrame, pool: pl.DataFrame, by: pl.Expr) -> pl.DataFrame:
    """Leave out each name in turn, and return whether each truth is within the interval from the others."""
    labelled, others = mine.with_columns(by.alias("left_out")), pool.with_columns(by.alias("left_out"))
    tests = [
        evaluate_interval(
            trial, own.drop("left_out"),
                          others.filter(pl.col("left_out").ne_missing(name)).drop("left_out")
        )
        .with_columns(pl.lit(name).alias("left_out"))
        for (name,), own in labelled.partition_by("left_out", as_dict=True, maintain_order=True).items()
    ]  # fmt: skip
    return pl.concat(tests).select("left_out", "measure", "place_code", "inside")


def evaluate_interval(trial: Trial, tests: pl.DataFrame, pool: pl.DataFrame) -> pl.DataFrame:
    """Return for figures at crossed places whether their truth is within the interval that others fit."""
    cuts = cut_places(tests)
    spread = cuts.select(*SLICE_KEY, "unevenness").unique()
    intervals = add_interval(cuts.drop("unevenness"), spread, trial.kinds, trial.group, fit_interval(trial, pool))
    within = pl.col("truth").is_between(pl.col("interval_lower") - 1e-6, pl.col("interval_upper") + 1e-6)
    return intervals.select(pl.col("measure").cast(pl.String), "place_code", within.fill_null(False).alias("inside"))


def cut_places(trial_figures: pl.DataFrame) -> pl.DataFrame:
    """Return the figures of places crossed by a boundary."""
    return trial_figures.filter(pl.col("apportioned_share") > 0, pl.col("estimate") > 0)


def _count_places(trial_figures: pl.DataFrame) -> int:
    return trial_figures["place_code"].n_unique()
