"""The index of all problems and places, and the pages behind it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.apportionment import population_of
from pipelines.core.output_files import write_outputs
from pipelines.core.periods import say
from pipelines.core.schema import CELL, empty
from pipelines.core.store import out_path, read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import ANSWERED, code_key, hashed, keys, rests_on
from pipelines.declarations.project import Project
from pipelines.declarations.version import project_version
from pipelines.gaps import SAID, VERDICT, Ledger, answered_now, by_place, gaps_of, ledger_of, ledger_path, since
from pipelines.geography import place_system, register_places
from pipelines.outputs.charts import trend
from pipelines.outputs.page_templates import render_page
from pipelines.outputs.place_pages import PlacePage, place_pages

INDEX = "index.html"


def place_page_path(home: Path, code: str) -> Path:
    """Give the file of a place's page. Codes are letters, digits and signs that every system allows in a name."""
    return out_path(home, page_name(code))


def page_name(code: str) -> str:
    """Name a place's page as the manifest lists it."""
    return f"places/{code}.html"


def publish_pages(project: Project) -> Path:
    """Write the pages of places and the overview; only those of which anything has changed. Gives the overview."""
    index, done = out_path(project.home, INDEX), state_path(project.home, "pages", "commonground")
    if not pages_are_fresh(project):
        names = _answered(project)
        cells = {name: read_table(state_path(project.home, "cell", name)) for name in names}
        judged = {name: read_table(state_path(project.home, "verdict", name)) for name in names}
        made = _write_places(project, cells, judged)
        write_table(done, made, pages_key(project))
    return index


def _answered(project: Project) -> list[str]:
    """Name the problems that were answered from what is held now."""
    return answered_now(project, keys(project.catalogue, project.home, project.as_of))


def pages_key(project: Project) -> str:
    """Give the key that the pages should have now: of all cells, verdicts and ledgers there are, and the day."""
    names = _answered(project)
    tables = [state_path(project.home, kind, name) for name in names for kind in ANSWERED]
    tables += [ledger_path(project.home, name) for name in names]
    return hashed(
        code_key("outputs"), project.as_of.isoformat(), *(f"{path.stem} {table_key(path)}" for path in tables)
    )


def pages_are_fresh(project: Project) -> bool:
    """Tell whether all pages are there and made from what is there."""
    done = state_path(project.home, "pages", "commonground")
    if table_key(done) != pages_key(project) or not out_path(project.home, INDEX).is_file():
        return False
    return all(place_page_path(project.home, code).is_file() for code in read_table(done)["place_code"])


def _write_places(project: Project, cells: dict[str, pl.DataFrame], judged: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Write the overview and the pages that have changed; give the key of each place's page: place_code, key."""
    since = pl.concat([gaps_of(project, name).select("gap_id", "opened", "closed") for name in cells] or [_NONE])
    pages = place_pages(
        project.catalogue,
        pl.concat([empty(CELL), *cells.values()]),
        pl.concat([empty(VERDICT), *judged.values()]),
        since.filter(pl.col("closed").is_null()).drop("closed"),
    )
    done = state_path(project.home, "pages", "commonground")
    before = dict(read_table(done).iter_rows()) if table_key(done) else {}
    title = _people_title(project)
    made = {page.code: hashed(code_key("outputs"), str(project.as_of), title, repr(page)) for page in pages}

    def contents() -> Iterator[tuple[str, bytes]]:
        for page in pages:
            if before.get(page.code) != made[page.code] or not place_page_path(project.home, page.code).is_file():
                yield page_name(page.code), render_place(project, page, title).encode("utf-8")
        yield INDEX, render_overview(project, cells, judged).encode("utf-8")

    staying = [page_name(code) for code in made]
    write_outputs(project.home, "pages", rests_on(project.catalogue, list(cells)), contents(), staying)
    return pl.DataFrame(list(made.items()), schema={"place_code": pl.String, "key": pl.String}, orient="row")


_NONE = pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date, "closed": pl.Date})


def _people_title(project: Project) -> str:
    """Say who is counted as the people of a place, for the first problem there is."""
    for problem in project.catalogue.problems.values():
        name = population_of(project.catalogue, problem.measures)
        if name:
            title = project.catalogue.measures[name].title
            return title[0].lower() + title[1:]
    return "people"


def render_place(project: Project, page: PlacePage, people_title: str) -> str:
    """Write the page of one place: one HTML document that needs no script and no network."""
    day = say(project.as_of, project.as_of)
    return render_page("place.html", page=page, people_title=people_title, as_of=day, version=project_version())


def render_overview(project: Project, cells: dict[str, pl.DataFrame], judged: dict[str, pl.DataFrame]) -> str:
    """Write the overview of all problems and places."""
    catalogue = project.catalogue
    systems = sorted({catalogue.problems[name].header.geography for name in cells})
    nowhere = register_places(project).register.clear()
    places = pl.concat([place_system(project, system).places for system in systems] or [nowhere])
    told = overview(
        catalogue, cells, judged, {name: ledger_of(project, name) for name in cells}, places.unique("place_code")
    )
    day = say(project.as_of, project.as_of)
    return render_page("overview.html", told=told, as_of=day, version=project_version())


class Overview(NamedTuple):
    """What the overview says: a row for each problem, and the places by nation or region."""

    problems: list[dict[str, Any]]
    places: list[tuple[str, list[tuple[str, str, str]]]]


def overview(
    catalogue: Catalogue, cells: dict[str, pl.DataFrame], judged: dict[str, pl.DataFrame], ledgers: dict[str, Ledger],
    register: pl.DataFrame,
) -> Overview:  # fmt: skip
    """Give the overview of the problems that were built.

    Takes for each its cells (schema.CELL), verdicts (verdicts.VERDICT) and ledger; and the places there are pages of
    (schema.PLACE).
    """
    rows = [_problem(catalogue, name, cells[name], by_place(judged[name]), ledgers[name]) for name in sorted(cells)]
    return Overview(rows, _places(register, judged))


def _problem(
    catalogue: Catalogue, name: str, cells: pl.DataFrame, judged: pl.DataFrame, ledger: Ledger
) -> dict[str, Any]:
    header = catalogue.problems[name].header
    counts = dict(judged["verdict"].value_counts().iter_rows())
    known = cells.filter(pl.col("value").is_not_null(), pl.col("stand_in").is_null()).height
    return {
        "name": name, "question": header.question, "owner": header.owner, "places": judged.height,
        "verdicts": [(verdict, said, counts.get(verdict, 0)) for verdict, said in SAID.items()],
        "known": known, "asked": cells.height, "since": since(ledger), "trend": trend(ledger),
    }  # fmt: skip


def _places(register: pl.DataFrame, judged: dict[str, pl.DataFrame]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Put places under their region or nation, each with how many problems can be answered there."""
    every = pl.concat([by_place(each) for each in judged.values()]) if judged else pl.DataFrame()
    counted = every.group_by("place_code").agg(
        (pl.col("verdict") != "not_answerable").sum().alias("answered"), pl.len().alias("asked")
    )
    told = register.join(counted, on="place_code", how="inner").with_columns(
        pl.coalesce("region", "nation", pl.lit("Elsewhere")).alias("where"),
        pl.format("{} of {}", "answered", "asked").alias("said"),
    )
    return [
        (str(where[0]), list(found.select("place_code", "place_name", "said").iter_rows()))
        for where, found in told.sort("where", "place_name").group_by("where", maintain_order=True)
    ]
