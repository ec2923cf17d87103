"""Closed sets of values that declarations and code share."""

from typing import Literal

Grain = Literal["latest", "month", "quarter", "year"]
PeriodKind = Literal[
    "day", "week", "month", "quarter", "half_year", "year", "financial_year", "academic_year", "mid_year", "span"
]
