"""Text and tables of the docs page on back-tests, with the same task done by tobler."""

from collections.abc import Iterable
from pathlib import Path
from string import Template

import polars as pl
from scipy.stats import binom

from benchmarks.backtest_figures import CREDIT, HARDSHIP, Truth
from benchmarks.backtest_fit import (
    MIN_PLACES_CUT,
    MIN_SHARE_HELD,
    Result,
    Trial,
    TrialFigures,
    evaluate_interval,
    pairs_without_truth,
    pool_of_trial,
    rejected_pairs,
    run_trial,
)
from benchmarks.backtest_trusts import by_other_shares, with_salford_alone
from pipelines.geography.crosswalk import PlaceData


def compare_with_tobler(folder: Path, geography: PlaceData) -> str:
    """Apportion people of 85 and over by area, with tobler, from council to integrated care board."""
    try:
        import geopandas
        import tobler
        from tobler.area_weighted import area_interpolate
    except ImportError:
        return "tobler is not installed, so its area weighting was not run."
    areas = geography.areas[-1].table.filter(pl.col("lad_2021").str.starts_with("E"))
    column = "residents_mid_2020__age_85_plus"
    people, truth = (
        dict(areas.group_by(system).agg(pl.col(column).sum()).iter_rows()) for system in ("lad_2024", "icb_2022")
    )
    frames = {}
    for name, file, code in (("lad", "lad_2024-05_buc_uk", "LAD24CD"), ("icb", "icb_2022-07_en", "icb22cd")):
        frame = geopandas.read_file(folder / f"geo/boundaries/{file}.geojson").to_crs(27700)
        frames[name] = frame.rename(
            columns={next(column_name for column_name in frame if column_name.lower() == code.lower()): "code"}
        )
    councils = frames["lad"][frames["lad"]["code"].isin(people)].copy()
    councils["people"] = councils["code"].map(people)
    interpolated = area_interpolate(councils, frames["icb"], extensive_variables=["people"])
    estimates = dict(zip(frames["icb"]["code"], interpolated["people"], strict=True))
    errors = pl.Series([abs(truth[code] / estimates[code] - 1) for code in truth])
    lost = round(1 - sum(estimates.values()) / sum(people.values()), 4) + 0.0  # never -0
    return (
        f"tobler {tobler.__version__} on the same task (area weighting, boundaries of 2024 and 2022): mean "
        f"{errors.mean():.2%}, maximum {errors.max():.2%}; {lost:.2%} of the people lost."
    )


def eighty_five_and_over(geography: PlaceData, group: str) -> str:
    """Apportion England's people of 85 and over from council to integrated care board, weighted by a group."""
    areas = geography.areas[-1].table.filter(pl.col("lad_2021").str.starts_with("E"))
    truth = Truth("lsoa_2011", areas.group_by(pl.col("lsoa_2011").alias("place_code")).agg(
        pl.col("residents_mid_2020__age_85_plus").sum().alias("aged 85 and over")))  # fmt: skip
    trial = Trial("lad_2021", "icb_2022", group, ("aged 85 and over",))
    trial_figures = run_trial(trial, [truth], geography, geography.areas[-1])
    errors = trial_figures.select((pl.col("truth") / pl.col("estimate") - 1).abs()).to_series()
    astray = trial_figures["estimate"].sum() - trial_figures["truth"].sum()
    return (
        f"| {group} | {trial_figures.height} | {errors.mean():.3%} | {errors.quantile(0.95):.3%} | {errors.max():.3%} "
        f"| {astray:+.1f} |"
    )


NAMES = {
    "lad": "council", "utla": "upper-tier council", "icb": "ICB", "sub_icb": "sub-ICB", "ccg": "CCG", "stp": "STP",
    "ttwa": "travel-to-work area", "pcon": "constituency", "ward": "ward", "msoa": "MSOA", "lsoa": "LSOA",
    "pfa": "police force", "csp": "safety partnership", "fra": "fire authority", "trust": "NHS trust",
    "combined_authority": "combined authority", "health_board": "health board", "county": "county",
    "region": "region", "nation": "nation", "nhs_region": "NHS region", "nuts1": "NUTS 1", "nuts2": "NUTS "
    "2", "nuts3": "NUTS 3", "itl1": "ITL 1",
    "itl2": "ITL 2",
}  # fmt: skip
"""Name of each kind of place for a reader."""
UPWARDS = (
    *(("lad", item) for item in ("icb", "sub_icb", "stp", "ccg", "ttwa", "pcon")),
    *(("msoa", item) for item in ("icb", "sub_icb", "stp", "ccg", "ttwa")), ("lsoa", "lsoa"),
)  # fmt: skip
DOWNWARDS = tuple((item, "lad") for item in ("icb", "sub_icb", "stp", "ccg", "pfa", "ttwa"))
"""Pairs of kinds with a row for each group; other pairs have one row."""


def system_title(system: str) -> str:
    """Return the title of a geography: its kind and vintage."""
    kind, year = system.rsplit("_", 1)
    return f"{NAMES[kind]} {year}"


def result_line(result: Result) -> str:
    """Format one result as a row of a Markdown table."""
    trial, tests = result.trial, result.tests
    name, least = tests.group_by("left_out").agg(pl.col("inside").mean()).sort("inside", "left_out").row(0)
    low, high = chance_interval(result.cut)
    return (
        f"| {pair_title(trial)} | {trial.group} | {result.places} | {result.cut} | {result.mean:.2%} | "
        f"{result.p95:.2%} "
        f"| {result.largest:.1%} | {_share_inside(tests)} | {low:.0%} to {high:.0%} | {name}, {least:.0%} |"
    )


def pair_title(trial: Trial) -> str:
    """Return the title of a trial: its two geographies."""
    return f"{system_title(trial.from_system)} → {system_title(trial.to_system)}"


def pair_line(results: list[Result], trials: TrialFigures, dropped: set[tuple[str, str]]) -> str:
    """Format the results of one pair, over all groups, as a row of a Markdown table."""
    tests = pl.concat([result.tests for result in results])
    mean = sum(result.mean for result in results) / len(results)
    remarks = ["by parts"] if trials[results[0].trial]["by_parts"].any() else []
    remarks += ["**rejected**"] if results[0].trial.kinds in dropped else []
    largest, p95 = (max(getattr(result, name) for result in results) for name in ("largest", "p95"))
    return (
        f"| {pair_title(results[0].trial)} | {max(result.cut for result in results)} | {mean:.2%} | {p95:.1%} "
        f"| {largest:.0%} | {_share_inside(tests)} | {', '.join(remarks)} |"
    )


def chance_interval(places: int) -> tuple[float, float]:
    """Return the 95 % range of the share within a 90 % interval that chance alone gives for this number of places.

    A place counts once, however many figures it has, because its figures err alike.
    """
    low, high = binom.interval(0.95, places, 0.9)
    return low / places, high / places


def _share_inside(tests: pl.DataFrame) -> str:
    return f"{tests['inside'].sum():,} of {tests.height:,} ({tests['inside'].mean():.0%})"


def places_missed(results: Iterable[Result], geography: PlaceData) -> str:
    """List the places with most misses where few are crossed, because the share within is then subject to chance."""
    names = dict(geography.places.register.sort("valid_from").select("place_code", "place_name").iter_rows())
    lines = []
    for result in (result for result in results if result.trial.kinds in UPWARDS + DOWNWARDS):
        missed = result.tests.filter(~pl.col("inside"))
        if result.cut < MIN_PLACES_CUT and missed.height:
            most = missed.group_by("place_code").len().sort("len", "place_code", descending=[True, False]).head(3)
            listed = ", ".join(f"{names.get(code, code)} {count}" for code, count in most.iter_rows())
            lines.append(
                f"- {pair_title(result.trial)}, {result.trial.group}: {missed.height} of "
                f"{result.tests.height}: {listed}"
            )
    return "\n".join(lines)


def test_by_ages_alone(trials: TrialFigures) -> str:
    """Test figures of hardship by intervals from residents by age, as for any new kind of figure."""
    hardship = pl.col("measure").is_in([*HARDSHIP, *CREDIT])
    tests_by_kind = {HARDSHIP: pl.DataFrame(), CREDIT: pl.DataFrame()}
    for trial in trials:
        if set(HARDSHIP + CREDIT) <= set(trial.figures) and trial.kinds in UPWARDS + DOWNWARDS:
            others = pool_of_trial(trial, trials).filter(~hardship)
            for kind in tests_by_kind:
                tests = evaluate_interval(trial, trials[trial].filter(pl.col("measure").is_in(kind)), others)
                tests_by_kind[kind] = pl.concat([tests_by_kind[kind], tests]) if tests_by_kind[kind].width else tests
    return (
        f"of deprived people {_share_inside(tests_by_kind[HARDSHIP])}, of households on Universal Credit "
        f"{_share_inside(tests_by_kind[CREDIT])}"
    )


PAGE = Template((Path(__file__).parent / "backtest_page.md").read_text(encoding="utf-8"))
COLUMNS = (
    "| from → to | weight | places | crossed | mean error | 95 % below | largest | within | by chance | "
    "least within |\n|---|---|---|---|---|---|---|---|---|---|"
)


def write_page(results: list[Result], trials: TrialFigures, geography: PlaceData, folder: Path) -> str:
    """Write the page of the docs: backtest_page.md with its tables and figures filled in."""
    trusts = [result for result in results if "trust" in result.trial.kinds]
    upwards, downwards = (
        sorted(
            (result for result in results if result.trial.kinds in pairs),
            key=lambda result: pairs.index(result.trial.kinds),
        )
        for pairs in (UPWARDS, DOWNWARDS)
    )
    detailed = {result.trial for result in (*trusts, *upwards, *downwards)}
    others = _by_pair([result for result in results if result.trial not in detailed])
    dropped, groups = rejected_pairs(results), ("all_ages", "age_65_plus", "age_85_plus")
    return PAGE.substitute(
        few=MIN_PLACES_CUT,
        kept=f"{MIN_SHARE_HELD:.0%}",
        asked_for=_overall_coverage([*upwards, *downwards]),
        all_pairs=_overall_coverage(results),
        by_ages_alone=test_by_ages_alone(trials),
        upwards="\n".join([COLUMNS, *map(result_line, upwards)]),
        downwards="\n".join([COLUMNS, *map(result_line, downwards)]),
        by_other_shares=by_other_shares(folder, with_salford_alone(geography)),
        trusts="\n".join([COLUMNS, *map(result_line, trusts)]),
        few_places=places_missed(results, geography),
        others="\n".join([PAIR_COLUMNS, *(pair_line(result, trials, dropped) for result in others)]),
        untried="\n".join(
            f"- {pair}" for pair in dict.fromkeys(map(pair_title, pairs_without_truth(trials, geography)))
        ),
        over_85="\n".join(eighty_five_and_over(geography, group) for group in groups),
        by_tobler=compare_with_tobler(folder, geography),
    )


PAIR_COLUMNS = "| from → to | crossed | mean error | 95 % below | largest | within | |\n|---|---|---|---|---|---|---|"


def _overall_coverage(results: list[Result]) -> str:
    """Describe the share of truths within the interval, and the number of rows close to 90 %."""
    tests = pl.concat([result.tests.select("inside") for result in results])
    shares = [result.tests["inside"].mean() or 0.0 for result in results if result.cut >= MIN_PLACES_CUT]
    near = sum(0.88 <= share <= 0.92 for share in shares)
    return (
        f"{tests['inside'].sum():,} of {tests.height:,} truths are within the interval, "
        f"{tests['inside'].mean():.1%}.**\n"
        f"Of the {len(shares)} rows with {MIN_PLACES_CUT} places crossed or more, {near} have 88 to 92 % within. "
        f"The lowest has {min(shares):.1%}, the highest {max(shares):.1%}."
    )


def _by_pair(results: list[Result]) -> list[list[Result]]:
    pairs: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        pairs.setdefault((result.trial.from_system, result.trial.to_system), []).append(result)
    return list(pairs.values())
