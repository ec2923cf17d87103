"""Declared proxies: where a needed figure is missing, another measure's figure is shown and marked as a proxy."""

import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.schema import CELL_COLUMNS, conform_table
from pipelines.declarations.catalogue import Problem
from pipelines.gaps.need_scope import is_needed

PROXY_COLUMNS = (
    "value", "lower_bound", "upper_bound", *INTERVAL_COLUMNS, "obs_status", "published_marker", "derivation",
    "coverage", "apportioned_share", "source",
    "release", "released_at", "reference_start", "reference_end", "source_areas", "file", "file_rows", "file_column",
)  # fmt: skip
"""Columns of a cell that come from the proxy where one is used."""
_PLACE_AND_PERIOD = ["place_code", "period_start"]


def apply_proxies(cells: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Fill gaps with the figures of the proxies that a problem declares (schema.CELL_COLUMNS in and out).

    Such a cell has a value, no reason, the caveat `proxy_used`, and the proxy's measure in `proxy_measure`.
    `other_reasons` has the reasons of its own gap. Data owner and remedy stay, since the need is still open. A proxy
    uses the other measure's own figure, never another proxy.
    """
    proxies = {name: need.proxy for name, need in problem.header.measure_needs.items() if need.proxy}
    if not proxies:
        return cells
    proxy_measure = pl.col("measure").replace_strict(proxies, default=None, return_dtype=pl.String)
    figures = cells.filter(pl.col("value").is_not_null(), pl.col("measure").is_in(list(proxies.values())))
    offers = figures.select(
        pl.col("measure").alias("proxy_measure"),
        *_PLACE_AND_PERIOD,
        *(pl.col(name).alias(f"given_{name}") for name in (*PROXY_COLUMNS, "caveats")),
    )
    joined = cells.with_columns(proxy_measure.alias("proxy_measure")).join(
        offers, on=["proxy_measure", *_PLACE_AND_PERIOD], how="left", maintain_order="left"
    )
    is_used = is_needed() & pl.col("reason").is_not_null() & pl.col("given_value").is_not_null()
    filled = joined.with_columns(
        pl.when(is_used).then(new).otherwise(pl.lit(None) if name == "proxy_measure" else pl.col(name)).alias(name)
        for name, new in _proxy_expressions().items()
    )
    return conform_table(filled, CELL_COLUMNS)


def _proxy_expressions() -> dict[str, pl.Expr]:
    """Return the new columns of a cell with a gap filled by a proxy."""
    also = pl.concat_str("reason", "other_reasons", separator=",", ignore_nulls=True)
    caveats = pl.concat_str(pl.lit("proxy_used"), "given_caveats", separator=",", ignore_nulls=True)
    why = pl.concat_str(pl.lit("; own figure: "), "reason", pl.lit(": "), pl.col("evidence").fill_null("not stated"))
    evidence = pl.concat_str(pl.lit("proxy "), "proxy_measure", why)
    return {
        **{name: pl.col(f"given_{name}") for name in PROXY_COLUMNS},
        "reason": pl.lit(None, pl.String),
        "other_reasons": also,
        "caveats": caveats,
        "severity": pl.lit("warn"),
        "evidence": evidence,
        "proxy_measure": pl.col("proxy_measure"),
    }
