"""From a source's snapshots to its observations: each release is read, tested and checked, or set aside."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import (
    CONTRACT,
    PLAUSIBILITY_FLAG,
    CheckInput,
    LargerAreas,
    add_caveats,
    build_source_fault,
    build_unmatched_findings,
    check_source,
    convert_flags,
    flag_figures,
    judge_releases,
)
from pipelines.core.errors import UnreadableError
from pipelines.core.schema import FINDING_COLUMNS, OBSERVATION_COLUMNS, conform_table, empty_table
from pipelines.core.store import Snapshot, read_snapshot, source_snapshots, stored_releases
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.corrections import CORRECTIONS_SUFFIX, Correction
from pipelines.declarations.corrections import list_unused_corrections as corrections_in_vain
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.geography import (
    GeographyPlaces,
    Places,
    build_name_table,
    fold_name,
    geography_kind,
    require_places,
    suggest_codes,
    suggest_places,
)
from pipelines.observations.caveats import add_declared_caveats, unknown_recalls
from pipelines.observations.conform import CELLS, Codes, conform_release
from pipelines.observations.disclosure import narrow_hidden_bounds
from pipelines.observations.totals import keep_totals, total_members
from pipelines.readers import count_unread_rows, read_project_table, read_sheet, tidy_sheet

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


class SourceTables(NamedTuple):
    """Tables of one source: observations of all usable releases, cells set aside, findings, and plausibility flags."""

    observation: pl.DataFrame
    set_aside: pl.DataFrame
    finding: pl.DataFrame
    contract: pl.DataFrame
    release: pl.DataFrame
    total: pl.DataFrame
    doubt: pl.DataFrame


class ReadingContext(NamedTuple):
    """Everything needed to read a source: its declaration, codes and names of places, tidy() and corrections."""

    name: str
    source: Source
    codes: Codes
    tidy: Path
    own: pl.DataFrame
    corrections: tuple[Correction, ...]
    earlier: tuple["ReadingContext", ...] = ()
    """The same for releases with codes in another geography."""


def load_codes(source: Source, places: Places, names: Path, system: GeographyPlaces | None = None) -> Codes:
    """Return the codes and names for reading a source; its geography comes from the register unless given."""
    own_system = system or GeographyPlaces(
        source.geography or "", require_places(places.register, source.geography or "")
    )
    kinds_ever = dict(places.register.select("place_code", "kind").iter_rows())
    kinds_ever = dict.fromkeys(own_system.other_codes, geography_kind(own_system.name)) | kinds_ever
    # Files use a council's former names for years, so include every name that a code has had.
    codes = own_system.places.select("place_code")
    name_rows = pl.concat([own_system.places, places.register.join(codes, on="place_code", how="semi")])
    by_name = build_name_table(name_rows, read_reviewed_names(names))
    return Codes(frozenset(codes["place_code"]), kinds_ever, by_name, places.register)


def read_reviewed_names(path: Path) -> dict[str, str]:
    """Read a source's table of names (label, place_code, note); empty where there is no table."""
    if not path.is_file():
        return {}
    table = read_project_table(path.read_bytes(), path.name)
    missing = [name for name in ("label", "place_code") if name not in table.columns]
    if missing:
        raise UnreadableError(f"{path}: found columns {', '.join(table.columns)}; expected {' and '.join(missing)}")
    return dict(table.select("label", "place_code").iter_rows())


def build_observations(
    home: Path, catalogue: Catalogue, name: str, places: Places, systems: Sequence[GeographyPlaces], as_of: date
) -> SourceTables:
    """Read every stored release of a source; an unusable release becomes a finding and the others remain.

    `systems` lists its own geography first, then those of releases with codes in another geography.
    """
    source = catalogue.sources[name]
    context = reading_context(catalogue, name, places, systems)
    reads, faults = [], []
    for group in stored_releases(home, name, as_of):
        read, read_faults = _read_first_usable(home, context, group)
        faults += read_faults
        reads += [read] if read else []
    reads = _keep_current_expiries(reads)
    faults.append(_corrections_without_cell(context, reads))
    contract = judge_releases(source, [read.cells for read in reads])
    refused = set(contract.filter(~pl.col("tolerated"))["release"])
    faults += [_contract_fault(read, contract) for read in reads if read.snapshot.sha256 in refused]
    faults += [_names_not_in_release(read, catalogue.sources_dir / f"{name}.names.csv") for read in reads[-1:]]
    faults.append(_unknown_recall_findings(home, name, source))
    checks = [_suggest_names(check_source(read), context.own) for read in reads if read.snapshot.sha256 not in refused]
    tables = _collect_tables(reads, refused, pl.concat([empty_table(FINDING_COLUMNS), *faults, *checks]), contract)
    return add_plausibility_flags(_narrow_bounds(tables, context), source.measures, _members_by_system(context))


def _members_by_system(context: ReadingContext) -> dict[str, pl.DataFrame]:
    """Return, for each geography of a source's releases, the covered places within each larger place."""
    covered = pl.col("nation").is_in(list(context.source.coverage))
    return {
        variant.source.geography or "": total_members(variant.own.filter(covered))
        for variant in (context, *context.earlier)
    }


def _narrow_bounds(tables: SourceTables, context: ReadingContext) -> SourceTables:
    """Narrow the bounds of suppressed figures by published sums, and report each narrowing as a finding."""
    result = narrow_hidden_bounds(tables.observation, tables.total, context.source, context.own)
    findings = result.summary.join(
        tables.release.select("order", "source", "release", "file"), on="order"
    ).with_columns(
        pl.lit("narrowed_bounds").alias("check"),
        pl.lit("suppressed").alias("reason"),
        pl.lit("info").alias("severity"),
        pl.lit(False).alias("set_aside"),
        pl.col("figures").alias("rows"),
        pl.format("{} figures have narrower bounds from published sums; {}", "figures", "example").alias("evidence"),
    )
    return tables._replace(
        observation=result.observation, finding=pl.concat([tables.finding, conform_table(findings, FINDING_COLUMNS)])
    )


def reading_context(
    catalogue: Catalogue, name: str, places: Places, systems: Sequence[GeographyPlaces]
) -> ReadingContext:
    """Return everything needed to read a source, its own geography first."""
    own, *earlier = (_context_in_system(catalogue, name, places, system) for system in systems)
    return own._replace(earlier=tuple(earlier))


def _context_in_system(catalogue: Catalogue, name: str, places: Places, system: GeographyPlaces) -> ReadingContext:
    source = catalogue.sources[name]
    if source.geography != system.name:
        source = source.model_copy(update={"geography": system.name})
    codes = load_codes(source, places, catalogue.sources_dir / f"{name}.names.csv", system)
    tidy = catalogue.sources_dir / f"{name}.py"
    return ReadingContext(name, source, codes, tidy, system.places, catalogue.corrections.get(name, ()))


def read_release(context: ReadingContext, snapshot: Snapshot, content: bytes) -> CheckInput:
    """Read every cell of one file of a source; raise UnreadableError where the file has another form."""
    system = context.source.release_geography(snapshot.file, snapshot.released)
    context = next(variant for variant in (context, *context.earlier) if variant.source.geography == system)
    source = context.source
    sheet = count_unread_rows(tidy_sheet(read_sheet(content, source, snapshot.file), context.tidy), source)
    cells = conform_release(sheet, context.name, source, snapshot, context.codes, context.corrections)
    cells = add_declared_caveats(cells, source, snapshot)
    return CheckInput(
        context.name, source, snapshot, cells, context.own, sheet.skipped_rows, sheet.unmatched_declarations
    )


def _read_first_usable(
    home: Path, context: ReadingContext, group: list[Snapshot]
) -> tuple[CheckInput | None, list[pl.DataFrame]]:
    """Read the latest readable file of a release, and return the faults of later files."""
    faults: list[pl.DataFrame] = []
    for snapshot in group:
        try:
            return read_release(context, snapshot, read_snapshot(home, snapshot.sha256)), faults
        except UnreadableError as error:
            faults.append(build_source_fault(context.name, "readable", str(error), snapshot.file))
    return None, faults


def _keep_current_expiries(reads: list[CheckInput]) -> list[CheckInput]:
    """Keep the notice of an expired correction only where the release is the newest for the period."""
    period_key = ["measure", "period_start"]
    kept = []
    for number, read in enumerate(reads):
        after = pl.concat(
            [
                read.cells.select(period_key).clear(),
                *(later_read.cells.select(period_key) for later_read in reads[number + 1 :]),
            ]
        )
        later = after.unique().with_columns(pl.lit(True).alias("after"))
        joined = read.cells.join(later, on=period_key, how="left", nulls_equal=True, maintain_order="left")
        expired = pl.when(pl.col("after").is_null()).then("expired").alias("expired")
        kept.append(read._replace(cells=joined.with_columns(expired).drop("after")))
    return kept


def _corrections_without_cell(context: ReadingContext, reads: list[CheckInput]) -> pl.DataFrame:
    """Return findings for corrections of cells that no stored release has."""
    every = pl.concat([empty_table(CELLS), *(read.cells for read in reads)])
    messages = corrections_in_vain(context.corrections, context.source, every)
    remedy = "Correct the place, measure or period, or delete the correction."
    return build_unmatched_findings(
        context.name,
        "expired_corrections",
        "correction_expired",
        messages,
        f"{context.name}{CORRECTIONS_SUFFIX}",
        remedy,
    )


def _contract_fault(read: CheckInput, contract: pl.DataFrame) -> pl.DataFrame:
    broken = contract.filter(pl.col("release") == read.snapshot.sha256, ~pl.col("tolerated"))
    failures = "; ".join(
        f"{name} {measure} fails for {failing} of {cells} cells ({sample})"
        for name, measure, failing, cells, sample in broken.select(
            "expectation", "measure", "failing", "cells", "sample"
        ).iter_rows()
    )
    evidence = f"{read.snapshot.file}: does not match its declaration, so it is not used: {failures}"
    return build_source_fault(read.name, "contract", evidence, read.snapshot.file)


def _names_not_in_release(read: CheckInput, path: Path) -> pl.DataFrame:
    """Return findings for names in a source's table of names that its newest release does not use."""
    labels = {fold_name(label) for label in read.cells["place_label"].unique().to_list()}
    absent = sorted(label for label in read_reviewed_names(path) if fold_name(label) not in labels)
    messages = [f"{label}: in the table of names but not in the file" for label in absent]
    remedy = "Delete the name from the table if the publisher no longer uses it."
    return build_unmatched_findings(read.name, "unused_names", "unmatched_place", messages, path.name, remedy)


def _unknown_recall_findings(home: Path, name: str, source: Source) -> pl.DataFrame:
    """Return findings for declared recalls that match no stored file by sha256."""
    messages = unknown_recalls(source, [entry.sha256 for entry in source_snapshots(home, name)])
    remedy = "Correct the sha256 under withdrawn: `commonground snapshots` lists them."
    return build_unmatched_findings(name, "recalled_release", "recalled", messages, f"{name}.yaml", remedy)


def _suggest_names(finding: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Add the code probably meant, or similar names, to each finding of an unknown place."""
    is_unknown, key = pl.col("reason") == "unmatched_place", ["place_code", "place_label"]
    texts = finding.filter(is_unknown).select(key).unique(maintain_order=True)
    offers = [_suggest_place(code or "", label or "", places) for code, label in texts.iter_rows()]
    offered = texts.with_columns(pl.Series("offer", offers, pl.String))
    joined = finding.join(offered, on=key, how="left", nulls_equal=True, maintain_order="left")
    text = pl.when(is_unknown).then(pl.concat_str("evidence", pl.col("offer").fill_null(""))).otherwise("evidence")
    return joined.with_columns(text.alias("evidence")).drop("offer")


def _suggest_place(code: str, label: str, places: pl.DataFrame) -> str:
    offer = suggest_codes(code, places) or (suggest_places(label, places) if label else "")
    return f"; perhaps {offer}" if offer else ""


def _collect_tables(
    reads: list[CheckInput], refused: set[str], finding: pl.DataFrame, contract: pl.DataFrame
) -> SourceTables:
    usable = [(order, read) for order, read in enumerate(reads) if read.snapshot.sha256 not in refused]
    cells = [read.cells.with_columns(pl.lit(order).cast(pl.Int64).alias("order")) for order, read in usable]
    nothing = empty_table({**CELLS}).with_columns(pl.lit(0).cast(pl.Int64).alias("order"))
    every = pl.concat([nothing, *cells])
    sound = every.filter(pl.col("fault").is_null())
    not_set_aside = ("total", "repeat", "unallocated")
    aside = every.filter(
        pl.col("fault").is_not_null(), ~pl.col("fault").is_in(not_set_aside), pl.col("place_code").is_not_null()
    )
    rows = [_release_row(order, read, read.snapshot.sha256 not in refused) for order, read in enumerate(reads)]
    return SourceTables(
        conform_table(sound, OBSERVATION_COLUMNS).with_columns(sound["order"]),
        aside.select("measure", "place_code", "period_start", "fault", "fault_evidence", "order"),
        finding,
        contract if contract.height else pl.DataFrame(schema=CONTRACT),
        pl.DataFrame(rows, schema=RELEASE, orient="row"),
        keep_totals(every),
        empty_table(PLAUSIBILITY_FLAG),
    )


def _release_row(order: int, read: CheckInput, usable: bool) -> tuple[object, ...]:
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
        order,
        usable,
        *counts,
    )


def add_plausibility_flags(
    tables: SourceTables, measures: dict[str, Measure], members: dict[str, pl.DataFrame]
) -> SourceTables:
    """Add plausibility flags to a source's tables; no figure changes, and no row is dropped.

    `members` gives, for each geography of the source's releases, the places within each larger place
    (totals.MEMBER_SCHEMA).
    """
    flags = flag_figures(tables.observation, measures, LargerAreas(tables.total, members))
    flagged = add_caveats(tables.observation, flags)
    return tables._replace(observation=flagged, finding=pl.concat([tables.finding, convert_flags(flags)]), doubt=flags)
