"""The engine for plain Python: frames in, frames out. docs/python.md shows it at work.

    from pipelines.app.api import build_crosswalk, held_places, move_between

`held_places` gives what is held about places; `build_crosswalk` leads from one place system to another; `move_between`
moves counts along one. `move`, `move_batches` and `road` are for crosswalks of one's own and for files larger than
memory, as are `write_slices` and `move_slices`; `write_crosswalk` keeps one as a file, once `with_provenance` has said
where it comes from.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.app.steps import prepare
from pipelines.apportionment import (
    LIKELY,
    MOVED,
    held_certainty,
    move,
    move_batches,
    move_slices,
    road,
    unevenness,
    with_interval,
    write_slices,
)
from pipelines.core.errors import CommongroundError, CrosswalkError, near
from pipelines.core.paths import root, store_of
from pipelines.core.slices import SLICE
from pipelines.core.store import sole_builder
from pipelines.declarations.catalogue import load
from pipelines.declarations.project import Project, today
from pipelines.geography import (
    CROSSWALK,
    Geography,
    across_the_border,
    build_crosswalk,
    codes_of,
    geography,
    kind_of,
    list_border_practices,
    postcode_tables,
    register_places,
    vintage,
)
from pipelines.outputs import told_of, with_provenance, write_crosswalk

__all__ = [
    "CROSSWALK",
    "LIKELY",
    "MOVED",
    "SLICE",
    "CommongroundError",
    "Geography",
    "build_crosswalk",
    "crossings",
    "held_places",
    "held_project",
    "move",
    "move_batches",
    "move_between",
    "move_slices",
    "road",
    "told_of",
    "with_provenance",
    "write_crosswalk",
    "write_slices",
]  # fmt: skip


def held_project(store: Path | None = None, as_of: date | None = None) -> Project:
    """Give the project as commands see it: its declarations, its store (data/ if not said), and the day (today)."""
    return Project(load(root()), store or store_of(), as_of or today())


def held_places(project: Project | None = None) -> Geography:
    """Give all that is held about places: the register, small areas with their people, and published shares."""
    project = project or held_project()
    with sole_builder(project.home):
        prepare(project)
        return geography(project, register_places(project))


def crossings(project: Project, held: Geography, drawn: pl.DataFrame) -> Iterator[str]:
    """Say which GP practices straddle the borders of the NHS bodies of a crosswalk: a line for each place of them."""
    return across_the_border(list_border_practices(held.places, postcode_tables(project)), held.places, drawn)


def move_between(
    observed: pl.DataFrame, held: Geography, from_system: str, to_system: str, group: str = "all_ages"
) -> pl.DataFrame:
    """Move counts from one place system to another; give MOVED for every measure, period and place there, and LIKELY.

    Takes SLICE, place_code and value, and low, high and status where they are known (see `move`). Places that are
    cut are shared out by the people of `group` nearest to the end of the newest period. Raises CrosswalkError for a
    code that is not of the first system, and says what it is; UnknownNameError for an unknown system or group.
    """
    refuse_strangers(observed["place_code"], held, from_system)
    day = observed["period_end"].max()
    drawn = build_crosswalk(held, from_system, to_system, group, day if isinstance(day, date) else None)
    signed = bool((observed["value"] < 0).any())
    moved, spread = move(observed, drawn, signed=signed), unevenness(observed, drawn)
    return with_interval(moved, spread, (kind_of(from_system), kind_of(to_system)), group, held_certainty())


def refuse_strangers(codes: pl.Series, held: Geography, system: str) -> None:
    """Refuse codes that are not of a place system, with what the first of them is."""
    known = codes_of(held, system)
    strange = codes.cast(pl.String).filter(~codes.cast(pl.String).is_in(known)).unique().sort()
    if strange.is_empty():
        return
    code = str(strange[0])
    register = held.places.register
    said = f"it is {vintage(code, register)}" if code in set(register["place_code"]) else near(code, known)
    raise CrosswalkError(f"{code} and {len(strange) - 1} more codes are not of {system}; {said}")
