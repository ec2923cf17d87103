"""Index page of all problems and places, and the place pages."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.output_files import write_outputs
from pipelines.core.periods import format_period
from pipelines.core.schema import empty_table
from pipelines.core.store import hash_bytes, output_path, read_table, state_path, table_key, table_version, write_table
from pipelines.core.table_cache import forget_tables
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import compute_table_keys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.declarations.version import project_version
from pipelines.gaps import (
    HISTORY,
    HISTORY_KEY,
    VERDICT,
    VERDICT_WORDS,
    Ledger,
    describe_last_build,
    describe_unanswered,
    is_needed,
    list_current_problems,
    list_partnership_places,
    load_ledger,
    load_opening_days,
    summarise_by_place,
)
from pipelines.geography import list_boundary_sources, load_geography, load_places
from pipelines.outputs.boundary_files import boundary_contents
from pipelines.outputs.charts import HEIGHT, WIDTH, draw_trend
from pipelines.outputs.data_package import CELLS_SCHEMA, DATA_PACKAGE, data_package_contents
from pipelines.outputs.dataset_metadata import describe_for_catalogues, describe_for_search, encode_block
from pipelines.outputs.datasets import Dataset, list_datasets
from pipelines.outputs.freshness import (
    INDEX,
    SEARCH,
    TABLE_SCRIPT,
    all_pages_exist,
    index_is_fresh,
    index_key,
    index_record_path,
    overview_path,
    page_content_key,
    page_parts_path,
    pages_are_fresh,
    pages_key,
    pages_path,
    place_page_name,
    place_page_path,
    report_record_path,
)
from pipelines.outputs.index_inputs import INDEX_RECORD, boundaries_key, list_same_files, search_key
from pipelines.outputs.last_changed import FILE_CHANGE, date_file_changes, last_change, read_file_changes
from pipelines.outputs.page_templates import render_page
from pipelines.outputs.place_brief import BriefFacts, build_place_brief
from pipelines.outputs.place_context import PlaceContext, limit_lines, load_place_context
from pipelines.outputs.place_inputs import (
    list_page_partnerships,
    load_brief_facts,
    people_title,
    read_partnership_tables,
)
from pipelines.outputs.place_keys import common_key, hash_groups, key_pages, key_parts, key_places, list_new_measures
from pipelines.outputs.place_pages import PAGE_COLUMNS, PageRows, collect_page_rows, compose_pages
from pipelines.outputs.place_parts import PAGE_PART, find_same_parts, read_page_parts, update_parts
from pipelines.outputs.place_render import render_place_page
from pipelines.outputs.report_changes import write_days
from pipelines.outputs.report_model import MAX_LISTED_PLACES, MAX_TABLE_CELLS
from pipelines.outputs.search import describe_group, find_kind, group_order, render_search


def publish_pages(project: Project) -> Path:
    """Write the place pages that have changed, and the index page. Return the path of the index page."""
    publish_place_pages(project)
    return publish_index(project)


def publish_place_pages(project: Project) -> None:
    """Write the place pages that have changed, and the table from which the index page is written."""
    if not pages_are_fresh(project):
        names = _current_problems(project)
        opened = {name: load_opening_days(project, name) for name in names}
        verdicts = {name: read_table(state_path(project.home, "verdict", name)) for name in names}
        listed = [name for name in names if verdicts[name]["place_code"].n_unique() <= MAX_LISTED_PLACES]
        counted = {name: _read_cells(project, name, _COUNTED_COLUMNS) for name in names}
        overview = _build_project_overview(project, counted, verdicts, listed)
        sources = public_input_sources(project.catalogue, names)
        write_table(overview_path(project), overview.problems, pages_key(project), sources)
        pages = _read_unchanged_pages(project)
        if pages is None:
            tables = PageTables(*({name: kind[name] for name in listed} for kind in (verdicts, opened)))
            del counted, verdicts, opened
            pages = _write_place_pages(project, tables)
        places = pages.join(overview.places, on="place_code", how="left", maintain_order="left")
        write_table(pages_path(project), places, pages_key(project), version=page_content_key(project))


class PageTables(NamedTuple):
    """Tables by problem that place pages show beside cells: verdicts, and the opening day of each open gap."""

    verdicts: dict[str, pl.DataFrame]
    opened: dict[str, pl.DataFrame]


def _read_unchanged_pages(project: Project) -> pl.DataFrame | None:
    """Return PAGE_RECORD where all place pages exist and have the content of these tables."""
    if table_version(pages_path(project)) != page_content_key(project) or not all_pages_exist(project):
        return None
    return _read_page_records(project)


_COUNTED_COLUMNS = ("need", "value", "proxy_measure")
"""Columns of cells that the index page counts."""


def _read_cells(project: Project, name: str, columns: Sequence[str]) -> pl.DataFrame:
    return read_table(state_path(project.home, "cell", name), columns)


def publish_index(project: Project) -> Path:
    """Write the index page, which states the days of the build and of each page's last change, and the search."""
    index, done = output_path(project.home, INDEX), index_record_path(project)
    if not index_is_fresh(project):
        overview, pages = read_table(overview_path(project)), read_table(pages_path(project))
        unanswered = _list_unanswered(project)
        asked = {*overview["name"], *(row["name"] for row in unanswered if row["name"] in project.catalogue.problems)}
        sources = public_input_sources(project.catalogue, sorted(asked))
        datasets = list_datasets(project, dict(overview.select("name", "places").iter_rows()))
        drawn, named = boundaries_key(project), search_key(project, pages)
        boundaries = list_same_files(project, "boundaries", drawn) or _write_boundaries(project)
        contents = [
            (TABLE_SCRIPT, render_page(TABLE_SCRIPT).encode("utf-8")),
            *data_package_contents(datasets),
            (INDEX, render_index(project, datasets, boundaries, unanswered).encode("utf-8")),
        ]
        if not list_same_files(project, "pages", named):
            contents.insert(0, (SEARCH, render_search(pages, load_places(project)).encode("utf-8")))
        write_outputs(project.home, "pages", sources, contents)
        keys = {SEARCH: named, **dict.fromkeys(boundaries, drawn)}
        files = dict.fromkeys((SEARCH, *(name for name, _ in contents), *boundaries))
        rows = [(name, keys.get(name, "")) for name in files]
        write_table(done, pl.DataFrame(rows, schema=INDEX_RECORD, orient="row"), index_key(project))
    return index


def _write_boundaries(project: Project) -> list[str]:
    """Write the files of boundaries; return their names."""
    contents = list(boundary_contents(project))
    write_outputs(project.home, "boundaries", sorted(list_boundary_sources(project)), contents, staying=())
    return [name for name, _ in contents]


def _current_problems(project: Project) -> list[str]:
    """Return the names of problems with an up-to-date answer."""
    return list_current_problems(project, compute_table_keys(project.catalogue, project.home, project.as_of))


def _write_place_pages(project: Project, tables: PageTables) -> pl.DataFrame:
    """Write the place pages that have changed. Return PAGE_RECORD of each place page.

    The tables are emptied before: the rows of the pages have what these need of them.
    """
    names = list(tables.verdicts)
    every = _collect_rows(project, tables)
    history = _load_history(project, names)
    context = _load_context(project, names, set(every[0].places["place_code"]), history)
    facts = load_brief_facts(project, names, every[0].doubted)
    title, before = people_title(project), _read_page_records(project)
    keys = _key_pages(project, names, every, context, facts, hash_groups(history, "measure"))
    for kind in tables:
        kind.clear()
    del history
    forget_tables()
    hashes = dict(before.select("place_code", "sha256").iter_rows())
    earlier_keys = dict(before.select("place_code", "key").iter_rows())
    stale = {code for code, key in keys.pages.items()
             if earlier_keys.get(code) != key or not place_page_path(project.home, code).is_file()}  # fmt: skip
    earlier_parts = _read_page_parts(project)
    same = find_same_parts(keys.parts.filter(pl.col("place_code").is_in(list(stale))), earlier_parts)

    def page_contents() -> Iterator[tuple[str, bytes]]:
        for rows in _split_rows(every, stale):
            rendered = {code: read_page_parts(project.home, code, same.get(code, ()), hashes.get(code))
                        for code in rows.places["place_code"]}  # fmt: skip
            own = limit_lines(context, list(rendered), list_new_measures(rows, rendered))
            for page in compose_pages(project.catalogue, rows, own, rendered):
                brief = build_place_brief(page, project.catalogue, own, facts)
                content = render_place_page(page, title, project.catalogue, own, brief).encode("utf-8")
                hashes[page.code] = hash_bytes(content)
                yield place_page_name(page.code), content

    staying = [INDEX, SEARCH, TABLE_SCRIPT, DATA_PACKAGE, CELLS_SCHEMA, *(place_page_name(code) for code in keys.pages)]
    write_outputs(project.home, "pages", public_input_sources(project.catalogue, names), page_contents(), staying)
    parts = update_parts(keys.parts, earlier_parts, stale)
    write_table(page_parts_path(project), parts, page_content_key(project))
    changes = date_file_changes(
        before.rename({"place_code": "file"}).select(FILE_CHANGE.names()),
        {code: hashes[code] for code in keys.pages},
        project.as_of,
    )
    records = changes.rename({"file": "place_code"})
    return records.with_columns(pl.Series("key", list(keys.pages.values()), dtype=pl.String)).select(list(PAGE_RECORD))


class PageKeys(NamedTuple):
    """The key of each place page by code, and of each part of these pages (place_parts.PAGE_PART)."""

    pages: dict[str, str]
    parts: pl.DataFrame


def _key_pages(
    project: Project, names: list[str], every: Iterable[PageRows], context: PlaceContext, facts: BriefFacts,
    measure_keys: Mapping[str, str],
) -> PageKeys:  # fmt: skip
    """Return the keys of the pages of places and of partnerships."""
    common, keys, parts = common_key(project, names, people_title(project), context.names), dict[str, str](), []
    for rows in every:
        place_keys = key_places(rows, context, common)
        keys |= key_pages(rows, facts, measure_keys, place_keys)
        parts.append(key_parts(rows, measure_keys, place_keys))
    return PageKeys(keys, pl.concat(parts))


def _read_page_parts(project: Project) -> pl.DataFrame:
    path = page_parts_path(project)
    return read_table(path) if table_key(path) else PAGE_PART.to_frame()


def _split_rows(every: Iterable[PageRows], codes: Collection[str]) -> Iterator[PageRows]:
    """Split the rows of some places, so that the memory for the contents of their pages has a limit."""
    for rows in every:
        own = [code for code in rows.places["place_code"] if code in codes]
        for first in range(0, len(own), MOST_COMPOSED):
            yield rows.of_places(own[first : first + MOST_COMPOSED])


MOST_COMPOSED = 64
"""Most pages with their contents in memory."""


def _collect_rows(project: Project, tables: PageTables) -> tuple[PageRows, PageRows]:
    """Collect the rows of the pages of places, and of partnerships. The cells of one problem at a time are read."""
    catalogue, names = project.catalogue, list(tables.verdicts)
    opened = pl.concat([_NO_GAPS, *tables.opened.values()])

    def stack_verdicts(judged: Iterable[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat([empty_table(VERDICT), *judged])

    cells = (_read_cells(project, name, PAGE_COLUMNS) for name in names)
    own_cells, own_verdicts = (read_partnership_tables(project, kind, names) for kind in ("cell", "verdict"))
    return (
        collect_page_rows(catalogue, cells, stack_verdicts(tables.verdicts.values()), opened),
        collect_page_rows(catalogue, own_cells, stack_verdicts(own_verdicts), opened, is_ranked=False),
    )


PAGE_RECORD = pl.Schema({"place_code": pl.String, "key": pl.String, "sha256": pl.String, "changed": pl.Date})
"""A place page: the key of its content, the hash of its file, and the day of the build that last changed it."""


def _read_page_records(project: Project) -> pl.DataFrame:
    done = pages_path(project)
    table = read_table(done) if table_key(done) else PAGE_RECORD.to_frame()
    # A store of an earlier version has no hashes: its pages are written again.
    return table.select(list(PAGE_RECORD)) if set(PAGE_RECORD) <= set(table.columns) else PAGE_RECORD.to_frame()


_NO_GAPS = pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date})


def _load_history(project: Project, names: Iterable[str]) -> pl.DataFrame:
    """Return the figures over time of the places of some problems (HISTORY)."""
    histories = [read_table(state_path(project.home, "history", name)) for name in names]
    stacked = pl.concat([empty_table(HISTORY), *histories]).with_row_index(_ROW)
    # Most figures are of one problem alone, which a hash of the key finds faster than a comparison of the keys.
    is_shared = stacked.select(HISTORY_KEY).hash_rows().is_duplicated()
    first = stacked.filter(is_shared).unique(HISTORY_KEY, keep="first", maintain_order=True)[_ROW]
    return stacked.filter(~is_shared | pl.col(_ROW).is_in(first.implode())).drop(_ROW)


_ROW = "_row"


def _load_context(project: Project, names: list[str], codes: set[str], history: pl.DataFrame) -> PlaceContext:
    """Return what the places of some problems are compared with; takes the codes of the places."""
    systems = sorted({project.catalogue.problems[name].header.geography for name in names})
    return load_place_context(project, systems, history, codes, list_page_partnerships(project, names))


def _list_unanswered(project: Project) -> list[dict[str, str]]:
    """List the problems without a current answer: name, question, reason, and the file and day of the last report.

    An excluded problem has no question. Without a report, its file and day are blank.
    """
    catalogue, home = project.catalogue, project.home
    reasons = describe_unanswered(project, compute_table_keys(catalogue, home, project.as_of))
    files = {name: f"{name}.html" if output_path(home, f"{name}.html").is_file() else "" for name in reasons}
    return [
        {"name": name, "reason": reason, "file": files[name],
         "question": catalogue.problems[name].header.question if name in catalogue.problems else "",
         "changed": _format_report_day(home, name) if files[name] else ""}
        for name, reason in reasons.items()
    ]  # fmt: skip


def _format_report_day(home: Path, name: str) -> str:
    """Format the day on which the report of a problem last changed; blank where none is recorded."""
    return format_day(last_change(read_file_changes(report_record_path(home, name))))


def render_index(
    project: Project, datasets: list[Dataset], boundaries: Collection[str] = (),
    unanswered: Sequence[Mapping[str, str]] = (),
) -> str:  # fmt: skip
    """Render the index page of all problems and places from the tables that `publish_pages` wrote.

    `boundaries` has the names of the files of boundaries, and `unanswered` the rows of `_list_unanswered`.
    """
    problems = [
        {
            **row,
            "verdicts": [(verdict, row[verdict]) for verdict in VERDICT_WORDS],
            "changed": _format_report_day(project.home, row["name"]),
            "answer": _read_answer(project.home, row["name"]),
            "is_large": row["asked"] > MAX_TABLE_CELLS,
        }
        for row in read_table(overview_path(project)).iter_rows(named=True)
    ]
    pages = read_table(pages_path(project))
    usual = pages["changed"].mode().max() if pages.height else None
    places = group_by_kind(
        pages.with_columns(pl.when(pl.col("changed") != pl.lit(usual, pl.Date)).then("changed").alias("changed")),
        load_places(project).kinds,
    )
    day = format_day(project.as_of)
    return render_page(
        "overview.html", problems=problems, unanswered=unanswered, places_by_kind=places, as_of=day,
        version=project_version(), trend_width=WIDTH, trend_height=HEIGHT,
        max_listed_places=MAX_LISTED_PLACES, usual_change=format_day(usual),  # type: ignore[arg-type]
        boundaries=[name for name in boundaries if name.endswith(".geojson")],
        descriptions=[encode_block(describe(datasets, project_version()))
                      for describe in (describe_for_search, describe_for_catalogues)],
    )  # fmt: skip


def _read_answer(home: Path, name: str) -> str:
    """Return the first sentence of a problem's page from its report; blank without a report."""
    path = output_path(home, f"{name}.json")
    return str(json.loads(path.read_bytes()).get("answer", "")) if path.is_file() else ""


def format_day(day: date | None) -> str:
    """Format a day, or return an empty text for None."""
    return format_period(day, day) if day else ""


class Overview(NamedTuple):
    """Content of the index page: a row for each problem, and a row for each place with its region or nation."""

    problems: pl.DataFrame
    places: pl.DataFrame


def _build_project_overview(
    project: Project, cells: dict[str, pl.DataFrame], verdicts: dict[str, pl.DataFrame], listed: Collection[str]
) -> Overview:
    catalogue = project.catalogue
    systems = sorted({catalogue.problems[name].header.geography for name in listed})
    nowhere = load_places(project).register.clear()
    places = pl.concat([load_geography(project, system).places for system in systems] or [nowhere])
    ledgers = {name: load_ledger(project, name) for name in cells}
    overview = build_overview(catalogue, cells, verdicts, ledgers, places.unique("place_code"), listed)
    own = list_partnership_places(list_page_partnerships(project, listed), places)
    answers = {
        str(number): summarise_by_place(table)
        for number, table in enumerate(read_partnership_tables(project, "verdict", sorted(listed)))
    }
    return overview._replace(places=pl.concat([overview.places, _count_answers(own, answers)]))


def build_overview(
    catalogue: Catalogue, cells: dict[str, pl.DataFrame], verdicts: dict[str, pl.DataFrame], ledgers: dict[str, Ledger],
    register: pl.DataFrame, listed: Collection[str],
) -> Overview:  # fmt: skip
    """Return the content of the index page.

    Takes the cells (need, value, proxy_measure), verdicts (verdicts.VERDICT) and ledger of each problem, the places
    with a page (schema.PLACE_COLUMNS), and the names of the problems that these pages show.
    """
    by_place = {name: summarise_by_place(problem_verdicts) for name, problem_verdicts in verdicts.items()}
    rows = [_problem_row(catalogue, name, cells[name], by_place[name], ledgers[name]) for name in sorted(cells)]
    shown = {name: by_place[name] for name in listed}
    return Overview(pl.DataFrame(rows, schema=_PROBLEM_ROW, orient="row"), _count_answers(register, shown))


_PROBLEM_ROW = pl.Schema(
    {
        **dict.fromkeys(("name", "question", "owner"), pl.String),
        **dict.fromkeys(("places", *VERDICT_WORDS, "known", "asked"), pl.Int64),
        **dict.fromkeys(("since", "trend_path", "trend"), pl.String),
    }
)


def _problem_row(
    catalogue: Catalogue, name: str, cells: pl.DataFrame, verdicts: pl.DataFrame, ledger: Ledger
) -> dict[str, Any]:
    header = catalogue.problems[name].header
    counts = dict(verdicts["verdict"].value_counts().iter_rows())
    asked = cells.filter(is_needed())
    known = asked.filter(pl.col("value").is_not_null(), pl.col("proxy_measure").is_null()).height
    trend = draw_trend(ledger) or {"path": None, "said": None}
    return {
        "name": name, "question": header.question, "owner": header.owner, "places": verdicts.height,
        **{verdict: counts.get(verdict, 0) for verdict in VERDICT_WORDS}, "known": known, "asked": asked.height,
        "since": write_days(describe_last_build(ledger)), "trend_path": trend["path"], "trend": trend["said"],
    }  # fmt: skip


def _count_answers(register: pl.DataFrame, verdicts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Count the answerable problems of each place: place_code, place_name, where, answered, asked."""
    every = pl.concat([empty_table(VERDICT).select("place_code", "verdict")]
                      + [frame.select("place_code", "verdict") for frame in verdicts.values()])  # fmt: skip
    counted = every.group_by("place_code").agg(
        (pl.col("verdict") != "not_answerable").sum().alias("answered"), pl.len().alias("asked")
    )
    return register.join(counted, on="place_code", how="inner").select(
        "place_code", "place_name", pl.coalesce("region", "nation", pl.lit("Other places")).alias("where"),
        "answered", "asked",
    )  # fmt: skip


def group_by_kind(
    places: pl.DataFrame, kinds: Mapping[str, str]
) -> list[tuple[str, str, list[tuple[str, list[dict[str, Any]]]]]]:
    """Group places by kind, such as councils or NHS trusts: an identifier, the title, and the places by region."""
    titles = {code: describe_group(find_kind(code, kinds)) for code in places["place_code"]}
    group = pl.col("place_code").replace_strict(titles, default=None, return_dtype=pl.String)
    by_group = places.with_columns(group.alias("group")).partition_by("group", as_dict=True)
    return [
        (title.lower().replace(" ", "-"), title, group_by_region(by_group[title,].drop("group")))
        for title in group_order() if (title,) in by_group
    ]  # fmt: skip


def group_by_region(places: pl.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group places by region or nation: code, name, number of answerable problems, and any day of its change."""
    said = pl.format("{} of {}", "answered", "asked").alias("said")
    rows = places.with_columns(said).sort("where", "place_name")
    return [
        (
            str(where[0]),
            [
                {"code": row["place_code"], "name": row["place_name"], "said": row["said"],
                 "changed": format_day(row["changed"])}
                for row in region_places.iter_rows(named=True)
            ],
        )
        for where, region_places in rows.group_by("where", maintain_order=True)
    ]  # fmt: skip
