"""Defaults of source declarations: keys shared by publishers and families, and keys that conventions infer."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from pipelines.core.errors import DeclarationError, at, near
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.base import NATIONS, Age, Cadence, Declared, Kind, Listed, Name, Names, Nation, PlaceSystem
from pipelines.declarations.file_format import Columns, Format
from pipelines.declarations.yaml_lines import Lines, read_yaml, validate

FOLDER = "shared"
"""Folder of shared declarations, beside the source declarations."""
UNPUBLISHED = "none, as nothing is published"
"""Default licence of a source that is not open or not collected."""
_KINDS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "annual": "year"}
PUBLISHERS, FAMILIES = "publishers.yaml", "families.yaml"
Entries = dict[str, dict[str, Any]]


class Said(NamedTuple):
    """Text of the shared declarations, and the names of the files bundled with the project."""

    folder: Path
    publishers: str
    families: str
    files: tuple[str, ...]


def read_said(sources: Path) -> Said:
    """Read the shared declarations of publishers and families, both optional."""
    folder, starter = sources / FOLDER, sources / "starter"
    files = tuple(sorted(path.name for path in starter.iterdir())) if starter.is_dir() else ()
    return Said(folder, _text(folder / PUBLISHERS), _text(folder / FAMILIES), files)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@lru_cache(maxsize=64)
def _entries(text: str, path: Path) -> Entries:
    """Parse the entries and validate each separately, so that errors name the right line."""
    data, lines = read_yaml(text, path)
    if not isinstance(data or {}, dict):
        raise DeclarationError(f"{path}: found {type(data).__name__}, expected a mapping of names to keys")
    for name, entry in (data or {}).items():
        validate(Shared, entry, {where[1:]: line for where, line in lines.items() if where[:1] == (name,)}, path)
    return data or {}


def filled(data: Any, lines: Lines, path: Path, said: Said) -> Any:
    """Add the default keys to a source's declaration.

    Raises DeclarationError for an unknown family, and for a release without exactly one matching file.
    """
    if not isinstance(data, dict):
        return data
    family = _family(data, lines, path, _entries(said.families, said.folder / FAMILIES))
    publisher = publisher_of(path.stem, _entries(said.publishers, said.folder / PUBLISHERS))
    whole = {**publisher, **_unlicensed(data), **family, **data}
    whole = {**_coverage(whole), **_kind_of_period(whole), **whole}
    shared = {**_alike(family), **_alike(data)}
    if shared and isinstance(data.get("measures"), dict):
        whole["measures"] = {
            name: {**shared, **own} if isinstance(own, dict) else own for name, own in data["measures"].items()
        }
    if isinstance(data.get("releases"), list):
        whole["releases"] = [_release(each, lines.get(("releases", n)), path, data["releases"], said.files)
                             for n, each in enumerate(data["releases"])]  # fmt: skip
    return whole


def publisher_of(name: str, publishers: Entries) -> dict[str, Any]:
    """Return the keys of the publisher with the longest short name that prefixes the source's name."""
    fitting = [short for short in publishers if name.startswith(f"{short}_")]
    return publishers[max(fitting, key=len)] if fitting else {}


_SAID_AS_FOUND = ("geography", "coverage", "period_kind", "lag", "format", "measure_defaults")
"""Keys that a draft declares from the file itself, whatever a publisher or family declares."""


def known_of(name: str, url: str | None, said: Said, headings: Iterable[str] = ()) -> dict[str, Any]:
    """Infer the keys of a new source from its name, the address of its file, or its headings.

    Headings do not show the publisher's name for the dataset, so that stays TODO.
    """
    families = _entries(said.families, said.folder / FAMILIES)
    publisher = publisher_of(name, _entries(said.publishers, said.folder / PUBLISHERS))
    fitting = {family: found[1] for family, entry in families.items() if (found := _fits(entry.get("url"), url))}
    if not fitting and not url:
        fitting = {family: "TODO" for family, entry in families.items() if _has_columns(entry, set(headings))}
    whole = publisher | {"family": fitting} | families[next(iter(fitting))] if len(fitting) == 1 else publisher
    return {key: value for key, value in whole.items() if key not in _SAID_AS_FOUND}


def _has_columns(entry: dict[str, Any], headings: set[str]) -> bool:
    """Return whether a file has every column that a family with an address per dataset declares."""
    columns = entry.get("columns", {}).values()
    spelled = [{each} if isinstance(each, str) else set(each) for each in columns]
    return SET in str(entry.get("url")) and len(spelled) > 1 and all(each & headings for each in spelled)


def _fits(pattern: str | None, url: str | None) -> re.Match[str] | None:
    """Match an address with a family's pattern, in which the dataset's name occurs at least once."""
    first, *rest = re.escape(pattern or "").split(re.escape(SET))
    form = first + "".join(("(?P<set>.+)" if n == 0 else "(?P=set)") + each for n, each in enumerate(rest))
    return re.fullmatch(form, url) if url and rest else None


def _family(data: dict[str, Any], lines: Lines, path: Path, families: Entries) -> dict[str, Any]:
    told = data.get("family")
    if not isinstance(told, (str, dict)):
        return {}
    name, dataset = (told, "") if isinstance(told, str) else next(iter(told.items()), ("", ""))
    where = at(path, lines.get(("family",)))
    if isinstance(told, dict) and len(told) != 1:
        raise DeclarationError(f"{where}: family: found {len(told)} families, expected one")
    if name not in families:
        raise DeclarationError(f"{where}: family: {name!r} is not in {FOLDER}/{FAMILIES}; {near(name, families)}")
    entry = families[name]
    wanted = any(SET in str(entry.get(key, "")) for key in ("page", "url"))
    if wanted != bool(dataset):
        expected = f"{{{name}: its name there}}" if wanted else name
        raise DeclarationError(f"{where}: family: found {told!r}, expected {expected}")
    return {key: value.replace(SET, dataset) if isinstance(value, str) else value for key, value in entry.items()}


def _unlicensed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default licence of an unpublished source."""
    return {"licence": UNPUBLISHED} if data.get("access") in ("not_open", "not_collected") else {}


def _coverage(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default coverage: all nations except those under `elsewhere`."""
    elsewhere = data.get("elsewhere")
    left = [nation for nation in NATIONS if nation not in elsewhere] if isinstance(elsewhere, dict) else []
    return {"coverage": left} if left else {}


def _kind_of_period(data: dict[str, Any]) -> dict[str, Any]:
    """Return the default kind of period for the cadence: months for a monthly source, and so on."""
    kind = _KINDS.get(str(data.get("cadence")))
    return {"period_kind": kind} if kind else {}


def _alike(data: dict[str, Any]) -> dict[str, Any]:
    told = data.get("measure_defaults")
    return told if isinstance(told, dict) else {}


def _release(told: Any, line: int | None, path: Path, all_told: list[Any], files: Iterable[str]) -> Any:
    """Find the bundled file of a release that names no file, by the source's name and the release day."""
    entry = {"released": told} if type(told) is date else told
    if not isinstance(entry, dict) or "file" in entry or type(entry.get("released")) is not date:
        return entry
    names = [f"{path.stem}_{entry['released']}"] + ([path.stem] if len(all_told) == 1 else [])
    found = [file for file in files if file.partition(".")[0] in names]
    if len(found) != 1:
        near_by = ", ".join(found or [file for file in files if file.startswith(path.stem)])
        raise DeclarationError(
            f"{at(path, line)}: releases: found {near_by or 'no file of this name'} in starter/, expected one file "
            f"{' or '.join(f'{name}.*' for name in names)}; add it, or declare file"
        )
    return {"file": f"starter/{found[0]}", **entry}


SET = "{set}"
"""Placeholder for the dataset's name in a family's addresses."""


class Alike(Declared):
    """Default keys of the measures of a source."""

    unit: str | None = Field(None, description="Unit of the figures")
    kind: Kind | None = Field(None, description="How they may be moved")
    column: Names = Field((), description="Heading of the column with the figures, or several it has had")
    numerator: Name | None = Field(None, description="Measure on top of the rates")
    denominator: Name | None = Field(None, description="Measure below the rates")
    scale: float | None = Field(None, description="What a published figure is multiplied by to be in `unit`")
    rounding: float | None = Field(None, gt=0, description="Base the figures are rounded to, in `unit`")
    perturbed: bool | None = Field(None, description="True where the publisher adds noise to protect people")
    estimate: bool | None = Field(None, description="True where the figures are from a sample or a model")
    range: Annotated[tuple[float, float] | None, Listed] = Field(
        None, description="Least and most a sound figure can be, in `unit`"
    )


class Shared(Declared):
    """Default keys of a publisher's or a family's sources; a source's own keys take precedence."""

    publisher: str | None = Field(None, description="Body that publishes them")
    licence: str | None = Field(None, description="Licence they are published under")
    compiled_by: str | None = Field(None, description="Who arranged the files, if not the publisher")
    page: str | None = Field(None, description="Page a person can read on; in a family with `{set}` for the dataset")
    url: str | None = Field(None, description="Address of the file; in a family with `{set}` for the dataset")
    coverage: Annotated[tuple[Nation, ...], Listed] = Field((), description="Nations covered")
    cadence: Cadence | None = Field(None, description="How often they are published")
    lag: Age | None = Field(None, description="Usual time from the end of a period to its publication")
    geography: PlaceSystem | None = Field(None, description="Place system of the codes or names")
    format: Format | None = Field(None, description="Format of the files")
    columns: Columns | None = Field(None, description="Which column holds what")
    period_kind: PeriodKind | None = Field(None, description="Kind of period the files speak of")
    measure_defaults: Alike | None = Field(None, description="What their measures share")


def _named(value: Any) -> Any:
    """Convert the name of a family alone to a family without a dataset's name."""
    return {value: ""} if isinstance(value, str) else value


Family = Annotated[dict[Name, str], BeforeValidator(_named)]
"""A family's name in `shared/families.yaml`, with the publisher's name for the dataset."""
