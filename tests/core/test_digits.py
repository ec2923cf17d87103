"""Figures without the error of binary arithmetic."""

from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.digits import drop_float_error

PUBLISHED = st.decimals(-1_000_000, 1_000_000, places=4, allow_nan=False)


def settled(value: float | None) -> float | None:
    figures = pl.DataFrame({"value": [value]}, schema={"value": pl.Float64})
    return figures.select(drop_float_error(pl.col("value"))).item()  # type: ignore[no-any-return]


@given(published=PUBLISHED, scale=st.sampled_from(["100", "1000", "0.01"]))
def test_product_has_the_digits_of_decimal_arithmetic(published: Decimal, scale: str) -> None:
    assert settled(float(published) * float(scale)) == float(published * Decimal(scale))


@given(published=st.decimals(0, 1_000_000, places=4, allow_nan=False), half=st.sampled_from(["0.05", "0.5", "0.005"]))
def test_sum_has_the_digits_of_decimal_arithmetic(published: Decimal, half: str) -> None:
    assert settled(float(published) + float(half)) == float(published + Decimal(half))


def test_missing_and_unlimited_figures_stay() -> None:
    assert [settled(value) for value in (None, 0.0, float("inf"))] == [None, 0.0, float("inf")]
