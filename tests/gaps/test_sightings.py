"""Sightings: the spells and the counts that follow from them, for gaps that come, change, close and come back."""

from datetime import date
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from pipelines.core.schema import polars_schema, table_from_records
from pipelines.gaps.sightings import (
    SIGHTING,
    add_previous_reason,
    build_spells,
    convert_spells,
    count_changes,
    last_sightings,
)

DAY = {n: date(2026, 1, n) for n in range(1, 8)}
WHAT = ("opened", "reopened", "closed", "changed", "open")
BUILDS = pl.DataFrame(
    {"build": list(range(1, 8)), "day": list(DAY.values()), "last_day": list(DAY.values())}
).with_columns(pl.lit(9, pl.Int64).alias(name) for name in WHAT)
"""Builds as they are stored: what was counted before is counted anew."""


def seen(gap: str, build: int, reason: str | None, **said: Any) -> dict[str, Any]:
    """Say that a build saw a gap with a reason, or closed."""
    about = {"gap_id": gap, "build": build, "problem": "p", "need": "needed", "measure": "m", "place_code": gap,
             "place_name": gap.upper(),
             "period_start": DAY[1], "period_end": DAY[2], "data_owner": f"holder {build}"}  # fmt: skip
    return {**about, "reason": reason, "closure_reason": None if reason else "answered", **said}


def table(*sightings: dict[str, Any]) -> pl.DataFrame:
    return table_from_records(list(sightings), SIGHTING)


STORY = table(
    seen("a", 1, "late"), seen("a", 3, None), seen("a", 5, "withdrawn"), seen("a", 6, "stale"),
    seen("b", 2, "not_due"), seen("b", 3, "late"), seen("b", 4, "stale"),
    seen("b", 6, None, closure_reason="no_longer_asked"), seen("c", 4, "suppressed"),
)  # fmt: skip
SHUFFLED = STORY.sample(fraction=1.0, shuffle=True, seed=3)


def test_newest_sighting_of_each_gap_is_from_the_last_build() -> None:
    for story in (STORY, SHUFFLED, STORY.reverse()):
        assert last_sightings(story).select("gap_id", "build", "reason").rows() == [
            ("a", 6, "stale"), ("b", 6, None), ("c", 4, "suppressed"),
        ]  # fmt: skip


def test_sightings_are_sorted_with_the_reason_that_each_gap_had_before() -> None:
    for story in (STORY, SHUFFLED):
        actual = add_previous_reason(story)
        assert actual.drop("before").equals(STORY)
        assert actual["before"].to_list() == [None, "late", None, "withdrawn", None, "not_due", "late", "stale", None]


def test_spell_runs_from_the_opening_to_the_closing_build() -> None:
    actual = build_spells(SHUFFLED, BUILDS)
    columns = ["gap_id", "spell", "reason", "previous_reason", "reason_since", "opened", "seen_before_end", "closed",
               "closure_reason", "opened_build", "closed_build", "changed_build", "last_seen",
               "data_owner"]  # fmt: skip
    assert actual.select(columns).rows() == [
        ("a", 1, "late", None, DAY[1], DAY[1], DAY[2], DAY[3], "answered", 1, 3, None, DAY[2], "holder 1"),
        ("a", 2, "stale", "withdrawn", DAY[6], DAY[5], None, None, None, 5, None, 6, DAY[7], "holder 6"),
        ("b", 1, "stale", "late", DAY[4], DAY[2], DAY[5], DAY[6], "no_longer_asked", 2, 6, 4, DAY[5], "holder 4"),
        ("c", 1, "suppressed", None, DAY[4], DAY[4], None, None, None, 4, None, None, DAY[7], "holder 4"),
    ]  # fmt: skip
    kept = ["problem", "need", "measure", "place_code", "place_name", "period_start", "period_end"]
    assert actual.select(kept).rows() == [
        ("p", "needed", "m", gap, gap.upper(), DAY[1], DAY[2]) for gap in ("a", "a", "b", "c")
    ]


def test_same_reason_again_is_no_change() -> None:
    actual = build_spells(table(seen("a", 1, "late"), seen("a", 2, "late")), BUILDS).row(0, named=True)
    assert (actual["previous_reason"], actual["reason_since"], actual["changed_build"]) == (None, DAY[1], None)
    assert actual["data_owner"] == "holder 2"


def test_closed_gap_has_the_state_of_its_last_open_build() -> None:
    story = table(seen("a", 1, "late"), seen("a", 2, None, data_owner="nobody", place_name="Renamed"))
    actual = build_spells(story, BUILDS).row(0, named=True)
    assert (actual["reason"], actual["data_owner"], actual["place_name"]) == ("late", "holder 1", "A")


def test_gap_closed_by_the_second_build_was_last_seen_in_the_first() -> None:
    actual = build_spells(table(seen("a", 1, "late"), seen("a", 2, None)), BUILDS.head(2)).row(0, named=True)
    assert (actual["last_seen"], actual["closed"]) == (DAY[1], DAY[2])


COUNTS = [
    # build, opened, reopened, closed, changed, open
    (1, 1, 0, 0, 0, 1), (2, 1, 0, 0, 0, 2), (3, 0, 0, 1, 1, 1), (4, 1, 0, 0, 1, 2), (5, 0, 1, 0, 0, 3),
    (6, 0, 0, 1, 1, 2), (7, 0, 0, 0, 0, 2),
]  # fmt: skip


def test_each_build_counts_what_it_opened_opened_again_closed_and_changed() -> None:
    expected = pl.DataFrame(COUNTS, schema=["build", *WHAT], orient="row")
    for story in (STORY, SHUFFLED):
        actual = count_changes(story, BUILDS)
        assert_frame_equal(actual.drop("day", "last_day"), expected)


def test_same_reason_seen_again_counts_as_nothing() -> None:
    actual = count_changes(table(seen("a", 1, "late"), seen("a", 2, "late")), BUILDS.head(2))
    assert actual.drop("day", "last_day").rows() == [(1, 1, 0, 0, 0, 1), (2, 0, 0, 0, 0, 1)]


def test_nothing_seen_is_nothing_counted() -> None:
    assert build_spells(table(), BUILDS).is_empty()
    assert count_changes(table(), BUILDS.head(2)).drop("day", "last_day").rows() == [
        (1, 0, 0, 0, 0, 0),
        (2, 0, 0, 0, 0, 0),
    ]


def test_spells_give_back_the_sightings_that_they_keep() -> None:
    actual = convert_spells(build_spells(SHUFFLED, BUILDS))
    assert actual.schema == polars_schema(SIGHTING)
    assert actual.select("gap_id", "build", "reason", "closure_reason").rows() == [
        ("a", 1, "late", None), ("a", 3, None, "answered"), ("a", 5, "withdrawn", None), ("a", 6, "stale", None),
        # Of several turns the last is kept.
        ("b", 2, "late", None), ("b", 4, "stale", None), ("b", 6, None, "no_longer_asked"),
        ("c", 4, "suppressed", None),
    ]  # fmt: skip
    spells = build_spells(SHUFFLED, BUILDS)
    again = build_spells(actual, BUILDS)
    assert_frame_equal(again.drop("data_owner"), spells.drop("data_owner"))


def test_spell_changed_by_its_opening_build_is_one_sighting() -> None:
    spells = build_spells(table(seen("a", 2, "late"), seen("a", 3, "stale")), BUILDS)
    same = spells.with_columns(pl.col("opened_build").alias("changed_build"))
    assert convert_spells(same).select("build", "reason").rows() == [(2, "late")]
    # A change without the previous reason cannot be converted.
    untold = spells.with_columns(pl.lit(None, pl.String).alias("previous_reason"))
    assert convert_spells(untold).select("build", "reason").rows() == [(2, "stale")]


def test_many_gaps_are_counted_and_sorted() -> None:
    gaps = [f"g{n:02}" for n in range(60)]
    story = table(*(seen(gap, build, reason) for build, reason in ((3, "stale"), (1, "late")) for gap in gaps))
    assert last_sightings(story)["gap_id"].to_list() == build_spells(story, BUILDS)["gap_id"].to_list() == gaps
    actual = count_changes(story, BUILDS.head(3))
    assert actual.drop("day", "last_day").rows() == [(1, 60, 0, 0, 0, 60), (2, 0, 0, 0, 0, 60), (3, 0, 0, 0, 60, 60)]
