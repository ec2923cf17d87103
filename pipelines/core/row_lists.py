"""Rows of a table printed as lists, one line per column: the same text as Rich's own table, which takes far longer.

Rich measures, wraps and pads each cell with some hundred calls. Here only a cell that does not fit on its line is
wrapped by Rich.
"""

from collections.abc import Iterator, Sequence

from rich.box import SQUARE
from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

_FRAME = 7
"""Characters of a line beside its two cells: three borders, and a space on each side of a cell."""
_NARROWEST = 10
"""Fewest characters of a line for a value. Rich shortens long names instead."""
_MARKUP = ("[", ":")
"""Characters that begin Rich's own marks in a name."""


class RowLists:
    """Rows as lists within a number of characters, with a note below them."""

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[Text]], width: int, note: str) -> None:
        self.names, self.rows, self.width, self.note = names, rows, width, note

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, and then the note in the style of a table's caption."""
        safe = SQUARE.substitute(options, safe=console.safe_box)
        widths = [max(len(name) for name in self.names), 0]
        widths[1] = self.width - _FRAME - widths[0]
        frame = [width + 2 for width in widths]
        blocks = [self._format_row(row, widths, safe.mid_vertical, console) for row in self.rows]
        between = f"\n{safe.get_row(frame, 'row')}\n"
        yield Segment(f"{safe.get_top(frame)}\n{between.join(blocks)}\n{safe.get_bottom(frame)}\n")
        note = console.render_str(self.note, style="table.caption", highlight=False)
        yield from console.render(note, options.update(width=self.width, justify="left", highlight=False, height=None))

    def _format_row(self, row: Sequence[Text], widths: Sequence[int], border: str, console: Console) -> str:
        lines = []
        for name, value in zip(self.names, row, strict=True):
            for number, part in enumerate(_wrap(value, widths[1], console)):
                head = name if number == 0 else ""
                lines.append(f"{border} {head:<{widths[0]}} {border} {part} {border}")
        return "\n".join(lines)


def can_list(names: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> bool:
    """Return whether rows can be listed here: there are some, and names are plain and leave room for values."""
    is_plain = all(name.isascii() and name.isprintable() and not set(_MARKUP) & set(name) for name in names)
    return bool(rows) and bool(names) and is_plain and max(map(len, names)) + _FRAME + _NARROWEST <= width


def _wrap(value: Text, width: int, console: Console) -> Iterator[str]:
    """Return the lines of a cell, each padded to the width."""
    text = value.plain
    if len(text) <= width and text.isascii() and text.isprintable():
        yield text.ljust(width)
        return
    for line in value.wrap(console, width, justify="left", overflow="fold") or [Text()]:
        yield set_cell_size(line.plain, width)
