"""A store of an earlier version: its snapshots and ledger are kept, everything else is made again.

Its outputs stay until they are made again: they are listed first, by the tables that name them, so that they are
known for the project's own and not for somebody's files.
"""

import logging
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.layout import is_earlier, layout_of, state_tables
from pipelines.core.manifest import changing
from pipelines.core.store import LAYOUT, note_layout, sole_builder

SENTENCE = (
    "This store was written by an earlier version: its snapshots and ledger are kept, everything else is made again."
)


def renew(home: Path) -> str:
    """Ready a store of an earlier version for this one, and give the sentence that says so; blank for any other.

    Raises CommongroundError for a store of a later version, and for one that can't be changed.
    """
    if not is_earlier(home):
        return ""
    try:
        with sole_builder(home):
            return renew_now(home)
    except PermissionError as error:
        raise CommongroundError(
            f"{home}: an earlier version wrote this store, and its tables can't be removed ({error}); run this as the "
            "owner of the store"
        ) from error


def renew_now(home: Path) -> str:
    """Do as `renew` does, in a step that has the store to itself; note the layout of a new store too."""
    earlier = is_earlier(home)
    if earlier:
        with changing(home):
            pass  # takes over what the tables say was written into out/
        for path in state_tables(home):
            path.unlink()
    if layout_of(home) != LAYOUT:
        note_layout(home)
    return SENTENCE if earlier else ""


def log_renewal(sentence: str) -> None:
    """Say it where no console is at hand: to the log of Python, which goes to stderr if nobody asked for it."""
    if sentence:
        logging.getLogger("commonground").warning(sentence)
