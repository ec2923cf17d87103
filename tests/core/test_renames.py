"""An old name of a table or column is refused with its new name, in queries and in frames."""

from datetime import date

import duckdb
import polars as pl
import pytest

from pipelines.app.api import apportion_counts
from pipelines.core.errors import CommongroundError
from pipelines.core.renames import add_new_name

CROSSWALK = pl.DataFrame({"from_code": ["A"], "to_code": ["X"], "weight": [1.0], "weight_population": [7.0]})
FIGURES = pl.DataFrame(
    {"measure": ["m"], "period_start": [date(2023, 1, 1)], "period_end": [date(2023, 12, 31)], "place_code": ["A"],
     "value": [5.0], "lower_bound": [4.0], "upper_bound": [6.0], "obs_status": ["normal"]}
)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "old", "new"),
    [
        ("select low from cells", "low", "lower_bound"),
        ("select c.HIGH from cells c", "high", "upper_bound"),
        ("select * from cells join neighbours using (basis)", "basis", "derivation (cells, gaps) or boundary_source"),
        ("select * exclude (status) from cells", "status", "obs_status"),
        ("select * from totals", "totals", "published_totals"),
        ("select * from main.parents", "parents", "area_hierarchy"),
    ],
)
def test_error_about_an_old_name_states_the_new_name(query: str, old: str, new: str) -> None:
    with duckdb.connect() as con:
        con.execute("create table cells (lower_bound double); create table neighbours (boundary_source text)")
        with pytest.raises(duckdb.Error) as error:
            con.sql(query)
    assert add_new_name(str(error.value)).startswith(f"{old} is now {new}")


def test_error_about_another_name_is_unchanged() -> None:
    message = 'Binder Error: Referenced column "lowest" not found in FROM clause!'
    assert add_new_name(message) == message


@pytest.mark.parametrize(("old", "new"), [("low", "lower_bound"), ("high", "upper_bound"), ("status", "obs_status")])
def test_figures_under_an_old_name_are_refused(old: str, new: str) -> None:
    figures = FIGURES.rename({new: old})
    expected = f"the figures: found the column {old}, expected {new}"
    with pytest.raises(CommongroundError, match=expected):
        apportion_counts(figures, CROSSWALK)


def test_crosswalk_under_an_old_name_is_refused() -> None:
    with pytest.raises(CommongroundError, match="the crosswalk: found the column people, expected weight_population"):
        apportion_counts(FIGURES, CROSSWALK.rename({"weight_population": "people"}))
