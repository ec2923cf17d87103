"""Closed sets of values that declarations and code share."""

from typing import Literal

Grain = Literal["latest", "month", "quarter", "year"]
PeriodKind = Literal["day", "week", "month", "quarter", "year", "financial_year", "mid_year", "span"]
