"""The steps of a build. Each reads tables, calls one function, writes tables; Dagster's assets are these.

A step whose table already has the key it should have does nothing. All steps are safe to kill: a table is
there whole, or as it was before.
"""

from collections.abc import Sequence

from pipelines.app.earlier_store import log_renewal, renew_now
from pipelines.app.withdrawal import BY_SOURCE, withdraw_now
from pipelines.core.output_files import drop_groups
from pipelines.core.store import prune, sweep
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import ANSWERED, Keys, keys
from pipelines.declarations.project import Project
from pipelines.fetch import take_in
from pipelines.gaps import answer_is_fresh
from pipelines.observations import observed_is_fresh


def prepare(project: Project) -> Keys:
    """Withdraw what is no longer public, drop what is no longer declared, take in what came with the project.

    The tables of a store that an earlier version wrote are removed first.
    """
    catalogue, home = project.catalogue, project.home
    log_renewal(renew_now(home))
    withdraw_now(catalogue, home)
    sweep(home)
    for kind in (*BY_SOURCE, "returned"):
        prune(home, kind, set(catalogue.observing()))
    declared = {*catalogue.problems, *catalogue.left_out}
    for kind in (*ANSWERED, "report"):
        prune(home, kind, declared)
    for kind in ("areas", "shares"):
        prune(home, kind, set(catalogue.apportioning()))
    systems = _systems_named(catalogue)
    prune(home, "system", systems)
    prune(home, "people", {f"{measure}__{system}" for measure in catalogue.measures for system in systems})
    drop_groups(home, "report", declared)
    for name in catalogue.sources:
        take_in(home, catalogue, name)
    return keys(catalogue, home, project.as_of)


def _systems_named(catalogue: Catalogue) -> set[str]:
    """Name the place systems that sources, their releases and problems are about."""
    asked = {problem.header.geography for problem in catalogue.problems.values()}
    given = {
        each for source in catalogue.sources.values() for each in (source.geography, *source.earlier_systems) if each
    }
    return asked | given


def is_fresh(project: Project, made: Keys, problems: list[str]) -> bool:
    """Tell whether every table of some problems is there and made from what is held now."""
    held = all(observed_is_fresh(project.home, name, made) for name in sources_of(project, problems))
    return held and all(answer_is_fresh(project.home, name, made) for name in problems)


def sources_of(project: Project, problems: Sequence[str]) -> list[str]:
    """Name the sources of some problems that figures can be read from."""
    catalogue = project.catalogue
    asked = {name for problem in problems for name in catalogue.sources_of(catalogue.problems[problem])}
    return sorted(asked & set(catalogue.observing()))
