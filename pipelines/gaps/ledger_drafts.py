"""What a draft of a declaration did wrong is no history of gaps: it is left out once the draft is corrected.

A gap that a change of its source's declaration brought, and the next change of it took away while the source's files
stayed the same, was never missing from what was published. The first build of a measure counts as such a change. A gap
that a file or the day brought stays in the record: where a declaration alone closes it, that is said. A gap that a
problem asked for on one day only, and no longer asks for on that day, was a draft of the problem.
"""

from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

Declared = tuple[str, str]
"""What declared a measure, and which files its source had: two hashes."""
Build = tuple[int, date, dict[str, Declared]]


class _Versions(NamedTuple):
    """Of one measure: builds that brought a declaration and no file, and for each build how often files had changed."""

    began: frozenset[int]
    corrected: frozenset[int]
    files: dict[int, int]

    def superseded(self, brought: int, now: int) -> bool:
        """Tell whether what one build brought is corrected by another: both by the declaration, on the same files."""
        return brought in self.began and now in self.corrected and self.files[brought] == self.files[now]


def without_drafts(sightings: pl.DataFrame, builds: list[Build]) -> pl.DataFrame:
    """Leave out of sightings (sightings.SIGHTING) what drafts did wrong that a later build corrected."""
    if sightings.is_empty():
        return sightings
    names = sorted({name for _, _, declared in builds for name in declared})
    versions = {name: found for name in names if (found := _versions(name, builds)).corrected}
    untouched = sightings.filter(~pl.col("measure").is_in(list(versions)))
    touched = sightings.filter(pl.col("measure").is_in(list(versions))).sort("gap_id", "build").to_dicts()
    kept: list[dict[str, Any]] = []
    for _, rows in groupby(touched, key=lambda row: row["gap_id"]):
        kept += _history(list(rows), versions)
    told = pl.concat([untouched, pl.DataFrame(kept, schema=sightings.schema)])
    return _without_asked_for_a_day(told, builds).sort("gap_id", "build")


def _versions(measure: str, builds: list[Build]) -> _Versions:
    began, corrected, files = set(), set(), {}
    last: Declared | None = None
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
    return _Versions(frozenset(began), frozenset(corrected), files)


def _history(rows: list[dict[str, Any]], versions: dict[str, _Versions]) -> list[dict[str, Any]]:
    """Give the sightings of one gap without what drafts brought."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        of = versions[row["measure"]]
        if row["closed_because"] == "answered" and row["build"] in of.corrected:
            row = {**row, "closed_because": "declared_otherwise"}
        if not kept or not of.superseded(kept[-1]["build"], row["build"]):
            kept.append(row)
            continue
        draft = kept.pop()
        was = kept[-1]["reason"] if kept else None
        if row["reason"] == was:
            continue
        # A gap that is there for another reason was there for it since the draft began.
        kept.append({**row, "build": draft["build"]} if was is None else row)
    return kept


def _without_asked_for_a_day(sightings: pl.DataFrame, builds: list[Build]) -> pl.DataFrame:
    days = {number: day for number, day, _ in builds}
    on = pl.col("build").replace_strict(days, return_dtype=pl.Date)
    dropped = pl.col("closed_because").sort_by("build").last() == "no_longer_asked"
    drafts = sightings.group_by("gap_id").agg((dropped & (on.min() == on.max())).alias("is_draft")).filter("is_draft")
    return sightings.join(drafts, on="gap_id", how="anti")
