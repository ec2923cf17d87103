"""From the bytes of one release to its cells: a source's declaration, codes and names, tidy() and corrections."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import CheckInput
from pipelines.core.errors import UnreadableError
from pipelines.core.snapshots import Snapshot
from pipelines.core.table_cache import clear_between_steps
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.corrections import Correction
from pipelines.declarations.source import Source
from pipelines.geography import GeographyPlaces, Places, build_name_table, geography_kind, require_places
from pipelines.observations.caveats import add_declared_caveats
from pipelines.observations.conform import Codes, conform_release
from pipelines.readers import Sheet, count_unread_rows, match_rows, read_project_table, read_sheet, tidy_sheet


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
    codes, reviewed = _load_geography_codes(own_system, places, _reads_names(source)), read_reviewed_names(names)
    return codes.add_names(reviewed) if reviewed else codes


def _reads_names(source: Source) -> bool:
    """Return whether a file of the source has names of places beside codes or instead of them."""
    columns = source.columns
    return not (source.place or (columns and columns.place)) or bool(columns and columns.label)


class _LoadedCodes(NamedTuple):
    system: GeographyPlaces
    register: pl.DataFrame
    codes: Codes


_LOADED: dict[tuple[str, bool], _LoadedCodes] = {}
"""Codes of each geography, with its names or without, as loaded last: many sources have the codes of one geography."""
clear_between_steps(_LOADED.clear)


def _load_geography_codes(system: GeographyPlaces, places: Places, reads_names: bool) -> Codes:
    """Return the codes and names of a geography, without the reviewed names of a source. Few sources need names."""
    last = _LOADED.get((system.name, reads_names))
    if last and last.register is places.register and _are_equal(last.system, system):
        return last.codes
    kinds_ever = dict.fromkeys(system.other_codes, geography_kind(system.name)) | places.kinds
    # Files use a council's former names for years, so include every name that a code has had.
    own = system.places.select("place_code")
    names: dict[str, str] = {}
    if reads_names:
        name_rows = pl.concat([system.places, places.register.join(own, on="place_code", how="semi")])
        names = build_name_table(name_rows, {})
    codes = Codes(frozenset(own["place_code"].to_list()), kinds_ever, names, places.register)
    _LOADED[system.name, reads_names] = _LoadedCodes(system, places.register, codes)
    return codes


def _are_equal(one: GeographyPlaces, other: GeographyPlaces) -> bool:
    return one is other or (one.other_codes == other.other_codes and one.places.equals(other.places))


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


class OpenRelease(NamedTuple):
    """One file of a source as a sheet of text, and what its rows are read with."""

    context: ReadingContext
    snapshot: Snapshot
    sheet: Sheet


def open_release(context: ReadingContext, snapshot: Snapshot, content: bytes) -> OpenRelease:
    """Find the table in one file of a source; raise UnreadableError where the file has another form."""
    system = context.source.release_geography(snapshot.file, snapshot.released)
    context = next(variant for variant in (context, *context.earlier) if variant.source.geography == system)
    source = context.source
    is_plain = source.layout == "long" and not context.tidy.is_file()
    sheet = tidy_sheet(read_sheet(content, source, snapshot.file, encode=is_plain), context.tidy)
    return OpenRelease(context, snapshot, count_unread_rows(sheet, source))


def read_cells(release: OpenRelease) -> CheckInput:
    """Read every cell of an open file; raise UnreadableError where a column is missing."""
    context, snapshot, sheet = release
    source = context.source
    cells = conform_release(sheet, context.name, source, snapshot, context.codes, context.corrections)
    cells = add_declared_caveats(cells, source, snapshot)
    return CheckInput(
        context.name, source, snapshot, cells, context.own, sheet.skipped_rows, sheet.unmatched_declarations
    )


def read_release(context: ReadingContext, snapshot: Snapshot, content: bytes) -> CheckInput:
    """Read every cell of one file of a source; raise UnreadableError where the file has another form."""
    return read_cells(open_release(context, snapshot, content))


MOST_CELLS = 1 << 21
"""Cells of one release that are read together, or those of one measure where it has more."""


def split_by_measures(release: OpenRelease) -> list[OpenRelease]:
    """Split an open file of many cells into parts of some measures, in the order of their names.

    A file of few cells is one part. So is one in which a measure depends on another: a published sum, or a rate.
    """
    context, _, sheet = release
    source = context.source
    depends = any(measure.numerator or measure.denominator for measure in source.measures.values())
    most = sheet.frame.height * len(source.measures)
    if most <= MOST_CELLS or source.layout != "long" or source.additivity or depends:
        return [release]
    groups: list[list[str]] = [[]]
    size = 0
    for name in sorted(source.measures):
        rows = sheet.frame.filter(match_rows(sheet.frame, source.measures[name].filter)).height
        if size and rows and size + rows > MOST_CELLS:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += rows
    return [_select_measures(release, names, is_first=number == 0) for number, names in enumerate(groups)]


def _select_measures(release: OpenRelease, names: list[str], *, is_first: bool) -> OpenRelease:
    """Select some measures of an open file. The first part states what belongs to the whole file."""
    context, snapshot, sheet = release
    measures = {name: measure for name, measure in context.source.measures.items() if name in names}
    chosen = context._replace(
        source=context.source.model_copy(update={"measures": measures}),
        corrections=tuple(item for item in context.corrections if item.measure in measures),
    )
    own = sheet if is_first else sheet._replace(skipped_rows=0, unmatched_declarations=())
    return OpenRelease(chosen, snapshot, own)
