"""Python interface with data frames as input and output. See docs/python.md for examples.

    from pipelines.app.api import build_crosswalk, open_geography, move_between

`open_geography` reads the stored geography. `build_crosswalk` builds the crosswalk between two geographies, and
`move_between` converts counts with it. `apportion_counts` and `apportion_batches` accept other crosswalks, and
`apportion_batches` also processes files larger than memory. `add_provenance` adds the sources of a crosswalk, and
`write_crosswalk` writes it to a file.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.app.steps import prepare_store
from pipelines.apportionment import (
    APPORTIONED_FIGURE,
    INTERVAL_ENDS,
    add_interval,
    apportion_batches,
    apportion_counts,
    build_matrix,
    load_error_model,
    slice_unevenness,
)
from pipelines.core.errors import CommongroundError, CrosswalkError, UnknownNameError, suggest_names
from pipelines.core.paths import project_directory, store_directory
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import lock_store
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project, build_date
from pipelines.geography import (
    CROSSWALK,
    PlaceData,
    build_crosswalk,
    describe_border_practices,
    describe_code,
    geography_kind,
    list_border_practices,
    list_geography_codes,
    load_place_data,
    load_places,
    load_postcode_tables,
    suggest_lookup,
)
from pipelines.outputs import add_provenance, drop_empty_columns, write_crosswalk

__all__ = [
    "APPORTIONED_FIGURE",
    "CROSSWALK",
    "INTERVAL_ENDS",
    "SLICE_KEY",
    "CommongroundError",
    "PlaceData",
    "add_provenance",
    "apportion_batches",
    "apportion_counts",
    "build_crosswalk",
    "build_matrix",
    "describe_crossings",
    "drop_empty_columns",
    "move_between",
    "open_geography",
    "open_project",
    "write_crosswalk",
]  # fmt: skip


def open_project(store: Path | None = None, as_of: date | None = None) -> Project:
    """Return the project as commands use it: declarations, store (default: data/) and day (default: today)."""
    return Project(load_catalogue(project_directory()), store or store_directory(), as_of or build_date())


def open_geography(project: Project | None = None) -> PlaceData:
    """Return the stored geography: the register, small areas with their residents, and published shares."""
    project = project or open_project()
    with lock_store(project.home):
        prepare_store(project)
        return load_place_data(project, load_places(project))


def build_stored_crosswalk(
    project: Project, places_data: PlaceData, systems: tuple[str, str], group: str, day: date | None
) -> pl.DataFrame:
    """Build a crosswalk as `build_crosswalk` does. Its error names the command that brings a table that is declared.

    Raises UnknownNameError for an unknown geography or group, or where no stored table links the two geographies.
    """
    try:
        return build_crosswalk(places_data, *systems, group, day)
    except UnknownNameError as error:
        command = suggest_lookup(project, systems)
        raise UnknownNameError(f"{error}; to add one, {command}" if command else str(error)) from error


def describe_crossings(project: Project, places_data: PlaceData, crosswalk: pl.DataFrame) -> Iterator[str]:
    """Return a line for each postcode district with GP practices of two nations, if the crosswalk has their bodies."""
    return describe_border_practices(
        list_border_practices(places_data.places, load_postcode_tables(project)), places_data.places, crosswalk
    )


def move_between(
    counts: pl.DataFrame, places_data: PlaceData, from_system: str, to_system: str, group: str = "all_ages"
) -> pl.DataFrame:
    """Convert counts from one geography to another. Return MOVED for every measure, period and target area, and LIKELY.

    Takes SLICE, place_code and value, and optional lower_bound, upper_bound and obs_status (see `move`). Counts of
    split areas are apportioned by the population of `group` nearest to the end of the latest period. Raises
    CrosswalkError for a code outside the source geography, and UnknownNameError for an unknown geography or group.
    """
    refuse_unknown_codes(counts["place_code"], places_data, from_system)
    day = counts["period_end"].max()
    crosswalk = build_crosswalk(places_data, from_system, to_system, group, day if isinstance(day, date) else None)
    signed = bool((counts["value"] < 0).any())
    moved, spread = apportion_counts(counts, crosswalk, signed=signed), slice_unevenness(counts, crosswalk)
    return add_interval(
        moved, spread, (geography_kind(from_system), geography_kind(to_system)), group, load_error_model()
    )


def refuse_unknown_codes(codes: pl.Series, places_data: PlaceData, system: str) -> None:
    """Raise CrosswalkError for codes outside a geography, with a description of the first code."""
    valid_codes = list_geography_codes(places_data, system)
    unknown_codes = codes.cast(pl.String).filter(~codes.cast(pl.String).is_in(valid_codes)).unique().sort()
    if unknown_codes.is_empty():
        return
    code = str(unknown_codes[0])
    register = places_data.places.register
    hint = (
        f"it is {describe_code(code, register)}"
        if code in set(register["place_code"])
        else suggest_names(code, valid_codes)
    )
    raise CrosswalkError(f"{code} and {len(unknown_codes) - 1} more codes are not in {system}; {hint}")
