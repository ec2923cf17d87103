"""What the page of the docs says of the trials, and of the same task done by tobler."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
from scipy.stats import binom

from benchmarks.backtest_figures import CREDIT, HARDSHIP, Truth, family
from benchmarks.backtest_fit import FEW, Result, Trial, Tried, inside, peers, tried
from pipelines.crosswalks import Geography


def by_tobler(folder: Path, held: Geography) -> str:
    """Share people of 85 and over out by area, with tobler, from council to integrated care board, in the same run."""
    try:
        import geopandas
        import tobler
        from tobler.area_weighted import area_interpolate
    except ImportError:
        return "tobler is not installed here: its area weighting was not run."
    areas = held.areas[0].table.filter(pl.col("lad_2021").str.starts_with("E"))
    column = "residents_mid_2020__age_85_plus"
    people, truth = (
        dict(areas.group_by(system).agg(pl.col(column).sum()).iter_rows()) for system in ("lad_2024", "icb_2022")
    )
    frames = {}
    for name, file, code in (("lad", "lad_2024-05_buc_uk", "LAD24CD"), ("icb", "icb_2022-07_en", "icb22cd")):
        frame = geopandas.read_file(folder / f"geo/boundaries/{file}.geojson").to_crs(27700)
        frames[name] = frame.rename(columns={next(each for each in frame if each.lower() == code.lower()): "code"})
    councils = frames["lad"][frames["lad"]["code"].isin(people)].copy()
    councils["people"] = councils["code"].map(people)
    moved = area_interpolate(councils, frames["icb"], extensive_variables=["people"])
    estimates = dict(zip(frames["icb"]["code"], moved["people"], strict=True))
    errors = pl.Series([abs(truth[code] / estimates[code] - 1) for code in truth])
    lost = round(1 - sum(estimates.values()) / sum(people.values()), 4) + 0.0  # never minus nought
    return (
        f"tobler {tobler.__version__} on the same task (area weighting, boundaries of 2024 and 2022): mean "
        f"{errors.mean():.2%}, maximum {errors.max():.2%}; {lost:.2%} of the people lost on the way."
    )


def eighty_five_and_over(held: Geography, group: str) -> str:
    """Move England's people of 85 and over from council to integrated care board, weighed by a group."""
    areas = held.areas[0].table.filter(pl.col("lad_2021").str.starts_with("E"))
    truth = Truth("lsoa_2011", areas.group_by(pl.col("lsoa_2011").alias("place_code")).agg(
        pl.col("residents_mid_2020__age_85_plus").sum().alias("aged 85 and over")))  # fmt: skip
    trial = Trial("lad_2021", "icb_2022", group, ("aged 85 and over",))
    moved = tried(trial, [truth], held)
    errors = moved.select((pl.col("truth") / pl.col("estimate") - 1).abs()).to_series()
    astray = moved["estimate"].sum() - moved["truth"].sum()
    return (
        f"| {group} | {moved.height} | {errors.mean():.3%} | {errors.quantile(0.95):.3%} | {errors.max():.3%} "
        f"| {astray:+.1f} |"
    )


NAMES = {"lad": "council", "icb": "ICB", "sub_icb": "sub-ICB", "ttwa": "travel-to-work area", "pcon": "constituency",
         "msoa": "MSOA", "lsoa": "LSOA", "pfa": "police force", "trust": "NHS trust"}  # fmt: skip


def named(system: str) -> str:
    """Name a place system for a reader: its kind, and the year."""
    kind, year = system.rsplit("_", 1)
    return f"{NAMES[kind]} {year}"


def line(result: Result) -> str:
    """Lay one result out as a row of a Markdown table."""
    trial, tests = result.trial, result.tests
    shown = ["–", "–", "–"]
    if tests.height:
        kinds = tests.group_by(pl.col("measure").replace_strict(_families(tests)).alias("kind")).agg(
            pl.col("inside").mean()
        )
        kind, least = kinds.sort("inside", "kind").row(0)
        low, high = chance(result.cut)
        shown = [_of_all(tests), f"{low:.0%} to {high:.0%}", f"{kind}, {least:.0%}"]
    return (
        f"| {named(trial.from_system)} → {named(trial.to_system)} | {trial.group} | {result.places} | {result.cut} "
        f"| {result.mean:.2%} | {result.p95:.2%} | {result.largest:.1%} | {' | '.join(shown)} |"
    )


def chance(places: int) -> tuple[float, float]:
    """Give the shares between which nine in ten comes out by chance, 19 times in 20, of as many places.

    A place counts once, however many figures it has: they err alike.
    """
    low, high = binom.interval(0.95, places, 0.9)
    return low / places, high / places


def _families(tests: pl.DataFrame) -> dict[str, str]:
    return {figure: family(figure) for figure in tests["measure"].unique()}


def _of_all(tests: pl.DataFrame) -> str:
    return f"{tests['inside'].sum():,} of {tests.height:,} ({tests['inside'].mean():.0%})"


def few_places(results: Iterable[Result], held: Geography) -> str:
    """Name the places that missed the most where few are cut: by chance alone the share held may be far from 90 %."""
    names = dict(held.places.register.sort("valid_from").select("place_code", "place_name").iter_rows())
    lines = []
    for each in results:
        missed = each.tests.filter(~pl.col("inside"))
        if each.cut < FEW and missed.height:
            most = missed.group_by("place_code").len().sort("len", "place_code", descending=[True, False]).head(3)
            told = ", ".join(f"{names.get(code, code)} {count}" for code, count in most.iter_rows())
            start, end = named(each.trial.from_system), named(each.trial.to_system)
            lines.append(f"- {start} → {end}, {each.trial.group}: {missed.height} of {each.tests.height}: {told}")
    return "\n".join(lines)


def by_ages_alone(found: Tried) -> str:
    """Test all figures of hardship by intervals that residents by age fit: what a new kind of figure may meet."""
    hardship = pl.col("measure").is_in([*HARDSHIP, *CREDIT])
    told = {HARDSHIP: pl.DataFrame(), CREDIT: pl.DataFrame()}
    for trial in found:
        if set(HARDSHIP) <= set(trial.figures):
            others = peers(trial, found).filter(~hardship)
            for kind in told:
                tests = inside(trial, found[trial].filter(pl.col("measure").is_in(kind)), others)
                told[kind] = pl.concat([told[kind], tests]) if told[kind].width else tests
    return f"of deprived people {_of_all(told[HARDSHIP])}, of households on Universal Credit {_of_all(told[CREDIT])}"


HEAD = """# How wrong figures are that were shared out

Made by `python -m benchmarks.backtest` from published figures; it is run again when the small areas or the arithmetic
change.

A figure is *shared out* where a boundary cuts the place it is published for: by the people of the small areas on
either side. How wrong that is can be seen where the truth is known at both ends: figures of small areas are added up to
the places moved from, moved, and compared with their own sums at the places moved to.

- Figures moved: residents by age (mid-2020 and Census 2021), income- and employment-deprived people (Indices of
  Deprivation 2025, England), households on Universal Credit (December 2017, 2019 and 2022).
- *Error*: truth over estimate less 1, without its sign, over all places led to, cut or not.
- The interval is told by share split, in units of how unevenly the figure is spread per head over the places moved
  from: a figure spread twice as unevenly goes twice as far astray. `pipelines/certainty.csv` has it for every pair,
  fitted by all figures: of n errors the ceil((n + 1) x 0.95)-th from either end.
- *Held*: each kind of figure is left out in turn, and the others fit an interval without it: how many of its truths,
  at places that are cut, lie in that one. The three of Universal Credit are one kind, so are the two of deprivation.
- *By chance*: the shares between which nine in ten would come out 19 times in 20, were each place one throw. The
  figures of one place err alike, so that it counts once. Where the range is wide, *held* can't tell.
- *Least held*: the kind of figure whose truths lay in the interval least often. It holds for nine in ten figures of the
  many kinds that there are, not for nine in ten places of every kind.
- A class of shares has figures of at least 12 places. A pair with fewer than {few} places cut borrows the errors of
  its kin (councils to ICBs those of councils to sub-ICBs, which boards are made of), else of all pairs from the same
  kind of place.

"""
COLUMNS = (
    "| from → to | shared out by | places | cut | mean error | 95 % below | largest | held | by chance | least held |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def page(results: list[Result], found: Tried, held: Geography, folder: Path) -> str:
    """Write the page of the docs."""
    every = pl.concat([each.tests for each in results])
    enough = [each for each in results if each.cut >= FEW and each.tests.height]
    held_in = sorted(each.tests["inside"].mean() or 0.0 for each in enough)
    upwards = [each for each in results if each.trial.kinds[0] in ("lad", "msoa", "lsoa")]
    others = [each for each in results if each not in upwards]
    groups = "\n".join(eighty_five_and_over(held, group) for group in ("all_ages", "age_65_plus", "age_85_plus"))
    columns = "| shared out by | boards | mean error | 95 % below | largest | people made or lost |"
    return "\n".join([
        HEAD.format(few=FEW),
        f"**All pairs together: {every['inside'].sum():,} of {every.height:,} truths lie in the interval, "
        f"{every['inside'].mean():.1%}.\nOf the {len(enough)} rows with {FEW} places cut or more, the least is "
        f"{held_in[0]:.1%} and the most {held_in[-1]:.1%}.**\n",
        "A kind of figure like no other may fare worse. Where residents by age alone fit the intervals, they hold",
        f"{by_ages_alone(found)}.",
        "Universal Credit was opened to all one jobcentre after another until December 2018: 2017 is like no other.\n",
        "## To larger places, and between small areas\n", COLUMNS, *map(line, upwards), "",
        "## To smaller places\n",
        "A share of a larger place's figure. Refused unless a problem says `downscale: true`: the errors show why.",
        "Trusts are moved by their catchments of 2019; the figures are Covid-19 admissions of 2020.\n",
        COLUMNS, *map(line, others), "",
        "## Where few places are cut\n",
        "Truths outside the interval, and the places that had most of them: often one cut, seen from both sides, by",
        "figures that all tell the same. So few places can't show whether nine in ten hold.\n",
        few_places(results, held), "",
        "## People of 85 and over in England, council to integrated care board\n",
        columns, "|---|---|---|---|---|---|",
        groups, "", by_tobler(folder, held), "",
    ])  # fmt: skip
