"""How wrong figures are that were shared out: moves figures whose truth is known at both ends, and writes it down.

    .venv/bin/python benchmarks/backtest.py FOLDER [--write]

FOLDER holds the published files (geo/ and indicators/). For each pair of place systems and each group of people,
figures of small areas are added up to the places moved from, moved, and compared with their own sums at the places
moved to. Half of the figures fit the intervals, the other half tests them. `--write` keeps the intervals in
pipelines/certainty.csv and the tables in docs/crosswalk-errors.md. Where tobler is installed, its area weighting
does the same task in the same run.
"""

import argparse
import csv
import io
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines import steps
from pipelines.apportioning import geography
from pipelines.areas import Areas
from pipelines.catalogue import load
from pipelines.certainty import CERTAINTY, HELD, errors_by_share, unevenness, with_interval
from pipelines.crosswalks import Geography, crosswalk
from pipelines.moving import move
from pipelines.slicing import SLICE

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "crosswalk-errors.md"
DAY = date(2020, 6, 30)
AGES = {f"aged {low} to {low + 4}": range(low, low + 5) for low in range(0, 85, 5)} | {
    "aged 85 and over": range(85, 91)
}
SINGLE = {f"aged {age}": range(age, age + 1) for age in range(90)} | {"aged 90 and over": range(90, 91)}
HARDSHIP = ("income deprived", "employment deprived")
CREDIT = ("Universal Credit, December 2017", "Universal Credit, December 2019", "Universal Credit, December 2022")
CENSUS = ("all_ages", "age_0_15", "age_16_24", "age_25_34", "age_35_49", "age_50_64", "age_65_plus")


class Truth(NamedTuple):
    """Figures known for every place of a fine system: place_code and one column a figure."""

    system: str
    table: pl.DataFrame


class Trial(NamedTuple):
    """What is moved from where to where, by whom, which figures fit the interval and which test it."""

    from_system: str
    to_system: str
    group: str
    fit: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, str]:
        """Give the kinds of place led from and to."""
        return self.from_system.rsplit("_", 1)[0], self.to_system.rsplit("_", 1)[0]


PAIRS = (
    ("lad_2021", "icb_2022"), ("lad_2021", "sub_icb_2022"), ("lad_2021", "ttwa_2011"), ("lad_2024", "pcon_2024"),
    ("msoa_2011", "icb_2022"), ("msoa_2011", "ttwa_2011"), ("icb_2022", "lad_2021"), ("sub_icb_2022", "lad_2021"),
    ("pfa_2024", "lad_2024"), ("ttwa_2011", "lad_2021"),
)  # fmt: skip
GROUPS = {
    "all_ages": (tuple(AGES) + HARDSHIP[:1], HARDSHIP[1:] + CREDIT),
    "age_16_64": (tuple(AGES)[4:13:2] + HARDSHIP[:1], tuple(AGES)[5:13:2] + HARDSHIP[1:] + CREDIT),
    "age_65_plus": (tuple(AGES)[13:18:2], tuple(AGES)[14:18:2]),
    "age_85_plus": (("aged 85", "aged 87", "aged 89"), ("aged 86", "aged 88", "aged 90 and over")),
    "age_0_4": (("aged 0", "aged 2", "aged 4"), ("aged 1", "aged 3")),
}
TRIALS = [Trial(*pair, group, *figures) for pair in PAIRS for group, figures in GROUPS.items()] + [
    # Of splits the census knows both ends; of mergers the estimates of 2020 do.
    Trial("lsoa_2011", "lsoa_2021", "all_ages", CENSUS[1::2], CENSUS[2::2]),
    Trial("lsoa_2021", "lsoa_2011", "all_ages", tuple(AGES)[::2], tuple(AGES)[1::2]),
]


def published_ages(folder: Path) -> Truth:
    """Read residents of each LSOA 2011 of England and Wales in mid-2020, by five years and by single year of age."""
    raw = pl.read_csv(folder / "geo/population/lsoa11_mid2020_syoa_ew.csv.gz", infer_schema=False)
    years = [name for name in raw.columns if name.rstrip("+").isdigit()]
    typed = raw.with_columns(pl.col(years).cast(pl.Float64))
    bands = {
        name: pl.sum_horizontal(year for year in years if int(year.rstrip("+")) in ages)
        for name, ages in (AGES | SINGLE).items()
    }
    return Truth("lsoa_2011", typed.select(pl.col("LSOA Code").alias("place_code"), **bands))


def published_hardship(folder: Path, areas: Areas) -> Truth:
    """Read deprived people of each LSOA 2021 of England: the scores of the indices of 2025 times Census residents."""
    raw = pl.read_csv(folder / "indicators/deprivation_health/imd2025_england_lsoa21.csv.gz", infer_schema=False)
    people = _summed(areas, "lsoa_2021", ["residents_census_2021__all_ages"])
    told = raw.select(
        pl.col("lsoa21_code").alias("place_code"),
        *(pl.col(f"{name.split()[0].capitalize()}_score").cast(pl.Float64).alias(name) for name in HARDSHIP),
    ).join(people, on="place_code")
    return Truth(
        "lsoa_2021", told.select("place_code", *(pl.col(name) * pl.col(people.columns[1]) for name in HARDSHIP))
    )


def published_census(areas: Areas) -> Truth:
    """Give Census 2021 residents of each LSOA 2021 by the bands that are held."""
    columns = [f"residents_census_2021__{name}" for name in CENSUS]
    return Truth("lsoa_2021", _summed(areas, "lsoa_2021", columns).rename(dict(zip(columns, CENSUS, strict=True))))


def published_credit(folder: Path) -> Truth:
    """Read households on Universal Credit of each MSOA 2011 of England and Wales, from the export by name."""
    path = folder / "indicators/universal_credit/statxplore_households_on_uc_msoa_2015_2022.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    head = next(row for row in rows if row[:1] == ["Month"])
    at = {name: next(n for n, text in enumerate(head) if text.startswith(name.split(", ")[1])) for name in CREDIT}
    found = [
        (row[0], *(float(row[n]) if row[n].isdigit() else None for n in at.values()))
        for row in rows[rows.index(head) + 1 :]
        if len(row) > max(at.values())
    ]
    table = pl.DataFrame(found, schema={"name": pl.String, **dict.fromkeys(CREDIT, pl.Float64)}, orient="row")
    names = pl.read_csv(folder / "geo/lookups/lsoa11_msoa11_ew_scot.csv.gz", infer_schema=False)
    codes = names.select(pl.col("MSOA11NM").alias("name"), pl.col("MSOA11CD").alias("place_code")).unique()
    codes = codes.filter(pl.col("place_code").str.contains("^[EW]"), pl.col("name").is_unique())
    return Truth("msoa_2011", table.join(codes, on="name").select("place_code", *CREDIT).unique("place_code"))


def _summed(areas: Areas, system: str, columns: list[str]) -> pl.DataFrame:
    return areas.table.drop_nulls(system).group_by(pl.col(system).alias("place_code")).agg(pl.col(columns).sum())


def known_at(truth: Truth, figure: str, areas: Areas, system: str) -> pl.DataFrame:
    """Add a figure up to the places of a system: place_code, value; those whose truth is not sure are left out.

    Not sure is a place that a fine place lies in only in part, or that has a fine place without a figure.
    """
    pairs = areas.table.select(pl.col(truth.system).alias("fine"), pl.col(system).alias("place_code")).unique()
    told = pairs.join(truth.table.select(pl.col("place_code").alias("fine"), figure), on="fine", how="left")
    sure = pl.col(figure).is_not_null() & (pl.len().over("fine") == 1) & pl.col("fine").is_not_null()
    places = told.drop_nulls("place_code").with_columns(sure.alias("sure")).group_by("place_code")
    return places.agg(pl.col(figure).sum().alias("value"), pl.col("sure").all()).filter("sure").drop("sure")


def tried(trial: Trial, figures: tuple[str, ...], truths: list[Truth], held: Geography) -> pl.DataFrame:
    """Move figures and put the result beside its truth: what `move` gives, estimate, truth and unevenness."""
    areas = held.areas[0]
    drawn = crosswalk(held, trial.from_system, trial.to_system, trial.group, DAY)
    moved = []
    for figure, truth in _of(figures, truths, trial):
        known = known_at(truth, figure, areas, trial.from_system)
        slices = known.with_columns(
            pl.lit(figure).alias("measure"), pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end")
        )
        there = known_at(truth, figure, areas, trial.to_system).rename({"value": "truth"})
        result = move(slices, drawn).drop_nulls("value").join(there, on="place_code")
        moved.append(result.join(unevenness(slices, drawn), on=SLICE).with_columns(estimate="value"))
    return pl.concat(moved)


def _of(figures: tuple[str, ...], truths: list[Truth], trial: Trial) -> Iterator[tuple[str, Truth]]:
    for figure in figures:
        found = [truth for truth in truths if figure in truth.table.columns]
        # Between two vintages of LSOA a figure is known at both ends only where it is published by the finer one.
        yield figure, found[-1] if trial.to_system == "lsoa_2021" else found[0]


class Result(NamedTuple):
    """What one trial found: the errors by share split, over all places, and how often the interval held."""

    trial: Trial
    certainty: pl.DataFrame
    places: int
    cut: int
    mean: float
    p95: float
    largest: float
    tested: int
    held: float


FEW = 40
"""A pair with fewer places cut than this borrows the errors of all pairs that lead from the same kind of place."""


def result_of(trial: Trial, found: dict[Trial, tuple[pl.DataFrame, pl.DataFrame]]) -> Result:
    """Fit the interval of one trial on some figures and test it on the others."""
    fitted, others = found[trial]
    cuts = _cut(fitted)["place_code"].n_unique()
    alike = [each for each in found if (each.kinds[0], each.group) == (trial.kinds[0], trial.group)]
    peers = pl.concat([found[each][0] for each in alike]) if cuts < FEW else fitted
    key = dict(zip(("from_kind", "to_kind", "weighed_by"), (*trial.kinds, trial.group), strict=True))
    certainty = errors_by_share(peers).with_columns(pl.lit(value).alias(name) for name, value in key.items())
    certainty = certainty.select(list(CERTAINTY))
    cut = _cut(others)
    spread = cut.select(*SLICE, "unevenness").unique()
    told = with_interval(cut.drop("unevenness"), spread, trial.kinds, trial.group, certainty)
    inside = told.select(pl.col("truth").is_between(pl.col("likely_low") - 1e-6, pl.col("likely_high") + 1e-6).sum())
    every = pl.concat([fitted, others]).filter(pl.col("estimate") > 0)
    error = every.select((pl.col("truth") / pl.col("estimate") - 1).abs()).to_series()
    figures = (every["place_code"].n_unique(), cuts, error.mean(), error.quantile(0.95), error.max())
    return Result(trial, certainty, *figures, cut.height, inside.item())  # type: ignore[arg-type]


def _cut(tried_out: pl.DataFrame) -> pl.DataFrame:
    return tried_out.filter(pl.col("split_share") > 0)


def catchments(folder: Path, held: Geography) -> Result:
    """Test the catchments of trusts: Covid admissions of 2020, known by trust and by district, moved by shares of 2019.

    The source gives shares both ways and no numbers; those follow from the shares but for a common factor.
    """
    raw = pl.read_csv(folder / "geo/nhs/trust_ltla_covid_admissions_mapping_2020.csv")
    trusts = _numbers(raw)
    flows = raw.join(trusts, on="trust_code").with_columns((pl.col("p_trust") * pl.col("admissions")).alias("flow"))
    there = flows.group_by(pl.col("geo_code").alias("place_code")).agg(pl.col("flow").sum().alias("truth"))
    trial = Trial("trust_2020", "lad_2019", "all_ages", (), ())
    drawn = crosswalk(held, trial.from_system, trial.to_system, "all_ages", DAY)
    seen = trusts.select(
        pl.col("trust_code").alias("place_code"), pl.col("admissions").alias("value"),
        pl.lit("admissions").alias("measure"), pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"),
    )  # fmt: skip
    moved = move(seen.filter(pl.col("place_code").is_in(drawn["from_code"].implode())), drawn)
    told = moved.join(there, on="place_code").filter(pl.col("partial") > 0)
    error = told.select((pl.col("truth") / pl.col("partial") - 1).abs()).to_series()
    none = pl.DataFrame(schema={name: column.dtype for name, column in CERTAINTY.items()})
    return Result(trial, none, told.height, told.height, error.mean(), error.quantile(0.95), error.max(), 0, 0)  # type: ignore[arg-type]


def _numbers(raw: pl.DataFrame) -> pl.DataFrame:
    """Work out the admissions of trusts, but for a common factor, from shares both ways: trust_code, admissions.

    The patients a trust has from a district are a share of the trust's and a share of the district's, so that
    the one's number gives the other's. Trusts that share no district with the others are left out.
    """
    shares = [(trust, place, own / other) for trust, place, own, other in raw.select(
        "trust_code", "geo_code", "p_trust", "p_geo").iter_rows()]  # fmt: skip
    found: dict[str, float] = {str(raw["trust_code"].mode().sort()[0]): 1.0}
    reached = 0
    while len(found) > reached:
        reached = len(found)
        for trust, place, ratio in shares:
            if trust in found:
                found.setdefault(place, found[trust] * ratio)
            elif place in found:
                found[trust] = found[place] / ratio
    trusts = sorted(set(raw["trust_code"]) & set(found))
    return pl.DataFrame({"trust_code": trusts, "admissions": [found[trust] for trust in trusts]})


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
    trial = Trial("lad_2021", "icb_2022", group, (), ())
    moved = tried(trial, ("aged 85 and over",), [truth], held)
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
    trial, shown = result.trial, "–"
    if result.tested:
        shown = f"{result.held} of {result.tested} ({result.held / result.tested:.0%})"
    return (
        f"| {named(trial.from_system)} → {named(trial.to_system)} | {trial.group} | {result.places} | {result.cut} "
        f"| {result.mean:.2%} | {result.p95:.2%} | {result.largest:.1%} | {shown} |"
    )


HEAD = """# How wrong figures are that were shared out

Made by `benchmarks/backtest.py` from published figures; it is run again when the small areas or the arithmetic change.

A figure is *shared out* where a boundary cuts the place it is published for: by the people of the small areas on
either side. How wrong that is can be seen where the truth is known at both ends: figures of small areas are added up to
the places moved from, moved, and compared with their own sums at the places moved to.

- Figures moved: residents by age (mid-2020 and Census 2021), income- and employment-deprived people (Indices of
  Deprivation 2025, England), households on Universal Credit (December 2017, 2019 and 2022).
- *Error*: truth over estimate less 1, without its sign, over all places led to, cut or not.
- *Held*: of figures that were not used to fit it, at places that are cut, how many lie in the 90 % interval.
- The interval is told by share split, in units of how unevenly the figure is spread per head over the places moved
  from: a figure spread twice as unevenly goes twice as far astray. `pipelines/certainty.csv` has it for every pair.
- A pair with fewer than {few} places cut borrows the errors of all pairs from the same kind of place.

"""
COLUMNS = """| from → to | shared out by | places | of them cut | mean error | 95 % below | largest | held |
|---|---|---|---|---|---|---|---|"""


def page(results: list[Result], held: Geography, folder: Path) -> str:
    """Write the page of the docs."""
    tested, inside = sum(each.tested for each in results), sum(each.held for each in results)
    upwards = [each for each in results if each.trial.kinds[0] in ("lad", "msoa", "lsoa")]
    others = [each for each in results if each not in upwards]
    groups = "\n".join(eighty_five_and_over(held, group) for group in ("all_ages", "age_65_plus", "age_85_plus"))
    columns = "| shared out by | boards | mean error | 95 % below | largest | people made or lost |"
    return "\n".join([
        HEAD.format(few=FEW),
        f"**All pairs together: {inside:,} of {tested:,} truths lie in the interval, {inside / tested:.1%}.**\n",
        "## To larger places, and between small areas\n", COLUMNS, *map(line, upwards), "",
        "## To smaller places\n",
        "A share of a larger place's figure. Refused unless a problem says `downscale: true`: the errors show why.",
        "Trusts are moved by their catchments of 2019; the figures are Covid-19 admissions of 2020.\n",
        COLUMNS, *map(line, others), "",
        "## People of 85 and over in England, council to integrated care board\n",
        columns, "|---|---|---|---|---|---|",
        groups, "", by_tobler(folder, held), "",
    ])  # fmt: skip


def main(folder: Path, write: bool) -> None:
    """Run every trial, print the page, and keep it where asked to."""
    with tempfile.TemporaryDirectory() as store:
        project = steps.Project(load(ROOT), Path(store), date(2026, 11, 24))
        steps.prepare(project)
        held = geography(project, steps.register_places(project))
    areas = held.areas[0]
    truths = [
        published_ages(folder),
        published_hardship(folder, areas),
        published_census(areas),
        published_credit(folder),
    ]
    found = {t: (tried(t, t.fit, truths, held), tried(t, t.test, truths, held)) for t in TRIALS}
    results = [result_of(trial, found) for trial in TRIALS]
    text = page([*results, catchments(folder, held)], held, folder)
    print(text)  # noqa: T201
    if write:
        DOC.write_text(text, encoding="utf-8")
        pl.concat([each.certainty for each in results]).write_csv(HELD, float_precision=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    main(told.folder, told.write)
