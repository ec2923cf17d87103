"""Short names and nicknames of places, each with the page that uses it: the council's own, or an encyclopedia's."""

from functools import cache
from pathlib import Path

import polars as pl

PLACE_NICKNAME = pl.Schema({"place_code": pl.String, "nickname": pl.String, "source": pl.String})
"""The code of a place, a name by which it is known beside those of the register, and the address of a page with it."""
_PATH = Path(__file__).parent / "place_nicknames.csv"


@cache
def load_nicknames() -> pl.DataFrame:
    """Return PLACE_NICKNAME."""
    return pl.read_csv(_PATH, schema=PLACE_NICKNAME)
