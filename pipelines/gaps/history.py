"""Figures of a problem's measures over time: of its places, and of the regions and nations that contain them.

A region or nation has the total that the publisher gives in the same release. Else it has the sum of all its places, or
their average weighted by the denominator, by the engine and the rules of every other figure.
"""

from collections.abc import Mapping

import polars as pl

from pipelines.apportionment import Crosswalk, place_figures
from pipelines.core.geocodes import NATION_BY_LETTER
from pipelines.core.schema import CELL_COLUMNS, OBSERVATION_COLUMNS, TEXT, Column, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import Measure
from pipelines.geography import nation_code

MAX_HISTORY_PLACES = 2_000
"""Maximum number of places of a geography with a history; a geography of small areas has none."""

HISTORY: dict[str, Column] = {
    "measure": OBSERVATION_COLUMNS["measure"],
    "level": Column(TEXT, "place: of the problem's geography; region, nation or partnership: a larger place"),
    "place_code": Column(TEXT, "Code of the place, region or nation"),
    "period_start": OBSERVATION_COLUMNS["period_start"],
    "period_end": OBSERVATION_COLUMNS["period_end"],
    "value": Column(CELL_COLUMNS["value"].dtype, "Figure; null where there is a reason"),
    "obs_status": CELL_COLUMNS["obs_status"],
    "derivation": Column(TEXT, "How the figure was derived; published: a total in the publisher's file"),
    "reason": Column(TEXT, "Why there is no figure"),
    "caveats": CELL_COLUMNS["caveats"],
    "source": Column(TEXT, "Source of the figure"),
}
"""A figure of one place and published period, or the reason why there is none; not only of periods asked about."""
HISTORY_KEY = ["measure", "level", "place_code", "period_start", "period_end"]


def build_history(
    placed: pl.DataFrame, totals: pl.DataFrame, places: pl.DataFrame, denominators: pl.DataFrame,
    measures: Mapping[str, Measure],
) -> pl.DataFrame:  # fmt: skip
    """Return the HISTORY of the places of a geography, and of their regions and nations.

    Takes the placed figures of the geography (MAPPED_FIGURE), the published totals of their sources (totals.TOTAL, of
    the newest releases), the places (schema.PLACE_COLUMNS), and the observations of denominators by place.
    """
    if placed.is_empty() or places.height > MAX_HISTORY_PLACES:
        return empty_table(HISTORY)
    own = placed.rename({"to_code": "place_code"})
    frames = [own.with_columns(pl.lit("place").alias("level"))]
    known = own.filter(pl.col("value").is_not_null()).sort(*SLICE_KEY, "place_code")
    observation = conform_table(known, OBSERVATION_COLUMNS)
    for level, members in _members_by_level(places).items():
        published = _published_totals(totals, members, own).with_columns(pl.lit(level).alias("level"))
        computed = _larger_figures(observation, members, denominators, dict(measures)).with_columns(
            pl.lit(level).alias("level")
        )
        frames += [published, computed.join(published, on=HISTORY_KEY, how="anti")]
    history = pl.concat([conform_table(frame, HISTORY) for frame in frames])
    return history.unique(HISTORY_KEY, keep="first", maintain_order=True).sort(HISTORY_KEY)


def add_partnership_history(history: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Add the figures of partnerships (MAPPED_FIGURE) to the HISTORY of a problem."""
    own = placed.rename({"to_code": "place_code"}).with_columns(pl.lit("partnership").alias("level"))
    return pl.concat([history, conform_table(own, HISTORY)]).sort(HISTORY_KEY)


def _members_by_level(places: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the places of each region and of each nation: total_code, place_code."""
    regions = places.filter(pl.col("region_code") != "").select(pl.col("region_code").alias("total_code"), "place_code")
    codes = {name: nation_code(f"{letter}92000001") for letter, name in NATION_BY_LETTER.items()}
    nation = pl.col("nation").replace_strict(codes, default=None, return_dtype=pl.String)
    nations = places.select(nation.alias("total_code"), "place_code").drop_nulls()
    return {"region": regions, "nation": nations}


def _published_totals(totals: pl.DataFrame, members: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Return the published totals of larger places in the slices of the placed figures."""
    slices = own.select(*SLICE_KEY, "release").drop_nulls().unique()
    here = totals.filter(pl.col("role") == "total", pl.col("value").is_not_null()).join(
        members.select(pl.col("total_code").alias("place_code")).unique(), on="place_code", how="semi"
    )
    same_release = here.join(slices, on=[*SLICE_KEY, "release"], how="semi")
    return same_release.with_columns(pl.lit("published").alias("derivation"))


def _larger_figures(
    observation: pl.DataFrame, members: pl.DataFrame, denominators: pl.DataFrame, measures: dict[str, Measure]
) -> pl.DataFrame:
    """Return the figures of larger places that follow from those of all their places, and the gaps of the others."""
    weights = members.select(
        pl.col("place_code").alias("from_code"), pl.col("total_code").alias("to_code"), pl.lit(1.0).alias("weight"),
        pl.lit(None, pl.Float64).alias("weight_population"), pl.lit("aggregated").alias("kind"),
    )  # fmt: skip
    if observation.is_empty() or weights.is_empty():
        return empty_table(HISTORY)
    placed = place_figures(observation, Crosswalk(weights), measures, denominators)
    return placed.rename({"to_code": "place_code"})
