"""From the bytes of one release to its cells: a source's declaration, codes and names, tidy() and corrections."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import CheckInput
from pipelines.core.errors import UnreadableError
from pipelines.core.store import Snapshot
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.corrections import Correction
from pipelines.declarations.source import Source
from pipelines.geography import GeographyPlaces, Places, build_name_table, geography_kind, require_places
from pipelines.observations.caveats import add_declared_caveats
from pipelines.observations.conform import Codes, conform_release
from pipelines.readers import count_unread_rows, read_project_table, read_sheet, tidy_sheet


class ReadingContext(NamedTuple):
    """Everything needed to read a source: its declaration, codes and names of places, tidy() and corrections."""

    name: str
    source: Source
    codes: Codes
    tidy: Path
    own: pl.DataFrame
    corrections: tuple[Correction, ...]
    earlier: tuple["ReadingContext", ...] = ()
    """The same for releases with codes in another geography."""


def load_codes(source: Source, places: Places, names: Path, system: GeographyPlaces | None = None) -> Codes:
    """Return the codes and names for reading a source; its geography comes from the register unless given."""
    own_system = system or GeographyPlaces(
        source.geography or "", require_places(places.register, source.geography or "")
    )
    codes, reviewed = _load_geography_codes(own_system, places), read_reviewed_names(names)
    return codes.add_names(reviewed) if reviewed else codes


class _LoadedCodes(NamedTuple):
    system: GeographyPlaces
    register: pl.DataFrame
    codes: Codes


_LOADED: dict[str, _LoadedCodes] = {}
"""Codes of each geography as loaded last: many sources have the codes of one geography."""


def _load_geography_codes(system: GeographyPlaces, places: Places) -> Codes:
    """Return the codes and names of a geography, without the reviewed names of a source."""
    last = _LOADED.get(system.name)
    if last and last.register is places.register and _are_equal(last.system, system):
        return last.codes
    kinds_ever = dict.fromkeys(system.other_codes, geography_kind(system.name)) | places.kinds
    # Files use a council's former names for years, so include every name that a code has had.
    own = system.places.select("place_code")
    name_rows = pl.concat([system.places, places.register.join(own, on="place_code", how="semi")])
    codes = Codes(frozenset(own["place_code"]), kinds_ever, build_name_table(name_rows, {}), places.register)
    _LOADED[system.name] = _LoadedCodes(system, places.register, codes)
    return codes


def _are_equal(one: GeographyPlaces, other: GeographyPlaces) -> bool:
    return one.other_codes == other.other_codes and one.places.equals(other.places)


def read_reviewed_names(path: Path) -> dict[str, str]:
    """Read a source's table of names (label, place_code, note); empty where there is no table."""
    if not path.is_file():
        return {}
    table = read_project_table(path.read_bytes(), path.name)
    missing = [name for name in ("label", "place_code") if name not in table.columns]
    if missing:
        raise UnreadableError(f"{path}: found columns {', '.join(table.columns)}; expected {' and '.join(missing)}")
    return dict(table.select("label", "place_code").iter_rows())


def reading_context(
    catalogue: Catalogue, name: str, places: Places, systems: Sequence[GeographyPlaces]
) -> ReadingContext:
    """Return everything needed to read a source, its own geography first."""
    own, *earlier = (_context_in_system(catalogue, name, places, system) for system in systems)
    return own._replace(earlier=tuple(earlier))


def _context_in_system(catalogue: Catalogue, name: str, places: Places, system: GeographyPlaces) -> ReadingContext:
    source = catalogue.sources[name]
    if source.geography != system.name:
        source = source.model_copy(update={"geography": system.name})
    codes = load_codes(source, places, catalogue.sources_dir / f"{name}.names.csv", system)
    tidy = catalogue.sources_dir / f"{name}.py"
    return ReadingContext(name, source, codes, tidy, system.places, catalogue.corrections.get(name, ()))


def read_release(context: ReadingContext, snapshot: Snapshot, content: bytes) -> CheckInput:
    """Read every cell of one file of a source; raise UnreadableError where the file has another form."""
    system = context.source.release_geography(snapshot.file, snapshot.released)
    context = next(variant for variant in (context, *context.earlier) if variant.source.geography == system)
    source = context.source
    sheet = count_unread_rows(tidy_sheet(read_sheet(content, source, snapshot.file), context.tidy), source)
    cells = conform_release(sheet, context.name, source, snapshot, context.codes, context.corrections)
    cells = add_declared_caveats(cells, source, snapshot)
    return CheckInput(
        context.name, source, snapshot, cells, context.own, sheet.skipped_rows, sheet.unmatched_declarations
    )
