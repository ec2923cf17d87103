"""Beginning a declaration: what the commands under `commonground new` write."""

import time
from pathlib import Path

from pipelines.app.query import load_register
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
    """Write a new declaration; one that the project can't be read with is taken away again, and refused."""
    write_new_declaration(path, text)
    try:
        load_catalogue(project.catalogue.root)
    except DeclarationError:
        path.unlink()
        raise


def begin_local_source(project: Project, name: str, kind: PeriodKind, places: str) -> list[Path]:
    """Write a local contract beside the other sources; give the files written.

    Raises DeclarationError for a name that can't be, UnknownNameError for places that are not known.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise DeclarationError(f"{name!r}: a name is lower case letters, digits and _, and starts with a letter")
    folder = project.catalogue.sources_dir
    written = []
    register = load_register(project).register
    system = GEOGRAPHY_NAME_PATTERN.fullmatch(places)
    if system and int(system[1]) > project.as_of.year:
        raise UnknownNameError(f"{places}: a year to come; expected places as they were by {project.as_of.year}")
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
    """Draft the declaration of a source from a file or an address; give where it was written, and what is to do.

    No figure of it is read while a TODO is left in it. Raises FetchError or UnreadableError where no table is found.
    """
    content, file = _read_bytes(where)
    name = name or measure_name(Path(file).name.partition(".")[0])
    if not NAME_PATTERN.fullmatch(name):
        raise DeclarationError(f"{name!r}: a name is lower case letters, digits and _, from a letter on; say --name")
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


def _read_bytes(where: str) -> tuple[bytes, str]:
    """Fetch a file from the web, or read one of one's own, with the checks that every fetch makes."""
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
        raise FetchError(f"{where}: can't be read ({error}); give a file, or an address on the web") from error
    validate_content(request, content)
    return content, path.name
