"""Checks of whole releases: recalls, and declared texts that a file does not have."""

import polars as pl

from checks.finding import CheckInput, build_findings, no_findings
from pipelines.declarations.recalls import describe_recall, find_recall


def find_recalled_release(release: CheckInput) -> pl.DataFrame:
    """Find a release that its publisher has recalled; its figures stay in use, each with the caveat."""
    recall = find_recall(release.source, release.snapshot)
    if not recall:
        return no_findings()
    evidence = pl.DataFrame({"evidence": [f"{release.snapshot.file}, {describe_recall(recall)}"]})
    return build_findings(
        release, "recalled_release", "recalled", evidence.with_columns(pl.lit(release.cells.height).alias("rows"))
    )


def find_unmatched_texts(release: CheckInput) -> pl.DataFrame:
    """Find filter texts of the declaration that no row of the file has."""
    if not release.unmatched_texts:
        return no_findings()
    remedy = "Correct the text of the filter, or check whether the publisher renamed or removed these rows."
    evidence = pl.DataFrame({"evidence": [f"{release.snapshot.file}: {text}" for text in release.unmatched_texts]})
    return build_findings(release, "rows_asked_in_vain", "not_returned", evidence, remedy=remedy)
