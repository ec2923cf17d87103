"""The register as analysts see it: of each place also what sort of body or area it is, and the years it stands in."""

import polars as pl

from pipelines.kinds import ENTITY_TYPES, GSS
from pipelines.schema import PLACE, TEXT, WHOLE, Column

GAZETTEER: dict[str, Column] = {
    **PLACE,
    "entity_type": Column(
        TEXT,
        "What a code stands for by its first three characters: unitary authority, London borough, travel to work area; "
        "null where it does not tell",
    ),
    "first_year": Column(
        WHOLE, "First year whose place system has it, such as 2023 of lad_2023: in use on 31 December"
    ),
    "last_year": Column(
        WHOLE, "Last one; null while it is in use. Before first_year where no 31 December saw the code"
    ),
}
"""The columns of the table `places`."""


def gazetteer(register: pl.DataFrame) -> pl.DataFrame:
    """Add to a register (schema.PLACE) what sort of place each is, and its place systems: GAZETTEER."""
    start, end = pl.col("valid_from").dt, pl.col("valid_to").dt
    year_end = (end.month() == 12) & (end.day() == 31)
    code = pl.col("place_code")
    named = code.str.head(3).replace_strict(ENTITY_TYPES, default=None, return_dtype=pl.String)
    return register.with_columns(
        # Codes of practices and trusts may begin alike: only nine characters tell.
        pl.when(code.str.contains(GSS)).then(named).alias("entity_type"),
        start.year().cast(pl.Int64).alias("first_year"),
        (end.year() - (~year_end).cast(pl.Int32)).cast(pl.Int64).alias("last_year"),
    ).select(list(GAZETTEER))
