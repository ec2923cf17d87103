"""Rows set aside and corrections of a release: one finding for the rows that share a fault."""

from datetime import date
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from checks import rows
from checks.finding import Check
from tests.checks.releases_read import findings_of, read_of, years

FAULTS: list[tuple[Check, str, str]] = [
    (rows.find_unknown_places, "unmatched_place", "unmatched_place"),
    (rows.find_retired_codes, "retired_code", "retired_code"),
    (rows.find_unallocated_rows, "unallocated", "unallocated"),
    (rows.find_unreadable_cells, "unreadable", "unreadable"),
    (rows.find_implausible_values, "implausible", "implausible"),
    (rows.find_duplicate_keys, "duplicate", "duplicate"),
    (rows.find_dropped_cells, "dropped", "dropped"),
    (rows.find_repeated_rows, "repeat", "duplicate"),
]
WHY = "somebody wrote x"


@pytest.mark.parametrize(("check", "fault", "reason"), FAULTS)
def test_rows_with_one_fault_are_one_finding_with_their_span_and_mass(check: Check, fault: str, reason: str) -> None:
    bad: dict[str, Any] = {"fault": fault, "fault_evidence": WHY, "place_code": None, "place_label": "Atlantis"}
    read = read_of(
        [
            {}, {**bad, **years(2022), "value": 5.0, "file": "g.csv", "file_row": 9,
             "file_column": "other"}, {"fault": "another", "fault_evidence": WHY},
            {**bad, **years(2021), "value": None, "file_row": 3}, {**bad, **years(2023), "value": 4.0},
            {**bad, "place_label": "Utopia", "value": None}, {**bad, "place_label": "Utopia", "value": None},
        ]
    )  # fmt: skip
    due = findings_of(
        check.__name__.removeprefix("find_"), reason,
        [
            {"place_label": "Atlantis", "period_start": date(2021, 1, 1), "period_end": date(2023, 12, 31), "rows": 3,
             "sum_of_values": 9.0, "file": "g.csv, row 9, column other"},
            {"place_label": "Utopia", **years(2023), "rows": 2, "file": "f.csv, row 2, column figure"},
        ],
        measure="m", evidence=WHY, set_aside=True, **({"severity": "info"} if fault == "repeat" else {}),
    )  # fmt: skip
    assert_frame_equal(check(read), due)


def test_each_measure_place_and_evidence_has_its_own_finding() -> None:
    bad = {"fault": "unreadable", "fault_evidence": WHY}
    read = read_of([bad, bad | {"measure": "n"}, bad | {"place_code": "E02"}, bad | {"fault_evidence": "y"}, bad])
    assert rows.find_unreadable_cells(read)["rows"].to_list() == [2, 1, 1, 1]


@pytest.mark.parametrize(("check", "fault", "_reason"), FAULTS)
def test_sound_rows_give_nothing(check: Check, fault: str, _reason: str) -> None:
    assert check(read_of([{}, {"fault": f"not_{fault}"}])).is_empty()
    assert check(read_of([])).is_empty()


CAVEATS: list[tuple[Check, str]] = [
    (rows.find_corrected_cells, "corrected"), (rows.find_corrected_cells, "flagged"),
    (rows.find_contradicted_limits, "limits_contradict"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "caveat"), CAVEATS)
def test_cell_with_a_caveat_is_a_separate_finding(check: Check, caveat: str) -> None:
    result = {"caveats": f"provisional,{caveat}", "caveat_evidence": WHY}
    read = read_of([{}, result, {**result, **years(2022)}, {"caveats": f"not_{caveat}", "caveat_evidence": WHY}])
    due = findings_of(
        check.__name__.removeprefix("find_"), caveat, [years(2023), years(2022)],
        measure="m", place_code="E01", place_label="Place 1", rows=1, evidence=WHY,
    )  # fmt: skip
    assert_frame_equal(check(read), due)


def test_expired_correction_is_a_finding() -> None:
    read = read_of([{}, {"expired": WHY, "place_code": "E02"}])
    due = findings_of(
        "expired_corrections", "correction_expired", [{"place_code": "E02"}],
        measure="m", place_label="Place 1", **years(2023), rows=1, evidence=WHY,
    )  # fmt: skip
    assert_frame_equal(rows.find_expired_corrections(read), due)
