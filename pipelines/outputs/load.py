"""Everything a report says of a problem, read from the store."""

from collections.abc import Collection

import polars as pl

from checks import findings_of
from pipelines.apportionment import people_in
from pipelines.core.schema import FINDING, empty
from pipelines.core.store import read_table, state_path
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import Keys
from pipelines.declarations.project import Project
from pipelines.declarations.version import project_version
from pipelines.gaps import all_returns, answered_now, gaps_held, gaps_of, ledger_of, ranked
from pipelines.geography import boundaries, place_system
from pipelines.observations import (
    RELEASE,
    REVISION_SUMMARY,
    all_disagreements,
    all_reconciliations,
    all_revisions,
    observed_now,
    reporting,
)
from pipelines.outputs.letters import letters
from pipelines.outputs.report_changes import Breaks, Followed
from pipelines.outputs.report_model import Report


def gather(project: Project, problem: Problem, made: Keys) -> Report:
    """Gather everything that a report says of a problem, from tables of this build."""
    catalogue = project.catalogue
    cells = read_table(state_path(project.home, "cell", problem.name))
    register = place_system(project, problem.header.geography).places
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
        breaks=_breaks(project, problem),
        returned=_returned(project, problem),
    )


def _breaks(project: Project, problem: Problem) -> Breaks:
    """Gather where a problem's data break at borders, and what the totals of its measures leave."""
    of = project.catalogue.sources_of(problem)
    totals = all_reconciliations(project, of).filter(pl.col("measure").is_in(list(problem.measures)))
    return Breaks(read_table(state_path(project.home, "discontinuity", problem.name)), totals)


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
