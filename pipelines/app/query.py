"""Queries on built data: gaps, SQL, provenance of one cell, and lists."""

from collections.abc import Iterator
from typing import Any

import duckdb
import polars as pl

from pipelines.app.steps import prepare_store
from pipelines.core.errors import CommongroundError, UnknownNameError, suggest_names
from pipelines.core.periods import format_period, parse_period
from pipelines.core.query import run_limited_query, sandbox_config, user_query_limits
from pipelines.core.renames import add_new_name
from pipelines.core.store import lock_store, output_path
from pipelines.declarations.project import Project
from pipelines.gaps import read_built_cells
from pipelines.geography import Places, fold_name, load_geography, load_places
from pipelines.observations import all_findings, all_revisions, load_source_tables
from pipelines.outputs import measures_table, newest_warehouse, sources_table

GAP_COLUMNS = ["problem", "measure", "place_code", "place_name", "period_start", "period_end", "reason", "severity",
               "lower_bound", "upper_bound", "evidence", "data_owner", "remedy", "source"]  # fmt: skip


def list_gaps(project: Project, problem: str | None, place: str | None) -> pl.DataFrame:
    """Return the gaps of one problem or all, and of one place or all (GAP_COLUMNS)."""
    names = [problem] if problem else sorted(project.catalogue.problems)
    cells = pl.concat([read_built_cells(project, name) for name in names])
    gap_rows = cells.filter(pl.col("reason").is_not_null()).select(GAP_COLUMNS)
    if place is None:
        return gap_rows
    return gap_rows.filter(pl.col("place_code") == find_place_code(cells, place))


def select_gap_columns(gap_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the main columns of gaps. Problem and period are included only if there are several."""
    several = [name for name in ("problem", "period_start") if gap_rows[name].n_unique() > 1]
    return gap_rows.select(*several, "place_name", "measure", "reason", "evidence", "data_owner", "remedy")


def find_place_code(cells: pl.DataFrame, place: str) -> str:
    """Return the code of a place by name or code. Raises UnknownNameError with the most similar names."""
    names = dict(cells.select("place_code", "place_name").unique().iter_rows())
    if place in names:
        return place
    codes: list[str] = sorted(code for code, name in names.items() if fold_name(name) == fold_name(place))
    if len(codes) != 1:
        raise UnknownNameError(f"unknown place {place!r}; {suggest_names(place, names.values())}")
    return codes[0]


def run_query(project: Project, text: str) -> pl.DataFrame:
    """Run a read-only query on commonground.duckdb, without access to other files."""
    path = newest_warehouse(output_path(project.home, ""))
    if not path.is_file():
        raise CommongroundError(f"{path}: not found; run `commonground build` first")
    most = user_query_limits()
    with duckdb.connect(str(path), read_only=True, config=sandbox_config(most)) as con:
        try:
            return run_limited_query(con, text, most)
        except duckdb.Error as error:
            raise UnknownNameError(f"invalid query: {add_new_name(str(error))}") from error


def explain_cell(
    project: Project, problem: str, place: str, measure: str, period: str | None
) -> Iterator[tuple[str, str]]:
    """Return the provenance of one cell as pairs of a heading and a text."""
    declared_problem = project.catalogue.find_problem(problem)
    if measure not in declared_problem.measures:
        raise UnknownNameError(
            f"{problem} has no measure {measure!r}; {suggest_names(measure, declared_problem.measures)}"
        )
    cells = read_built_cells(project, problem).filter(pl.col("measure") == measure)
    cell = _find_cell(
        cells.filter(pl.col("place_code") == find_place_code(cells, place)), declared_problem.header.grain, period
    )
    source = project.catalogue.sources[project.catalogue.measure_source[measure]]
    declared_measure = project.catalogue.measures[measure]
    yield "question", declared_problem.header.question
    yield "place", f"{cell['place_name']} ({cell['place_code']}), {cell['nation']}"
    yield "measure", f"{declared_measure.title}, in {declared_measure.unit} ({declared_measure.kind})"
    yield from _value_lines(cell)
    yield from _provenance_lines(cell, project, declared_problem.header.geography)
    yield "source", f"{cell['source']}: {source.title}, {source.publisher}; {source.licence}; {source.page}"
    yield from _finding_lines(cell, project)


def _find_cell(cells: pl.DataFrame, grain: str, period: str | None) -> dict[str, Any]:
    if grain != "latest":
        kind = {"month": "month", "quarter": "quarter", "year": "year"}[grain]
        span = parse_period(period or "", kind)  # type: ignore[arg-type]
        cells = cells.filter(pl.col("period_start") == span.start) if span else cells.clear()
        if cells.is_empty():
            raise UnknownNameError(f"unknown period {period!r}; give a {kind} of the problem, for example 2022-03")
    return cells.row(0, named=True)


def _value_lines(cell: dict[str, Any]) -> Iterator[tuple[str, str]]:
    bounds = f" (between {cell['lower_bound']} and {cell['upper_bound']})" if cell["upper_bound"] is not None else ""
    if cell["reason"] is None:
        yield "value", f"{cell['value']} {cell['unit']}{bounds}; status {cell['obs_status']}"
        yield "caveats", str(cell["caveats"] or "none")
    else:
        also = f"; also {cell['other_reasons']}" if cell["other_reasons"] else ""
        yield "gap", f"{cell['reason']}{also}{bounds}"
        yield "evidence", str(cell["evidence"])
        yield "remedy", f"{cell['data_owner']}: {cell['remedy']}"


def _provenance_lines(cell: dict[str, Any], project: Project, system: str) -> Iterator[tuple[str, str]]:
    if cell["reference_start"] is None:
        return
    yield "period", format_period(cell["reference_start"], cell["reference_end"])
    if cell["file"]:
        rows = f"row {cell['file_rows']}, column {cell['file_column']}" if cell["file_rows"] else "no single row"
        yield "file", f"{cell['file']}, {rows}; released {cell['released_at']}; sha256 {cell['release']}"
    if cell["source_areas"]:
        changes = load_places(project).changes.filter(pl.col("from_code").is_in(str(cell["source_areas"]).split(",")))
        steps = [f"{a} -> {b} {kind} {day} ({by})" for a, b, kind, day, by in changes.iter_rows()]
        yield "crosswalk", f"to {system}: {'; '.join(steps)}; weight 1 each" if steps else f"{system}: not needed"


def _finding_lines(cell: dict[str, Any], project: Project) -> Iterator[tuple[str, str]]:
    findings = all_findings(project).filter(pl.col("source") == cell["source"])
    about = findings.filter(
        (pl.col("place_code") == cell["place_code"]) | (pl.col("place_code").is_null()),
        pl.col("measure").is_null() | (pl.col("measure") == cell["measure"]),
        pl.col("release").is_null() | (pl.col("release") == (cell["release"] or "")),
        pl.col("period_start").is_null() | (pl.col("period_start") <= (cell["reference_end"] or cell["period_end"])),
        pl.col("period_end").is_null() | (pl.col("period_end") >= (cell["reference_start"] or cell["period_start"])),
    )
    for check, reason, evidence in about.select("check", "reason", "evidence").head(10).iter_rows():
        yield "check", f"{check}: {reason}: {evidence}"
    if about.is_empty():
        yield "check", "no findings for this cell"


def load_register(project: Project) -> Places:
    """Return the register of places. Prepares the store if necessary."""
    with lock_store(project.home):
        prepare_store(project)
        return load_places(project)


def load_place_system(project: Project, system: str) -> pl.DataFrame:
    """Return the places of a geography (schema.PLACE_COLUMNS). Prepares the store if necessary."""
    with lock_store(project.home):
        prepare_store(project)
        return load_geography(project, system).places


def summarise_revisions(project: Project, source: str | None) -> pl.DataFrame:
    """Summarise the changes between releases of one source or of all (revisions.REVISION_SUMMARY)."""
    public_sources = project.catalogue.observation_sources()
    if source and source not in public_sources:
        raise UnknownNameError(f"unknown source {source!r}; {suggest_names(source, public_sources)}")
    names = [source] if source else sorted(public_sources)
    with lock_store(project.home):
        current_keys = prepare_store(project)
        for name in names:
            load_source_tables(project, name)
    return all_revisions(project, current_keys, names)[1]


def list_items(project: Project, target: str) -> pl.DataFrame:
    """Return a table of sources, measures, problems or places."""
    catalogue = project.catalogue
    if target == "sources":
        return sources_table(catalogue).select(
            "source", "title", "publisher", "access", "cadence", "geography", "licence"
        )
    if target == "measures":
        return measures_table(catalogue).select("measure", "title", "unit", "kind", "source")
    if target == "problems":
        rows = [(p.name, p.header.question, p.header.owner, p.header.geography, p.header.grain)
                for p in catalogue.problems.values()]  # fmt: skip
        return pl.DataFrame(rows, schema=["problem", "question", "owner", "geography", "grain"], orient="row")
    systems = sorted({problem.header.geography for problem in catalogue.problems.values()})
    tables = [load_place_system(project, system).with_columns(pl.lit(system).alias("system")) for system in systems]
    return pl.concat(tables).select("system", "place_code", "place_name", "place_name_welsh", "region", "nation")
