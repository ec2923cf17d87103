"""Hash of the cells that a build notes in the ledger: a ledger of an earlier version has the same."""

import hashlib
import json

import polars as pl
import pytest

from pipelines.core.schema import NOT_NEEDED
from pipelines.gaps import ledger_load
from pipelines.gaps.ledger_load import hash_cells

NAMES = ["p/a/E1/2024", 'p/a/"E2"/2024', "p/a/E3/2024", "p/a/Ynys Môn/2024", "p/a/E5/2024"]


@pytest.mark.parametrize("names", [NAMES, NAMES[::2], NAMES[:1], []], ids=["quotes", "plain", "one", "none"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_hash_is_of_the_json_array_of_all_needed_cells(
    names: list[str], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_load, "_HASHED_ROWS", rows)
    reasons = ["late" if number % 2 else None for number in range(len(names))]
    cells = pl.DataFrame(
        {"cell_id": [*names, "p/a/E9/2024"], "need": ["needed"] * len(names) + [NOT_NEEDED],
         "reason": [*reasons, "not_applicable"], "proxy_measure": [None] * (len(names) + 1),
         "other_reasons": [None] * (len(names) + 1)},
        schema_overrides={"reason": pl.String, "proxy_measure": pl.String, "other_reasons": pl.String},
    )  # fmt: skip
    pairs = sorted([name, reason or ""] for name, reason in zip(names, reasons, strict=True))
    expected = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    assert hash_cells(cells.reverse()) == expected
