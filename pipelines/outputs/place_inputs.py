"""Inputs of the place pages beside cells and verdicts: the title of people, partnerships, and the briefs."""

from collections.abc import Collection, Iterable

import polars as pl

from pipelines.apportionment import population_measure
from pipelines.core.schema import empty_table
from pipelines.core.store import read_table, state_path
from pipelines.declarations.fingerprints import compute_table_keys, public_input_sources
from pipelines.declarations.partnership import Partnership, select_partnerships
from pipelines.declarations.project import Project
from pipelines.gaps import BOUNDARY_DISCONTINUITY
from pipelines.observations import REVISION, has_current_tables, load_revisions
from pipelines.outputs.place_brief import BriefFacts, collect_brief_facts


def people_title(project: Project) -> str:
    """Return the title of the population measure, or `people` where there is none."""
    name = population_measure(project.catalogue)
    title = project.catalogue.measures[name].title if name else "people"
    return title[0].lower() + title[1:]


def load_brief_facts(project: Project, names: Collection[str], doubted: pl.DataFrame) -> BriefFacts:
    """Read the facts that the briefs of the places of some problems need.

    Takes the caveats of their figures (measure, place_code, caveats).
    """
    catalogue, current = project.catalogue, compute_table_keys(project.catalogue, project.home, project.as_of)
    revised = [
        load_revisions(project, name)[0].filter(pl.col("kind") == "changed").select(list(REVISION))
        for name in public_input_sources(catalogue, list(names))
        if has_current_tables(project.home, name, current)
    ]
    borders = [read_table(state_path(project.home, "discontinuity", name)) for name in names]
    return collect_brief_facts(
        doubted, pl.concat([empty_table(REVISION), *revised]),
        pl.concat([empty_table(BOUNDARY_DISCONTINUITY), *borders]),
    )  # fmt: skip


def read_partnership_tables(project: Project, kind: str, names: Iterable[str]) -> list[pl.DataFrame]:
    """Read the tables of one kind of the problems with partnerships."""
    having = [name for name in names if project.catalogue.problems[name].header.groups]
    return [read_table(state_path(project.home, f"partnership_{kind}", name)) for name in having]


def list_page_partnerships(project: Project, names: Iterable[str]) -> dict[str, Partnership]:
    """Return the partnerships of some problems, by code."""
    groups = {group for name in names for group in project.catalogue.problems[name].header.groups}
    return select_partnerships(sorted(groups), project.catalogue.partnerships)
