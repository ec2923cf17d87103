"""Sites of NHS trusts. The list also has the trusts themselves, which come from the register of trusts."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return each site in the layout of the register, in its named trust, else the trust with which its code begins."""
    day = {name: pl.col(name).str.replace(r"^(\d{4})(\d\d)(\d\d)$", "$1-$2-$3") for name in ("opened", "closed")}
    trust = pl.when(pl.col("trust") != "").then("trust").otherwise(pl.col("code").str.head(3))
    return raw.filter(pl.col("code").str.len_chars() > 3).select(
        pl.lit("site").alias("ENTITYCD"),
        pl.col("code").alias("GEOGCD"),
        pl.col("name").alias("GEOGNM"),
        pl.lit("").alias("GEOGNMW"),
        trust.alias("PARENTCD"),
        day["opened"].alias("OPER_DATE"),
        day["closed"].alias("TERM_DATE"),
    )
