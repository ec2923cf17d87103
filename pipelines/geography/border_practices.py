"""People who cross a border for care: GP practices where bodies of two nations have practices side by side.

A practice's patients live on either side of a border, and figures that are counted by practice say nothing of it:
seven of a border village's people may be on a list here, and fifteen hundred on one there. Which practices it concerns
is told by their postcodes; how many patients cross is told by lists by LSOA alone, which are in no file held.
"""

from collections.abc import Iterable, Iterator

import polars as pl

from pipelines.core.schema import TEXT, WHOLE, Column, conformed, empty
from pipelines.geography.register import Places, ancestors
from pipelines.geography.small_areas import AREA, Areas

BORDER_PRACTICE: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of a GP practice"),
    "place_name": Column(TEXT, "Its name"),
    "postcode_district": Column(TEXT, "Where it is, as CH4: practices of bodies of two nations are there"),
    "body_code": Column(TEXT, "NHS body that it belongs to"),
    "body_name": Column(TEXT, "Name of that body"),
    "nation": Column(TEXT, "Nation of that body"),
    "here": Column(WHOLE, "Practices in the postcode district of bodies of the same nation, itself among them"),
    "across": Column(WHOLE, "Practices there that belong to bodies of another nation"),
    "source": Column(TEXT, "Table of postcodes that it was told by"),
}
BODIES = ("E38", "E54", "W11")
"""How codes of NHS bodies begin: clinical commissioning groups and what came after them, and health boards."""
NOT_TOLD = (
    "how many of their patients live across the border is in no table held; NHS England and NHS Wales have them by "
    "practice and LSOA"
)


def list_border_practices(places: Places, tables: Iterable[Areas]) -> pl.DataFrame:
    """Give the practices of postcode districts where bodies of two nations have some: BORDER_PRACTICE.

    Takes tables of areas, of which those are read whose areas are practices with a postcode. A practice that the
    register does not know, or whose nation it does not, is left out.
    """
    found = [_placed(areas) for areas in tables]
    register = places.register.sort("valid_from").unique("place_code", keep="last", maintain_order=True)
    body = register.select(pl.col("place_code").alias("body_code"), pl.col("place_name").alias("body_name"))
    practices = register.filter(pl.col("kind") == "border_practice").select(
        "place_code", "place_name", pl.col("parent_code").alias("body_code"), "nation"
    )
    placed = pl.concat([_placed_none(), *found]).unique("place_code", keep="last")
    told = placed.join(practices.drop_nulls("nation"), on="place_code").join(body, on="body_code", how="left")
    here = pl.len().over("postcode_district", "nation")
    counted = told.with_columns(here.alias("here"), (pl.len().over("postcode_district") - here).alias("across"))
    return conformed(counted.filter(pl.col("across") > 0), BORDER_PRACTICE).sort("postcode_district", "place_code")


def _placed_none() -> pl.DataFrame:
    return empty({name: BORDER_PRACTICE[name] for name in ("place_code", "postcode_district", "source")})


def _placed(areas: Areas) -> pl.DataFrame:
    """Give the postcode district of each area that has a postcode; a postcode's last three characters are left off."""
    column = next((name for name in areas.systems if name.startswith("postcode_")), None)
    if column is None:
        return _placed_none()
    district = pl.col(column).str.replace_all(" ", "").str.head(-3).alias("postcode_district")
    return areas.table.drop_nulls(column).select(
        pl.col(AREA).alias("place_code"), district, pl.lit(areas.source).alias("source")
    )


def across_the_border(practices: pl.DataFrame, places: Places, drawn: pl.DataFrame) -> Iterator[str]:
    """Say of a crosswalk (crosswalks.CROSSWALK) between NHS bodies and others which practices straddle its borders.

    Takes BORDER_PRACTICE. One line for each postcode district of which some body, or the board it lies in, is one of
    the places of the crosswalk; nothing is said where none is.
    """
    touched = {code for end in ("from_code", "to_code") for code in drawn[end].drop_nulls() if code[:3] in BODIES}
    told = False
    for (district,), rows in practices.group_by("postcode_district", maintain_order=True):
        bodies = rows["body_code"].unique().to_list()
        if touched & {up for body in bodies for up in ancestors(body, places.parents)}:
            told = True
            named = rows.select("place_code", "place_name", "body_name", "nation").iter_rows()
            yield f"{district}: " + "; ".join(f"{code} {name} ({body}, {nation})" for code, name, body, nation in named)
    if told:
        yield NOT_TOLD
