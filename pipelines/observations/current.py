"""Whether the stored tables of a source are current."""

from pathlib import Path

from pipelines.core.store import state_path, table_key
from pipelines.declarations.fingerprints import OBSERVATION_TABLES, TableKeys


def has_current_tables(home: Path, name: str, current_keys: TableKeys) -> bool:
    """Return whether all tables of a source are stored and built from its current files and declarations."""
    key = current_keys.observation[name]
    return all(table_key(state_path(home, table, name)) == key for table in OBSERVATION_TABLES)
