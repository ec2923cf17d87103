"""Sources that are not read: a TODO is left in the declaration, or reading it would take the machine.

No figure of such a source is read before a person has mended it; everything else goes on.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from pipelines.core.errors import DeclarationError, NotReadError, at, near
from pipelines.declarations.yaml_lines import read_yaml

_TODO = re.compile(r"\bTODO\b")


class Unfinished(NamedTuple):
    """A declaration that is not read: its file, the lines with a TODO, and the measures it is to have.

    `refusal` says why it is not read where that is no TODO; which measures it has may not be known then.
    """

    path: Path
    lines: tuple[tuple[int, str], ...] = ()
    measures: tuple[str, ...] = ()
    refusal: str = ""

    def sentence(self) -> str:
        """Say why the source is not read: the first line to decide and how many there are, or the refusal."""
        if self.refusal:
            return f"{self.refusal}; the source is not read"
        number, line = self.lines[0]
        more = f", and {len(self.lines) - 1} more lines" if len(self.lines) > 1 else ""
        return f"{at(self.path, number)}: the source is not read while a TODO is left: {line}{more}; " + _REMEDY


_REMEDY = "decide each, and delete the word TODO"


def todo_lines(text: str) -> tuple[tuple[int, str], ...]:
    """List the lines of a declaration, comments among them, that leave something to be decided."""
    return tuple((n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if _TODO.search(line))


def unfinished_of(text: str, path: Path) -> Unfinished | None:
    """Tell whether a declaration is not to be read yet; private figures, which no output shows, may be tried."""
    lines = todo_lines(text)
    data = read_yaml(text, path)[0] if lines else None
    if not lines or (isinstance(data, dict) and data.get("private") is True and data.get("released") is not True):
        return None
    return Unfinished(path, lines, _measures_of(data))


def _measures_of(data: Any) -> tuple[str, ...]:
    measures = data.get("measures") if isinstance(data, dict) else None
    return tuple(map(str, measures)) if isinstance(measures, dict) else ()


def refuse_unknown(where: str, measure: str, measures: Iterable[str], unfinished: Mapping[str, Unfinished]) -> NoReturn:
    """Raise NotReadError where an unknown measure is, or may be, of a source that is not read.

    Raises DeclarationError where every source is read, with the known measures that are like it.
    """
    declared = next((each for each in unfinished.values() if measure in each.measures), None)
    if declared:
        raise NotReadError(f"{where}; it is declared in {declared.sentence()}")
    hidden = next((each for each in unfinished.values() if each.refusal), None)
    if hidden:
        raise NotReadError(f"{where}; it may be declared in a source that is not read: {hidden.sentence()}")
    raise DeclarationError(f"{where}; {near(measure, measures)}")
