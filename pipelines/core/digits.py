"""Digits of figures: the error of binary arithmetic removed."""

import polars as pl

EXACT_DIGITS = 15
"""Decimal digits that a float always has exactly."""


def drop_float_error(figures: pl.Expr) -> pl.Expr:
    """Return figures with the digits of decimal arithmetic: 0.28 times 100 is 28, and 2.1 plus 0.05 is 2.15."""
    return pl.when(figures.is_finite()).then(figures.round_sig_figs(EXACT_DIGITS)).otherwise(figures)
