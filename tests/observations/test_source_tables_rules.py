"""Tables of several releases: their order, the findings that stay, the files read, and the figures compared."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from checks import CONTRACT, PLAUSIBILITY_FLAG, LargerAreas
from pipelines.core.schema import FINDING_COLUMNS, SLICE_COLUMNS, empty_frame, empty_table, table_from_records
from pipelines.observations import source_tables
from pipelines.observations.release_reading import RELEASE, SET_ASIDE, UNUSED_CORRECTION, UNUSED_NAME, ReleaseReading
from pipelines.observations.source_tables import (
    _collect_tables,
    _flag_figures,
    _read_releases,
    _select_findings,
    _sort_findings,
)
from pipelines.observations.totals import TOTAL

NOTHING = ReleaseReading(
    empty_table(SLICE_COLUMNS), empty_frame(SET_ASIDE), empty_table(FINDING_COLUMNS), empty_frame(CONTRACT),
    empty_frame(RELEASE), empty_table(TOTAL), pl.DataFrame(),
)  # fmt: skip


def finding(check: str, evidence: str, release: str | None = None, **more: Any) -> dict[str, Any]:
    return {"check": check, "evidence": evidence, "release": release, "source": "s", **more}


def reading(*findings: dict[str, Any], slices: tuple[tuple[str, int, float], ...] = ()) -> ReleaseReading:
    """Return what was read of a release: its findings, and slices of a measure and year with a lowest figure."""
    rows = [{"measure": measure, "period_start": date(year, 1, 1), "min": low} for measure, year, low in slices]
    return NOTHING._replace(
        slices=table_from_records(rows, SLICE_COLUMNS), finding=table_from_records(list(findings), FINDING_COLUMNS),
        release=NOTHING.release.clear(1 if slices else 0),
    )  # fmt: skip


def evidence(table: pl.DataFrame) -> list[str]:
    return table["evidence"].to_list()


def test_finding_of_a_row_stays_whatever_other_releases_have() -> None:
    readings = [reading(finding("readable_cells", f"row of {n}", f"r{n}"), slices=(("m", 2020, 1.0),)) for n in (1, 2)]
    assert evidence(_select_findings(readings)) == ["row of 1", "row of 2"]
    assert _select_findings([]).is_empty()


def test_unused_name_stays_if_the_newest_release_lacks_it() -> None:
    def named(*names: str) -> ReleaseReading:
        return reading(*(finding(UNUSED_NAME, name) for name in names), finding("readable_cells", "a row", "r"))

    assert evidence(_select_findings([named("a", "b"), named("b", "c")])) == ["a row", "b", "c", "a row"]
    assert evidence(_select_findings([named("a"), named()])) == ["a row", "a row"]


def test_correction_without_a_cell_stays_if_no_release_has_the_cell() -> None:
    def unused(*corrections: str) -> ReleaseReading:
        return reading(*(finding(UNUSED_CORRECTION, text) for text in corrections), finding("readable_cells", "x", "r"))

    def kept(*readings: ReleaseReading) -> list[str]:
        return [text for text in evidence(_select_findings(list(readings))) if text != "x"]

    assert kept(unused("a", "b"), unused("b", "c")) == ["b"]
    assert kept(unused("b", "a"), unused("a", "b")) == ["b", "a"], "in the order of the oldest release"
    assert kept(unused("a"), unused()) == [] and kept(unused("a")) == ["a"]
    assert kept(unused("a"), reading()) == []


def test_expired_correction_stays_if_no_later_release_has_its_period() -> None:
    def expired(year: int, measure: str = "m") -> dict[str, Any]:
        days = {"period_start": date(year, 1, 1), "measure": measure}
        return finding(UNUSED_CORRECTION, f"{measure} {year}", "r1", **days)

    rows = (expired(2020), expired(2021), expired(2021, "k"))
    first = reading(*rows, finding(UNUSED_NAME, "a name"), slices=(("m", 2020, 1.0), ("m", 2021, 1.0)))
    middle, last = reading(slices=(("m", 2021, 1.0),)), reading(slices=(("m", 2022, 1.0),))
    assert evidence(_select_findings([first, middle, last])) == ["m 2020", "k 2021"]
    assert evidence(_select_findings([first, last])) == ["m 2020", "m 2021", "k 2021"]
    # The slices of the release itself, and of an earlier one, are not later.
    assert evidence(_select_findings([middle, first])) == ["m 2020", "m 2021", "k 2021", "a name"]


def test_findings_of_files_come_first_and_narrowed_bounds_last() -> None:
    given = [
        finding("narrowed_bounds", "bounds", "r"), finding("readable_cells", "row 1", "r"),
        finding("recalled_release", "recall"), finding("something_else", "other"), finding(UNUSED_NAME, "name"),
        finding("contract", "rule"), finding(UNUSED_CORRECTION, "correction"), finding("readable", "file"),
        finding(UNUSED_NAME, "name of a release", "r"), finding("readable", "row 2", "r"),
    ]  # fmt: skip
    table = table_from_records(given, FINDING_COLUMNS)
    assert evidence(_sort_findings(table)) == [
        "file", "correction", "rule", "name", "recall", "row 1", "other", "name of a release", "row 2", "bounds",
    ]  # fmt: skip
    assert _sort_findings(table.clear()).is_empty()


def test_tables_of_releases_are_stacked_with_the_order_of_each() -> None:
    one, two = reading(slices=(("m", 2020, 1.0),)), reading(slices=(("m", 2020, 1.0), ("k", 2020, 1.0)))
    tables = _collect_tables([one, reading(), two])
    assert tables.slice.select("measure", "order").rows() == [("m", 0), ("m", 2), ("k", 2)]
    assert tables.doubt.is_empty() and _collect_tables([]).slice.is_empty()


def files(monkeypatch: pytest.MonkeyPatch, readings: dict[str, ReleaseReading]) -> list[tuple[str, Any]]:
    """Replace the reading of files by readings of their names; return the files read, with the measures left wide."""
    read: list[tuple[str, Any]] = []

    def load(_: Path, __: Any, snapshot: str, key: str, negative: Any = None) -> ReleaseReading:
        assert key == "key"
        read.append((snapshot, negative))
        return readings[snapshot]

    monkeypatch.setattr(source_tables, "load_reading", load)
    return read


def test_last_readable_file_of_each_release_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = reading(finding("readable", "not a table"))
    first, second = (reading(slices=(("m", year, 1.0),)) for year in (2020, 2021))
    read = files(monkeypatch, {"b2": broken, "b1": second, "b0": first, "a": first, "c": broken})
    context = cast(Any, SimpleNamespace(source=SimpleNamespace(additivity=None)))
    chosen, faults = _read_releases(Path(), context, cast(Any, [["a"], ["b2", "b1", "b0"], ["c"]]), "key")
    assert chosen == [first, second] and [name for name, _ in read] == ["a", "b2", "b1", "c"]
    assert [evidence(fault) for fault in faults] == [[], ["not a table"], ["not a table"]]


def test_measure_that_is_negative_in_one_release_is_not_narrowed_in_any(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = {"a": reading(slices=(("m", 2020, -1.0), ("k", 2020, 0.0))), "b": reading(slices=(("m", 2021, 1.0),))}
    read = files(monkeypatch, readings)
    context = cast(Any, SimpleNamespace(source=SimpleNamespace(additivity=object())))
    chosen, _ = _read_releases(Path(), context, cast(Any, [["a"], ["b"]]), "key")
    assert read == [("a", None), ("b", None), ("a", {"m"}), ("b", {"m"})]
    assert chosen == list(readings.values())


@pytest.mark.parametrize("releases", [2, 3])
def test_two_newest_releases_of_a_slice_are_compared_and_all_of_a_measure_with_totals(
    releases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = [
        {"measure": measure, "period_start": date(2020, 1, 1), "period_end": date(2020, 12, 31), "order": order,
         "max": float(order) - 1 if order else None}
        for measure in ("total", "plain") for order in range(releases)
    ]  # fmt: skip
    tables = source_tables.SourceTables(
        table_from_records(slices, SLICE_COLUMNS), pl.DataFrame(), pl.DataFrame(), pl.DataFrame(),
        pl.DataFrame({"release": range(releases)}), pl.DataFrame(), empty_table(PLAUSIBILITY_FLAG),
    )  # fmt: skip
    seen: dict[str, list[int]] = {}

    def judge(rows: Any, given: pl.DataFrame, measures: Any, _: LargerAreas) -> pl.DataFrame:
        seen.update({name: frame["order"].to_list() for name, frame in rows})
        assert given.height == 2 * releases and measures == {"m": 1}
        assert given.select("order", "has_figures").rows() == [(n, n > 0) for n in range(releases)] * 2
        return empty_table(PLAUSIBILITY_FLAG)

    monkeypatch.setattr(source_tables, "read_slices", lambda _, part, *__, **___: part)
    monkeypatch.setattr(source_tables, "flag_measures", judge)
    totals = table_from_records([{"measure": "total"}], TOTAL)
    source = cast(Any, SimpleNamespace(measures={"m": 1}))
    _flag_figures(Path(), tables, source, LargerAreas(totals, {}))
    assert seen == {"total": list(range(releases)), "plain": list(range(releases))[-2:]}
