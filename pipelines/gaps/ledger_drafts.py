"""Errors of a draft declaration are not part of the history of gaps: they are removed once it is corrected.

A gap is dropped where one change of the source's declaration opened it and the next closed it, on the same files: the
publication never lacked it. The first build of a measure counts as such a change. Gaps opened by a file or by the date
stay in the record, and where only a declaration closes them the record says so. A gap that a problem requested on one
day only, and stopped requesting on the same day, was a draft of the problem.
"""

from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

DeclarationHashes = tuple[str, str]
"""Declaration and files of a measure, as two hashes."""
BuildRecord = tuple[int, date, dict[str, DeclarationHashes]]


class _MeasureVersions(NamedTuple):
    """For one measure: builds with a new declaration and no new file, and the number of file changes at each build."""

    began: frozenset[int]
    corrected: frozenset[int]
    files: dict[int, int]

    def is_superseded(self, brought: int, now: int) -> bool:
        """Return whether a later build corrects an earlier one: both by declaration alone, on the same files."""
        return brought in self.began and now in self.corrected and self.files[brought] == self.files[now]


def drop_drafts(sightings: pl.DataFrame, builds: list[BuildRecord]) -> pl.DataFrame:
    """Drop sightings (sightings.SIGHTING) caused by draft declarations that a later build corrected."""
    if sightings.is_empty():
        return sightings
    names = sorted({name for _, _, declared in builds for name in declared})
    versions = {name: version for name in names if (version := _measure_versions(name, builds)).corrected}
    untouched = sightings.filter(~pl.col("measure").is_in(list(versions)))
    touched = sightings.filter(pl.col("measure").is_in(list(versions))).sort("gap_id", "build").to_dicts()
    remaining: list[dict[str, Any]] = []
    for _, rows in groupby(touched, key=lambda row: row["gap_id"]):
        remaining += _history_without_drafts(list(rows), versions)
    without_superseded = pl.concat([untouched, pl.DataFrame(remaining, schema=sightings.schema)])
    return _drop_one_day_gaps(without_superseded, builds).sort("gap_id", "build")


def _measure_versions(measure: str, builds: list[BuildRecord]) -> _MeasureVersions:
    began, corrected, files = set(), set(), {}
    last: DeclarationHashes | None = None
    run = 0
    for number, _, declared in builds:
        now = declared.get(measure)
        if now and last and now[1] != last[1]:
            run += 1
        elif now and last and now[0] != last[0]:
            corrected.add(number)
        if now and (last is None or number in corrected):
            began.add(number)
        files[number], last = run, now
    return _MeasureVersions(frozenset(began), frozenset(corrected), files)


def _history_without_drafts(rows: list[dict[str, Any]], versions: dict[str, _MeasureVersions]) -> list[dict[str, Any]]:
    """Return the sightings of one gap without the effects of drafts."""
    history: list[dict[str, Any]] = []
    for row in rows:
        version = versions[row["measure"]]
        if row["closure_reason"] == "answered" and row["build"] in version.corrected:
            row = {**row, "closure_reason": "declared_otherwise"}
        if not history or not version.is_superseded(history[-1]["build"], row["build"]):
            history.append(row)
            continue
        draft = history.pop()
        was = history[-1]["reason"] if history else None
        if row["reason"] == was:
            continue
        # A gap with another reason has had that reason since the draft began.
        history.append({**row, "build": draft["build"]} if was is None else row)
    return history


def _drop_one_day_gaps(sightings: pl.DataFrame, builds: list[BuildRecord]) -> pl.DataFrame:
    days = {number: day for number, day, _ in builds}
    on = pl.col("build").replace_strict(days, return_dtype=pl.Date)
    is_dropped = pl.col("closure_reason").sort_by("build").last() == "no_longer_asked"
    drafts = (
        sightings.group_by("gap_id").agg((is_dropped & (on.min() == on.max())).alias("is_draft")).filter("is_draft")
    )
    return sightings.join(drafts, on="gap_id", how="anti")
