"""Beginning a declaration: what the commands under `commonground new` write."""

from pathlib import Path

from pipelines.asking import known_system
from pipelines.catalogue import load
from pipelines.declared import NAME
from pipelines.errors import DeclarationError
from pipelines.local_contracts import as_text, contract_page, contract_yaml, example_rows, write_new
from pipelines.model_reading import PeriodKind
from pipelines.steps import Project
from pipelines.store import write_whole


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
    if name not in project.catalogue.sources:
        known_system(project, places)
        written.append(folder / f"{name}.yaml")
        write_sound(project, written[0], contract_yaml(name, kind, places))
    source = load(project.catalogue.root).sources[name]
    rows = example_rows(source, known_system(project, source.places or places))
    pages = {f"{name}.example.csv": as_text(rows), f"{name}.page.html": contract_page(name, source, rows)}
    for file, text in pages.items():
        write_whole(folder / file, text.encode())
    return [*written, *(folder / file for file in pages)]
