"""Counts placed by an engine: as by the matrix product, for any crosswalk, figures, markers and gaps."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.apportionment import Crosswalk, EngineSlices, build_matrix, place_figures, place_on_engine
from pipelines.apportionment.engine_sums import _list_origins
from pipelines.apportionment.gap_reasons import word_value_evidence
from pipelines.core.schema import OBSERVATION_COLUMNS, empty_table, table_from_records
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import Measure
from pipelines.fetch import open_engine
from pipelines.observations.plain_files import PLAIN_FIGURE, _plain_column
from tests.placed_by_engine import find_differences

CODES = [f"A{number:02}" for number in range(26)]
TARGETS = ["T0", "T1", "T2"]
MEASURES = {
    "people": Measure(title="People", unit="people", kind="count", range=(0, 1_000_000)),
    "change": Measure(title="Change", unit="people", kind="count", range=(-1000, 1000)),
}
DAYS = [(date(2024, month, 1), date(2024, month, 28)) for month in (1, 2)]
FIGURES = st.one_of(
    st.tuples(st.integers(0, 999).map(float), st.sampled_from(["normal", "estimated"]), st.just("")),
    st.tuples(st.none(), st.sampled_from(["confidential", "not_available"]), st.sampled_from(["c", ""])),
    st.none(),
)
"""A figure with its status and marker; none without a row."""
SHARES = st.sampled_from([[("T0", 1.0)], [("T1", 1.0)], [("T0", 0.25), ("T2", 0.75)], [("T1", 0.5), (None, 0.5)],
                          [("T0", None), ("T1", None)], [("T2", 1.0)]])  # fmt: skip


def make_crosswalk(shares: list[list[tuple[str | None, float | None]]], stranger: bool) -> pl.DataFrame:
    rows = [(code, to, weight, None if weight is None else 100.0 * weight)
            for code, parts in zip(CODES, shares, strict=True) for to, weight in parts]  # fmt: skip
    rows += [(None, "T2", None, 50.0)] if stranger else []
    schema = {"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        from_geography=pl.lit("lsoa_2021"), to_geography=pl.lit("lad_2024")
    )


def make_observations(figures: list[Any]) -> pl.DataFrame:
    records = []
    for number, figure in enumerate(figures):
        if figure is None:
            continue
        (value, status, marker), slice_number = figure, number // len(CODES)
        start, end = DAYS[slice_number % 2]
        records.append({
            "source": "made_up", "release": "r", "released_at": date(2025, 1, 1), "file": "f.csv", "unit": "people",
            "measure": list(MEASURES)[slice_number // 2], "place_code": CODES[number % len(CODES)],
            "geography": "lsoa_2021", "period_start": start, "period_end": end, "value": value, "lower_bound":
            value if value is not None else 0.0, "upper_bound": value if value is not None else 4.0 if marker else None,
            "obs_status": status, "published_marker": marker or None, "file_row": number + 2, "file_column": "n",
        })  # fmt: skip
    return table_from_records(records, OBSERVATION_COLUMNS)


def write_plain(observation: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Write the plain file of observations; return the slices in use."""
    slices = observation.unique(SLICE_KEY, maintain_order=True).with_row_index("slice").cast({"slice": pl.Int64})
    numbered = observation.join(slices.select(*SLICE_KEY, "slice"), on=SLICE_KEY, maintain_order="left")
    numbered.select(_plain_column(name, column) for name, column in PLAIN_FIGURE.items()).write_parquet(path)
    return slices.drop("place_code", "value", "lower_bound", "upper_bound", "obs_status", "published_marker",
                       "file_row", "caveats", "caveat_evidence", "interval_lower", "interval_upper")  # fmt: skip


@pytest.mark.parametrize("group", [None, "all_ages"])
@given(
    st.lists(FIGURES, min_size=4 * len(CODES), max_size=4 * len(CODES)).filter(any),
    st.lists(SHARES, min_size=len(CODES), max_size=len(CODES)),
    st.booleans(),
)
@settings(
    max_examples=settings.default.max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_engine_places_as_the_matrix_does(
    tmp_path: Path, group: str | None, figures: list[Any], shares: list[list[tuple[str | None, float | None]]],
    stranger: bool,
) -> None:  # fmt: skip
    observation = make_observations(figures)
    crosswalk = Crosswalk(make_crosswalk(shares, stranger), group)
    slices = write_plain(observation, tmp_path / "plain.parquet")
    here = place_figures(observation, crosswalk, MEASURES, empty_table(OBSERVATION_COLUMNS))
    asked = EngineSlices(open_engine("duckdb"), slices, [tmp_path / "plain.parquet"], [])
    there, _ = place_on_engine(asked, crosswalk, MEASURES)
    assert find_differences(here, there, [*SLICE_KEY, "to_code"]) == []


def test_rows_are_wanted_of_places_with_an_unallocated_share_and_of_targets_with_few_parts() -> None:
    halves: list[tuple[str | None, float | None]] = [("T0", 0.5), ("T1", 0.5)]
    lost: list[tuple[str | None, float | None]] = [("T0", 0.5), (None, 0.5)]
    few: list[tuple[str | None, float | None]] = [("T2", 1.0)]
    matrix = build_matrix(make_crosswalk([halves] * 24 + [lost, few], False))
    assert _list_origins(matrix).rows() == [
        *((100.0, False, code) for code in CODES[:24]), (100.0, True, CODES[24]), (100.0, True, CODES[25]),
    ]  # fmt: skip


def test_share_at_a_tie_has_one_wording() -> None:
    near = [0.07749999999999999, 0.0775, 0.07750000000000001]
    facts = pl.DataFrame({"apportioned_share": near}).with_columns(
        derivation=pl.lit("apportioned"), parts_n=pl.lit(2), weighed_by=pl.lit("")
    )
    assert facts.select(word_value_evidence().alias("text"))["text"].n_unique() == 1
