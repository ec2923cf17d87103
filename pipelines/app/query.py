"""Queries on built data: provenance of one cell, and revisions."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from pipelines.app.gap_list import find_place_code
from pipelines.app.steps import prepare_store
from pipelines.core.errors import UnknownNameError, suggest_names
from pipelines.core.periods import format_period, parse_period
from pipelines.core.store import lock_store
from pipelines.declarations.partnership import is_partnership_code, partnership_code
from pipelines.declarations.project import Project
from pipelines.gaps import read_built_cells, read_stored_partnerships
from pipelines.geography import load_places
from pipelines.observations import all_findings, load_source_tables
from pipelines.observations import summarise_revisions as stack_summaries


def explain_cell(
    project: Project, problem: str, place: str, measure: str, period: str | None
) -> Iterator[tuple[str, str]]:
    """Return the provenance of one cell as pairs of a heading and a text."""
    declared_problem = project.catalogue.find_problem(problem)
    if measure not in declared_problem.measures:
        raise UnknownNameError(
            f"{problem} has no measure {measure!r}; {suggest_names(measure, declared_problem.measures)}"
        )
    own = read_built_cells(project, problem).filter(pl.col("measure") == measure)
    cells = pl.concat([own, read_stored_partnerships(project.home, problem).filter(pl.col("measure") == measure)])
    cell = _find_cell(
        cells.filter(pl.col("place_code") == find_place_code(cells, place)), declared_problem.header.grain, period
    )
    source = project.catalogue.sources[project.catalogue.measure_source[measure]]
    declared_measure = project.catalogue.measures[measure]
    yield "question", declared_problem.header.question
    where = f", {cell['nation']}" if cell["nation"] else ""
    yield "place", f"{cell['place_name']} ({cell['place_code']}){where}"
    yield "measure", f"{declared_measure.title}, in {declared_measure.unit} ({declared_measure.kind})"
    yield from _value_lines(cell)
    yield from _member_lines(cell, own, project)
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


def _member_lines(cell: dict[str, Any], cells: pl.DataFrame, project: Project) -> Iterator[tuple[str, str]]:
    """Return the figure or the gap of each member of a partnership, in the period of its cell."""
    partnerships = {partnership_code(name): item for name, item in project.catalogue.partnerships.items()}
    if cell["place_code"] not in partnerships:
        return
    of_period = cells.filter(pl.col("period_start") == cell["period_start"])
    for code in partnerships[cell["place_code"]].members:
        for row in of_period.filter(pl.col("place_code") == code).iter_rows(named=True):
            figure = f"gap: {row['reason']}" if row["value"] is None else f"{row['value']} {row['unit']}"
            yield "member", f"{row['place_name']} ({code}): {figure}"


def _provenance_lines(cell: dict[str, Any], project: Project, system: str) -> Iterator[tuple[str, str]]:
    if cell["reference_start"] is None:
        return
    yield "period", format_period(cell["reference_start"], cell["reference_end"])
    if cell["file"]:
        rows = f"row {cell['file_rows']}, column {cell['file_column']}" if cell["file_rows"] else "no single row"
        yield "file", f"{cell['file']}, {rows}; released {cell['released_at']}; sha256 {cell['release']}"
    if cell["source_areas"] and not is_partnership_code(cell["place_code"]):
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
    return stack_summaries(project, current_keys, names)
