"""Register and geographies of the store, which is prepared first where necessary."""

import polars as pl

from pipelines.app.steps import prepare_store
from pipelines.core.store import lock_store
from pipelines.declarations.project import Project
from pipelines.geography import Places, load_geography, load_places


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
