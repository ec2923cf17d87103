"""A crosswalk between two place systems as a table: what each place became or lies in, how, and by what order."""

from pathlib import Path

import polars as pl

from pipelines.errors import CommongroundError, UnknownNameError
from pipelines.places import Places, Reach, links, system_places
from pipelines.printing import defused
from pipelines.schema import NUMBER, TEXT, Column

CROSSWALK: dict[str, Column] = {
    "from_system": Column(TEXT, "Place system that the crosswalk leads from"),
    "from_code": Column(TEXT, "Code of a place of it"),
    "from_name": Column(TEXT, "Name of that place"),
    "to_system": Column(TEXT, "Place system that it leads to"),
    "to_code": Column(TEXT, "Code of the place there; null where it leads nowhere"),
    "to_name": Column(TEXT, "Name of the place there"),
    "kind": Column(TEXT, "observed (the same), recoded, moved_land, merged, aggregated, split or lost"),
    "weight": Column(NUMBER, "Share of a count that moves along; null where weights would be needed and are not held"),
    "authority": Column(TEXT, "Orders or notices that made the changes on the way; null where none was needed"),
}


def crosswalk(places: Places, from_system: str, to_system: str) -> pl.DataFrame:
    """Give the crosswalk between two place systems, one row for each pair, in order of code.

    Every place of the first system has at least one row: one that leads nowhere has kind lost, and one that
    was split has no weights. Raises UnknownNameError for a system that the register does not have, or where
    nothing of the one leads to the other.
    """
    source, target = (system_places(places.register, system) for system in (from_system, to_system))
    codes = source["place_code"].to_list()
    found = links(places, codes, set(target["place_code"]))
    if not found:
        raise UnknownNameError(
            f"no place of {from_system} is known to become or lie in one of {to_system}; a crosswalk between them "
            "would need weights by population, which are not held"
        )
    names = dict(target.select("place_code", "place_name").iter_rows())
    own = dict(source.select("place_code", "place_name").iter_rows())
    rows = [
        (from_system, code, own[code], to_system, to, names.get(to or ""), kind, weight, _authority(places, code, to))
        for code in codes
        for to, kind, weight in _legs(found.get(code))
    ]
    return pl.DataFrame(rows, schema={name: column.dtype for name, column in CROSSWALK.items()}, orient="row")


def _legs(reach: Reach | None) -> list[tuple[str | None, str, float | None]]:
    if reach is None:
        return [(None, "lost", None)]
    if len(reach.codes) > 1:
        return [(to, "split", None) for to in reach.codes]
    return [(reach.codes[0], reach.basis, 1.0)]


def _authority(places: Places, code: str, to: str | None) -> str | None:
    """Name what changed a code on its way to another, first change first."""
    steps: list[str] = []
    onwards = {code}
    for start, end, authority in places.changes.select("from_code", "to_code", "authority").iter_rows():
        if to and start in onwards and code != to:
            onwards.add(end)
            steps.append(authority)
    return "; ".join(dict.fromkeys(steps)) or None


def write_crosswalk(frame: pl.DataFrame, path: Path) -> None:
    """Write a crosswalk as CSV or Parquet, by the ending of the file's name."""
    if path.suffix == ".csv":
        defused(frame).write_csv(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        raise CommongroundError(f"{path}: found the ending {path.suffix or 'none'!r}, expected .csv or .parquet")
