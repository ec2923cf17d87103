"""Synthetic projects for timing builds: figures of no real place, the same in each run.

The codes are those of the bundled tables of places: LSOAs of 2021 (`ons_small_areas`) and districts of 2024. Titles
and names state that the figures are synthetic. In half of the districts, 6 % of the small areas are suppressed (1 to
4) and 2 % have no return. A figure varies by at most 10 % around its mean, so that no check doubts it. A later
release revises one figure in twenty.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from tests.small import places_only

ROOT = Path(__file__).resolve().parent.parent
SEED = 20261129
FIRST_MONTH = date(2021, 1, 1)
"""Later months are all nearest to the residents of Census 2021."""
RELEASE_DAYS = tuple(date(2026, 1, 4) + timedelta(weeks=week) for week in range(12))
SMALL_RELEASE_DAY = date(2026, 10, 25)
NATIONS = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland"}
"""Nation of a code, by its first letter."""
SOURCE_HEADER = """\
title: Synthetic figures for timing{title}, of no real place
publisher: none
licence: none
page: https://example.org
cadence: monthly
geography: {geography}
columns: {{place: code, period: month{status}}}
period_kind: month
format: {file_format}
"""
MARKERS = """\
coverage: [England, Wales]
markers:
  c: {status: confidential, lower_bound: 1, upper_bound: 4}
  x: {status: not_available}
"""


class Figures(NamedTuple):
    """Figures of small areas in a project: months, measures and releases, in CSV or Parquet."""

    months: int
    measures: int = 1
    releases: int = 1
    file_format: str = "csv"

    @property
    def rows(self) -> int:
        """Return the number of rows in all files."""
        return self.months * self.measures * self.releases * load_areas().height


def load_areas() -> pl.DataFrame:
    """Return each LSOA of 2021 with its district of 2024: from_code, to_code, residents (Census 2021)."""
    table = pl.read_parquet(ROOT / "sources" / "starter" / "ons_small_areas.parquet").drop_nulls("lsoa_2021")
    residents = pl.col("residents_census_2021__all_ages").sum().alias("residents")
    pairs = table.group_by(pl.col("lsoa_2021").alias("from_code"), pl.col("lad_2024").alias("to_code")).agg(residents)
    return pairs.sort("from_code")


def list_months(count: int, first: date = FIRST_MONTH) -> list[date]:
    """Return the first days of consecutive months."""
    return pl.date_range(first, first.replace(year=first.year + 10), "1mo", eager=True).head(count).to_list()


def make_slices(figures: Figures, release: int, areas: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield each measure and month of a release, numbered from 0: month, code, item, figure, status.

    `figure` is a whole number, null where `status` is `c` or `x`.
    """
    chance = np.random.default_rng(SEED)
    complete = areas["to_code"].rank("dense").to_numpy() % 2 == 0
    for item in range(figures.measures):
        mean = chance.uniform(500, 5000, areas.height)
        for month in list_months(figures.months):
            value = np.rint(mean * chance.uniform(0.9, 1.1, areas.height)).astype(int)
            luck = chance.random(areas.height)
            revised = np.where(chance.random(areas.height) < 0.05, value + 1, value)
            status = np.select([complete, luck < 0.06, luck < 0.08], ["", "c", "x"], "")
            yield pl.DataFrame(
                {
                    "month": f"{month:%Y-%m}",
                    "code": areas["from_code"],
                    "item": f"item_{item}",
                    "figure": revised if release else value,
                    "status": pl.Series(status).replace("", None),
                }
            ).with_columns(figure=pl.when(pl.col("status").is_null()).then("figure"))


def write_figures(root: Path, figures: Figures) -> list[Path]:
    """Write the source `synthetic_areas` with all its releases; return its files, oldest first."""
    areas, paths = load_areas(), []
    for release in range(figures.releases):
        path = root / "sources" / "starter" / f"synthetic_areas_{RELEASE_DAYS[release]}.{figures.file_format}"
        slices = make_slices(figures, release, areas)
        _write_parquet(path, slices) if figures.file_format == "parquet" else _write_csv(path, slices)
        paths.append(path)
    status = ", status: status" if figures.file_format == "parquet" else ""
    head = SOURCE_HEADER.format(title="", geography="lsoa_2021", status=status, file_format=figures.file_format)
    measures = [
        f"  synthetic_{item}: {{title: Synthetic figure {item}, unit: units, kind: count, column: figure, "
        f"filter: {{item: item_{item}}}}}"
        for item in range(figures.measures)
    ]
    releases = [f"  - {{released: {RELEASE_DAYS[release]}}}" for release in range(figures.releases)]
    text = "\n".join([head + MARKERS + "measures:", *measures, "releases:", *releases, ""])
    (root / "sources" / "synthetic_areas.yaml").write_text(text, encoding="utf-8")
    return paths


def _write_csv(path: Path, slices: Iterator[pl.DataFrame]) -> None:
    """Write slices as the publisher's CSV, with markers in place of figures."""
    with path.open("wb") as file:
        for number, figures in enumerate(slices):
            text = figures.select("month", "code", "item", pl.coalesce(pl.col("figure").cast(pl.String), "status"))
            text.write_csv(file, include_header=number == 0)


def _write_parquet(path: Path, slices: Iterator[pl.DataFrame]) -> None:
    first = next(slices).to_arrow()
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for figures in slices:
            writer.write_table(figures.to_arrow())


def write_problem(
    root: Path, name: str, geography: str, measures: list[str], months: int = 0, places: tuple[str, ...] = ()
) -> None:
    """Write a problem: a row for each place and month, or for each place where `months` is 0."""
    spine, keys = ("place_period", ("place_code", "period_start")) if months else ("place", ("place_code",))
    grain = "latest"
    if months:
        span = list_months(months)
        grain = f"month\nperiods: {{start: {span[0]:%Y-%m}, end: {span[-1]:%Y-%m}}}"
    only = f"place_codes: [{', '.join(places)}]\n" if places else ""
    needs = "\n".join(f"  {measure}:" for measure in measures)
    columns = [f"{spine}.{key}" for key in keys] + [f"{measure}.value as {measure}" for measure in measures]
    joins = [f"join {geography}.{measure} using ({', '.join(keys)})" for measure in measures]
    order = ", ".join(f"{spine}.{key}" for key in keys)
    text = f"""/*
question: What does a build of {name} cost?
decision: None, because the figures are synthetic.
owner: Nobody
geography: {geography}
{only}grain: {grain}
needs:
{needs}
*/
select {", ".join(columns)}
from {geography}.{spine}
{chr(10).join(joins)}
order by {order}
"""
    (root / "pipelines" / "problems" / f"{name}.sql").write_text(text, encoding="utf-8")


def make_figures_project(folder: Path, figures: Figures, geography: str = "lad_2024") -> list[Path]:
    """Write a project with one source of small areas and one problem by month; return the files of the source."""
    root = places_only(folder)
    paths = write_figures(root, figures)
    measures = [f"synthetic_{item}" for item in range(figures.measures)]
    write_problem(root, "synthetic", geography, measures, figures.months)
    return paths


def make_sources_project(folder: Path, sources: int, months: int = 14, by_problem: int = 50) -> None:
    """Write a project with many sources of all districts by month (5,054 rows), and a problem for each 50 of them.

    Each problem asks for the newest figures of twenty districts.
    """
    root = places_only(folder)
    districts = list_districts()
    names = [f"synthetic_small_{number}" for number in range(sources)]
    for number, name in enumerate(names):
        write_small_source(root, name, [name], districts, months, number)
    for start in range(0, sources, by_problem):
        places = tuple(districts[:20])
        write_problem(root, f"synthetic_{start}", "lad_2024", names[start : start + by_problem], places=places)


def make_problems_project(folder: Path, problems: int) -> None:
    """Write a project with one source of two measures, and problems of 722 cells: each district's newest figures."""
    root = places_only(folder)
    measures = ["synthetic_0", "synthetic_1"]
    write_small_source(root, "synthetic_small", measures, list_districts(), 1, 0)
    for number in range(problems):
        write_problem(root, f"synthetic_{number}", "lad_2024", measures)


def list_districts() -> list[str]:
    """Return the codes of the districts of 2024, of all four nations."""
    table = pl.read_parquet(ROOT / "sources" / "starter" / "ons_small_areas.parquet")
    return table["lad_2024"].drop_nulls().unique().sort().to_list()


def write_small_source(
    root: Path, name: str, measures: list[str], districts: list[str], months: int, seed: int
) -> None:
    """Write a source of districts by month, up to September 2026, with a column for each measure."""
    chance = np.random.default_rng([SEED, seed])
    last = list_months(69)[-months:]
    table = pl.DataFrame({"month": [f"{month:%Y-%m}" for month in last]}).join(
        pl.DataFrame({"code": districts, "mean": chance.uniform(500, 5000, len(districts))}), how="cross"
    )
    figures = [
        pl.Series(measure, np.rint(table["mean"].to_numpy() * chance.uniform(0.9, 1.1, table.height)).astype(int))
        for measure in measures
    ]
    table.drop("mean").with_columns(*figures).write_csv(root / "sources" / "starter" / f"{name}.csv")
    head = SOURCE_HEADER.format(title=f" ({name})", geography="lad_2024", status="", file_format="csv")
    lines = [
        f"  {measure}: {{title: Synthetic figure {measure}, unit: units, kind: count, column: {measure}}}"
        for measure in measures
    ]
    text = "\n".join([head + "measures:", *lines, f"releases: [{{released: {SMALL_RELEASE_DAY}}}]", ""])
    (root / "sources" / f"{name}.yaml").write_text(text, encoding="utf-8")
