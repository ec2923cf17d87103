"""From a source's snapshots to its observations: each release read, judged, checked; the bad ones set aside."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import (
    CONTRACT,
    DOUBT,
    Larger,
    Read,
    cautioned_by,
    check_source,
    figure_doubts,
    findings_of,
    in_vain,
    judge,
    source_fault,
)
from pipelines.core.errors import UnreadableError
from pipelines.core.schema import FINDING, OBSERVATION, conformed, empty
from pipelines.core.store import Snapshot, held_releases, read_snapshot, snapshots
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.corrections import SUFFIX, Correction
from pipelines.declarations.corrections import in_vain as corrections_in_vain
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.geography import Places, System, candidates, folded, kind_of, name_table, system_places
from pipelines.observations.caveats import cautioned, strange_recalls
from pipelines.observations.conform import CELLS, Codes, conform
from pipelines.observations.disclosure import narrowed_bounds
from pipelines.observations.totals import members, totals
from pipelines.readers import accounted, read_sheet, read_table_of, tidied

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
"""One row for each release held: what was read from it and what became of every cell."""


class Observed(NamedTuple):
    """What a source gives: observations of all usable releases, and what was set aside, found, and doubted."""

    observation: pl.DataFrame
    set_aside: pl.DataFrame
    finding: pl.DataFrame
    contract: pl.DataFrame
    release: pl.DataFrame
    total: pl.DataFrame
    doubt: pl.DataFrame


class Manner(NamedTuple):
    """How a source is read: its declaration, what is known of places, its tidy(), and its corrections."""

    name: str
    source: Source
    codes: Codes
    tidy: Path
    own: pl.DataFrame
    corrections: tuple[Correction, ...]
    earlier: tuple["Manner", ...] = ()
    """How those of its releases are read whose codes are of other place systems."""


def codes_for(source: Source, places: Places, names: Path, system: System | None = None) -> Codes:
    """Gather what is known of places for reading a source; its place system is the register's if none is given."""
    known = system or System(source.geography or "", system_places(places.register, source.geography or ""))
    ever = dict(places.register.select("place_code", "kind").iter_rows())
    ever = dict.fromkeys(known.others, kind_of(known.name)) | ever
    # A council's former names are met in files long after: every name that a code of the system has had.
    codes = known.places.select("place_code")
    named = pl.concat([known.places, places.register.join(codes, on="place_code", how="semi")])
    return Codes(frozenset(codes["place_code"]), ever, name_table(named, reviewed_names(names)))


def reviewed_names(path: Path) -> dict[str, str]:
    """Read a source's table of names (label, place_code, note); no table is an empty one."""
    if not path.is_file():
        return {}
    table = read_table_of(path.read_bytes(), path.name)
    missing = [name for name in ("label", "place_code") if name not in table.columns]
    if missing:
        raise UnreadableError(f"{path}: found columns {', '.join(table.columns)}; expected {' and '.join(missing)}")
    return dict(table.select("label", "place_code").iter_rows())


def observe(
    home: Path, catalogue: Catalogue, name: str, places: Places, systems: Sequence[System], as_of: date
) -> Observed:
    """Read every release held of a source; one that can't be used is a finding, and the others stay.

    `systems` are its own place system, and then those of releases whose codes are of others.
    """
    source = catalogue.sources[name]
    manner = manner_of(catalogue, name, places, systems)
    reads, faults = [], []
    for group in held_releases(home, name, as_of):
        read, found = _first_usable(home, manner, group)
        faults += found
        reads += [read] if read else []
    reads = _expired_in_use(reads)
    faults.append(_corrected_in_vain(manner, reads))
    contract = judge(source, [read.cells for read in reads])
    refused = set(contract.filter(~pl.col("tolerated"))["release"])
    faults += [_refusal(read, contract) for read in reads if read.snapshot.sha256 in refused]
    faults += [_unused_names(read, catalogue.sources_dir / f"{name}.names.csv") for read in reads[-1:]]
    faults.append(_strange_recalls(home, name, source))
    checks = [_offering(check_source(read), manner.own) for read in reads if read.snapshot.sha256 not in refused]
    seen = _observed(reads, refused, pl.concat([empty(FINDING), *faults, *checks]), contract)
    return doubted(_narrowed(seen, manner), source.measures, _members(manner))


def _members(manner: Manner) -> dict[str, pl.DataFrame]:
    """Tell, for each place system of a source's releases, which covered places larger ones are made of."""
    covered = pl.col("nation").is_in(list(manner.source.coverage))
    return {each.source.geography or "": members(each.own.filter(covered)) for each in (manner, *manner.earlier)}


def _narrowed(seen: Observed, manner: Manner) -> Observed:
    """Narrow the bounds of hidden figures by what adds to what, and say of which and how far."""
    found = narrowed_bounds(seen.observation, seen.total, manner.source, manner.own)
    told = found.told.join(seen.release.select("order", "source", "release", "file"), on="order").with_columns(
        pl.lit("narrowed_bounds").alias("check"), pl.lit("suppressed").alias("reason"),
        pl.lit("info").alias("severity"), pl.lit(False).alias("set_aside"), pl.col("figures").alias("rows"),
        pl.format("{} figures have narrower bounds by what adds to what; {}", "figures", "example").alias("evidence"),
    )  # fmt: skip
    return seen._replace(observation=found.observation, finding=pl.concat([seen.finding, conformed(told, FINDING)]))


def manner_of(catalogue: Catalogue, name: str, places: Places, systems: Sequence[System]) -> Manner:
    """Gather all that reading a source needs; its own place system stands first."""
    own, *earlier = (_in_system(catalogue, name, places, system) for system in systems)
    return own._replace(earlier=tuple(earlier))


def _in_system(catalogue: Catalogue, name: str, places: Places, system: System) -> Manner:
    source = catalogue.sources[name]
    if source.geography != system.name:
        source = source.model_copy(update={"geography": system.name})
    codes = codes_for(source, places, catalogue.sources_dir / f"{name}.names.csv", system)
    tidy = catalogue.sources_dir / f"{name}.py"
    return Manner(name, source, codes, tidy, system.places, catalogue.corrections.get(name, ()))


def read_release(manner: Manner, snapshot: Snapshot, content: bytes) -> Read:
    """Read one file of a source, every cell of it; raise UnreadableError where it is none of its kind."""
    system = manner.source.system_of(snapshot.file, snapshot.released)
    manner = next(each for each in (manner, *manner.earlier) if each.source.geography == system)
    source = manner.source
    sheet = accounted(tidied(read_sheet(content, source, snapshot.file), manner.tidy), source)
    cells = conform(sheet, manner.name, source, snapshot, manner.codes, manner.corrections)
    cells = cautioned(cells, source, snapshot)
    return Read(manner.name, source, snapshot, cells, manner.own, sheet.left_out, sheet.vain)


def _first_usable(home: Path, manner: Manner, group: list[Snapshot]) -> tuple[Read | None, list[pl.DataFrame]]:
    """Read the last of a release's files that can be read; say what was wrong with those after it."""
    faults: list[pl.DataFrame] = []
    for snapshot in group:
        try:
            return read_release(manner, snapshot, read_snapshot(home, snapshot.sha256)), faults
        except UnreadableError as error:
            faults.append(source_fault(manner.name, "readable", str(error), snapshot.file))
    return None, faults


def _expired_in_use(reads: list[Read]) -> list[Read]:
    """Keep that a correction has expired only where the release is the newest that has the period."""
    of = ["measure", "period_start"]
    kept = []
    for number, read in enumerate(reads):
        after = pl.concat([read.cells.select(of).clear(), *(each.cells.select(of) for each in reads[number + 1 :])])
        marked = after.unique().with_columns(pl.lit(True).alias("after"))
        told = read.cells.join(marked, on=of, how="left", nulls_equal=True, maintain_order="left")
        expired = pl.when(pl.col("after").is_null()).then("expired").alias("expired")
        kept.append(read._replace(cells=told.with_columns(expired).drop("after")))
    return kept


def _corrected_in_vain(manner: Manner, reads: list[Read]) -> pl.DataFrame:
    """Find corrections of cells that no release held has."""
    every = pl.concat([empty(CELLS), *(read.cells for read in reads)])
    told = corrections_in_vain(manner.corrections, manner.source, every)
    remedy = "Correct the place, measure or period, or take the correction out."
    return in_vain(manner.name, "expired_corrections", "correction_expired", told, f"{manner.name}{SUFFIX}", remedy)


def _refusal(read: Read, contract: pl.DataFrame) -> pl.DataFrame:
    broken = contract.filter(pl.col("release") == read.snapshot.sha256, ~pl.col("tolerated"))
    told = "; ".join(
        f"{name} {measure} fails for {failing} of {cells} cells ({sample})"
        for name, measure, failing, cells, sample in broken.select(
            "expectation", "measure", "failing", "cells", "sample"
        ).iter_rows()
    )
    evidence = f"{read.snapshot.file}: not the shape its declaration says, so not used: {told}"
    return source_fault(read.name, "contract", evidence, read.snapshot.file)


def _unused_names(read: Read, path: Path) -> pl.DataFrame:
    """Find names in a source's table of names that its newest release does not have."""
    met = {folded(label) for label in read.cells["place_label"].unique().to_list()}
    unused = sorted(label for label in reviewed_names(path) if folded(label) not in met)
    told = [f"{label}: in the table of names, not in the file" for label in unused]
    remedy = "Take the name out of the table, if it will not come back."
    return in_vain(read.name, "unused_names", "unmatched_place", told, path.name, remedy)


def _strange_recalls(home: Path, name: str, source: Source) -> pl.DataFrame:
    """Find recalls declared by a sha256 that no file held has."""
    told = strange_recalls(source, [entry.sha256 for entry in snapshots(home, name)])
    remedy = "Correct the sha256 under withdrawn: `commonground snapshots` lists them."
    return in_vain(name, "recalled_release", "recalled", told, f"{name}.yaml", remedy)


def _offering(found: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Add to each unknown place the names that are like it."""
    unknown = found.filter(pl.col("reason") == "unmatched_place", pl.col("place_label") != "")
    labels = unknown["place_label"].unique().drop_nulls().to_list()
    offers = {label: f"; perhaps {candidates(label, places)}" for label in labels}
    offer = pl.col("place_label").replace_strict(offers, default="", return_dtype=pl.String)
    text = pl.when(pl.col("reason") == "unmatched_place").then(pl.concat_str("evidence", offer)).otherwise("evidence")
    return found.with_columns(text.alias("evidence"))


def _observed(reads: list[Read], refused: set[str], finding: pl.DataFrame, contract: pl.DataFrame) -> Observed:
    usable = [(order, read) for order, read in enumerate(reads) if read.snapshot.sha256 not in refused]
    cells = [read.cells.with_columns(pl.lit(order).cast(pl.Int64).alias("order")) for order, read in usable]
    nothing = empty({**CELLS}).with_columns(pl.lit(0).cast(pl.Int64).alias("order"))
    every = pl.concat([nothing, *cells])
    sound = every.filter(pl.col("fault").is_null())
    kept = ("total", "repeat", "unallocated")
    aside = every.filter(
        pl.col("fault").is_not_null(), ~pl.col("fault").is_in(kept), pl.col("place_code").is_not_null()
    )
    rows = [_release(order, read, read.snapshot.sha256 not in refused) for order, read in enumerate(reads)]
    return Observed(
        conformed(sound, OBSERVATION).with_columns(sound["order"]),
        aside.select("measure", "place_code", "period_start", "fault", "fault_evidence", "order"),
        finding,
        contract if contract.height else pl.DataFrame(schema=CONTRACT),
        pl.DataFrame(rows, schema=RELEASE, orient="row"),
        totals(every),
        empty(DOUBT),
    )


def _release(order: int, read: Read, usable: bool) -> tuple[object, ...]:
    held, fault = read.snapshot, read.cells["fault"]
    total, repeat = len(fault.filter(fault == "total")), len(fault.filter(fault == "repeat"))
    used = fault.null_count() if usable else 0
    aside = read.cells.height - used - total - repeat
    counts = (read.left_out, read.cells.height, used, total, repeat, aside)
    return (read.name, held.sha256, held.released, held.label, held.file, held.size, order, usable, *counts)


def doubted(seen: "Observed", measures: dict[str, Measure], members: dict[str, pl.DataFrame]) -> "Observed":
    """Add to what a source gives the doubts of its figures; no figure changes, and no row goes.

    `members` has for each place system of its releases which places larger ones are made of (totals.MEMBER).
    """
    found = figure_doubts(seen.observation, measures, Larger(seen.total, members))
    told = cautioned_by(seen.observation, found)
    return seen._replace(observation=told, finding=pl.concat([seen.finding, findings_of(found)]), doubt=found)
