"""What can be asked of what was built: gaps, SQL, where one cell comes from, and lists."""

from collections.abc import Iterator
from typing import Any

import duckdb
import polars as pl

from pipelines.app.steps import prepare
from pipelines.core.errors import CommongroundError, UnknownNameError, near
from pipelines.core.periods import parse_period, say
from pipelines.core.query import closed_config, run_question, whole_limit
from pipelines.core.store import out_path, sole_builder
from pipelines.declarations.project import Project
from pipelines.gaps import built_cells
from pipelines.geography import Places, folded, place_system, register_places
from pipelines.observations import all_findings, all_revisions, observe_source
from pipelines.outputs import measures_table, newest, sources_table

GAP_COLUMNS = ["problem", "measure", "place_code", "place_name", "period_start", "period_end", "reason", "severity",
               "low", "high", "evidence", "holder", "remedy", "source"]  # fmt: skip


def gaps(project: Project, problem: str | None, place: str | None) -> pl.DataFrame:
    """Give the gaps of one problem or all, of one place or all."""
    names = [problem] if problem else sorted(project.catalogue.problems)
    cells = pl.concat([built_cells(project, name) for name in names])
    found = cells.filter(pl.col("reason").is_not_null()).select(GAP_COLUMNS)
    if place is None:
        return found
    return found.filter(pl.col("place_code") == place_named(cells, place))


def shown_gaps(found: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of gaps that a person reads first; problem and period only where there are several."""
    several = [name for name in ("problem", "period_start") if found[name].n_unique() > 1]
    return found.select(*several, "place_name", "measure", "reason", "evidence", "holder", "remedy")


def place_named(cells: pl.DataFrame, place: str) -> str:
    """Give the code of a place of some cells by its name or code; an unknown one is refused with the near ones."""
    known = dict(cells.select("place_code", "place_name").unique().iter_rows())
    if place in known:
        return place
    found: list[str] = sorted(code for code, name in known.items() if folded(name) == folded(place))
    if len(found) != 1:
        raise UnknownNameError(f"unknown place {place!r}; {near(place, known.values())}")
    return found[0]


def query(project: Project, text: str) -> pl.DataFrame:
    """Run a query on commonground.duckdb, read only and with no access to other files."""
    path = newest(out_path(project.home, ""))
    if not path.is_file():
        raise CommongroundError(f"{path}: not there yet; run `commonground build`")
    most = whole_limit()
    with duckdb.connect(str(path), read_only=True, config=closed_config(most)) as con:
        try:
            return run_question(con, text, most)
        except duckdb.Error as error:
            raise UnknownNameError(f"the query does not run: {error}") from error


def explain(project: Project, problem: str, place: str, measure: str, period: str | None) -> Iterator[tuple[str, str]]:
    """Tell where one cell comes from, end to end: pairs of a heading and a sentence."""
    asked = project.catalogue.problem(problem)
    if measure not in asked.measures:
        raise UnknownNameError(f"{problem} does not ask for {measure!r}; {near(measure, asked.measures)}")
    cells = built_cells(project, problem).filter(pl.col("measure") == measure)
    cell = _one(cells.filter(pl.col("place_code") == place_named(cells, place)), asked.header.grain, period)
    source = project.catalogue.sources[project.catalogue.measure_source[measure]]
    declared = project.catalogue.measures[measure]
    yield "question", asked.header.question
    yield "place", f"{cell['place_name']} ({cell['place_code']}), {cell['nation']}"
    yield "measure", f"{declared.title}, in {declared.unit} ({declared.kind})"
    yield from _value(cell)
    yield from _journey(cell, project, asked.header.geography)
    yield "source", f"{cell['source']}: {source.title}, {source.publisher}; {source.licence}; {source.page}"
    yield from _checks(cell, project)


def _one(cells: pl.DataFrame, grain: str, period: str | None) -> dict[str, Any]:
    if grain != "latest":
        kind = {"month": "month", "quarter": "quarter", "year": "year"}[grain]
        span = parse_period(period or "", kind)  # type: ignore[arg-type]
        cells = cells.filter(pl.col("period_start") == span.start) if span else cells.clear()
        if cells.is_empty():
            raise UnknownNameError(f"unknown period {period!r}; give a {kind} that the problem asks about, as 2022-03")
    return cells.row(0, named=True)


def _value(cell: dict[str, Any]) -> Iterator[tuple[str, str]]:
    bounds = f" (between {cell['low']} and {cell['high']})" if cell["high"] is not None else ""
    if cell["reason"] is None:
        yield "value", f"{cell['value']} {cell['unit']}{bounds}; status {cell['status']}"
        yield "caveats", str(cell["caveats"] or "none")
    else:
        also = f"; also {cell['reasons_also']}" if cell["reasons_also"] else ""
        yield "gap", f"{cell['reason']}{also}{bounds}"
        yield "evidence", str(cell["evidence"])
        yield "to close", f"{cell['holder']}: {cell['remedy']}"


def _journey(cell: dict[str, Any], project: Project, system: str) -> Iterator[tuple[str, str]]:
    if cell["value_start"] is None:
        return
    yield "period", say(cell["value_start"], cell["value_end"])
    if cell["file"]:
        rows = f"row {cell['file_rows']}, column {cell['file_column']}" if cell["file_rows"] else "no row of it"
        yield "file", f"{cell['file']}, {rows}; released {cell['released_at']}; sha256 {cell['release']}"
    if cell["parts"]:
        changes = register_places(project).changes.filter(pl.col("from_code").is_in(str(cell["parts"]).split(",")))
        told = [f"{a} -> {b} {kind} {day} ({by})" for a, b, kind, day, by in changes.iter_rows()]
        yield "crosswalk", f"to {system}: {'; '.join(told)}; weight 1 each" if told else f"{system}: none needed"


def _checks(cell: dict[str, Any], project: Project) -> Iterator[tuple[str, str]]:
    found = all_findings(project).filter(pl.col("source") == cell["source"])
    about = found.filter(
        (pl.col("place_code") == cell["place_code"]) | (pl.col("place_code").is_null()),
        pl.col("measure").is_null() | (pl.col("measure") == cell["measure"]),
        pl.col("release").is_null() | (pl.col("release") == (cell["release"] or "")),
        pl.col("period_start").is_null() | (pl.col("period_start") <= (cell["value_end"] or cell["period_end"])),
        pl.col("period_end").is_null() | (pl.col("period_end") >= (cell["value_start"] or cell["period_start"])),
    )
    for check, reason, evidence in about.select("check", "reason", "evidence").head(10).iter_rows():
        yield "check", f"{check}: {reason}: {evidence}"
    if about.is_empty():
        yield "check", "nothing found about this cell"


def known_places(project: Project) -> Places:
    """Give the register of places, also where nothing has been built yet."""
    with sole_builder(project.home):
        prepare(project)
        return register_places(project)


def known_system(project: Project, system: str) -> pl.DataFrame:
    """Give the places of a place system (schema.PLACE), also where nothing has been built yet."""
    with sole_builder(project.home):
        prepare(project)
        return place_system(project, system).places


def revised(project: Project, source: str | None) -> pl.DataFrame:
    """Sum up what changed between the releases of one source or of all (revisions.REVISION_SUMMARY)."""
    known = project.catalogue.observing()
    if source and source not in known:
        raise UnknownNameError(f"unknown source of figures {source!r}; {near(source, known)}")
    names = [source] if source else sorted(known)
    with sole_builder(project.home):
        made = prepare(project)
        for name in names:
            observe_source(project, name)
    return all_revisions(project, made, names)[1]


def listing(project: Project, what: str) -> pl.DataFrame:
    """List sources, measures, problems or places."""
    catalogue = project.catalogue
    if what == "sources":
        return sources_table(catalogue).select("source", "title", "publisher", "access", "cadence", "places", "licence")
    if what == "measures":
        return measures_table(catalogue).select("measure", "title", "unit", "kind", "source")
    if what == "problems":
        rows = [(p.name, p.header.question, p.header.owner, p.header.geography, p.header.grain)
                for p in catalogue.problems.values()]  # fmt: skip
        return pl.DataFrame(rows, schema=["problem", "question", "owner", "places", "grain"], orient="row")
    systems = sorted({problem.header.geography for problem in catalogue.problems.values()})
    found = [known_system(project, system).with_columns(pl.lit(system).alias("system")) for system in systems]
    return pl.concat(found).select("system", "place_code", "place_name", "place_name_welsh", "region", "nation")
