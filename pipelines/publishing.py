"""The last steps of a build: a gap report for each problem, and the analyst's file of them all."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from checks.doubt import DOUBT, findings_of
from pipelines.agreeing import all_disagreements
from pipelines.answer import OF_PERIOD
from pipelines.apportioning import postcode_tables
from pipelines.bordering import boundaries, neighbour_table, neighbours_in
from pipelines.catalogue import VERDICT_COLUMNS, Problem
from pipelines.cliffs import BOUNDARY_CLIFF, cliffs
from pipelines.crossing import border_practices
from pipelines.csvw import metadata
from pipelines.errors import CommongroundError
from pipelines.gazetteer import gazetteer
from pipelines.keys import Keys, code_key, hashed, keys, rests_on
from pipelines.ledger import BUILD, GAP_LEDGER
from pipelines.ledger_store import gaps_of, ledger_of, ledger_path
from pipelines.letters import letters
from pipelines.losses import LOSS
from pipelines.observe import RELEASE
from pipelines.outputs import write_outputs
from pipelines.parents import parent_table
from pipelines.people import people_in
from pipelines.ranks import ranks
from pipelines.reconciling import all_reconciliations
from pipelines.report import as_json, cells_csv, render_html
from pipelines.report_breaks import Breaks
from pipelines.report_followed import Followed
from pipelines.report_model import Report
from pipelines.requests import gaps_held, ranked
from pipelines.returning import all_returns
from pipelines.returns import reporting
from pipelines.revisions import REVISION_SUMMARY
from pipelines.schema import CELL, FINDING, OBSERVATION, Column, empty
from pipelines.spreadsheet import spreadsheet
from pipelines.steps import (
    Project,
    all_revisions,
    answer_is_fresh,
    answered_now,
    observed_is_fresh,
    observed_now,
    place_system,
    register_places,
)
from pipelines.store import out_path, read_table, state_path, table_key, write_table
from pipelines.totals import TOTAL
from pipelines.verdicts import VERDICT
from pipelines.version import project_version
from pipelines.warehouse import measures_table, newest, sources_table, write_warehouse

FORMS = ("html", "csv", "csv-metadata.json", "json", "xlsx")
"""Endings of the files of a report."""


def report_problem(project: Project, name: str) -> list[Path]:
    """Write the gap report of one problem as HTML, CSV with its metadata, JSON and spreadsheet, where not there."""
    key, done, files = report_key(project, name), state_path(project.home, "report", name), report_files(project, name)
    if not report_is_fresh(project, name):
        made = keys(project.catalogue, project.home, project.as_of)
        if not answer_is_fresh(project.home, name, made):
            raise CommongroundError(f"{name}: its tables are not of this build; run `commonground build {name}`")
        report = gather(project, project.catalogue.problems[name], made)
        texts = (render_html(report), cells_csv(report), metadata(report), as_json(report))
        contents = (*(text.encode("utf-8") for text in texts), spreadsheet(report))
        named = zip((path.name for path in files), contents, strict=True)
        write_outputs(project.home, f"report {name}", rests_on(project.catalogue, [name]), named, staying=())
        write_table(done, pl.DataFrame({"file": [path.name for path in files]}), key)
    return files


def report_files(project: Project, name: str) -> list[Path]:
    """Name the files of one problem's report."""
    return [out_path(project.home, f"{name}.{ending}") for ending in FORMS]


def report_key(project: Project, name: str) -> str:
    """Give the key that one problem's report should have now."""
    current = keys(project.catalogue, project.home, project.as_of)
    followed = (state_path(project.home, "verdict", name), ledger_path(project.home, name))
    reviewed = [path.read_text(encoding="utf-8") for path in sorted(_reviewed(project).glob(f"{name}.*.yaml"))]
    return hashed(
        code_key(), current.answer[name], current.boundaries, *(table_key(path) or "" for path in followed), *reviewed
    )


def _reviewed(project: Project) -> Path:
    return project.catalogue.root / "pipelines" / "problems"


def report_is_fresh(project: Project, name: str) -> bool:
    """Tell whether one problem's report is there and made from what is there."""
    made = table_key(state_path(project.home, "report", name)) == report_key(project, name)
    return made and all(path.is_file() for path in report_files(project, name))


def gather(project: Project, problem: Problem, made: Keys) -> Report:
    """Gather everything that a report says of a problem, from tables of this build."""
    catalogue = project.catalogue
    cells = read_table(state_path(project.home, "cell", problem.name))
    register = place_system(project, problem.header.places).places
    sources = catalogue.sources_of(problem)
    people, title = people_in(project, problem)
    return Report(
        problem=problem.name,
        header=problem.header,
        select=problem.select.sql,
        as_of=project.as_of,
        version=project_version(),
        cells=cells,
        view=read_table(state_path(project.home, "view", problem.name)),
        places=register.join(cells.select("place_code").unique(), on="place_code", how="semi"),
        people=people,
        people_title=title,
        findings=findings_of_all(project, made, all_disagreements(project, sources), sources),
        releases=releases(project, made, list(sources)),
        measures={name: catalogue.measures[name] for name in problem.measures},
        measure_sources={name: catalogue.measure_source[name] for name in problem.measures},
        sources={name: catalogue.sources[name] for name in sources},
        boundaries=boundaries(project),
        followed=_followed(project, problem, made),
        breaks=_breaks(project, problem, cells),
        returned=_returned(project, problem),
    )


def _breaks(project: Project, problem: Problem, cells: pl.DataFrame) -> Breaks:
    """Gather where a problem's data break at borders, and what the totals of its measures leave."""
    of = project.catalogue.sources_of(problem)
    totals = all_reconciliations(project, of).filter(pl.col("measure").is_in(list(problem.measures)))
    return Breaks(_cliffs(project, {problem.name: cells}), totals)


def _cliffs(project: Project, cells: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Gather where the data of some problems break at the borders of the places that each is about."""
    catalogue = project.catalogue
    beside = {name: neighbours_in(project, catalogue.problems[name].header.places) for name in cells}
    found = [cliffs(each, beside[name], catalogue.measures) for name, each in sorted(cells.items())]
    return pl.concat([empty(BOUNDARY_CLIFF), *found])


def _returned(project: Project, problem: Problem) -> pl.DataFrame:
    """Gather how complete the returns behind a problem's measures are, period by period (REPORTING)."""
    told = reporting(all_returns(project, project.catalogue.sources_of(problem)))
    return told.filter(pl.col("scope") == "period", pl.col("measure").is_in(list(problem.measures)))


def _followed(project: Project, problem: Problem, made: Keys) -> Followed:
    """Gather what is followed of a problem from build to build."""
    catalogue = project.catalogue
    revised = all_revisions(project, made, catalogue.sources_of(problem))[1]
    newest_pair = revised.filter(pl.col("measure").is_in(list(problem.measures))).group_by(
        "source", "measure", maintain_order=True
    )
    asked = ranked(gaps_held(project, [problem.name]))
    return Followed(
        read_table(state_path(project.home, "verdict", problem.name)),
        ledger_of(project, problem.name),
        gaps_of(project, problem.name),
        newest_pair.last().select(list(REVISION_SUMMARY)),
        letters(asked, catalogue.problems, catalogue.measures),
    )


def findings_of_all(
    project: Project, made: Keys, disagreed: pl.DataFrame, asked: Collection[str] | None = None
) -> pl.DataFrame:
    """Stack the findings of some sources, or of every one, and of where they disagree (schema.FINDING)."""
    return pl.concat([empty(FINDING), *observed_now(project, "finding", made, asked), findings_of(disagreed)])


def releases(project: Project, made: Keys, names: list[str]) -> pl.DataFrame:
    """Give the releases held of some sources, and which of them figures in cells come from."""
    used: set[str] = set()
    for name in answered_now(project, made):
        used |= set(read_table(state_path(project.home, "cell", name))["release"].drop_nulls())
    table = pl.concat([pl.DataFrame(schema=RELEASE), *observed_now(project, "release", made, names)])
    return table.with_columns(pl.col("release").is_in(sorted(used)).alias("in_use"))


def publish_warehouse(project: Project) -> Path:
    """Build commonground.duckdb from the state of every problem and source, and put it in its place."""
    if not warehouse_is_fresh(project):
        path = _write(project)
        done = state_path(project.home, "warehouse", "commonground")
        write_table(done, pl.DataFrame({"file": [path.name]}), warehouse_key(project))
    return newest(out_path(project.home, ""))


def warehouse_is_fresh(project: Project) -> bool:
    """Tell whether the analyst's file is there and made from what is there."""
    made = table_key(state_path(project.home, "warehouse", "commonground"))
    return made == warehouse_key(project) and newest(out_path(project.home, "")).is_file()


def warehouse_key(project: Project) -> str:
    """Give the key that the analyst's file should have now."""
    catalogue, home = project.catalogue, project.home
    current = keys(catalogue, home, project.as_of)
    names = answered_now(project, current)
    read = [name for name in sorted(catalogue.observing()) if observed_is_fresh(home, name, current)]
    made = [f"{name} {current.answer[name]}" for name in names] + [f"{n} {current.observation[n]}" for n in read]
    noted = [f"{name} {table_key(ledger_path(home, name))}" for name in names]
    reviewed = [path.read_text(encoding="utf-8") for path in sorted(_reviewed(project).glob("*.yaml"))]
    said = (f"{name} {key}" for name, key in sorted(catalogue.said.items()))
    return hashed(code_key(), current.boundaries, *made, *noted, *said, *reviewed)


def _write(project: Project) -> Path:
    catalogue, home = project.catalogue, project.home
    made = keys(catalogue, home, project.as_of)
    answered = answered_now(project, made)
    cells = [read_table(state_path(home, "cell", name)) for name in answered]
    judged = [read_table(state_path(home, "verdict", name)) for name in answered]
    places = register_places(project)
    revised = all_revisions(project, made)
    every, returned, disagreed = pl.concat([empty(CELL), *cells]), all_returns(project), all_disagreements(project)
    tables = {
        "gap_ledger": pl.concat([empty(GAP_LEDGER), *(gaps_of(project, name) for name in answered)]),
        "builds": pl.concat([empty(BUILD), *(ledger_of(project, name).builds for name in answered)]),
        "verdicts": pl.concat([empty(VERDICT), *judged]),
        "crosswalk_losses": pl.concat([empty(LOSS), *(read_table(state_path(home, "loss", n)) for n in answered)]),
        "cells": every,
        "ranks": ranks(every, catalogue.measures),
        "places": gazetteer(places.register),
        "parents": parent_table(project),
        "changes": places.changes,
        "neighbours": neighbour_table(project),
        "border_practices": border_practices(places, postcode_tables(project)),
        "boundary_cliffs": _cliffs(project, dict(zip(answered, cells, strict=True))),
        "measures": measures_table(catalogue),
        "sources": sources_table(catalogue),
        "releases": releases(project, made, sorted(catalogue.observing())),
        "observations": _stacked(project, "observation", OBSERVATION, made),
        "totals": _stacked(project, "total", TOTAL, made),
        "reconciliation": all_reconciliations(project),
        "returns": returned,
        "reporting": reporting(returned),
        "revisions": revised[0],
        "revision_summary": revised[1],
        "doubts": pl.concat([_stacked(project, "doubt", DOUBT, made), disagreed]),
        "findings": findings_of_all(project, made, disagreed),
    }
    views = {name: read_table(state_path(home, "view", name)) for name in answered}
    meaning = {name: view_meaning(catalogue.problems[name], project, list(views[name].columns)) for name in answered}
    read = [name for name in catalogue.observing() if state_path(home, "observation", name).is_file()]
    return write_warehouse(home, read, tables, views, meaning)


def _stacked(project: Project, kind: str, columns: dict[str, Column], made: Keys) -> pl.DataFrame:
    """Stack the tables of one kind of every source, of this build, with some columns."""
    tables = observed_now(project, kind, made)
    return pl.concat([empty(columns), *(table.select(list(columns)) for table in tables)])


def view_meaning(problem: Problem, project: Project, columns: list[str]) -> tuple[str, dict[str, str]]:
    """Say what a problem's view answers, and what each of its columns is."""
    return problem.header.question, {column: _meaning(problem, project, column) for column in columns}


def _meaning(problem: Problem, project: Project, column: str) -> str:
    measures, inputs = project.catalogue.measures, problem.select.inputs
    if column in VERDICT_COLUMNS:
        return VERDICT[column].meaning
    plain = column.removesuffix("_status")
    if column not in inputs and plain in inputs:
        return f"Why {plain} is missing, or the worst status behind it"
    plain = column.removesuffix(OF_PERIOD)
    if column not in inputs and plain in inputs:
        return f"Of what period {plain} is, or the figures that it is computed from are"
    rest = inputs.get(column, ())
    if rest == (column,):
        return f"{measures[column].title}, in {measures[column].unit}"
    if rest:
        return "Computed from " + " and ".join(measures[name].title for name in rest)
    return column.replace("_", " ").capitalize()
