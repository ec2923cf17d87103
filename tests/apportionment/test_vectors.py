"""Published figures as vectors: slices in any order, blocks of any size, and places in any order."""

import math
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.apportionment import build_matrix
from pipelines.apportionment.vectors import (
    NO_ROW,
    FigureBlock,
    SliceTable,
    align_figures,
    block_rows,
    index_slices,
    select_slices,
    split_blocks,
)
from pipelines.core.errors import CrosswalkError
from pipelines.core.schema import OBSERVATION_STATUSES

ORDER = pl.Series("place_code", ["A", "B", "C"])


def figure(measure: str, code: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {"measure": measure, "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31), "place_code": code,
            "value": value, "source": f"source of {measure}", **more}  # fmt: skip


def frame(*figures: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(figures), schema_overrides={"value": pl.Float64})


LATER_FIRST = frame(figure("n", "B", 1.0), figure("n", "A", 2.0), figure("m", "C", 3.0), figure("o", "A", 4.0))
MIXED = frame(figure("n", "B", 1.0), figure("m", "C", 3.0), figure("n", "A", 2.0), figure("o", "A", 4.0))


def facts(table: SliceTable) -> tuple[list[str], list[int], list[int]]:
    return table.slices["measure"].to_list(), table.starts.tolist(), table.lengths.tolist()


def test_slices_are_in_order_of_their_key_unless_they_keep_their_own() -> None:
    assert facts(index_slices(LATER_FIRST)) == (["m", "n", "o"], [2, 0, 3], [1, 2, 1])
    assert facts(index_slices(LATER_FIRST, ordered=False)) == (["n", "m", "o"], [0, 2, 3], [2, 1, 1])


def test_rows_of_a_slice_that_are_apart_are_joined() -> None:
    table = index_slices(MIXED, ("source",))
    assert facts(table) == (["m", "n", "o"], [0, 1, 3], [1, 2, 1])
    assert table.observation["value"].to_list() == [3.0, 1.0, 2.0, 4.0]
    assert table.slices["source"].to_list() == ["source of m", "source of n", "source of o"]


def test_numbers_are_zero_and_absent_where_null_or_nan() -> None:
    rows = [
        figure("m", "A", 2.5, lower_bound=None, obs_status="low"),
        figure("m", "B", None, lower_bound=1.0, obs_status=None),
        figure("m", "C", math.nan, lower_bound=-1.0, obs_status="normal"),
    ]
    table = index_slices(frame(*rows))
    actual = {name: (values.tolist(), has.tolist()) for name, (values, has) in table.numbers.items()}
    assert actual == {
        "value": ([2.5, 0.0, 0.0], [True, False, False]),
        "lower_bound": ([0.0, 1.0, -1.0], [False, True, True]),
        "upper_bound": ([0.0, 0.0, 0.0], [False, False, False]),
    }
    assert [OBSERVATION_STATUSES[at] for at in table.status] == ["low", OBSERVATION_STATUSES[0], "normal"]
    assert index_slices(frame(figure("m", "A", 1.0))).status.tolist() == [0]


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1, 1, 1]), (6, [2, 1]), (8, [2, 1]), (9, [3]), (1000, [3])])
@pytest.mark.parametrize("codes", [["A", "B", "C"], ["A"]])
def test_blocks_have_at_most_the_figures_of_their_origins_or_targets(
    limit: int, sizes: list[int], codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.apportionment.vectors.FIGURES_PER_BLOCK", limit)
    turned = [(code, "X") for code in codes] if len(codes) == 3 else [("A", to) for to in "XYZ"]
    weights = [1.0 if len(codes) == 3 else None] * 3
    legs = pl.DataFrame(turned, ["from_code", "to_code"], orient="row").with_columns(
        pl.Series("weight", weights, pl.Float64), weight_population=pl.lit(1.0)
    )
    blocks = list(split_blocks(index_slices(LATER_FIRST), build_matrix(legs)))
    assert [block.slices.height for block in blocks] == sizes
    assert [name for block in blocks for name in block.slices["measure"]] == ["m", "n", "o"]


@pytest.mark.parametrize(
    ("chosen", "rows"), [([0, 1, 2], [2, 0, 1, 3]), ([1], [0, 1]), ([0, 2], [2, 3]), ([], []), ([2, 1], [3, 0, 1])]
)
def test_rows_of_a_block_are_those_of_its_slices_in_turn(chosen: list[int], rows: list[int]) -> None:
    block = select_slices(index_slices(LATER_FIRST), np.array(chosen, np.int64))
    assert np.arange(LATER_FIRST.height)[block_rows(block)].tolist() == rows


def test_consecutive_rows_of_a_block_are_one_range() -> None:
    block = select_slices(index_slices(LATER_FIRST, ordered=False), np.array([1, 2]))
    assert block_rows(block) == slice(2, 4)


def aligned(rows: pl.DataFrame, **more: Any) -> FigureBlock:
    return align_figures(index_slices(rows), ORDER, **more)


def test_figures_are_in_the_order_of_the_origins() -> None:
    rows = frame(figure("m", "C", 3.0, lower_bound=2.0, upper_bound=4.0, obs_status="estimated"),
                 figure("m", "A", None, lower_bound=None, upper_bound=9.0, obs_status="low"),
                 figure("n", "B", 7.0, lower_bound=7.0, upper_bound=None, obs_status="normal"))  # fmt: skip
    actual = aligned(rows)
    low, estimated, normal = (OBSERVATION_STATUSES.index(name) for name in ("low", "estimated", "normal"))
    assert {name: getattr(actual, name).tolist() for name in (*FigureBlock._fields, "has_row")} == {
        "row": [[1, NO_ROW], [NO_ROW, 2], [0, NO_ROW]],
        "value": [[0, 0], [0, 7], [3, 0]],
        "has_value": [[False, False], [False, True], [True, False]],
        "low": [[0, 0], [0, 7], [2, 0]],
        "has_low": [[False, False], [False, True], [True, False]],
        "high": [[9, 0], [0, 0], [4, 0]],
        "has_high": [[True, False], [False, False], [True, False]],
        "status": [[low, NO_ROW], [NO_ROW, normal], [estimated, NO_ROW]],
        "has_row": [[True, False], [False, True], [True, False]],
    }


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["C", "A", "B"])])
@pytest.mark.parametrize("at", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0, 2, 1, 4, 5, 3]])
def test_figures_of_every_origin_are_the_same_in_any_order_of_places(dtype: pl.DataType, at: list[int]) -> None:
    every = frame(*(figure(measure, code, ord(code) + ord(measure)) for measure in "mn" for code in "ABC"))
    actual = aligned(every[at].with_columns(pl.col("place_code").cast(dtype)))
    assert actual.value.tolist() == [[ord(code) + ord(measure) for measure in "mn"] for code in "ABC"]
    assert every[at]["value"].gather(actual.row.ravel()).to_list() == actual.value.ravel().tolist()


def test_two_figures_or_an_unknown_code_are_refused_and_an_unknown_code_can_be_ignored() -> None:
    with pytest.raises(CrosswalkError, match=r"^A has two figures in one measure and period; keep one$"):
        aligned(frame(figure("m", "B", 1.0), figure("n", "A", 1.0), figure("n", "A", 2.0), figure("n", "C", 2.0)))
    strange = frame(figure("m", "Q", 1.0), figure("m", "R", 1.0), figure("m", "B", 5.0), figure("n", "Q", 1.0))
    with pytest.raises(CrosswalkError, match=r"^2 codes are not in the crosswalk's source geography, such as Q; "):
        aligned(strange)
    assert aligned(strange, ignore_unknown=True).value.tolist() == [[0, 0], [5, 0], [0, 0]]
    assert aligned(strange, ignore_unknown=True).row.tolist() == [[-1, -1], [2, -1], [-1, -1]]


@pytest.mark.parametrize("slices", [{"m": "ABCQ"}, {"m": "ABC", "n": "ABCQ"}])
def test_unknown_code_after_every_origin_is_ignored_too(slices: dict[str, str]) -> None:
    longer = frame(*(figure(measure, code, ord(code)) for measure, codes in slices.items() for code in codes))
    assert aligned(longer, ignore_unknown=True).value.tolist() == [[ord(code)] * len(slices) for code in "ABC"]


def test_same_place_in_two_slices_is_no_second_figure() -> None:
    assert aligned(frame(figure("m", "A", 1.0), figure("n", "A", 2.0))).value.tolist() == [[1, 2], [0, 0], [0, 0]]
