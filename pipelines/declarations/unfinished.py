"""Excluded sources: a declaration contains a TODO, or is unsafe to read.

No figure of such a source is read until a person corrects the declaration; other sources are not affected.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from pipelines.core.errors import DeclarationError, MissingInputError, file_location, suggest_names
from pipelines.declarations.yaml_lines import read_yaml

_TODO_PATTERN = re.compile(r"\bTODO\b")


class UnreadSource(NamedTuple):
    """An excluded declaration: its file, its lines with a TODO, and its intended measures.

    `refusal` states the reason where it is not a TODO; the measures may then be unknown.
    """

    path: Path
    lines: tuple[tuple[int, str], ...] = ()
    measures: tuple[str, ...] = ()
    refusal: str = ""

    def describe_refusal(self) -> str:
        """State why the source is excluded: the first line with a TODO and the number of others, or the refusal."""
        if self.refusal:
            return f"{self.refusal}; the source is excluded"
        number, line = self.lines[0]
        more = f", and {len(self.lines) - 1} more lines" if len(self.lines) > 1 else ""
        return (
            f"{file_location(self.path, number)}: the source is excluded because a TODO remains: {line}{more}; "
            + _REMEDY
        )


_REMEDY = "decide each one and delete the word TODO"


def find_todo_lines(text: str) -> tuple[tuple[int, str], ...]:
    """List the lines of a declaration that contain TODO, comments included."""
    if "TODO" not in text:
        return ()
    return tuple((n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if _TODO_PATTERN.search(line))


def find_unfinished(text: str, path: Path) -> UnreadSource | None:
    """Return an unfinished declaration, or null where it can be read; unreleased private sources may have a TODO."""
    lines = find_todo_lines(text)
    data = read_yaml(text, path)[0] if lines else None
    if not lines or (isinstance(data, dict) and data.get("access") == "private"):
        return None
    return UnreadSource(path, lines, _measure_names(data))


def _measure_names(data: Any) -> tuple[str, ...]:
    measures = data.get("measures") if isinstance(data, dict) else None
    return tuple(map(str, measures)) if isinstance(measures, dict) else ()


def refuse_unknown_measure(
    where: str, measure: str, measures: Iterable[str], unread: Mapping[str, UnreadSource]
) -> NoReturn:
    """Raise MissingInputError where an excluded source declares, or may declare, an unknown measure.

    Raises DeclarationError with similar names where no source is excluded.
    """
    declaration = next((source for source in unread.values() if measure in source.measures), None)
    if declaration:
        raise MissingInputError(f"{where}; it is declared in {declaration.describe_refusal()}")
    hidden = next((source for source in unread.values() if source.refusal), None)
    if hidden:
        raise MissingInputError(f"{where}; it may be declared in an excluded source: {hidden.describe_refusal()}")
    raise DeclarationError(f"{where}; {suggest_names(measure, measures)}")
