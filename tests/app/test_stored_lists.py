"""Lists of declared items: read from the store only for its last check."""

from pathlib import Path

import polars as pl

from pipelines.app.stored_lists import StoredList, read_stored_list, store_list
from pipelines.core.checked_store import record_check

LISTED = StoredList(pl.DataFrame({"source": ["a", "b"], "geography": ["lad_2023", None]}), ["b: has a TODO"])


def test_stored_list_is_read_as_it_was(tmp_path: Path) -> None:
    record_check(tmp_path, "declarations", [])
    store_list(tmp_path, "sources", LISTED)
    stored = read_stored_list(tmp_path, "sources")
    assert stored and stored.table.equals(LISTED.table) and stored.unread == LISTED.unread
    assert read_stored_list(tmp_path, "measures") is None


def test_list_of_other_declarations_is_not_read(tmp_path: Path) -> None:
    record_check(tmp_path, "declarations", [])
    store_list(tmp_path, "sources", LISTED)
    record_check(tmp_path, "other declarations", [])
    assert read_stored_list(tmp_path, "sources") is None


def test_store_without_a_check_stores_no_list(tmp_path: Path) -> None:
    store_list(tmp_path, "sources", LISTED)
    assert list(tmp_path.iterdir()) == []
