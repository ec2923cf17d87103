"""Plausibility flags as a table: one reason each, the first reason of a figure, and its caveats and findings."""

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.flags import PLAUSIBILITY_FLAG, add_caveats, build_flags, convert_flags, keep_first_flags
from pipelines.core.reasons import REASONS, WITHHOLDING_REASONS
from pipelines.core.schema import FINDING_COLUMNS, OBSERVATION_COLUMNS, conform_table, polars_schema, table_from_records
from tests.checks.figures_expected import judged, months


def doubted(reason: str, *figures: dict[str, Any]) -> pl.DataFrame:
    """Give doubts of some figures; of the usual one where none is named."""
    frame = judged(list(figures) or [{}]).drop("peers")
    return build_flags(reason, frame.with_columns(pl.lit(f"why {reason}").alias("evidence")))


def test_flag_has_a_reason_and_states_whether_the_figure_is_withheld() -> None:
    actual = doubted("unit_change")
    assert actual.schema == polars_schema(PLAUSIBILITY_FLAG)
    row = actual.row(0, named=True)
    assert {name: entry for name, entry in row.items() if entry is not None} == {
        "source": "s", "release": "r", "measure": "m", "place_code": "E01", "place_label": "Place",
        "period_start": months(1)[0], "period_end": months(1)[0].replace(day=31), "reason": "unit_change",
        "value": 100.0, "evidence": "why unit_change", "file": "f.csv", "withheld": True,
    }  # fmt: skip
    assert {reason: doubted(reason)["withheld"].item() for reason in ("implausible", "low_reach")} == {
        "implausible": False, "low_reach": True,
    }  # fmt: skip
    assert {"implausible", "low_reach"} & WITHHOLDING_REASONS == {"low_reach"}


def test_unknown_reason_is_refused() -> None:
    with pytest.raises(KeyError, match="unknown reason 'odd'"):
        doubted("odd")


def test_figure_has_only_the_flags_of_its_first_reason() -> None:
    two, late = {"place_code": "E02"}, {"period_start": months(2)[1]}
    tables = [
        doubted("implausible", {}, two, late), doubted("unit_change"), doubted("suspected_zero", {}, two),
        doubted("unit_change"), doubted("implausible", {"measure": "n"}),
    ]  # fmt: skip
    actual = keep_first_flags(tables)
    key = ["measure", "place_code", "period_start", "reason"]
    start, after = months(2)
    assert sorted(actual.select(key).rows()) == [
        ("m", "E01", start, "unit_change"), ("m", "E01", after, "implausible"), ("m", "E02", start, "suspected_zero"),
        ("n", "E01", start, "implausible"),
    ]  # fmt: skip
    assert_frame_equal(keep_first_flags(tables[::-1]).sort(key), actual.sort(key))
    assert keep_first_flags([]).schema == polars_schema(PLAUSIBILITY_FLAG)


FIGURE = {"source": "s", "release": "r", "measure": "m", "place_code": "E01", "period_start": months(1)[0],
          "period_end": months(1)[0].replace(day=31), "value": 100.0}  # fmt: skip


def test_flags_become_caveats_of_their_own_figure_only() -> None:
    observed = table_from_records(
        [FIGURE, {**FIGURE, "release": "older"}, {**FIGURE, "place_code": "E02", "caveats": "provisional",
                                                  "caveat_evidence": "they say so"},
         {**FIGURE, "place_code": "E03", "caveats": "provisional", "caveat_evidence": "they say so"}],
        OBSERVATION_COLUMNS,
    )  # fmt: skip
    two = {"place_code": "E02"}
    doubts = pl.concat([doubted("conflict", two), doubted("implausible", {}, two, two), doubted("conflict", two)])
    result = add_caveats(observed, doubts)
    assert result.select("caveats", "caveat_evidence").rows() == [
        ("implausible", "why implausible"),
        (None, None),
        ("provisional,conflict,implausible", "they say so. why conflict. why implausible"),
        ("provisional", "they say so"),
    ]
    others = [name for name in OBSERVATION_COLUMNS if name not in ("caveats", "caveat_evidence")]
    assert_frame_equal(result.select(others), observed.select(others))
    assert result.columns == observed.columns
    assert_frame_equal(add_caveats(observed, doubts.clear()), observed)


def test_flags_and_caveats_stay_in_order() -> None:
    days = months(40)[::-1]
    frame = doubted("conflict", *({"period_start": day} for day in days))
    assert keep_first_flags([frame, frame])["period_start"].to_list() == days
    several = ["rounded", "implausible", "conflict", "low_reach", "unit_change", "suspected_zero", "repeated_value"]
    for order in (several, several[::-1], [*several[3:], *several[:3]]):
        result = add_caveats(
            table_from_records([FIGURE], OBSERVATION_COLUMNS), pl.concat([doubted(reason) for reason in order * 2])
        )
        said = ". ".join(f"why {reason}" for reason in order)
        assert result.select("caveats", "caveat_evidence").row(0) == (",".join(order), said)


def test_every_flag_is_a_finding_with_the_columns_of_its_reason() -> None:
    doubts = pl.concat([doubted("unit_change"), doubted("implausible", {}, {"place_code": "E02", "value": 7.0})])
    common = {name: value for name, value in FIGURE.items() if name != "value"}
    due = table_from_records(
        [
            {**common, "check": f"{reason}_figures", "reason": reason, "place_code": code, "place_label": "Place",
             "rows": 1, "sum_of_values": mass, "set_aside": False, "evidence": f"why {reason}", "file": "f.csv",
             "severity": REASONS[reason].severity, "data_owner": REASONS[reason].data_owner,
             "remedy": REASONS[reason].remedy}
            for reason, code, mass in (
                ("unit_change", "E01", 100.0), ("implausible", "E01", 100.0), ("implausible", "E02", 7.0)
            )
        ],
        FINDING_COLUMNS,
    )  # fmt: skip
    assert_frame_equal(convert_flags(doubts), conform_table(due, FINDING_COLUMNS))
    assert convert_flags(doubts.clear()).schema == polars_schema(FINDING_COLUMNS)
