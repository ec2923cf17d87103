"""History of the bundled problems beside their cells."""

import polars as pl

from pipelines.core.store import read_table, state_path
from pipelines.declarations.project import Project


def test_cells_of_the_bundled_problems_have_the_figures_of_the_history(starter: Project) -> None:
    for name in starter.catalogue.problems:
        cells = read_table(state_path(starter.home, "cell", name)).filter(
            pl.col("value").is_not_null(),
            pl.col("proxy_measure").is_null(),
            # A figure made from the days of a month is in no release.
            pl.col("derivation") != "aggregated_in_time",
        )
        history = read_table(state_path(starter.home, "history", name)).filter(pl.col("level") == "place")
        joined = cells.join(
            history, left_on=["measure", "place_code", "reference_start", "reference_end"],
            right_on=["measure", "place_code", "period_start", "period_end"], how="left",
        )  # fmt: skip
        assert joined.filter(pl.col("value") != pl.col("value_right")).is_empty()
        assert joined["value_right"].null_count() == 0, name
