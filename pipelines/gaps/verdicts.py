"""The verdict of each place: whether a problem's question can be answered there, and because of what it can't.

The question can be answered where every essential need has a figure within the age, coverage and error that the need
allows; with caveats where one is a stand-in, is to be read with care, or where a need that is not essential is missing.
"""

from typing import Literal, get_args

import polars as pl

from pipelines.core.schema import DATE, NUMBER, TEXT, WHOLE, Column, conform_table
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.problem import ProblemHeader
from pipelines.gaps.proxies import open_reason

Verdict = Literal["answerable", "with_caveats", "not_answerable"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
VERDICT_WORDS = {"answerable": "can be answered", "with_caveats": "with caveats", "not_answerable": "can't be answered"}
MINOR_CAVEATS = frozenset({"rounded", "perturbed", "provisional"})
"""Caveats that are in the nature of published figures and change no verdict; the cell says them."""

VERDICT: dict[str, Column] = {
    "problem": Column(TEXT, "Problem whose question it is"),
    "place_code": Column(TEXT, "Code of the place in the problem's place system"),
    "place_name": Column(TEXT, "Name of the place"),
    "period_start": Column(DATE, "First day of the period the problem asks about"),
    "period_end": Column(DATE, "Last day of the period the problem asks about"),
    "verdict": Column(TEXT, "answerable, with_caveats or not_answerable"),
    "because": Column(
        TEXT, "What keeps it from a better verdict: each measure, and its reason or caveats; null where nothing does"
    ),
    "needs_met": Column(WHOLE, "Needs that have a figure of their own"),
    "needs_in_all": Column(WHOLE, "Needs that can exist in the place; what is only wanted is left out"),
    "people": Column(NUMBER, "People who live in the place; null where that is not known"),
}
_PLACE_PERIOD_COLUMNS = ["problem", "place_code", "place_name", "period_start", "period_end"]


def build_verdicts(cells: pl.DataFrame, header: ProblemHeader, people: pl.DataFrame) -> pl.DataFrame:
    """Give VERDICT from a problem's cells (schema.CELL_COLUMNS) and its people: one row a place and period.

    A problem that needs nothing and only wants is judged by its wants. Where nothing at all is known the question can't
    be answered, whatever is essential.
    """
    summary = weigh_cells(cells, header).group_by(_PLACE_PERIOD_COLUMNS).agg(
        pl.col("blocks").any(),
        (pl.col("blocks") | pl.col("weighs")).any().alias("minds"),
        pl.col("why").filter(pl.col("blocks")).sort().str.join("; ").alias("blocking"),
        pl.col("why").sort().drop_nulls().str.join("; ").alias("all_told"),
        pl.col("met").sum().alias("needs_met"),
        pl.col("asked").sum().alias("needs_in_all"),
        (pl.col("value").is_null() & pl.col("asked")).sum().alias("without"),
    )  # fmt: skip
    knows_nothing = (pl.col("without") == pl.col("needs_in_all")) & (pl.col("needs_in_all") > 0)
    blocked = pl.col("blocks") | knows_nothing
    verdict = pl.when(blocked).then(pl.lit("not_answerable")).when("minds").then(pl.lit("with_caveats"))
    because = pl.when(pl.col("blocks")).then("blocking").otherwise("all_told")
    with_verdict = summary.with_columns(
        verdict.otherwise(pl.lit("answerable")).alias("verdict"), pl.when(because != "").then(because).alias("because")
    )
    return conform_table(with_verdict.join(people, on="place_code", how="left"), VERDICT).sort(
        "place_code", "period_start"
    )


def weigh_cells(cells: pl.DataFrame, header: ProblemHeader) -> pl.DataFrame:
    """Tell of each cell that counts for the verdict whether it blocks or weighs on it, and why."""
    relevant = cells.filter(pl.col("need") == ("needed" if header.needs else "wanted"))
    essential = (
        [name for name, need in header.needs.items() if need.essential] if header.needs else list(header.unknowns)
    )
    is_asked = (pl.col("reason") != "not_applicable").fill_null(True)
    missing = pl.col("reason").is_not_null() & is_asked
    heavy = pl.col("caveats").str.split(",").list.set_difference(sorted(MINOR_CAVEATS)).list.sort().list.join(" and ")
    blocks = missing & pl.col("measure").is_in(essential)
    weighs = (missing & ~blocks) | (pl.col("value").is_not_null() & (heavy != "").fill_null(False))
    why = pl.when(missing).then(open_reason()).otherwise(heavy)
    return relevant.with_columns(
        is_asked.alias("asked"),
        blocks.alias("blocks"),
        weighs.alias("weighs"),
        (pl.col("value").is_not_null() & pl.col("stand_in").is_null()).alias("met"),
        pl.when(blocks | weighs).then(pl.concat_str("measure", pl.lit(": "), why)).alias("why"),
    )


def summarise_by_place(verdict_table: pl.DataFrame) -> pl.DataFrame:
    """Sum verdicts up over periods: VERDICT without its periods, with `periods` and `answered`.

    A place can be answered for if every period can, and can't if none can. `because` counts in how many periods each
    cause holds.
    """
    place = ["problem", "place_code", "place_name"]
    verdict = pl.col("verdict")
    summary = verdict_table.group_by(place).agg(
        pl.when((verdict == "answerable").all()).then(pl.lit("answerable"))
        .when((verdict == "not_answerable").all()).then(pl.lit("not_answerable"))
        .otherwise(pl.lit("with_caveats")).alias("verdict"),
        pl.col("needs_met").sum(), pl.col("needs_in_all").sum(), pl.col("people").first(),
        pl.len().alias("periods"), (verdict != "not_answerable").sum().alias("answered"),
    )  # fmt: skip
    return summary.join(_count_causes(verdict_table, place), on=place, how="left").sort("place_code")


def _count_causes(verdict_table: pl.DataFrame, place: list[str]) -> pl.DataFrame:
    causes = verdict_table.with_columns(pl.col("because").str.split("; "), pl.len().over(place).alias("periods"))
    cause_counts = causes.explode("because").drop_nulls("because").group_by(*place, "because", "periods").len("times")
    text = pl.when(pl.col("periods") == 1).then("because").otherwise(
        pl.format("{} ({} of {})", "because", "times", "periods")
    )  # fmt: skip
    ordered = cause_counts.sort("times", "because", descending=[True, False]).with_columns(text.alias("said"))
    return ordered.group_by(place, maintain_order=True).agg(pl.col("said").str.join("; ").alias("because"))


def add_verdicts(view: pl.DataFrame, verdict_table: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Add the verdict and its cause to each row of a problem's view, as its last two columns."""
    key = ["place_code"] if problem.header.grain == "latest" else ["place_code", "period_start"]
    return view.join(verdict_table.select(*key, "verdict", "because"), on=key, how="left", maintain_order="left")
