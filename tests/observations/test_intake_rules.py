"""A file with the figures of another period is refused: the rules, from their limits."""

from collections.abc import Mapping, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.observations import intake
from pipelines.observations.intake import find_copied_periods, find_newest_period, find_zeroed_cells


def cells(figures: Mapping[int, Sequence[float | None]]) -> pl.DataFrame:
    """Return cells of one measure: a list of figures, one for each place, by year."""
    rows = [
        ("people", f"P{n}", date(year, 1, 1), value, None)
        for year, values in figures.items()
        for n, value in enumerate(values)
    ]
    names = ["measure", "place_code", "period_start", "value", "fault"]
    types = {"fault": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=names, orient="row", schema_overrides=types)


OLD = [float(n % 37) for n in range(60)]
OTHER = [float((n * 7 + 3) % 41) for n in range(60)]


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({2025: OLD}, True),
        ({2025: [*OLD[:58], 900.0, 901.0]}, True),
        ({2025: [*OLD[:50], *[900.0 + n for n in range(10)]]}, False),
        ({2025: OTHER}, False),
        ({2021: OLD}, False),
        ({2025: OLD[:40]}, False),
        ({2025: [1.0] * 60}, False),
        ({2025: [*OLD[:40], *[0.0] * 20]}, False),
    ],
)
def test_only_a_period_equal_to_another_stored_one_is_named(given: dict[int, list[float]], refused: bool) -> None:
    stored = cells({2021: OLD, 2022: [1.0] * 60}).drop("fault")
    messages = find_copied_periods(cells(given), stored)
    assert bool(messages) == refused
    assert all("2025-01-01 are those stored for the period from 2021-01-01" in message for message in messages)


@pytest.mark.parametrize(
    ("now", "status", "refused"),
    [
        ([0.0] * 5, "confidential", True),
        ([0.0] * 5, "low", True),
        ([0.0] * 4 + [3.0], "confidential", False),
        ([0.0] * 4, "confidential", False),
        ([0.0] * 5, "not_available", False),
    ],
)
def test_suppressed_cells_read_as_zero_are_named(now: list[float], status: str, refused: bool) -> None:
    stored = cells({2021: [None] * len(now)}).drop("fault").with_columns(pl.lit(status).alias("obs_status"))
    messages = find_zeroed_cells(cells({2021: now}), stored)
    assert bool(messages) == refused
    assert all(f"{len(now)} figures of people for the period from 2021-01-01 are 0" in text for text in messages)


def dated(*periods: tuple[date, Sequence[float | None]], measure: str = "people") -> pl.DataFrame:
    """Return cells of one measure: a list of figures, one for each place, by the first day of the period."""
    return pl.concat([
        cells({day.year: values}).with_columns(pl.lit(day).alias("period_start"), pl.lit(measure).alias("measure"))
        for day, values in periods
    ])  # fmt: skip


NEW_YEAR, LATER = date(2021, 1, 1), date(2025, 1, 1)
ALL = [value + 1 for value in OLD]
"""Sixty figures above 0."""
TEN, NINE = ([1.0 + n % kinds for n in range(60)] for kinds in (10, 9))
ZEROS = [0.0] * 10
COPIES: dict[str, tuple[date, list[float], list[float], bool]] = {
    "nineteen in twenty": (LATER, ALL, [*ALL[:57], 901.0, 902.0, 903.0], True),
    "fewer": (LATER, ALL, [*ALL[:56], 900.0, 901.0, 902.0, 903.0], False),
    "fifty places": (LATER, ALL[:50], ALL[:50], True),
    "forty-nine places": (LATER, ALL[:49], ALL[:49], False),
    "ten different figures": (LATER, TEN, TEN, True),
    "nine different figures": (LATER, NINE, NINE, False),
    "a week later": (date(2021, 1, 8), OLD, OLD, True),
    "six days later": (date(2021, 1, 7), OLD, OLD, False),
    "a week earlier": (date(2020, 12, 25), OLD, OLD, True),
    "six days earlier": (date(2020, 12, 26), OLD, OLD, False),
    "fifty figures and zeros": (LATER, [*ALL[:50], *ZEROS], [*ALL[:50], *ZEROS], True),
    "forty-nine figures and zeros": (LATER, [*ALL[:49], *ZEROS], [*ALL[:49], *ZEROS], False),
}  # fmt: skip


@pytest.mark.parametrize(("day", "stored", "given", "is_named"), COPIES.values(), ids=list(COPIES))
def test_copy_of_a_period_is_named_from_its_limits(
    day: date, stored: list[float], given: list[float], is_named: bool
) -> None:
    kept = dated((NEW_YEAR, stored)).drop("fault")
    assert bool(find_copied_periods(dated((day, given)), kept)) is is_named
    assert find_copied_periods(dated((day, given), measure="other"), kept) == []


def test_copied_period_states_both_periods_and_faulty_cells_are_left_out() -> None:
    kept = dated((NEW_YEAR, OLD), (date(2022, 1, 1), OTHER)).drop("fault")
    given = dated((date(2026, 1, 1), OTHER), (date(2025, 1, 1), [*OLD[:58], 900.0, 901.0]), (NEW_YEAR, OLD))
    start, end = "figures of people for the period from", "; the periods may have been mixed up in a copy"
    assert find_copied_periods(given, kept) == [
        f"56 of 58 {start} 2025-01-01 are those stored for the period from 2021-01-01{end}",
        f"59 of 59 {start} 2026-01-01 are those stored for the period from 2022-01-01{end}",
    ]
    faulty = given.with_columns(pl.lit("unreadable").alias("fault"))
    assert find_copied_periods(faulty, kept) == []


def test_nothing_stored_and_nothing_read_give_no_message() -> None:
    nothing = cells({}).drop("fault")
    assert find_copied_periods(cells({2025: OLD}), nothing) == find_copied_periods(cells({}), nothing) == []


@pytest.mark.parametrize(
    ("ends", "faults", "expected"),
    [
        ([2021, 2023, 2022], [None] * 3, (date(2023, 12, 31), "")),
        ([2021, 2023, 2022], [None, "unreadable", None], (date(2022, 12, 31), "")),
        ([2021], ["unreadable"], (None, "row 2")), ([], [], (None, "found no figure")),
    ],
)  # fmt: skip
def test_newest_period_of_a_file_is_the_last_with_a_figure(
    ends: list[int], faults: list[str | None], expected: tuple[date | None, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pl.DataFrame({"period_end": [date(year, 12, 31) for year in ends], "fault": faults},
                         schema={"period_end": pl.Date, "fault": pl.String})  # fmt: skip
    for name in ("reading_context", "load_places", "list_source_geographies"):
        monkeypatch.setattr(intake, name, lambda *_: None)
    monkeypatch.setattr(intake, "read_release", lambda *_: SimpleNamespace(cells=table))
    monkeypatch.setattr(intake, "cell_messages", lambda *_: ["row 2", "row 3"][: table["fault"].count()])
    project, snapshot = cast(Any, SimpleNamespace(catalogue=None)), cast(Any, SimpleNamespace(source="s"))
    assert find_newest_period(project, b"", snapshot) == expected

    def refuse(*_: object) -> None:
        raise UnreadableError("no table")

    monkeypatch.setattr(intake, "read_release", refuse)
    assert find_newest_period(project, b"", snapshot) == (None, "no table")
