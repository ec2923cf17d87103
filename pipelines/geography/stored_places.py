"""Places of a store as plain data and files, so that a command describes a place without reading the declarations."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.store import read_table, state_path
from pipelines.geography.catchments import Shares
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas, WeightSet, combine_areas

if TYPE_CHECKING:
    from pipelines.declarations.project import Project

PLACE_TABLES = ("place", "change", "areas", "shares")
"""Tables that sources provide, from which a place is described."""
_REGISTER = (("register", "places"), ("change", "places"))
Plain = dict[str, Any]


def dump_places(project: Project) -> Plain:
    """Return what `read_places` and `read_postcode_tables` need beside the tables of the store, as plain data."""
    # Imported late: these read releases.
    from pipelines.geography.load import list_area_tables, list_lookups, load_shares

    areas = list_area_tables(project)
    return {
        "areas": [_dump(item) | {"best_fit": sorted(item.best_fit)} for item in areas],
        "lookups": list_lookups(project, areas),
        "shares": [_dump(item) for item in load_shares(project)],
    }


def list_place_files(home: Path, plain: Plain) -> list[Path]:
    """Return the files of the tables from which a place is described."""
    own = [(kind, item["source"]) for kind in ("areas", "shares") for item in plain[kind]]
    return [state_path(home, kind, name) for kind, name in (*_REGISTER, *own)]


def read_places(home: Path, plain: Plain) -> PlaceData:
    """Read all geography data of a store, as `load_place_data` does."""
    lookups: Collection[str] = plain["lookups"]
    tables = [_read_areas(home, item) for item in plain["areas"] if item["weights"] or item["source"] in lookups]
    register, changes = (read_table(state_path(home, kind, name)) for kind, name in _REGISTER)
    shares = [Shares(**_load(item), table=_read(home, "shares", item)) for item in plain["shares"]]
    return PlaceData(Places(register, changes), tuple(combine_areas(tables, lookups)), tuple(shares))


def read_postcode_tables(home: Path, plain: Plain) -> list[Areas]:
    """Read the tables of areas without weights, such as postcodes, as `load_postcode_tables` does."""
    left = [item for item in plain["areas"] if not item["weights"] and item["source"] not in plain["lookups"]]
    return [_read_areas(home, item) for item in left]


def _read_areas(home: Path, item: Plain) -> Areas:
    fields = _load(item)
    weights = tuple(
        WeightSet(name, date.fromisoformat(day), tuple(groups), good_for)
        for name, day, groups, good_for in item["weights"]
    )
    fields |= {"systems": tuple(item["systems"]), "best_fit": frozenset(item["best_fit"]), "weights": weights}
    return Areas(**fields, table=_read(home, "areas", item))


def _read(home: Path, kind: str, item: Plain) -> Any:
    return read_table(state_path(home, kind, item["source"])).drop("release")


_DAYS = ("released", "day")
"""Fields with a day, which JSON has as a text."""


def _dump(item: Areas | Shares) -> Plain:
    return {name: value for name, value in item._asdict().items() if name != "table"}


def _load(item: Plain) -> Plain:
    return {name: date.fromisoformat(value) if name in _DAYS else value for name, value in item.items()}
