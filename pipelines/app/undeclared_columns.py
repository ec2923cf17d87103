"""A file of a source without declared columns: its headings, and the lines that a person adds to the declaration."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.declarations.project import Project
from pipelines.geography import load_place_data, load_places
from pipelines.observations import draft_declaration
from pipelines.readers import ROW, sniff_file

DECLARED_KEYS = ("title", "publisher", "licence", "page", "cadence", "url")
"""Keys of a draft that the declaration of a published source has."""
UNDECLARED_ACCESS = "not_held"
"""Access of a published source without declared columns."""


def describe_missing_columns(project: Project, name: str, content: bytes, file: str) -> str:
    """Return why a file cannot be added yet: its headings, and the lines to complete and add to the declaration.

    Raises UnreadableError where the file has no table.
    """
    inspection = sniff_file(content, file)
    places = load_place_data(project, load_places(project))
    draft = draft_declaration(name, inspection, places, None, dict.fromkeys(DECLARED_KEYS, ""))
    headings = [heading for heading in inspection.sheet.frame.columns if heading != ROW]
    lines = [*_keep_layout(draft.splitlines()), "measures: # add to each measure the column with its figures"]
    lines += [f"  {measure}: {{column: TODO}}" for measure in project.catalogue.sources[name].measures]
    path = project.catalogue.sources_dir / f"{name}.yaml"
    return "\n".join(
        [
            f"{name}: {Path(file).name} was not added, because the columns of the source are not declared; found the "
            f"headings {', '.join(headings)}. Put these lines in {path} in the place of `access: {UNDECLARED_ACCESS}`, "
            "complete each TODO, and add the file again:",
            *(f"  {line}" for line in lines),
        ]
    )


def _keep_layout(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a draft that say how to read the file, without its measures and its address."""
    for line in lines:
        if line.startswith("measures:"):
            return
        if not line.startswith("# No url"):
            yield line
