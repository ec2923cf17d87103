"""Cross-border patients: GP practices in postcode districts with practices of NHS bodies of two nations.

Patients of a practice may live on either side of a border, and figures by practice do not show it. Postcodes identify
the practices concerned. The number of cross-border patients needs lists by LSOA, which are in no stored file.
"""

from collections.abc import Iterable, Iterator

import polars as pl

from pipelines.core.schema import TEXT, WHOLE, Column, conform_table, empty_table
from pipelines.geography.register import Places, list_ancestors
from pipelines.geography.small_areas import AREA_CODE, Areas

BORDER_PRACTICE: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of a GP practice"),
    "place_name": Column(TEXT, "Name of the practice"),
    "postcode_district": Column(TEXT, "Postcode district, such as CH4, with practices of bodies of two nations"),
    "body_code": Column(TEXT, "Code of the NHS body of the practice"),
    "body_name": Column(TEXT, "Name of the NHS body"),
    "nation": Column(TEXT, "Nation of the NHS body"),
    "same_nation_practices": Column(
        WHOLE, "Practices in the postcode district with a body of the same nation, including this one"
    ),
    "other_nation_practices": Column(WHOLE, "Practices in the postcode district with a body of another nation"),
    "source": Column(TEXT, "Postcode table that the row comes from"),
}
BODIES = ("E38", "E54", "W11")
"""Prefixes of codes of NHS bodies: clinical commissioning groups, their successors and health boards."""
UNKNOWN_CROSSINGS = (
    "no stored table has the number of cross-border patients; NHS England and NHS Wales publish patients by "
    "practice and LSOA"
)


def list_border_practices(places: Places, tables: Iterable[Areas]) -> pl.DataFrame:
    """Return the practices in postcode districts with bodies of two nations (BORDER_PRACTICE).

    Uses the tables with practices and their postcodes. Practices that are not in the register, or without a known
    nation, are excluded.
    """
    frames = [_locate_practices(areas) for areas in tables]
    register = places.register.sort("valid_from").unique("place_code", keep="last", maintain_order=True)
    body = register.select(pl.col("place_code").alias("body_code"), pl.col("place_name").alias("body_name"))
    practices = register.filter(pl.col("kind") == "border_practice").select(
        "place_code", "place_name", pl.col("parent_code").alias("body_code"), "nation"
    )
    located = pl.concat([_empty_locations(), *frames]).unique("place_code", keep="last")
    practices_with_body = located.join(practices.drop_nulls("nation"), on="place_code").join(
        body, on="body_code", how="left"
    )
    here = pl.len().over("postcode_district", "nation")
    counts = practices_with_body.with_columns(
        here.alias("same_nation_practices"), (pl.len().over("postcode_district") - here).alias("other_nation_practices")
    )
    return conform_table(counts.filter(pl.col("other_nation_practices") > 0), BORDER_PRACTICE).sort(
        "postcode_district", "place_code"
    )


def _empty_locations() -> pl.DataFrame:
    return empty_table(BORDER_PRACTICE).select("place_code", "postcode_district", "source")


def _locate_practices(areas: Areas) -> pl.DataFrame:
    """Return the postcode district of each area with a postcode: the postcode without its last three characters."""
    column = next((name for name in areas.systems if name.startswith("postcode_")), None)
    if column is None:
        return _empty_locations()
    district = pl.col(column).str.replace_all(" ", "").str.head(-3).alias("postcode_district")
    return areas.table.drop_nulls(column).select(
        pl.col(AREA_CODE).alias("place_code"), district, pl.lit(areas.source).alias("source")
    )


def describe_border_practices(practices: pl.DataFrame, places: Places, drawn: pl.DataFrame) -> Iterator[str]:
    """Describe the border practices that affect a crosswalk (crosswalk.CROSSWALK) with NHS bodies.

    Takes BORDER_PRACTICE. Yields one line for each postcode district with a body, or a health board above it, in the
    crosswalk.
    """
    touched = {code for end in ("from_code", "to_code") for code in drawn[end].drop_nulls() if code[:3] in BODIES}
    has_line = False
    for (district,), rows in practices.group_by("postcode_district", maintain_order=True):
        bodies = rows["body_code"].unique().to_list()
        if touched & {up for body in bodies for up in list_ancestors(body, places.parents)}:
            has_line = True
            practices_here = rows.select("place_code", "place_name", "body_name", "nation").iter_rows()
            yield f"{district}: " + "; ".join(
                f"{code} {name} ({body}, {nation})" for code, name, body, nation in practices_here
            )
    if has_line:
        yield UNKNOWN_CROSSINGS
