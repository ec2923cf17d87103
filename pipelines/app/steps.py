"""Preparation of the store before a build, and checks for up-to-date tables.

A step does nothing if its table has the current key. Every step is safe to interrupt, because tables are written
atomically.
"""

from collections.abc import Sequence

from pipelines.app.earlier_store import log_renewal, renew_locked_store
from pipelines.app.withdrawal import SOURCE_TABLES, withdraw_locked
from pipelines.core.output_files import remove_groups
from pipelines.core.store import prune_tables, remove_temporary_files
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import ANSWER_TABLES, OPENING_TABLE, TableKeys, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.fetch import import_bundled_releases
from pipelines.gaps import prune_refusals
from pipelines.observations import prune_plain_files


def prepare_store(project: Project) -> TableKeys:
    """Withdraw outputs that are no longer public, remove undeclared tables and import bundled releases.

    The tables of a store from an earlier version are removed first. Return the keys of all tables.
    """
    catalogue, home = project.catalogue, project.home
    log_renewal(renew_locked_store(home))
    withdraw_locked(catalogue, home)
    remove_temporary_files(home)
    for kind in (*SOURCE_TABLES, "returned"):
        prune_tables(home, kind, set(catalogue.observation_sources()))
    prune_plain_files(home, catalogue.observation_sources())
    declared = {*catalogue.problems, *catalogue.excluded_problems}
    for kind in (*ANSWER_TABLES, OPENING_TABLE, "report"):
        prune_tables(home, kind, declared)
    for kind in ("areas", "shares"):
        prune_tables(home, kind, set(catalogue.apportionment_sources()))
    systems = _place_systems(catalogue)
    prune_tables(home, "system", systems)
    prune_tables(home, "people", {f"{measure}__{system}" for measure in catalogue.measures for system in systems})
    remove_groups(home, "report", declared)
    import_bundled_releases(home, catalogue, catalogue.sources)
    current_keys = compute_table_keys(catalogue, home, project.as_of)
    prune_refusals(project, current_keys)
    return current_keys


def _place_systems(catalogue: Catalogue) -> set[str]:
    """Return the geographies of sources, of their releases and of problems."""
    problem_systems = {problem.header.geography for problem in catalogue.problems.values()}
    source_systems = {
        system
        for source in catalogue.sources.values()
        for system in (source.geography, *source.earlier_geographies)
        if system
    }
    return problem_systems | source_systems


def readable_sources(project: Project, problems: Sequence[str]) -> list[str]:
    """Return the sources of the problems from which figures can be read.

    A build of every problem also reads the bundled sources that no problem asks for: the analyst's file has them.
    """
    catalogue = project.catalogue
    source_names = {name for problem in problems for name in catalogue.problem_sources(catalogue.problems[problem])}
    if source_names and set(problems) >= set(catalogue.problems):
        source_names |= {name for name, source in catalogue.sources.items() if source.releases}
    return sorted(source_names & set(catalogue.observation_sources()))
