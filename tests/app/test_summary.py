"""Printed summary: the stored counts of problems and of reasons."""

from pathlib import Path

from pipelines.app.summary import ANSWER_COUNT, REASON_COUNT, count_answers
from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.core.store import state_path, write_table
from pipelines.gaps.verdicts import VERDICT


def _write(home: Path, values: list[float | None]) -> None:
    cells = [
        {"problem": "p", "measure": "m", "place_code": f"E0{n}", "place_name": "x", "need": "needed", "value": value,
         "reason": None if value is not None else "late"}
        for n, value in enumerate(values)
    ]  # fmt: skip
    write_table(state_path(home, "cell", "p"), table_from_records(cells, CELL_COLUMNS), f"{values}")
    verdicts = [{"problem": "p", "place_code": f"E0{n}", "verdict": "answerable", "needs_met": 1, "needs_total": 1}
                for n in range(len(values))]  # fmt: skip
    write_table(state_path(home, "verdict", "p"), table_from_records(verdicts, VERDICT), f"{values}")


def test_counts_of_a_problem_by_answer_and_by_reason(tmp_path: Path) -> None:
    _write(tmp_path, [1.0, None, None])
    answers, reasons = count_answers(tmp_path, ["p"])
    assert (answers.schema, reasons.schema) == (ANSWER_COUNT, REASON_COUNT)
    assert answers.row(0, named=True) == {
        "problem": "p", "places": 3, "answerable": 3, "with_caveats": 0, "not_answerable": 0, "cells": 3,
        "known": 1,
    }  # fmt: skip
    assert reasons.rows() == [("late", 2, 2, "m")]
    nothing = count_answers(tmp_path, [])
    assert [table.height for table in nothing] == [0, 0]
    assert [table.schema for table in nothing] == [ANSWER_COUNT, REASON_COUNT]
