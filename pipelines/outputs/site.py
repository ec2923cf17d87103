"""Index page of all problems and places, and the place pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.apportionment import population_measure
from pipelines.core.output_files import write_outputs
from pipelines.core.periods import format_period
from pipelines.core.schema import CELL_COLUMNS, empty_table
from pipelines.core.store import output_path, read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import (
    ANSWER_TABLES,
    compute_table_keys,
    hash_texts,
    program_key,
    public_input_sources,
)
from pipelines.declarations.project import Project
from pipelines.declarations.version import project_version
from pipelines.gaps import (
    VERDICT,
    VERDICT_WORDS,
    Ledger,
    describe_last_build,
    ledger_path,
    list_current_problems,
    load_gaps,
    load_ledger,
    summarise_by_place,
)
from pipelines.geography import load_geography, load_places
from pipelines.outputs.charts import draw_trend
from pipelines.outputs.page_templates import render_page
from pipelines.outputs.place_pages import PlacePage, build_place_pages

INDEX = "index.html"


def place_page_path(home: Path, code: str) -> Path:
    """Return the file path of a place page. Every operating system allows the characters of a code in a file name."""
    return output_path(home, place_page_name(code))


def place_page_name(code: str) -> str:
    """Return the name of a place page in the manifest of outputs."""
    return f"places/{code}.html"


def publish_pages(project: Project) -> Path:
    """Write the index page and the place pages that have changed. Return the path of the index page."""
    index, done = output_path(project.home, INDEX), state_path(project.home, "pages", "commonground")
    if not pages_are_fresh(project):
        names = _current_problems(project)
        cells = {name: read_table(state_path(project.home, "cell", name)) for name in names}
        verdicts = {name: read_table(state_path(project.home, "verdict", name)) for name in names}
        page_keys = _write_pages(project, cells, verdicts)
        write_table(done, page_keys, pages_key(project))
    return index


def _current_problems(project: Project) -> list[str]:
    """Return the names of problems with an up-to-date answer."""
    return list_current_problems(project, compute_table_keys(project.catalogue, project.home, project.as_of))


def pages_key(project: Project) -> str:
    """Return the key of up-to-date pages, from all cells, verdicts and ledgers and the day."""
    names = _current_problems(project)
    tables = [state_path(project.home, kind, name) for name in names for kind in ANSWER_TABLES]
    tables += [ledger_path(project.home, name) for name in names]
    return hash_texts(
        program_key("outputs"), project.as_of.isoformat(), *(f"{path.stem} {table_key(path)}" for path in tables)
    )


def pages_are_fresh(project: Project) -> bool:
    """Return whether all pages exist and match the tables in the store."""
    done = state_path(project.home, "pages", "commonground")
    if table_key(done) != pages_key(project) or not output_path(project.home, INDEX).is_file():
        return False
    return all(place_page_path(project.home, code).is_file() for code in read_table(done)["place_code"])


def _write_pages(project: Project, cells: dict[str, pl.DataFrame], verdicts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Write the index page and the changed place pages. Return the key of each place page: place_code, key."""
    since = pl.concat([load_gaps(project, name).select("gap_id", "opened", "closed") for name in cells] or [_NO_GAPS])
    pages = build_place_pages(
        project.catalogue,
        pl.concat([empty_table(CELL_COLUMNS), *cells.values()]),
        pl.concat([empty_table(VERDICT), *verdicts.values()]),
        since.filter(pl.col("closed").is_null()).drop("closed"),
    )
    done = state_path(project.home, "pages", "commonground")
    before = dict(read_table(done).iter_rows()) if table_key(done) else {}
    title = _people_title(project)
    page_keys = {page.code: hash_texts(program_key("outputs"), str(project.as_of), title, repr(page)) for page in pages}

    def page_contents() -> Iterator[tuple[str, bytes]]:
        for page in pages:
            if before.get(page.code) != page_keys[page.code] or not place_page_path(project.home, page.code).is_file():
                yield place_page_name(page.code), render_place_page(project, page, title).encode("utf-8")
        yield INDEX, render_overview(project, cells, verdicts).encode("utf-8")

    staying = [place_page_name(code) for code in page_keys]
    write_outputs(project.home, "pages", public_input_sources(project.catalogue, list(cells)), page_contents(), staying)
    return pl.DataFrame(list(page_keys.items()), schema={"place_code": pl.String, "key": pl.String}, orient="row")


_NO_GAPS = pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date, "closed": pl.Date})


def _people_title(project: Project) -> str:
    """Return the title of the population measure, from the first problem that has one."""
    for problem in project.catalogue.problems.values():
        name = population_measure(project.catalogue, problem.measures)
        if name:
            title = project.catalogue.measures[name].title
            return title[0].lower() + title[1:]
    return "people"


def render_place_page(project: Project, page: PlacePage, people_title: str) -> str:
    """Render the page of one place as one HTML document, without scripts or network access."""
    day = format_period(project.as_of, project.as_of)
    return render_page("place.html", page=page, people_title=people_title, as_of=day, version=project_version())


def render_overview(project: Project, cells: dict[str, pl.DataFrame], verdicts: dict[str, pl.DataFrame]) -> str:
    """Render the index page of all problems and places."""
    catalogue = project.catalogue
    systems = sorted({catalogue.problems[name].header.geography for name in cells})
    nowhere = load_places(project).register.clear()
    places = pl.concat([load_geography(project, system).places for system in systems] or [nowhere])
    content = build_overview(
        catalogue, cells, verdicts, {name: load_ledger(project, name) for name in cells}, places.unique("place_code")
    )
    day = format_period(project.as_of, project.as_of)
    return render_page("overview.html", overview=content, as_of=day, version=project_version())


class Overview(NamedTuple):
    """Content of the index page: a row for each problem, and the places by region or nation."""

    problems: list[dict[str, Any]]
    places: list[tuple[str, list[tuple[str, str, str]]]]


def build_overview(
    catalogue: Catalogue, cells: dict[str, pl.DataFrame], verdicts: dict[str, pl.DataFrame], ledgers: dict[str, Ledger],
    register: pl.DataFrame,
) -> Overview:  # fmt: skip
    """Return the content of the index page.

    Takes the cells (schema.CELL_COLUMNS), verdicts (verdicts.VERDICT) and ledger of each problem, and the places with
    a page (schema.PLACE_COLUMNS).
    """
    rows = [
        _problem_row(catalogue, name, cells[name], summarise_by_place(verdicts[name]), ledgers[name])
        for name in sorted(cells)
    ]
    return Overview(rows, _places_by_region(register, verdicts))


def _problem_row(
    catalogue: Catalogue, name: str, cells: pl.DataFrame, verdicts: pl.DataFrame, ledger: Ledger
) -> dict[str, Any]:
    header = catalogue.problems[name].header
    counts = dict(verdicts["verdict"].value_counts().iter_rows())
    known = cells.filter(pl.col("value").is_not_null(), pl.col("proxy_measure").is_null()).height
    return {
        "name": name, "question": header.question, "owner": header.owner, "places": verdicts.height,
        "verdicts": [(verdict, title, counts.get(verdict, 0)) for verdict, title in VERDICT_WORDS.items()],
        "known": known, "asked": cells.height, "since": describe_last_build(ledger), "trend": draw_trend(ledger),
    }  # fmt: skip


def _places_by_region(
    register: pl.DataFrame, verdicts: dict[str, pl.DataFrame]
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Group places by region or nation, with the number of answerable problems for each place."""
    every = (
        pl.concat([summarise_by_place(problem_verdicts) for problem_verdicts in verdicts.values()])
        if verdicts
        else pl.DataFrame()
    )
    counted = every.group_by("place_code").agg(
        (pl.col("verdict") != "not_answerable").sum().alias("answered"), pl.len().alias("asked")
    )
    counted_places = register.join(counted, on="place_code", how="inner").with_columns(
        pl.coalesce("region", "nation", pl.lit("Other places")).alias("where"),
        pl.format("{} of {}", "answered", "asked").alias("said"),
    )
    return [
        (str(where[0]), list(region_places.select("place_code", "place_name", "said").iter_rows()))
        for where, region_places in counted_places.sort("where", "place_name").group_by("where", maintain_order=True)
    ]
