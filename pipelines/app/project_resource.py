"""Dagster resources: the project of a run, and an IO manager that stores nothing."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from pipelines.app.earlier_store import log_renewal, renew_store
from pipelines.app.withdrawal import withdraw_outputs
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project, build_date, engine_setting


class ProjectResource(NamedTuple):
    """Dagster resource: the store path, and the as-of day of a build (default: today)."""

    home: Path
    as_of: date | None = None

    def open_project(self, catalogue: Catalogue) -> Project:
        """Return the project of a step: the declarations of the assets, the store and the day.

        COMMONGROUND_ENGINE names an engine for large measures. A store of an earlier version is upgraded first, and
        outputs that are no longer public are withdrawn.
        """
        log_renewal(renew_store(self.home))
        withdraw_outputs(catalogue, self.home)
        return Project(catalogue, self.home, self.as_of or build_date(), engine_setting())


ProjectParam = dg.ResourceParam[ProjectResource]
"""Type of the resource parameter of an asset."""


class _NoStorage(dg.IOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Store nothing: an asset returns only metadata to Dagster."""

    def load_input(self, context: dg.InputContext) -> None:
        """Load nothing: each asset reads its own files."""


def dagster_resources(place: ProjectResource) -> dict[str, dg.ResourceDefinition]:
    """Return the Dagster resources. They have no configuration, so that a run config cannot set a path.

    Assets write their own files. The IO manager therefore stores nothing.
    """

    @dg.resource(config_schema={}, description="Store directory. Set COMMONGROUND_STORE before Dagster starts.")
    def project_resource(_: dg.InitResourceContext) -> ProjectResource:
        return place

    @dg.io_manager(config_schema={}, description="Stores nothing: each asset writes its own files.")
    def no_storage(_: dg.InitResourceContext) -> dg.IOManager:
        return _NoStorage()

    return {"place": project_resource, "io_manager": no_storage}
