"""The command `validate`: contracts of stored releases, judged with Great Expectations."""

import polars as pl

from checks import CONTRACT, load_runner
from pipelines.app.steps import prepare_store
from pipelines.core.errors import CommongroundError, UnknownNameError, suggest_names
from pipelines.core.store import lock_store
from pipelines.declarations.project import Project
from pipelines.observations import judge_stored_releases, load_source_tables


def validate_contracts(project: Project, source: str | None) -> pl.DataFrame:
    """Judge the contracts of one source or of all with Great Expectations; return every rule (checks.CONTRACT).

    Raises CommongroundError where a build gave another verdict, and UnknownNameError for an unknown source.
    """
    public_sources = project.catalogue.observation_sources()
    if source and source not in public_sources:
        raise UnknownNameError(f"unknown source {source!r}; {suggest_names(source, public_sources)}")
    runner = load_runner("great_expectations")
    judged = [pl.DataFrame(schema=CONTRACT)]
    with lock_store(project.home):
        prepare_store(project)
        for name in [source] if source else sorted(public_sources):
            tables = load_source_tables(project, name)
            contract = judge_stored_releases(project, name, tables, runner)
            if not contract.equals(tables.contract):
                raise CommongroundError(f"{name}: {runner.title} and the build differ; please report it")
            judged.append(contract)
    return pl.concat(judged)


def describe_contracts(contract: pl.DataFrame) -> str:
    """Return one sentence on judged contracts (checks.CONTRACT)."""
    broken, refused = (contract.filter(~pl.col(name)).height for name in ("met", "tolerated"))
    releases = contract.select("source", "release").n_unique()
    return (
        f"Great Expectations judged {contract.height:,} rules of {releases:,} releases: {broken} not met, "
        f"{refused} of these beyond the tolerance."
    )
