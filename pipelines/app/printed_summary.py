"""The summary of a build as printed: plain texts and counts, apart from the tables that they come from."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

NOTHING_CHANGED = "Nothing has changed since the last build."
MAX_MEASURES = 3
"""Maximum number of measures listed for one reason. The rest are counted."""


class Summary(NamedTuple):
    """Rows of the answers by problem (summary.ANSWER_COUNT) and of the gaps by reason (summary.REASON_COUNT).

    `changes` are lines about the ledger, `outputs` pairs of a heading and where an output is.
    """

    answers: Sequence[Sequence[str | int]]
    reasons: Sequence[Sequence[str | int]]
    changes: Sequence[str]
    outputs: Sequence[Sequence[str]]


def print_summary(summary: Summary, console: Console) -> None:
    """Print the answers by verdict, the gaps by reason, the changes and the output files."""
    console.print(_answers_table(summary.answers), _reasons_table(summary.reasons), sep="\n")
    for line in summary.changes:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    for heading, where in summary.outputs:
        console.print(f"{heading:<9}{where}", soft_wrap=True, highlight=False)


def _answers_table(answers: Sequence[Sequence[str | int]]) -> Table:
    """Return a table of the problems with places by verdict and available cells. It fits into 80 columns."""
    table = Table("problem", title="Answers by problem", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("places", "yes", "with caveats", "no", "cells", "available"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, *counts, cells, known in answers:
        table.add_row(
            str(name), *(f"{count:,}" for count in (*counts, cells)), f"{int(known) / max(int(cells), 1):.0%}"
        )
    return table


def _reasons_table(reasons: Sequence[Sequence[str | int]]) -> Table:
    table = Table("reason", title="Gaps by reason", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("cells", "places"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("measures")
    for reason, counted, places, measures in reasons:
        names = str(measures).split(", ")
        more = f" and {len(names) - MAX_MEASURES} more" if len(names) > MAX_MEASURES else ""
        table.add_row(str(reason), f"{counted:,}", f"{places:,}", ", ".join(names[:MAX_MEASURES]) + more)
    return table
