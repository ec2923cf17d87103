"""A store of an earlier version: its snapshots and ledger are kept, everything else is made again.

Its outputs stay until they are made again: they are listed first, by the tables that name them, so that they are
known for the project's own and not for somebody's files.
"""

import logging
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.layout import is_earlier_layout, list_state_tables, read_layout
from pipelines.core.manifest import edit_manifest
from pipelines.core.store import LAYOUT_VERSION, lock_store, write_layout

RENEWAL_NOTICE = (
    "This store was written by an earlier version: its snapshots and ledger are kept, everything else is made again."
)


def renew_store(home: Path) -> str:
    """Ready a store of an earlier version for this one, and give the sentence that says so; blank for any other.

    Raises CommongroundError for a store of a later version, and for one that can't be changed.
    """
    if not is_earlier_layout(home):
        return ""
    try:
        with lock_store(home):
            return renew_locked_store(home)
    except PermissionError as error:
        raise CommongroundError(
            f"{home}: an earlier version wrote this store, and its tables can't be removed ({error}); run this as the "
            "owner of the store"
        ) from error


def renew_locked_store(home: Path) -> str:
    """Do as `renew_store` does, in a step that has the store to itself; note the layout of a new store too."""
    earlier = is_earlier_layout(home)
    if earlier:
        with edit_manifest(home):
            pass  # takes over what the tables say was written into out/
        for path in list_state_tables(home):
            path.unlink()
    if read_layout(home) != LAYOUT_VERSION:
        write_layout(home)
    return RENEWAL_NOTICE if earlier else ""


def log_renewal(sentence: str) -> None:
    """Say it where no console is at hand: to the log of Python, which goes to stderr if nobody asked for it."""
    if sentence:
        logging.getLogger("commonground").warning(sentence)
