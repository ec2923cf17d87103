"""Defaults of source declarations: keys shared by publishers and families, and keys that conventions infer."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from pipelines.core.errors import DeclarationError, file_location, suggest_names
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.base import (
    NATIONS,
    Declaration,
    GeographyName,
    ListAsTuple,
    MeasureKind,
    Name,
    Names,
    Nation,
    ValueOrList,
)
from pipelines.declarations.file_format import FileColumns, FileFormat
from pipelines.declarations.measure import Uncertainty
from pipelines.declarations.release_schedule import ScheduleOrText, declared_frequency
from pipelines.declarations.road import Road
from pipelines.declarations.yaml_lines import LineNumbers, read_yaml, validate_declaration

SHARED_FOLDER = "shared"
"""Folder of shared declarations, beside the source declarations."""
NO_LICENCE = "none, as nothing is published"
"""Default licence of a source that is not open or not collected."""
COMPILED_TABLE = "A compiled table."
"""Default reason for having no address, of a source with `compiled_by`."""
_PERIOD_KIND_BY_CADENCE = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "annual": "year",
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
PUBLISHERS, FAMILIES = "publishers.yaml", "families.yaml"
SharedEntries = dict[str, dict[str, Any]]


class SharedDefaults(NamedTuple):
    """Text of the shared declarations, and the names of the files bundled with the project by their stem."""

    folder: Path
    publishers: str
    families: str
    files: dict[str, tuple[str, ...]]


def read_shared_defaults(sources: Path) -> SharedDefaults:
    """Read the shared declarations of publishers and families, both optional."""
    folder, starter = sources / SHARED_FOLDER, sources / "starter"
    names = sorted(path.name for path in starter.iterdir()) if starter.is_dir() else []
    files: dict[str, tuple[str, ...]] = {}
    for name in names:
        files[name.partition(".")[0]] = (*files.get(name.partition(".")[0], ()), name)
    return SharedDefaults(folder, _read_if_present(folder / PUBLISHERS), _read_if_present(folder / FAMILIES), files)


def _read_if_present(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@lru_cache(maxsize=64)
def _parse_entries(text: str, path: Path) -> SharedEntries:
    """Parse the entries and validate each separately, so that errors name the right line."""
    data, lines = read_yaml(text, path)
    if not isinstance(data or {}, dict):
        raise DeclarationError(f"{path}: found {type(data).__name__}, expected a mapping of names to keys")
    for name, entry in (data or {}).items():
        validate_declaration(
            SharedDeclaration, entry, {where[1:]: line for where, line in lines.items() if where[:1] == (name,)}, path
        )
    return data or {}


def apply_defaults(data: Any, lines: LineNumbers, path: Path, shared_defaults: SharedDefaults) -> Any:
    """Add the default keys to a source's declaration.

    Raises DeclarationError for an unknown family, and for a release without exactly one matching file.
    """
    if not isinstance(data, dict):
        return data
    family = _family_defaults(
        data, lines, path, _parse_entries(shared_defaults.families, shared_defaults.folder / FAMILIES)
    )
    publisher = publisher_defaults(
        path.stem, _parse_entries(shared_defaults.publishers, shared_defaults.folder / PUBLISHERS)
    )
    shared_releases = family.pop("releases", None)
    whole = {**publisher, **_default_licence(data), **_default_road(data), **family, **data}
    whole |= {key: _merge_road(family[key], data[key]) for key in MERGED_KEYS if key in family and key in data}
    for infer in (_default_coverage, _default_period_kind, _default_provides, _default_format):
        whole = {**infer(whole), **whole}
    if isinstance(data.get("elsewhere"), dict):
        publishers = _parse_entries(shared_defaults.publishers, shared_defaults.folder / PUBLISHERS)
        whole["elsewhere"] = {
            nation: _expand_equivalent(nation, value, file_location(path, lines.get(("elsewhere", nation))), publishers)
            for nation, value in data["elsewhere"].items()
        }
    measure_defaults = {**_measure_defaults(family), **_measure_defaults(data)}
    if measure_defaults and isinstance(data.get("measures"), dict):
        whole["measures"] = {
            name: {**measure_defaults, **own} if isinstance(own, dict) else own
            for name, own in data["measures"].items()
        }
    releases = whole.get("releases", _default_releases(whole, path.stem, shared_defaults.files, shared_releases))
    if isinstance(releases, list):
        whole["releases"] = [
            _find_release_file(release, lines.get(("releases", n)), path, releases, shared_defaults.files)
            for n, release in enumerate(releases)
        ]
    return whole


def _default_releases(data: dict[str, Any], source: str, files: dict[str, tuple[str, ...]], shared: Any) -> list[Any]:
    """Return the releases of a source that can be stored: its family's for its one file, else those its files name."""
    if data.get("access", "open") not in ("open", "private"):
        return []
    if shared and source in files:
        return list(shared)
    texts = (name.removeprefix(f"{source}_") for name in files if name.startswith(f"{source}_"))
    return sorted(day for text in texts if (day := _parse_day(text)))


def _parse_day(text: str) -> date | None:
    """Return the day of a text such as 2026-06-26; None for any other text."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def publisher_defaults(name: str, publishers: SharedEntries) -> dict[str, Any]:
    """Return the keys of the publisher with the longest short name that prefixes the source's name."""
    fitting = [short for short in publishers if name.startswith(f"{short}_")]
    return publishers[max(fitting, key=len)] if fitting else {}


_KEYS_FROM_FILE = ("geography", "coverage", "period_kind", "format", "measure_defaults")
"""Keys that a draft declares from the file itself, whatever a publisher or family declares."""


def infer_keys(
    name: str, url: str | None, shared_defaults: SharedDefaults, headings: Iterable[str] = ()
) -> dict[str, Any]:
    """Infer the keys of a new source from its name, the address of its file, or its headings.

    Headings do not show the publisher's name for the dataset, so that stays TODO.
    """
    families = _parse_entries(shared_defaults.families, shared_defaults.folder / FAMILIES)
    publisher = publisher_defaults(
        name, _parse_entries(shared_defaults.publishers, shared_defaults.folder / PUBLISHERS)
    )
    fitting = {
        family: match[1] for family, entry in families.items() if (match := _match_address(entry.get("url"), url))
    }
    if not fitting and not url:
        fitting = {family: "TODO" for family, entry in families.items() if _has_columns(entry, set(headings))}
    whole = publisher | {"family": fitting} | families[next(iter(fitting))] if len(fitting) == 1 else publisher
    return {key: value for key, value in whole.items() if key not in _KEYS_FROM_FILE}


def _has_columns(entry: dict[str, Any], headings: set[str]) -> bool:
    """Return whether a file has every column that a family with an address per dataset declares."""
    columns = entry.get("columns", {}).values()
    alternatives = [{names} if isinstance(names, str) else set(names) for names in columns]
    return (
        DATASET_PLACEHOLDER in str(entry.get("url"))
        and len(alternatives) > 1
        and all(names & headings for names in alternatives)
    )


def _match_address(pattern: str | None, url: str | None) -> re.Match[str] | None:
    """Match an address with a family's pattern, in which the dataset's name occurs at least once."""
    first, *rest = re.escape(pattern or "").split(re.escape(DATASET_PLACEHOLDER))
    form = first + "".join(("(?P<set>.+)" if n == 0 else "(?P=set)") + part for n, part in enumerate(rest))
    return re.fullmatch(form, url) if url and rest else None


def _family_defaults(data: dict[str, Any], lines: LineNumbers, path: Path, families: SharedEntries) -> dict[str, Any]:
    reference = data.get("family")
    if not isinstance(reference, (str, dict)):
        return {}
    name, dataset = (reference, "") if isinstance(reference, str) else next(iter(reference.items()), ("", ""))
    where = file_location(path, lines.get(("family",)))
    if isinstance(reference, dict) and len(reference) != 1:
        raise DeclarationError(f"{where}: family: found {len(reference)} families, expected one")
    if name not in families:
        raise DeclarationError(
            f"{where}: family: {name!r} is not in {SHARED_FOLDER}/{FAMILIES}; {suggest_names(name, families)}"
        )
    entry = families[name]
    needs_dataset = any(DATASET_PLACEHOLDER in str(entry.get(key, "")) for key in ("page", "url", "fetch"))
    if needs_dataset != bool(dataset):
        expected = f"{{{name}: its name there}}" if needs_dataset else name
        raise DeclarationError(f"{where}: family: found {reference!r}, expected {expected}")
    return {key: _insert_dataset(value, dataset) for key, value in entry.items()}


def _insert_dataset(value: Any, dataset: str) -> Any:
    """Replace the placeholder by the dataset's name, in a text or in the texts of a mapping."""
    if isinstance(value, dict):
        return {key: _insert_dataset(item, dataset) for key, item in value.items()}
    return value.replace(DATASET_PLACEHOLDER, dataset) if isinstance(value, str) else value


def _merge_road(shared: Any, own: Any) -> Any:
    """Add the keys of a source's `fetch` or `road` to those of its family, unless the road has its own evidence.

    Citations are added to the family's. Every other key of the source takes precedence.
    """
    if not isinstance(shared, dict) or not isinstance(own, dict) or own.keys() & {"evidence", "unknown"}:
        return own
    both = {key: _merge_road(shared[key], own[key]) for key in shared.keys() & own.keys()}
    if "citation" in both:
        both["citation"] = [*_list_texts(shared["citation"]), *_list_texts(own["citation"])]
    return {**shared, **own, **both}


def _list_texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _default_licence(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default licence of an unpublished source."""
    return {"licence": NO_LICENCE} if data.get("access") in ("not_open", "not_collected") else {}


def _default_road(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default reason for having no address of a file that others compiled."""
    compiled = "compiled_by" in data and not data.keys() & {"url", "fetch"}
    return {"road": {"unknown": COMPILED_TABLE}} if compiled else {}


def _default_coverage(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default coverage: all nations except those under `elsewhere`."""
    elsewhere = data.get("elsewhere")
    left = [nation for nation in NATIONS if nation not in elsewhere] if isinstance(elsewhere, dict) else []
    return {"coverage": left} if left else {}


def _expand_equivalent(nation: str, value: Any, where: str, publishers: SharedEntries) -> Any:
    """Return the data owner of a nation's figures; a text alone is the request to the nation's only publisher."""
    if not isinstance(value, str):
        return value
    owners = [str(entry["publisher"]) for entry in publishers.values() if entry.get("coverage") == [nation]]
    if len(owners) != 1:
        names = ", ".join(owners) or "none"
        raise DeclarationError(
            f"{where}: elsewhere: found publishers of {nation} alone in {SHARED_FOLDER}/{PUBLISHERS}: {names}; "
            "expected one; write {data_owner: ..., request: ...}"
        )
    return {"data_owner": owners[0], "request": value}


def _default_provides(data: dict[str, Any]) -> dict[str, Any]:
    """Return the table that a source provides, inferred from a key that only such a source has."""
    if _fetches_boundaries(data):
        return {"provides": "boundary"}
    return {"provides": "areas"} if "nested_in" in data else {"provides": "shares"} if "shares" in data else {}


def _default_format(data: dict[str, Any]) -> dict[str, Any]:
    """Return the format that another key shows: a workbook has sheets, and services send JSON."""
    if "sheet" in data:
        return {"format": "excel"}
    if "/JSON-stat/" in str(data.get("url")):
        return {"format": "jsonstat"}
    return {"format": "json"} if _fetches_boundaries(data) else {}


def _fetches_boundaries(data: dict[str, Any]) -> bool:
    fetch = data.get("fetch")
    layer = fetch.get("arcgis") if isinstance(fetch, dict) else None
    return isinstance(layer, dict) and layer.get("geometry") is True


def _default_period_kind(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default kind of period for the cadence: months for a monthly source, and so on."""
    kind = _PERIOD_KIND_BY_CADENCE.get(declared_frequency(data.get("cadence")))
    return {"period_kind": kind} if kind else {}


def _measure_defaults(data: dict[str, Any]) -> dict[str, Any]:
    defaults = data.get("measure_defaults")
    return defaults if isinstance(defaults, dict) else {}


def _find_release_file(
    release: Any, line: int | None, path: Path, releases: list[Any], files: dict[str, tuple[str, ...]]
) -> Any:
    """Find the bundled file of a release that names no file, by the source's name and the release day."""
    entry = {"released": release} if type(release) is date else release
    if not isinstance(entry, dict) or "file" in entry or type(entry.get("released")) is not date:
        return entry
    names = [f"{path.stem}_{entry['released']}"] + ([path.stem] if len(releases) == 1 else [])
    matches = sorted(file for name in names for file in files.get(name, ()))
    if len(matches) != 1:
        every = sorted(file for some in files.values() for file in some)
        near_by = ", ".join(matches or [file for file in every if file.startswith(path.stem)])
        raise DeclarationError(
            f"{file_location(path, line)}: releases: found {near_by or 'no file of this name'} in starter/, "
            f"expected one file "
            f"{' or '.join(f'{name}.*' for name in names)}; add it, or declare file"
        )
    return {"file": f"starter/{matches[0]}", **entry}


DATASET_PLACEHOLDER = "{set}"
"""Placeholder for the dataset's name in a family's addresses."""
MERGED_KEYS = ("fetch", "road")
"""Keys of which a source may declare a part, and its family the rest."""


class MeasureDefaults(Declaration):
    """Default keys of the measures of a source."""

    unit: str | None = Field(None, description="Unit of the figures")
    kind: MeasureKind | None = Field(
        None, description="Kind of the measures, which determines how figures are converted between geographies"
    )
    column: Names = Field((), description="Heading of the column with the figures, or all headings used over time")
    denominator: Name | None = Field(None, description="Denominator of the rates")
    rounding: float | None = Field(None, gt=0, description="Rounding base of the figures, in `unit`")
    uncertainty: Uncertainty = Field(None, description="`perturbed` or `estimate`, as in a measure")
    range: Annotated[tuple[float, float] | None, ListAsTuple] = Field(
        None, description="Lowest and highest valid figure, in `unit`"
    )


class SharedDeclaration(Declaration):
    """Default keys of a publisher's or a family's sources; a source's own keys take precedence."""

    publisher: str | None = Field(None, description="Publisher of the sources")
    licence: str | None = Field(None, description="Licence of the sources")
    compiled_by: str | None = Field(None, description="Compiler of the files, if not the publisher")
    page: str | None = Field(
        None, description="Address of a web page about the data; in a family, `{set}` is the dataset's name"
    )
    url: str | None = Field(None, description="Address of the file; in a family, `{set}` is the dataset's name")
    fetch: dict[str, Any] = Field(
        default_factory=dict,
        description="In a family: keys of `fetch` that its sources share; `{set}` is the dataset's name",
    )
    road: Road | None = Field(None, description="Evidence for the addresses of the files")
    coverage: Annotated[tuple[Nation, ...], ListAsTuple] = Field((), description="Nations covered")
    schedule: ScheduleOrText | None = Field(
        None, alias="cadence", description="Publication frequency and usual lag, such as `monthly, 2 months later`"
    )
    geography: GeographyName | None = Field(None, description="Geography of the codes or names")
    format: FileFormat | None = Field(None, description="Format of the files")
    columns: FileColumns | None = Field(None, description="Role of each column")
    period_kind: Annotated[tuple[PeriodKind, ...], ValueOrList] = Field((), description="Kind of period in the files")
    measure_defaults: MeasureDefaults | None = Field(None, description="Default keys of their measures")
    releases: Annotated[tuple[date, ...], ListAsTuple] = Field(
        (), description="In a family: days of the bundled files of each source that has one"
    )


def _expand_family_name(value: Any) -> Any:
    """Convert the name of a family alone to a family without a dataset's name."""
    return {value: ""} if isinstance(value, str) else value


FamilyReference = Annotated[dict[Name, str], BeforeValidator(_expand_family_name)]
"""A family's name in `shared/families.yaml`, with the publisher's name for the dataset."""
