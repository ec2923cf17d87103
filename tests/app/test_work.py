"""Work that processes share: what a process keeps lasts for one step of a build."""

from typing import Any

import pytest

from pipelines import gaps, geography, observations, outputs, readers
from pipelines.app import work
from pipelines.outputs import INDEX, WAREHOUSE_NAME


def test_each_step_of_a_build_forgets_the_tables_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def note(*arguments: Any) -> None:
        done.append(arguments[-1] if isinstance(arguments[-1], str) else "common output")

    for room, name in (
        (geography, "load_neighbour_table"), (geography, "load_area_hierarchy"), (geography, "load_groupings"),
        (observations, "load_source_tables"), (gaps, "store_answer"), (outputs, "report_problem"),
        (outputs, "publish_place_pages"), (outputs, "publish_warehouse"),
    ):  # fmt: skip
        monkeypatch.setattr(room, name, note)
    monkeypatch.setattr(work, "_STEP", [])
    monkeypatch.setattr(work, "forget_tables", lambda: done.append("forgotten"))
    monkeypatch.setattr(readers, "end_workbook_process", lambda: done.append("workbooks closed"))
    monkeypatch.setattr(work, "_has_many_cells", lambda _, name: name == "large")
    project: Any = object()
    work.build_place_tables(project)
    for name in ("a", "b"):
        work.read_source(project, name)
    for name in ("c", "d"):
        work.answer_question(project, name)
    for name in (WAREHOUSE_NAME, INDEX, "e", "f", "large", "g"):
        work.write_output(project, name)
    new = ["forgotten", "workbooks closed"]
    places, common = ["common output"] * 3, ["common output"]
    assert done == [
        *places, *new, "a", "b", *new, "c", "d", *new, *common, *new, *common, *new, "e", "f", *new, "large", *new, "g",
    ]  # fmt: skip
