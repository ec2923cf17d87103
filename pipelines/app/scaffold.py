"""Beginning a declaration: what the commands under `commonground new` write."""

import time
from pathlib import Path

from pipelines.app.query import known_places
from pipelines.core.errors import DeclarationError, FetchError, UnknownNameError
from pipelines.core.store import write_whole
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.base import NAME, PLACE_SYSTEM
from pipelines.declarations.catalogue import load
from pipelines.declarations.defaults import known_of, read_said
from pipelines.declarations.project import Project
from pipelines.declarations.unfinished import todo_lines
from pipelines.fetch import Limits, Wanted, download, file_name, see_content, see_size
from pipelines.geography import geography, system_places
from pipelines.observations import as_text, contract_yaml, draft_declaration, example_rows, measure_name, write_new
from pipelines.outputs import render_contract
from pipelines.readers import look


def write_sound(project: Project, path: Path, text: str) -> None:
    """Write a new declaration; one that the project can't be read with is taken away again, and refused."""
    write_new(path, text)
    try:
        load(project.catalogue.root)
    except DeclarationError:
        path.unlink()
        raise


def begin_local_source(project: Project, name: str, kind: PeriodKind, places: str) -> list[Path]:
    """Write a local contract beside the other sources; give the files written.

    Raises DeclarationError for a name that can't be, UnknownNameError for places that are not known.
    """
    if not NAME.fullmatch(name):
        raise DeclarationError(f"{name!r}: a name is lower case letters, digits and _, and starts with a letter")
    folder = project.catalogue.sources_dir
    written = []
    register = known_places(project).register
    system = PLACE_SYSTEM.fullmatch(places)
    if system and int(system[1]) > project.as_of.year:
        raise UnknownNameError(f"{places}: a year to come; expected places as they were by {project.as_of.year}")
    if name not in project.catalogue.sources:
        system_places(register, places)
        written.append(folder / f"{name}.yaml")
        write_sound(project, written[0], contract_yaml(name, kind, places))
    source = load(project.catalogue.root).sources[name]
    rows = example_rows(source, system_places(register, source.geography or places))
    pages = {f"{name}.example.csv": as_text(rows), f"{name}.page.html": render_contract(name, source, rows)}
    for file, text in pages.items():
        write_whole(folder / file, text.encode())
    return [*written, *(folder / file for file in pages)]


def begin_source(project: Project, where: str, name: str | None) -> tuple[Path, list[str]]:
    """Draft the declaration of a source from a file or an address; give where it was written, and what is to do.

    No figure of it is read while a TODO is left in it. Raises FetchError or UnreadableError where no table is found.
    """
    content, file = _bytes_of(where)
    name = name or measure_name(Path(file).name.partition(".")[0])
    if not NAME.fullmatch(name):
        raise DeclarationError(f"{name!r}: a name is lower case letters, digits and _, from a letter on; say --name")
    url = where if _on_the_web(where) else None
    looked = look(content, file)
    known = known_of(name, url, read_said(project.catalogue.sources_dir), looked.sheet.frame.columns)
    text = draft_declaration(name, looked, geography(project, known_places(project)), url, known)
    path = project.catalogue.sources_dir / f"{name}.yaml"
    write_new(path, text)
    return path, [f"line {number}: {line}" for number, line in todo_lines(text)]


def _on_the_web(where: str) -> bool:
    return where.startswith(("http://", "https://"))


def _bytes_of(where: str) -> tuple[bytes, str]:
    """Fetch a file from the web, or read one of one's own, with the checks that every fetch makes."""
    limits = Limits()
    wanted = Wanted("new source", where, "csv", where, limits, time.monotonic() + limits.seconds)
    if _on_the_web(where):
        answer = download(wanted)
        see_content(wanted, answer.content)
        return answer.content, file_name(answer.url, answer.headers) or "file"
    path = Path(where)
    try:
        see_size(wanted, path.stat().st_size)
        content = path.read_bytes()
    except OSError as error:
        raise FetchError(f"{where}: can't be read ({error}); give a file, or an address on the web") from error
    see_content(wanted, content)
    return content, path.name
