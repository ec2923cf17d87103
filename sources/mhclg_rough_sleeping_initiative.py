"""The table says in words whether a council takes part."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return 1 for RSI and 0 for Non-RSI in the columns of years; other words stay as they are."""
    names = {name: name[-4:] for name in raw.columns if name.startswith("Rough Sleeping Initiative")}
    return raw.rename(names).with_columns(pl.all().exclude("_row").replace({"RSI": "1", "Non-RSI": "0"}))
