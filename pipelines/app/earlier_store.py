"""Upgrade of a store from an earlier version: snapshots and ledger stay, and all other tables are rebuilt.

Earlier outputs stay until the next build replaces them. They are first listed in the manifest, from the tables that
name them, so that the project does not treat them as files of a user.
"""

import logging
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.layout import is_earlier_layout, list_state_tables, read_layout
from pipelines.core.manifest import edit_manifest
from pipelines.core.store import LAYOUT_VERSION, lock_store, write_layout

RENEWAL_NOTICE = (
    "An earlier version wrote this store. Its snapshots and ledger are kept, and all other tables are rebuilt."
)


def renew_store(home: Path) -> str:
    """Upgrade a store from an earlier version. Return the notice for the user, or an empty text for a current store.

    Raises CommongroundError for a store of a later version, and for a store that cannot be changed.
    """
    if not is_earlier_layout(home):
        return ""
    try:
        with lock_store(home):
            return renew_locked_store(home)
    except PermissionError as error:
        raise CommongroundError(
            f"{home}: an earlier version wrote this store, and its tables cannot be removed ({error}); run the command "
            "as the owner of the store"
        ) from error


def renew_locked_store(home: Path) -> str:
    """Upgrade a store as `renew_store` does, in a step with a lock on it. Record the layout of a new store too."""
    earlier = is_earlier_layout(home)
    if earlier:
        with edit_manifest(home):
            pass  # adds the outputs that the tables name to the manifest
        for path in list_state_tables(home):
            path.unlink()
    if read_layout(home) != LAYOUT_VERSION:
        write_layout(home)
    return RENEWAL_NOTICE if earlier else ""


def log_renewal(sentence: str) -> None:
    """Log the upgrade notice, for use without a console. Python logs to stderr by default."""
    if sentence:
        logging.getLogger("commonground").warning(sentence)
