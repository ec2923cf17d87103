"""Statistical nearest neighbours, from the published tables."""

from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.geography.nearest_neighbours import load_nearest_neighbours, stack_nearest_neighbours

ONE, TWO, COUNTY = "E06000001", "W06000002", "E10000003"
OTHER = "S12000003"


def published(**columns: Any) -> pl.DataFrame:
    """Return a table of three districts and a county, each with two neighbours, and with headings out of order."""
    plain = {"AREACD": [TWO, ONE, OTHER, COUNTY], "2": [OTHER, OTHER, ONE, ONE], "1": [ONE, TWO, TWO, TWO],
             "AREANM": ["b", "a", "c", "d"]}  # fmt: skip
    return pl.DataFrame({**plain, **columns})


def test_districts_have_their_neighbours_by_model_nearest_first() -> None:
    turned = published(**{"1": [OTHER, OTHER, ONE, ONE], "2": [ONE, TWO, TWO, TWO]})
    assert stack_nearest_neighbours({"global": published(), "economic": turned}).rows() == [
        (ONE, "economic", f"{OTHER} {TWO}"), (ONE, "global", f"{TWO} {OTHER}"),
        (OTHER, "economic", f"{ONE} {TWO}"), (OTHER, "global", f"{TWO} {ONE}"),
        (TWO, "economic", f"{OTHER} {ONE}"), (TWO, "global", f"{ONE} {OTHER}"),
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [[TWO, TWO], [TWO, None], [TWO, COUNTY], [TWO, "E06000099"]])
def test_repeated_absent_or_unknown_neighbour_is_refused(wrong: list[str | None]) -> None:
    columns = {name: [ONE if name == "1" else OTHER, code, TWO if name == "1" else ONE, ONE]
               for name, code in zip("12", wrong, strict=True)}  # fmt: skip
    with pytest.raises(UnreadableError, match=rf"^global: found .* for {ONE}, expected 2 different districts"):
        stack_nearest_neighbours({"global": published(**columns)})


def test_bundled_lists_have_twenty_neighbours_of_each_district() -> None:
    table = load_nearest_neighbours()
    assert table.height == 3 * 361 and table["place_code"].n_unique() == 361
    assert table["neighbours"].str.split(" ").list.n_unique().unique().to_list() == [20]
