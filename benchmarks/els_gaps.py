"""Reasons for empty cells in ONS's Explore Local Statistics, from the project's own pipeline, as a page of the docs.

.venv/bin/python benchmarks/els_gaps.py FOLDER [OUT.md]

FOLDER contains the publisher's files (<name>.csv.gz). Each indicator becomes a separate file, with its rows as
published and one generic declaration. The columns are those of every file of the series. The geography follows from
the codes, its vintage from the codes of the newest period, and the kind of period from the form of periods. Only
MARKERS is specific to an indicator. The grid is 361 districts by indicator, for the newest period and for all
periods.
"""

import csv
import gzip
import io
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.app import steps
from pipelines.core.geocodes import KIND_BY_PREFIX
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.cells import Block, build_cells
from pipelines.gaps.placing import place_sources, stack_sources
from pipelines.geography.access import load_places
from pipelines.geography.register import require_places

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = "lad_2025"
AS_OF = date(2026, 6, 26)
"""Day of the newest file of the series."""
PUBLISHED = ("suppressed", "not_available", "not_applicable")
"""Reasons from a printed marker; all others are computed."""
MARKERS = {
    # The notes of these files define u as "suppressed due to a base value of fewer than 5".
    "apprenticeships": "{x: not_available, z: not_applicable, u: confidential}",
}
PLAIN = "{x: not_available, z: not_applicable, u: unreliable}"
OBSOLETE = "Obsolete code"
"""Start of the publisher's note on rows under an old code, which repeat those under the new one."""


class Indicator(NamedTuple):
    """One indicator of a file: its name, title, heading row and rows as published."""

    name: str
    title: str
    file: str
    head: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return one column of the rows."""
        at = self.head.index(name)
        return [row[at] for row in self.rows]


def read_indicators(folder: Path) -> list[Indicator]:
    """Read every file of the folder, and group the rows by indicator."""
    indicators = []
    for path in sorted(folder.glob("*.csv.gz")):
        text = gzip.decompress(path.read_bytes()).decode("utf-8-sig")
        head, *rows = list(csv.reader(io.StringIO(text)))
        by_title = defaultdict(list)
        for row in rows:
            by_title[row[head.index("indicator")]].append(row)
        indicators += [
            Indicator(indicator_name(title), title, path.name, head, mine) for title, mine in sorted(by_title.items())
        ]
    return indicators


def indicator_name(title: str) -> str:
    """Return a valid name from a title."""
    return "els_" + re.sub(r"[^a-z0-9]+", "_", title.casefold()).strip("_")[:55]


def indicator_yaml(indicator: Indicator, places: str) -> str:
    """Write the generic declaration of one indicator."""
    interval = any("/P" in text for text in indicator.column("period"))
    markers = MARKERS.get(indicator.file.removesuffix(".csv.gz"), PLAIN)
    return (
        f"title: {indicator.title!r}\npublisher: Office for National Statistics\nlicence: Open Government "
        f"Licence v3.0\n"
        "page: https://www.ons.gov.uk/explore-local-statistics\ncadence: annual, 36 months later\n"
        f"geography: {places}\ncolumns: {{place: areacd, label: areanm, period: period, status: status}}\n"
        f"period_kind: {'span' if interval else 'day'}\nmarkers: {markers}\n"
        f"measures: {{{indicator.name}: {{title: {indicator.title!r}, unit: see title, kind: index, column: "
        f"observation}}}}\n"
        f"releases: [{{file: starter/{indicator.name}.csv, released: {AS_OF}}}]\n"
    )


def infer_system(indicator: Indicator, codes_of: Callable[[str], set[str]]) -> str:
    """Infer the geography of an indicator from its newest period: the vintage with fewest missing codes."""
    newest = max(indicator.column("period"))
    codes = {
        code
        for code, period in zip(indicator.column("areacd"), indicator.column("period"), strict=True)
        if period == newest
    }
    kinds = Counter(KIND_BY_PREFIX.get(code[:3]) for code in codes)
    if not kinds["lad"]:
        return f"{max((kind for kind in kinds if kind not in PARENTS), key=lambda kind: kinds[kind])}_2023"
    years = range(AS_OF.year - 1, 2010, -1)
    nations = {code[0] for code in codes if KIND_BY_PREFIX.get(code[:3]) == "lad"}

    def count_missing(name: str) -> int:
        return sum(code not in codes for code in codes_of(name) if code[0] in nations)

    return min((f"lad_{year}" for year in years), key=count_missing)


def system_codes(system: str, register: pl.DataFrame) -> set[str]:
    """Return the codes of a geography."""
    return set(require_places(register, system)["place_code"])


PARENTS = ("nation", "region", "above_nation", "county", "combined_authority", None)


def write_project(folder: Path, indicators: list[Indicator]) -> Project:
    """Write a project with the bundled register, and one source and one problem for each indicator."""
    sources, problems = folder / "sources", folder / "pipelines" / "problems"
    problems.mkdir(parents=True)
    (sources / "starter").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", sources / "shared")
    project_catalogue = load_catalogue(ROOT)
    for name, source in project_catalogue.sources.items():
        if source.provides in ("place", "change", "areas"):
            for path in (ROOT / "sources").glob(f"{name}.*"):
                shutil.copy(path, sources)
            for release in source.releases:
                shutil.copy(ROOT / "sources" / release.file, sources / release.file)
    bare = Project(load_catalogue(folder), folder / "store", AS_OF)
    steps.prepare_store(bare)
    register = load_places(bare).register
    codes_of = cache(lambda name: system_codes(name, register))
    for indicator in indicators:
        places = infer_system(indicator, codes_of)
        (sources / f"{indicator.name}.yaml").write_text(indicator_yaml(indicator, places), encoding="utf-8")
        with (sources / "starter" / f"{indicator.name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([indicator.head, *rows_in_use(indicator, codes_of(places))])
        (problems / f"{indicator.name}.sql").write_text(problem_sql(indicator.name), encoding="utf-8")
    return bare._replace(catalogue=load_catalogue(folder))


def rows_in_use(indicator: Indicator, codes: set[str]) -> list[list[str]]:
    """Drop rows that the publisher marks as under an obsolete code and that are not in the declared geography."""
    note, code = indicator.head.index("notes"), indicator.head.index("areacd")
    return [row for row in indicator.rows if row[code] in codes or not row[note].startswith(OBSOLETE)]


def problem_sql(measure: str) -> str:
    """Write the problem for one indicator in every place."""
    return (
        f"/*\nquestion: Where is {measure} not known, and why?\ndecision: none\nowner: benchmark\n"
        f"geography: {SYSTEM}\n"
        f"grain: latest\nneeds: {{{measure}: {{max_age: 99 years}}}}\n*/\n"
        f"select place.place_code, {measure}.value as {measure} from {SYSTEM}.place "
        f"join {SYSTEM}.{measure} using (place_code)\n"
    )


def type_indicator(project: Project, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Build the grids of one indicator: for its newest period, and for every period as of its end."""
    problem, places = project.catalogue.problems[name], load_places(project)
    system = require_places(places.register, SYSTEM)
    placed, aside, _ = stack_sources(*place_sources(project, problem, frozenset(system["place_code"])))

    def build_grid(day: date) -> pl.DataFrame:
        return build_cells(Block(problem, system, placed), project.catalogue, aside, day)

    ends = sorted(placed["period_end"].unique())
    return build_grid(project.as_of), pl.concat([build_grid(end) for end in ends] or [build_grid(project.as_of)])


def type_indicators(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Build both grids of the indicators of a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        indicators = read_indicators(folder)
        project = write_project(Path(scratch), indicators)
        steps.prepare_store(project)
        newest, every = zip(*(type_indicator(project, indicator.name) for indicator in indicators), strict=True)
    return pl.concat(newest), pl.concat(every)


def explained_share(cells: pl.DataFrame) -> float:
    """Return the share of empty cells with a reason other than `unexplained`."""
    empty = cells.filter(pl.col("value").is_null())
    return (empty["reason"] != "unexplained").sum() / max(empty.height, 1)


def render_page(newest: pl.DataFrame, every: pl.DataFrame) -> str:
    """Format the figures as a page of the docs."""
    indicators_n, places = newest["measure"].n_unique(), newest["place_code"].n_unique()
    parts = [
        "# Why cells are empty in Explore Local Statistics",
        "<!-- Made by `python benchmarks/els_gaps.py FOLDER docs/els-gaps.md`; do not edit. -->",
        f"The Office for National Statistics publishes these {indicators_n} indicators in one form for its page on "
        "local statistics (files of 26 June 2026). One generic declaration reads each of them for a grid of "
        f"{places} districts ({SYSTEM}). A reason is published where the cell's row has a marker; all others "
        "are computed from the content of the files. The [glossary](../GLOSSARY.md) defines the terms.",
        _summary_table(("newest period", newest), ("every period", every)),
        "## By reason\n\n" + _by_reason(newest, every),
        "## By indicator, newest period\n\n" + _by_indicator(newest),
        "## Not explained\n\n" + _unexplained_list(pl.concat([newest, every])),
    ]
    return "\n\n".join(parts) + "\n"


def _summary_table(*grids: tuple[str, pl.DataFrame]) -> str:
    lines = [
        "| grid | cells | empty | share | with a published reason | typed | unexplained |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, cells in grids:
        empty = cells.filter(pl.col("value").is_null())
        published = empty["reason"].is_in(PUBLISHED).sum()
        unknown = (empty["reason"] == "unexplained").sum()
        lines.append(
            f"| {name} | {cells.height:,} | {empty.height:,} | {empty.height / cells.height:.1%} | "
            f"{published:,} ({published / empty.height:.1%}) | {explained_share(cells):.2%} | {unknown:,} |"
        )
    return "\n".join(lines)


def _by_reason(newest: pl.DataFrame, every: pl.DataFrame) -> str:
    counts = [dict(cells.drop_nulls("reason")["reason"].value_counts().iter_rows()) for cells in (newest, every)]
    lines = ["| reason | newest period | every period |", "|---|---|---|"]
    order = sorted(counts[1], key=lambda reason: -counts[1][reason])
    return "\n".join(
        [*lines, *(f"| `{reason}` | {counts[0].get(reason, 0):,} | {counts[1][reason]:,} |" for reason in order)]
    )


def _by_indicator(newest: pl.DataFrame) -> str:
    return "\n".join(["| indicator | known | empty, by reason |", "|---|---|---|", *describe_indicators(newest)])


def describe_indicators(newest: pl.DataFrame) -> list[str]:
    """Format the known cells of each indicator, and its empty cells by reason, as rows of a table."""
    lines = []
    for (measure,), cells in newest.group_by("measure", maintain_order=True):
        counts = cells.drop_nulls("reason")["reason"].value_counts().sort("count", "reason", descending=[True, False])
        counts_text = ", ".join(f"{reason} {count}" for reason, count in counts.iter_rows())
        lines.append(f"| {str(measure).removeprefix('els_')} | {cells['value'].count()} | {counts_text or 'none'} |")
    return lines


def _unexplained_list(cells: pl.DataFrame) -> str:
    cells_left = (
        cells.filter(pl.col("reason") == "unexplained")
        .select("measure", "place_name", "period_end")
        .unique()
        .sort(pl.all())
    )
    return "\n".join(f"- {measure}, {place}, {end}" for measure, place, end in cells_left.iter_rows()) or "None."


def write_els_page(folder: Path, out: Path | None) -> None:
    """Build both grids, and print the page or write it."""
    text = render_page(*type_indicators(folder))
    if out:
        out.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    write_els_page(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
