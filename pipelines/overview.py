"""The overview of all problems and places: what each problem comes to, and a way to every page."""

from typing import Any, NamedTuple

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.ledger import Ledger, since
from pipelines.report_trend import trend
from pipelines.verdicts import SAID, by_place


class Overview(NamedTuple):
    """What the overview says: a row for each problem, and the places by nation or region."""

    problems: list[dict[str, Any]]
    places: list[tuple[str, list[tuple[str, str, str]]]]


def overview(
    catalogue: Catalogue, cells: dict[str, pl.DataFrame], judged: dict[str, pl.DataFrame], ledgers: dict[str, Ledger],
    register: pl.DataFrame,
) -> Overview:  # fmt: skip
    """Give the overview of the problems that were built.

    Takes for each its cells (schema.CELL), verdicts (verdicts.VERDICT) and ledger; and the places there are pages of
    (schema.PLACE).
    """
    rows = [_problem(catalogue, name, cells[name], by_place(judged[name]), ledgers[name]) for name in sorted(cells)]
    return Overview(rows, _places(register, judged))


def _problem(
    catalogue: Catalogue, name: str, cells: pl.DataFrame, judged: pl.DataFrame, ledger: Ledger
) -> dict[str, Any]:
    header = catalogue.problems[name].header
    counts = dict(judged["verdict"].value_counts().iter_rows())
    known = cells.filter(pl.col("value").is_not_null(), pl.col("stand_in").is_null()).height
    return {
        "name": name, "question": header.question, "owner": header.owner, "places": judged.height,
        "verdicts": [(verdict, said, counts.get(verdict, 0)) for verdict, said in SAID.items()],
        "known": known, "asked": cells.height, "since": since(ledger), "trend": trend(ledger),
    }  # fmt: skip


def _places(register: pl.DataFrame, judged: dict[str, pl.DataFrame]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Put places under their region or nation, each with how many problems can be answered there."""
    every = pl.concat([by_place(each) for each in judged.values()]) if judged else pl.DataFrame()
    counted = every.group_by("place_code").agg(
        (pl.col("verdict") != "not_answerable").sum().alias("answered"), pl.len().alias("asked")
    )
    told = register.join(counted, on="place_code", how="inner").with_columns(
        pl.coalesce("region", "nation", pl.lit("Elsewhere")).alias("where"),
        pl.format("{} of {}", "answered", "asked").alias("said"),
    )
    return [
        (str(where[0]), list(found.select("place_code", "place_name", "said").iter_rows()))
        for where, found in told.sort("where", "place_name").group_by("where", maintain_order=True)
    ]
