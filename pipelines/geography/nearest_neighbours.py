"""Statistical nearest neighbours of districts: for each, the 20 districts most like it, nearest first.

The Office for National Statistics published the lists in 2026 ("Clustering similar local authorities and statistical
nearest neighbours in the UK", Open Government Licence v3.0), by three models: global, economic and demographic. They
have no distances, and are not symmetric. The table has the 361 districts of 2025; counties and combined authorities are
not in it. `python -m benchmarks.nearest_neighbours` makes the table.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import polars as pl

from pipelines.core.errors import UnreadableError

NEAREST_NEIGHBOURS_PATH = Path(__file__).parent / "nearest_neighbours.csv"
NEAREST_NEIGHBOURS = pl.Schema({"place_code": pl.String, "model": pl.String, "neighbours": pl.String})
"""A district of 2025, a model, and the codes of its nearest neighbours, nearest first, separated by spaces."""
MODELS = ("global", "economic", "demographic")
_DISTRICT = r"^(E0[6-9]|W06|S12|N09)\d{6}$"


@cache
def load_nearest_neighbours() -> pl.DataFrame:
    """Return NEAREST_NEIGHBOURS."""
    return pl.read_csv(NEAREST_NEIGHBOURS_PATH, schema=NEAREST_NEIGHBOURS)


def stack_nearest_neighbours(models: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return NEAREST_NEIGHBOURS from the published table of each model: AREACD, then a column for each neighbour.

    Raises UnreadableError where a district lacks a neighbour, repeats it, or has one outside the table.
    """
    parts = []
    for model, table in models.items():
        districts = table.filter(pl.col("AREACD").str.contains(_DISTRICT))
        columns = [name for name in table.columns if name.isdecimal()]
        lists = districts.select("AREACD", pl.concat_list([str(n) for n in range(1, len(columns) + 1)]).alias("near"))
        element = pl.element().is_in(districts["AREACD"].implode()).fill_null(False)
        wrong = lists.filter(
            (pl.col("near").list.n_unique() != len(columns)) | ~pl.col("near").list.eval(element).list.all()
        )
        if wrong.height:
            raise UnreadableError(f"{model}: found {wrong['near'][0].to_list()} for {wrong['AREACD'][0]}, expected "
                                  f"{len(columns)} different districts")  # fmt: skip
        parts.append(lists.select(
            pl.col("AREACD").alias("place_code"), pl.lit(model).alias("model"),
            pl.col("near").list.join(" ").alias("neighbours"),
        ))  # fmt: skip
    return pl.concat(parts).sort("place_code", "model").cast(NEAREST_NEIGHBOURS)
