"""One release as read and judged, stored under the key of all its inputs, so that no build reads it again.

The figures go to a file of their own (values). Everything else that later steps need of the release is small and goes
to one file: slices, cells set aside, findings, the verdict of the contract, counts of cells, and totals.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import CONTRACT, CheckInput, build_source_fault, build_unmatched_findings, check_source, judge_releases
from pipelines.core.errors import UnreadableError
from pipelines.core.schema import FINDING_COLUMNS, SLICE_COLUMNS, conform_table, empty_table, polars_schema
from pipelines.core.snapshots import Snapshot, read_snapshot, release_name
from pipelines.core.store import release_path, table_key, write_stream, write_table_parts
from pipelines.core.table_cache import read_stream
from pipelines.declarations.corrections import CORRECTIONS_SUFFIX, list_unused_corrections
from pipelines.geography import NO_SIMILAR_NAME, fold_name, suggest_codes, suggest_places
from pipelines.observations.disclosure import narrow_hidden_bounds
from pipelines.observations.ingest import (
    OpenRelease,
    ReadingContext,
    open_release,
    read_cells,
    read_reviewed_names,
    split_by_measures,
)
from pipelines.observations.totals import TOTAL, keep_totals
from pipelines.observations.values import split_release

RELEASE = {
    "source": pl.String,
    "release": pl.String,
    "released_at": pl.Date,
    "label": pl.String,
    "file": pl.String,
    "size": pl.Int64,
    "order": pl.Int64,
    "usable": pl.Boolean,
    "rows_left_out": pl.Int64,
    "cells_read": pl.Int64,
    "cells_used": pl.Int64,
    "cells_of_other_tiers": pl.Int64,
    "cells_repeated": pl.Int64,
    "cells_set_aside": pl.Int64,
}
"""One row for each stored release, with the number of cells read from it and their outcome."""
SET_ASIDE = {
    "measure": pl.String,
    "place_code": pl.String,
    "period_start": pl.Date,
    "fault": pl.String,
    "fault_evidence": pl.String,
    "order": pl.Int64,
}
"""A cell with the code of a place that could not be used."""
UNUSED_CORRECTION, UNUSED_NAME = "expired_corrections", "unused_names"
"""Checks for declared texts. A finding stays only if no release of the source, or not the newest, has the text."""


class ReleaseReading(NamedTuple):
    """What was read from one release, except its figures. `order` is null; it depends on the other releases.

    An unreadable file has only a finding, and an unusable release has no slices. `negative` lists measures with
    negative figures: their bounds are not narrowed.
    """

    slices: pl.DataFrame
    set_aside: pl.DataFrame
    finding: pl.DataFrame
    contract: pl.DataFrame
    release: pl.DataFrame
    total: pl.DataFrame
    negative: pl.DataFrame


_SCHEMAS = {
    "slices": polars_schema(SLICE_COLUMNS),
    "set_aside": pl.Schema(SET_ASIDE),
    "finding": polars_schema(FINDING_COLUMNS),
    "contract": pl.Schema(CONTRACT),
    "release": pl.Schema(RELEASE),
    "total": polars_schema(TOTAL),
    "negative": pl.Schema({"measure": pl.String}),
}


_NOTHING = ReleaseReading(*(pl.DataFrame(schema=schema) for schema in _SCHEMAS.values()))


def load_reading(
    home: Path, context: ReadingContext, snapshot: Snapshot, key: str, negative: Collection[str] | None = None
) -> ReleaseReading:
    """Return one release as read and judged; read its file only where the key of its inputs has changed.

    `negative` lists measures with a negative figure in any release: no certain bound follows from their sums.
    """
    path = release_path(home, "reading", context.name, release_name(snapshot))
    if table_key(path) == key:
        stored = ReleaseReading(*read_stream(path))
        agrees = negative is None or stored.negative["measure"].to_list() == sorted(negative)
        if agrees and (stored.slices.is_empty() or _values_path(home, context.name, snapshot).is_file()):
            return stored
    reading = _read_and_judge(home, context, snapshot, key, negative)
    write_stream(path, reading, key)
    return reading


def _values_path(home: Path, name: str, snapshot: Snapshot) -> Path:
    return release_path(home, "values", name, release_name(snapshot))


def _read_and_judge(
    home: Path, context: ReadingContext, snapshot: Snapshot, key: str, negative: Collection[str] | None
) -> ReleaseReading:
    """Read a release, some measures at a time where it has many cells, and store its figures."""
    try:
        release = open_release(context, snapshot, read_snapshot(home, snapshot.sha256))
        parts = split_by_measures(release)
        readings = _store_parts(home, parts, key, negative)
        if len(parts) > 1 and not readings:
            # A release is refused as a whole, so its parts are judged together.
            readings = _store_parts(home, [release], key, negative)
    except UnreadableError as error:
        return _NOTHING._replace(finding=build_source_fault(context.name, "readable", str(error), snapshot.file))
    return combine_parts(readings)


def _store_parts(
    home: Path, parts: Sequence[OpenRelease], key: str, negative: Collection[str] | None
) -> list[ReleaseReading]:
    """Judge the parts of a release and write the figures of all, or of none if its contract refuses one of several."""
    readings: list[ReleaseReading] = []

    def judge_each() -> Iterator[pl.DataFrame]:
        first_row = 0
        for part in parts:
            reading, values = _judge_part(part, negative)
            if values is None:
                readings[:] = [reading] if len(parts) == 1 else []
                return
            if first_row:
                shifted = reading.slices.with_columns(pl.col("first_row") + first_row)
                reading = reading._replace(slices=shifted)
            readings.append(reading)
            first_row += values.height
            yield values

    def is_usable() -> bool:
        return bool(readings) and bool(readings[-1].contract["tolerated"].all())

    context, snapshot = parts[0].context, parts[0].snapshot
    path = _values_path(home, context.name, snapshot)
    write_table_parts(path, judge_each(), key, is_usable, is_one_part=len(parts) == 1)
    return readings


def _judge_part(release: OpenRelease, negative: Collection[str] | None) -> tuple[ReleaseReading, pl.DataFrame | None]:
    """Read and judge a release, or some measures of one: everything read, and its figures unless it is refused."""
    context, snapshot, read = release.context, release.snapshot, read_cells(release)
    contract = judge_releases(context.source, [read.cells])
    messages = list_unused_corrections(context.corrections, context.source, read.cells)
    unused = pl.concat([unused_correction_findings(context, messages), _unused_name_findings(context, read.cells)])
    usable = bool(contract["tolerated"].all())
    reading = _NOTHING._replace(
        contract=contract, release=pl.DataFrame([_release_row(read, usable)], schema=RELEASE, orient="row")
    )
    if not usable:
        return reading._replace(finding=pl.concat([_contract_fault(read, contract), unused])), None
    findings = [unused, _suggest_names(check_source(read), context.own)]
    total = keep_totals(read.cells)
    fault = read.cells["fault"]
    sound = read.cells.filter(fault.is_null()) if fault.null_count() < read.cells.height else read.cells
    sound, narrowed, excluded = _narrow_bounds(sound, total, context, snapshot, negative)
    values, slices = split_release(sound, read.source, f"{release_name(snapshot)}.parquet")
    return reading._replace(
        slices=slices,
        set_aside=_cells_set_aside(read.cells),
        finding=pl.concat([*findings, narrowed]),
        total=total,
        negative=pl.DataFrame({"measure": excluded}, schema={"measure": pl.String}),
    ), values


def combine_parts(readings: Sequence[ReleaseReading]) -> ReleaseReading:
    """Combine what was read of the parts of one release, each with measures of its own."""
    if len(readings) == 1:
        return readings[0]
    stacked = ReleaseReading(*map(pl.concat, zip(*readings, strict=True)))
    counts = [name for name, dtype in RELEASE.items() if name.startswith(("rows_", "cells_"))]
    release = stacked.release.head(1).with_columns(*stacked.release.select(pl.col(counts).sum()).get_columns())
    contract = stacked.contract.group_by("source", "release", "expectation", "measure", maintain_order=True).agg(
        pl.col("met", "tolerated").all(),
        pl.col("cells", "failing").sum(),
        pl.coalesce(pl.col("sample").filter(~pl.col("met")).first(), pl.col("sample").first()).alias("sample"),
    )
    return stacked._replace(
        release=release, contract=contract.select(*CONTRACT), finding=_combine_findings([r.finding for r in readings])
    )


def _combine_findings(findings: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Stack the findings of the parts of a release: a name is unused if no part has it, and one recall is of all."""
    is_name, is_recall = pl.col("check") == UNUSED_NAME, pl.col("check") == "recalled_release"
    unused = findings[0].filter(is_name)
    for other in findings[1:]:
        unused = unused.join(other.filter(is_name), on="evidence", how="semi", maintain_order="left")
    every = pl.concat(findings)
    recalled = every.filter(is_recall)
    whole = recalled.head(1).with_columns(pl.lit(recalled["rows"].sum(), recalled.schema["rows"]).alias("rows"))
    return pl.concat([unused, every.filter(~is_name & ~is_recall), whole])


def _narrow_bounds(
    sound: pl.DataFrame,
    total: pl.DataFrame,
    context: ReadingContext,
    snapshot: Snapshot,
    negative: Collection[str] | None,
) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Narrow the bounds of suppressed figures by published sums; return cells, findings and the measures left out."""
    nothing = empty_table(FINDING_COLUMNS)
    if not context.source.additivity:
        return sound, nothing, []
    below = sound.filter(pl.col("value") < 0)["measure"].unique().cast(pl.String).to_list()
    excluded = sorted({*below, *(negative or ())})
    plain = sound.with_columns(pl.col("measure", "place_code").cast(pl.String), pl.lit(0, pl.Int64).alias("order"))
    result = narrow_hidden_bounds(
        plain, total.with_columns(pl.lit(0, pl.Int64).alias("order")), context.source, context.own, excluded
    )
    findings = result.summary.with_columns(
        pl.lit(context.name).alias("source"),
        pl.lit(snapshot.sha256).alias("release"),
        pl.lit(snapshot.file).alias("file"),
        pl.lit("narrowed_bounds").alias("check"),
        pl.lit("suppressed").alias("reason"),
        pl.lit("info").alias("severity"),
        pl.lit(False).alias("set_aside"),
        pl.col("figures").alias("rows"),
        pl.format("{} figures have narrower bounds from published sums; {}", "figures", "example").alias("evidence"),
    )
    bounds = [result.observation[name] for name in ("lower_bound", "upper_bound")]
    return sound.with_columns(bounds), conform_table(findings, FINDING_COLUMNS), excluded


def _cells_set_aside(cells: pl.DataFrame) -> pl.DataFrame:
    not_set_aside = ("total", "repeat", "unallocated")
    if cells["fault"].null_count() == cells.height:
        return _NOTHING.set_aside
    aside = cells.filter(
        pl.col("fault").is_not_null(), ~pl.col("fault").is_in(not_set_aside), pl.col("place_code").is_not_null()
    )
    return aside.select(
        pl.col(name).cast(dtype) if name in aside.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in SET_ASIDE.items()
    )


def unused_correction_findings(context: ReadingContext, messages: list[str]) -> pl.DataFrame:
    """Return findings for corrections of cells that no stored release has."""
    remedy = "Correct the place, measure or period, or delete the correction."
    file = f"{context.name}{CORRECTIONS_SUFFIX}"
    return build_unmatched_findings(context.name, UNUSED_CORRECTION, "correction_expired", messages, file, remedy)


def _contract_fault(read: CheckInput, contract: pl.DataFrame) -> pl.DataFrame:
    """Return the finding for a release that its contract refuses."""
    broken = contract.filter(~pl.col("tolerated"))
    failures = "; ".join(
        f"{f'{name} {measure}'.strip()} fails for {failing} of {cells} cells ({sample})"
        for name, measure, failing, cells, sample in broken.select(
            "expectation", "measure", "failing", "cells", "sample"
        ).iter_rows()
    )
    evidence = f"{read.snapshot.file}: does not match its declaration, so it is not used: {failures}"
    return build_source_fault(read.name, "contract", evidence, read.snapshot.file)


def _unused_name_findings(context: ReadingContext, cells: pl.DataFrame) -> pl.DataFrame:
    """Return findings for names in a source's table of names that a release does not use."""
    path = context.tidy.with_name(f"{context.name}.names.csv")
    reviewed = read_reviewed_names(path)
    labels = {fold_name(label) for label in cells["place_label"].unique().to_list()} if reviewed else set()
    absent = sorted(label for label in reviewed if fold_name(label) not in labels)
    messages = [f"{label}: in the table of names but not in the file" for label in absent]
    remedy = "Delete the name from the table if the publisher no longer uses it."
    return build_unmatched_findings(context.name, UNUSED_NAME, "unmatched_place", messages, path.name, remedy)


def _suggest_names(finding: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Add the code probably meant, or similar names, to each finding of an unknown place."""
    if not (finding["reason"] == "unmatched_place").any():
        return finding
    is_unknown, key = pl.col("reason") == "unmatched_place", ["place_code", "place_label"]
    texts = finding.filter(is_unknown).select(key).unique(maintain_order=True)
    offers = [_suggest_place(code or "", label or "", places) for code, label in texts.iter_rows()]
    offered = texts.with_columns(pl.Series("offer", offers, pl.String))
    joined = finding.join(offered, on=key, how="left", nulls_equal=True, maintain_order="left")
    text = pl.when(is_unknown).then(pl.concat_str("evidence", pl.col("offer").fill_null(""))).otherwise("evidence")
    return joined.with_columns(text.alias("evidence")).drop("offer")


def _suggest_place(code: str, label: str, places: pl.DataFrame) -> str:
    offer = suggest_codes(code, places) or (suggest_places(label, places) if label else "")
    return f"; perhaps {offer}" if offer and offer != NO_SIMILAR_NAME else ""


def _release_row(read: CheckInput, usable: bool) -> tuple[object, ...]:
    snapshot, fault = read.snapshot, read.cells["fault"]
    total, repeat = len(fault.filter(fault == "total")), len(fault.filter(fault == "repeat"))
    used = fault.null_count() if usable else 0
    aside = read.cells.height - used - total - repeat
    counts = (read.left_out, read.cells.height, used, total, repeat, aside)
    return (
        read.name,
        snapshot.sha256,
        snapshot.released,
        snapshot.label,
        snapshot.file,
        snapshot.size,
        None,
        usable,
        *counts,
    )
