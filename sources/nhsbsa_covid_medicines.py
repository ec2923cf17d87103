"""Quantities are in the unit of each product, and pharmacies continue under the code of a merged trust."""

import polars as pl

_NAME = r"^(?<medicine>\w+) (?<mg>[\d.]+)mg(?:/(?<ml>[\d.]+)ml)? .*(?<use>infusion|injection)"
# All of these have rows in every month to November 2020. The successors come from the NHS Organisation Data Service, as
# in nhs_trust_changes. Without them, the successor trust would appear to have issued less.
_NOW = {
    "RA3": "RA7", "RBA": "RH5", "RC1": "RC9", "RD3": "R0D", "RDD": "RAJ", "RDZ": "R0D", "RE9": "R0B", "RGQ": "RDE",
    "RJF": "RTG", "RLN": "R0B", "RM2": "R0A", "RNL": "RNN", "RQ6": "REM", "RQ8": "RAJ", "RR1": "RRK", "RW3": "R0A",
}  # fmt: skip


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum products of one medicine and use in milligrams: year_month, ods_code, medicine, mg, all text.

    A quantity is in millilitres where the product's name gives mg/ml, else in vials. Where a quantity is no number,
    its trust and month have no figure, not a smaller one.
    """
    products = raw.with_columns(pl.col("vmp_product_name").str.extract_groups(_NAME).alias("name")).unnest("name")
    quantity, mg, ml = (pl.col(name).cast(pl.Float64, strict=False) for name in ("total_quantity", "mg", "ml"))
    sums = products.group_by(
        pl.col("year_month").str.slice(0, 7), pl.col("ods_code").replace(_NOW),
        pl.concat_str("medicine", pl.lit(" "), "use").alias("medicine"), maintain_order=True,
    ).agg((quantity * mg / ml.fill_null(1.0)).alias("mg"), pl.col("_row").min())  # fmt: skip
    whole = pl.when(pl.col("mg").list.eval(pl.element().is_null()).list.any()).then(None)
    return sums.with_columns(mg=whole.otherwise(pl.col("mg").list.sum().round(3)).cast(pl.String).fill_null(""))
