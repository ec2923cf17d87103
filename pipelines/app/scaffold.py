"""Drafts of declarations: the commands under `commonground new`."""

import time
from pathlib import Path

from pipelines.app.stored_places import load_register
from pipelines.core.errors import DeclarationError, FetchError, UnknownNameError
from pipelines.core.store import write_atomically
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.base import GEOGRAPHY_NAME_PATTERN, NAME_PATTERN
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.defaults import infer_keys, read_shared_defaults
from pipelines.declarations.project import Project
from pipelines.declarations.unfinished import find_todo_lines
from pipelines.fetch import Limits, Request, download_file, publisher_file_name, validate_content, validate_size
from pipelines.geography import load_place_data, require_places
from pipelines.observations import (
    contract_yaml,
    draft_declaration,
    example_rows,
    format_csv,
    measure_name,
    write_new_declaration,
)
from pipelines.outputs import render_contract
from pipelines.readers import sniff_file


def write_valid_declaration(project: Project, path: Path, text: str) -> None:
    """Write a new declaration. Remove it and raise DeclarationError if the project is invalid with it."""
    write_new_declaration(path, text)
    try:
        load_catalogue(project.catalogue.root)
    except DeclarationError:
        path.unlink()
        raise


def begin_local_source(project: Project, name: str, kind: PeriodKind, places: str) -> list[Path]:
    """Write a local contract in the sources folder. Return the files written.

    Raises DeclarationError for an invalid name, and UnknownNameError for an unknown geography.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise DeclarationError(f"{name!r}: expected lower case letters, digits and _, with a letter first")
    folder = project.catalogue.sources_dir
    written = []
    register = load_register(project).register
    system = GEOGRAPHY_NAME_PATTERN.fullmatch(places)
    if system and int(system[1]) > project.as_of.year:
        raise UnknownNameError(f"{places}: year in the future; expected a vintage up to {project.as_of.year}")
    if name not in project.catalogue.sources:
        require_places(register, places)
        written.append(folder / f"{name}.yaml")
        write_valid_declaration(project, written[0], contract_yaml(name, kind, places))
    source = load_catalogue(project.catalogue.root).sources[name]
    rows = example_rows(source, require_places(register, source.geography or places))
    pages = {f"{name}.example.csv": format_csv(rows), f"{name}.page.html": render_contract(name, source, rows)}
    for file, text in pages.items():
        write_atomically(folder / file, text.encode())
    return [*written, *(folder / file for file in pages)]


def draft_source(project: Project, where: str, name: str | None) -> tuple[Path, list[str]]:
    """Draft the declaration of a source from a file or an address. Return its path and the lines to complete.

    The source is not read while the declaration has a TODO. Raises FetchError or UnreadableError if the file has no
    table.
    """
    content, file = read_source_file(where)
    name = name or measure_name(Path(file).name.partition(".")[0])
    if not NAME_PATTERN.fullmatch(name):
        raise DeclarationError(f"{name!r}: expected lower case letters, digits and _, with a letter first; give --name")
    url = where if _is_web_address(where) else None
    inspection = sniff_file(content, file)
    defaults = infer_keys(
        name, url, read_shared_defaults(project.catalogue.sources_dir), inspection.sheet.frame.columns
    )
    text = draft_declaration(name, inspection, load_place_data(project, load_register(project)), url, defaults)
    path = project.catalogue.sources_dir / f"{name}.yaml"
    write_new_declaration(path, text)
    return path, [f"line {number}: {line}" for number, line in find_todo_lines(text)]


def _is_web_address(where: str) -> bool:
    return where.startswith(("http://", "https://"))


def read_source_file(where: str) -> tuple[bytes, str]:
    """Fetch a file from the web, or read a local file, with the checks of every fetch. Return content and name."""
    limits = Limits()
    request = Request("new source", where, "csv", where, limits, time.monotonic() + limits.seconds)
    if _is_web_address(where):
        answer = download_file(request)
        validate_content(request, answer.content)
        return answer.content, publisher_file_name(answer.url, answer.headers) or "file"
    path = Path(where)
    try:
        validate_size(request, path.stat().st_size)
        content = path.read_bytes()
    except OSError as error:
        raise FetchError(f"{where}: cannot be read ({error}); give a file or a web address") from error
    validate_content(request, content)
    return content, path.name
