"""Checks of whole releases: what the publisher said of one after it was out."""

import polars as pl

from checks.finding import Read, findings
from pipelines.declarations.recalls import recall_of, said


def recalled_release(read: Read) -> pl.DataFrame:
    """Find a release that its publisher has recalled; its figures stay in use, each with the caveat."""
    recall = recall_of(read.source, read.snapshot)
    told = pl.DataFrame({"evidence": [f"{read.snapshot.file}, {said(recall)}"] if recall else []},
                        schema={"evidence": pl.String})  # fmt: skip
    return findings(read, "recalled_release", "recalled", told.with_columns(pl.lit(read.cells.height).alias("rows")))


def rows_asked_in_vain(read: Read) -> pl.DataFrame:
    """Find texts by which the declaration picks rows (`filter`) and that no row of the file has."""
    remedy = "Correct the text under where, or look whether the publisher renamed or dropped these rows."
    found = pl.DataFrame({"evidence": [f"{read.snapshot.file}: {told}" for told in read.vain]},
                         schema={"evidence": pl.String})  # fmt: skip
    return findings(read, "rows_asked_in_vain", "not_returned", found, remedy=remedy)
