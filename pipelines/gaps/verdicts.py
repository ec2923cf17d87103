"""Verdict of each place: whether a problem's question is answerable there, and the blocking reasons if not.

It is answerable where every essential need has a figure within the age, coverage and error that the need allows. It is
answerable with caveats where a figure is a proxy or has a serious caveat, or a need that is not essential is missing.
"""

from typing import Literal, get_args

import polars as pl

from pipelines.core.ordering import filter_frame, sort_frame
from pipelines.core.schema import DATE, NUMBER, TEXT, WHOLE, Column, conform_table
from pipelines.core.table_cache import keep_results
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.problem import ProblemHeader
from pipelines.gaps.need_scope import open_reason

Verdict = Literal["answerable", "with_caveats", "not_answerable"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
VERDICT_WORDS = {
    "answerable": "answerable",
    "with_caveats": "answerable with caveats",
    "not_answerable": "not answerable",
}
MINOR_CAVEATS = frozenset({"rounded", "perturbed", "provisional"})
"""Caveats common to published figures, which do not change a verdict; the cell still has them."""

VERDICT: dict[str, Column] = {
    "problem": Column(TEXT, "Problem that asks the question"),
    "place_code": Column(TEXT, "Code of the place in the problem's geography"),
    "place_name": Column(TEXT, "Name of the place"),
    "period_start": Column(DATE, "First day of the requested period"),
    "period_end": Column(DATE, "Last day of the requested period"),
    "verdict": Column(TEXT, "answerable, with_caveats or not_answerable"),
    "blocking_reasons": Column(
        TEXT, "Measures that prevent a better verdict, with their reason or caveats; null where there are none"
    ),
    "needs_met": Column(WHOLE, "Needs that have a figure of their own, not a proxy"),
    "needs_total": Column(WHOLE, "Needs that can exist in the place, without measures that are only wanted"),
    "residents": Column(NUMBER, "Residents of the place, of all ages; null where unknown"),
}


def build_verdicts(cells: pl.DataFrame, header: ProblemHeader, people: pl.DataFrame) -> pl.DataFrame:
    """Build VERDICT from a problem's cells (schema.CELL_COLUMNS) and its places' people: one row a place and period.

    A problem without needs is judged by the measures that it wants. Where no figure is known the question is not
    answerable, whatever is essential.
    """
    weighed = weigh_cells(cells, header)
    counted = weighed.group_by("place_code", "period_start", maintain_order=True).agg(
        # One problem's place has one name, and its period one end: a key of five columns takes twice as long.
        *(pl.col(name).first() for name in ("problem", "place_name", "period_end")),
        pl.col("blocks").any(),
        (pl.col("blocks") | pl.col("weighs")).any().alias("minds"),
        pl.col("met").sum().alias("needs_met"),
        pl.col("asked").sum().alias("needs_total"),
        (pl.col("value").is_null() & pl.col("asked")).sum().alias("without"),
    )
    # Texts are joined where there are any: a grid of small areas has a million places and periods.
    causes = weighed.drop_nulls("why").sort("why").group_by("place_code", "period_start", maintain_order=True).agg(
        pl.col("why").filter(pl.col("blocks")).str.join("; ").alias("blocking"),
        pl.col("why").str.join("; ").alias("all_causes"),
    )  # fmt: skip
    summary = counted.join(causes, on=["place_code", "period_start"], how="left", maintain_order="left")
    knows_nothing = (pl.col("without") == pl.col("needs_total")) & (pl.col("needs_total") > 0)
    blocked = pl.col("blocks") | knows_nothing
    verdict = pl.when(blocked).then(pl.lit("not_answerable")).when("minds").then(pl.lit("with_caveats"))
    because = pl.when(pl.col("blocks")).then("blocking").otherwise("all_causes")
    with_verdict = summary.with_columns(
        verdict.otherwise(pl.lit("answerable")).alias("verdict"),
        pl.when(because != "").then(because).alias("blocking_reasons"),
    )
    residents = people.select("place_code", pl.col("people").alias("residents"))
    joined = with_verdict.join(residents, on="place_code", how="left", maintain_order="left")
    return sort_frame(conform_table(joined, VERDICT), "place_code", "period_start")


def weigh_cells(cells: pl.DataFrame, header: ProblemHeader) -> pl.DataFrame:
    """Return for each cell that counts for the verdict whether it blocks it or weighs on it, and why."""
    relevant = filter_frame(cells, pl.col("need") == ("needed" if header.needs else "wanted"))
    essential = [name for name, need in header.measure_needs.items() if need.essential]
    essential += [] if header.needs else header.unknowns
    is_asked = (pl.col("reason") != "not_applicable").fill_null(True)
    missing = pl.col("reason").is_not_null() & is_asked
    heavy = _name_heavy_caveats(relevant["caveats"])
    blocks = missing & pl.col("measure").is_in(essential)
    weighs = (missing & ~blocks) | (pl.col("value").is_not_null() & (heavy != "").fill_null(False))
    why = pl.when(missing).then(open_reason()).otherwise(heavy)
    return relevant.with_columns(
        is_asked.alias("asked"),
        blocks.alias("blocks"),
        weighs.alias("weighs"),
        (pl.col("value").is_not_null() & pl.col("proxy_measure").is_null()).alias("met"),
        pl.when(blocks | weighs).then(pl.concat_str("measure", pl.lit(": "), why)).alias("why"),
    )


def _name_heavy_caveats(caveats: pl.Series) -> pl.Series:
    """Return the caveats that change a verdict, as a text, for the caveats of each cell; null where it has none."""
    texts = caveats.drop_nulls().unique().to_list()
    heavy = [" and ".join(sorted({*text.split(",")} - MINOR_CAVEATS)) for text in texts]
    return caveats.replace_strict(texts, heavy, default=None, return_dtype=pl.String)


@keep_results(2)
def summarise_by_place(verdict_table: pl.DataFrame) -> pl.DataFrame:
    """Summarise verdicts over periods: VERDICT without its periods, with `periods` and `answered`.

    A place is answerable if every period is, and not answerable if no period is. `blocking_reasons` states in how many
    periods each cause applies.
    """
    place = ["problem", "place_code"]
    verdict, counted = pl.col("verdict"), (*place, "place_name", "verdict", "needs_met", "needs_total", "residents")
    summary = verdict_table.select(counted).group_by(place, maintain_order=True).agg(
        pl.col("place_name").first(),
        pl.when((verdict == "answerable").all()).then(pl.lit("answerable"))
        .when((verdict == "not_answerable").all()).then(pl.lit("not_answerable"))
        .otherwise(pl.lit("with_caveats")).alias("verdict"),
        pl.col("needs_met").sum(), pl.col("needs_total").sum(), pl.col("residents").first(),
        pl.len().alias("periods"), (verdict != "not_answerable").sum().alias("answered"),
    ).select(*place, "place_name", pl.exclude(*place, "place_name"))  # fmt: skip
    causes = verdict_table.select(*place, "blocking_reasons").drop_nulls("blocking_reasons")
    if causes.is_empty():
        named = summary.with_columns(pl.lit(None, pl.String).alias("blocking_reasons"))
    else:
        texts = _count_causes(causes.join(summary.select(*place, "periods"), on=place), place)
        named = summary.join(texts, on=place, how="left", maintain_order="left")
    return named.sort("place_code", maintain_order=True)


def _count_causes(causes: pl.DataFrame, place: list[str]) -> pl.DataFrame:
    """Return the causes of each place as a text, from the causes of each period and the number of its periods."""
    split = causes.with_columns(pl.col("blocking_reasons").str.split("; ")).explode("blocking_reasons")
    cause_counts = split.group_by(*place, "blocking_reasons", "periods").len("times")
    text = pl.when(pl.col("periods") == 1).then("blocking_reasons").otherwise(
        pl.format("{} ({} of {})", "blocking_reasons", "times", "periods")
    )  # fmt: skip
    ordered = cause_counts.sort("times", "blocking_reasons", descending=[True, False]).with_columns(text.alias("said"))
    return ordered.group_by(place, maintain_order=True).agg(pl.col("said").str.join("; ").alias("blocking_reasons"))


def add_verdicts(view: pl.DataFrame, verdict_table: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Add the verdict and its causes to each row of a problem's view, as its last two columns."""
    key = ["place_code"] if problem.header.grain == "latest" else ["place_code", "period_start"]
    added = ["verdict", "blocking_reasons"]
    if view.select(key).equals(verdict_table.select(key)) and not set(added) & set(view.columns):
        # In one piece, as after a join: the same table then gives the same bytes of a file.
        return view.with_columns(verdict_table.select(added)).rechunk()
    return view.join(verdict_table.select(*key, *added), on=key, how="left", maintain_order="left")
