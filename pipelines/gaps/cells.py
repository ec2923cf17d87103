"""Typed cells: every cell of the required grid ends as a value, or as a gap with its reason.

`value` is null if and only if there is a `reason`. Each family of reasons has its own small table. The tables are
stacked and ordered by precedence: the first reason is the cell's own, the others go to `other_reasons`.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from checks import find_other_periods
from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.errors import CommongroundError
from pipelines.core.ordering import sort_frame
from pipelines.core.periods import ReferencePeriod, format_period
from pipelines.core.reasons import REASON_PRECEDENCE, REASONS
from pipelines.core.schema import CELL_COLUMNS, conform_table, empty_frame
from pipelines.core.slices import SLICE_KEY, slice_starts
from pipelines.core.text import format_figure_column
from pipelines.declarations.base import NATIONS
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.project import Project
from pipelines.gaps.carried_places import carry_place_figures
from pipelines.gaps.grid import build_grid, choose_periods, list_periods, select_places, tabulate_choices
from pipelines.gaps.need_scope import mark_unneeded_cells
from pipelines.gaps.over_time import aggregate_over_time
from pipelines.gaps.proxies import apply_proxies
from pipelines.gaps.reference_periods import instant_measures
from pipelines.gaps.remedies import tabulate_remedies
from pipelines.observations import load_source_table

CELL_KEY = ["measure", "place_code", "period_start"]
OTHER_PERIOD = pl.col("time_caveat").is_not_null()
"""Selects the cells with a figure for another period, which their need allows (PeriodChoice)."""


class Block(NamedTuple):
    """Some measures and places of a problem (schema.PLACE_COLUMNS), and their placed figures (MAPPED_FIGURE).

    `slices` has a row for each slice of the problem, where `placed` has the figures of some of its places only.
    """

    problem: Problem
    places: pl.DataFrame
    placed: pl.DataFrame
    slices: pl.DataFrame | None = None


def answer_block(
    block: Block, catalogue: Catalogue, set_aside: pl.DataFrame, as_of: date, unreadable: Mapping[str, str]
) -> pl.DataFrame:
    """Build the cells of a block (build_cells) with its proxies; raise CommongroundError for a figure out of period."""
    cells = apply_proxies(build_cells(block, catalogue, set_aside, as_of, unreadable), block.problem)
    refuse_other_periods(block.problem, catalogue, cells)
    return cells


def build_cells(
    block: Block,
    catalogue: Catalogue,
    set_aside: pl.DataFrame,
    as_of: date,
    unreadable: Mapping[str, str] = MappingProxyType({}),
) -> pl.DataFrame:
    """Build schema.CELL_COLUMNS for a block: one row for every requested place, period and measure.

    A cell depends on the figures of its own place alone. Takes the rows set aside, mapped to places (measure, to_code,
    period_start, reason, evidence). Ages are measured to the end of the requested period, and for grain latest to the
    day `as_of`. `unreadable` has for each source without a readable release why its stored file cannot be read.
    """
    problem = block.problem
    periods = list_periods(problem, as_of)
    placed = aggregate_over_time(block.placed, problem, periods)
    required = build_grid(problem, select_places(problem, block.places), periods)
    slices = placed if block.slices is None else block.slices
    chosen = choose_periods(problem, catalogue, group_slices(slices), periods, as_of, list_release_spans(slices))
    choices = _mark_unreadable(tabulate_choices(chosen), catalogue, unreadable)
    required = required.join(choices, on=["measure", "period_start", "period_end"], how="left")
    answers = _rename_answers(placed)
    joined = _join_placed(required, answers)
    joined = carry_place_figures(joined, answers, problem)
    joined = _join_nearest_period(joined, placed)
    joined = _withhold_uncertain(_accept_partial_average(joined, problem), problem)
    reasons = _collect_reasons(joined, catalogue, set_aside)
    cells = joined.join(reasons, on=CELL_KEY, how="left", maintain_order="left")
    complete = conform_table(_complete_cells(cells, problem, catalogue), CELL_COLUMNS)
    return sort_frame(mark_unneeded_cells(complete, problem), "measure", "place_code", "period_start")


def _mark_unreadable(chosen: pl.DataFrame, catalogue: Catalogue, unreadable: Mapping[str, str]) -> pl.DataFrame:
    """Mark measures without any figure as `fetch_failed` where a file of their source is stored and unreadable."""
    texts = {m: unreadable[name] for m, name in catalogue.measure_source.items() if name in unreadable}
    text = pl.col("measure").replace_strict(texts, default=None, return_dtype=pl.String)
    fails = (pl.col("time_reason") == "not_loaded") & pl.col("near_start").is_null() & text.is_not_null()
    return chosen.with_columns(
        pl.when(fails).then(pl.lit("fetch_failed")).otherwise("time_reason").alias("time_reason"),
        pl.when(fails).then(text).otherwise("time_evidence").alias("time_evidence"),
    )


def group_slices(placed: pl.DataFrame) -> dict[str, list[ReferencePeriod]]:
    """Return for each measure the periods with figures."""
    slices: dict[str, list[ReferencePeriod]] = {}
    for measure, start, end in placed.select(SLICE_KEY)[slice_starts(placed)].unique().sort(SLICE_KEY).iter_rows():
        slices.setdefault(measure, []).append(ReferencePeriod(start, end))
    return slices


def list_release_spans(placed: pl.DataFrame) -> dict[str, list[ReferencePeriod]]:
    """Return for each measure the first and last day that each release in use has figures for."""
    spans: dict[str, list[ReferencePeriod]] = {}
    releases = placed.group_by("measure", "release")
    of_release = releases.agg(pl.col("period_start").min(), pl.col("period_end").max())
    for measure, start, end in of_release.select(SLICE_KEY).sort(SLICE_KEY).iter_rows():
        spans.setdefault(measure, []).append(ReferencePeriod(start, end))
    return spans


def _rename_answers(placed: pl.DataFrame) -> pl.DataFrame:
    return placed.rename(
        {
            "period_start": "reference_start",
            "period_end": "reference_end",
            "to_code": "place_code",
            "reason": "placed_reason",
            "evidence": "placed_evidence",
        }
    )


def _join_placed(required: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    return required.join(
        answers, on=["measure", "reference_start", "reference_end", "place_code"], how="left", maintain_order="left"
    )


def _join_nearest_period(cells: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Add the place's figure for the nearest period, where the release has none for the requested period."""
    if cells["near_start"].null_count() == cells.height:
        return cells.with_columns(pl.lit(None, placed.schema["value"]).alias("near_value"))
    near = placed.select("measure", pl.col("period_start").alias("near_start"), pl.col("period_end").alias("near_end"),
                         pl.col("to_code").alias("place_code"), pl.col("value").alias("near_value"))  # fmt: skip
    return cells.join(near, on=["measure", "near_start", "near_end", "place_code"], how="left", maintain_order="left")


def _accept_partial_average(cells: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Accept a rate averaged over part of a place, where its coverage meets the problem's `min_coverage`."""
    if cells["partial"].is_null().all():
        return cells.with_columns(pl.lit(False).alias("nearly_whole"))
    least = {name: need.min_coverage for name, need in problem.header.measure_needs.items()}
    enough = (
        (pl.col("placed_reason") == "children_incomplete")
        & pl.col("partial").is_not_null()
        & (pl.col("coverage") >= pl.col("measure").replace_strict(least, default=1.0, return_dtype=pl.Float64))
    )
    evidence = pl.format("{}; rates cover {} % of the place", "placed_evidence", (pl.col("coverage") * 100).round(1))
    replacements = {"value": pl.col("partial"), "placed_reason": pl.lit(None), "obs_status": pl.lit("estimated"),
             "derivation": pl.lit("rate_averaged"), "placed_evidence": evidence, "lower_bound": pl.lit(None),
             "upper_bound": pl.lit(None),
             }  # fmt: skip
    return cells.with_columns(enough.alias("nearly_whole")).with_columns(
        pl.when("nearly_whole").then(new).otherwise(name).alias(name) for name, new in replacements.items()
    )


def _withhold_uncertain(cells: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Withhold apportioned figures with a wider interval than the problem allows; their bounds stay."""
    widest = {name: need.max_error for name, need in problem.header.measure_needs.items() if need.max_error}
    if not widest:
        return cells
    allowed = pl.col("measure").replace_strict(widest, default=None, return_dtype=pl.Float64)
    half = (pl.col("interval_upper") - pl.col("interval_lower")) / 2
    too_wide = (half > allowed * pl.col("value").abs()).fill_null(True)
    rough = (pl.col("apportioned_share") > 0) & allowed.is_not_null() & too_wide
    interval_text = pl.format(
        "its 90 % interval is {} to {}; the problem allows {} either way",
        format_figure_column("interval_lower").fill_null("unknown"),
        format_figure_column("interval_upper").fill_null("unknown"),
        pl.concat_str((allowed * 100).round(1), pl.lit(" %")).fill_null(""),
    )
    rough = (rough & pl.col("value").is_not_null()).fill_null(False)
    return cells.with_columns(
        pl.when(rough).then(pl.lit("too_uncertain")).otherwise("placed_reason").alias("placed_reason"),
        pl.when(rough).then(interval_text).otherwise("placed_evidence").alias("placed_evidence"),
        pl.when(~rough).then("value").alias("value"),
    )


_REASONS = {**dict.fromkeys(("measure", "place_code"), pl.String), "period_start": pl.Date,
            **dict.fromkeys(("reason", "evidence"), pl.String)}  # fmt: skip
"""A reason of a cell, by CELL_KEY."""


def _collect_reasons(cells: pl.DataFrame, catalogue: Catalogue, set_aside: pl.DataFrame) -> pl.DataFrame:
    """Collect the reasons of each gap: reason and evidence of the first, and the codes of the others."""
    aside = _find_rows_set_aside(cells, set_aside)
    families = [
        _find_time_reasons(cells),
        _find_nation_reasons(cells, catalogue),
        _find_place_reasons(cells, aside),
        aside,
    ]
    stacked = _drop_redundant_reasons(pl.concat(families))
    if stacked.is_empty() and not cells["value"].null_count():
        return stacked.with_columns(pl.lit(None, pl.String).alias("other_reasons"))
    gaps = cells.filter(pl.col("value").is_null()).join(stacked, on=CELL_KEY, how="anti")
    evidence = pl.lit("no check explains this gap").alias("evidence")
    unknown = gaps.select(*CELL_KEY, pl.lit("unexplained").alias("reason"), evidence)
    order = pl.col("reason").replace_strict(REASON_PRECEDENCE, return_dtype=pl.Int64)
    ordered = (
        pl.concat([stacked, unknown]).with_columns(order.alias("order")).sort(*CELL_KEY, "order", maintain_order=True)
    )
    return ordered.group_by(CELL_KEY).agg(
        pl.col("reason").first(),
        pl.col("evidence").first(),
        pl.col("reason").unique(maintain_order=True).slice(1).str.join(",").alias("other_reasons"),
    )


def _drop_redundant_reasons(stacked: pl.DataFrame) -> pl.DataFrame:
    """Keep a reason for an absent row only where no other reason applies.

    A row set aside has no usable row either, and neither has a nation that the source leaves out.
    """
    is_absent = pl.col("reason").is_in(["not_returned", "none_or_not_reported", "outside_source"])
    more = stacked.filter(~is_absent)
    only = stacked.filter(is_absent).join(more, on=CELL_KEY, how="anti")
    return pl.concat([more, only])


def _find_time_reasons(cells: pl.DataFrame) -> pl.DataFrame:
    """Find cells with no slice for the period, with no slice at all, or with a slice that is too old.

    Cells of places without a row are left out. Where the slice is for another period nothing is placed, so a
    `placed_reason` can only come from a slice that is too old.
    """
    if cells["time_reason"].null_count() == cells.height:
        return empty_frame(_REASONS)
    known_figure = pl.coalesce(format_figure_column("value"), format_figure_column("near_value"))
    figure = pl.format("; its value was {}", known_figure).fill_null("")
    has_no_row = pl.col("placed_reason").is_in(NO_ROW_REASONS).fill_null(False)
    return cells.filter(pl.col("time_reason").is_not_null(), ~has_no_row).select(
        *CELL_KEY,
        pl.col("time_reason").alias("reason"),
        pl.concat_str(pl.col("time_evidence"), figure).alias("evidence"),
    )


def _find_nation_reasons(cells: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Find cells in nations that the source does not cover."""
    rows = [
        (measure, nation, f"{name} covers {', '.join(source.coverage)}")
        for measure, name in catalogue.measure_source.items()
        if (source := catalogue.sources[name]).access != "not_collected"
        for nation in NATIONS
        if nation not in source.coverage
    ]
    schema = {"measure": pl.String, "nation": pl.String, "evidence": pl.String}
    out = pl.DataFrame(rows, schema=schema, orient="row")
    return cells.join(out, on=["measure", "nation"], how="inner").select(
        *CELL_KEY, pl.lit("nation_not_covered").alias("reason"), "evidence"
    )


NO_ROW_REASONS = ["not_returned", "none_or_not_reported", "outside_source", "withdrawn"]
"""Reasons that mean that the file has no row for a place."""


def _find_place_reasons(cells: pl.DataFrame, aside: pl.DataFrame) -> pl.DataFrame:
    """Find cells with a slice but no value for the place; a row set aside does not count as withdrawn."""
    if cells["placed_reason"].null_count() == cells.height:
        return empty_frame(_REASONS)
    evidence = pl.when(OTHER_PERIOD).then(_join_texts("placed_evidence", "time_evidence")).otherwise("placed_evidence")
    had_ended = pl.col("placed_reason").is_in(NO_ROW_REASONS) & (pl.col("valid_to") < pl.col("reference_start"))
    ended_text = pl.format("the code ended on {}, before the period of the figures", "valid_to")
    reasons = cells.filter(pl.col("placed_reason").is_not_null()).select(
        *CELL_KEY,
        pl.when(had_ended).then(pl.lit("not_existing")).otherwise("placed_reason").alias("reason"),
        pl.when(had_ended).then(ended_text).otherwise(evidence).alias("evidence"),
    )
    withdrawn = reasons.filter(pl.col("reason") == "withdrawn").join(aside, on=CELL_KEY, how="semi")
    return reasons.join(withdrawn, on=[*CELL_KEY, "reason"], how="anti")


def _find_rows_set_aside(cells: pl.DataFrame, set_aside: pl.DataFrame) -> pl.DataFrame:
    """Find cells with a row in the file that could not be used."""
    if set_aside.is_empty():
        return empty_frame(_REASONS)
    empty = cells.filter(pl.col("placed_reason").is_in(NO_ROW_REASONS))
    aside = set_aside.rename({"period_start": "reference_start", "to_code": "place_code"}).unique(
        ["measure", "place_code", "reference_start"], maintain_order=True
    )
    return empty.join(aside, on=["measure", "place_code", "reference_start"], how="inner").select(
        *CELL_KEY, "reason", "evidence"
    )


def _complete_cells(cells: pl.DataFrame, problem: Problem, catalogue: Catalogue) -> pl.DataFrame:
    """Add severity, data owner, remedy, evidence and caveats, and remove the figures of gaps."""
    gap = pl.col("reason").is_not_null()
    # A figure for another period does not bound this one.
    bounds = (pl.col("reason") == pl.col("placed_reason")) & ~OTHER_PERIOD
    keep = ~gap | bounds.fill_null(False)
    source = pl.col("measure").replace_strict(catalogue.measure_source, return_dtype=pl.String)
    severity = pl.col("reason").replace_strict({c: r.severity for c, r in REASONS.items()}, default=None)
    period = pl.col("period_start").cast(pl.String) if problem.header.grain != "latest" else pl.lit("latest")
    cells = cells.with_columns(
        pl.concat_str(pl.lit(problem.name), "measure", "place_code", period, separator="/").alias("cell_id"),
        pl.when(~gap).then("value").alias("value"),
        pl.when(keep).then("lower_bound").alias("lower_bound"),
        pl.when(keep).then("upper_bound").alias("upper_bound"),
        pl.when(pl.col("other_reasons") != "").then("other_reasons").alias("other_reasons"),
        severity.alias("severity"),
        source.alias("source"),
        pl.col("measure").replace_strict({m: d.unit for m, d in catalogue.measures.items()}).alias("unit"),
        *(pl.when(~gap).then(name).alias(name) for name in ("derivation", *INTERVAL_COLUMNS, "apportioned_share")),
        # A derived value states its derivation.
        pl.when(gap).then("evidence").otherwise(_value_evidence()).alias("evidence"),
        _value_caveats(cells, catalogue).alias("caveats"),
    )
    return _add_notes(
        cells.join(_build_remedies(cells, catalogue), on=["measure", "reason", "nation"], how="left", nulls_equal=True),
        catalogue,
    )


def _value_evidence() -> pl.Expr:
    """Describe the derivation of a value and the basis of its caveats; null where there is neither."""
    parts = [pl.when(pl.col(name) != "").then(name) for name in ("placed_evidence", "caveat_evidence")]
    evidence = _join_texts(pl.when(OTHER_PERIOD).then("time_evidence"), *parts)
    return pl.when(evidence != "").then(evidence)


def _join_texts(*texts: str | pl.Expr) -> pl.Expr:
    return pl.concat_str(*texts, separator=". ", ignore_nulls=True)


def _value_caveats(cells: pl.DataFrame, catalogue: Catalogue) -> pl.Series:
    """List the caveats of a value: rounding, noise, the publisher's markers, and its own."""
    rounded = sorted(m for m, d in catalogue.measures.items() if d.rounding)
    noisy = sorted(m for m, d in catalogue.measures.items() if d.perturbed)
    marks = {
        "provisional": "provisional",
        "estimated": "estimated",
        "forecast": "estimated",
        "unreliable": "low_reliability",
        "break": "definition_break",
    }
    codes = pl.concat_str(
        pl.col("time_caveat"),
        pl.when(pl.col("measure").is_in(rounded)).then(pl.lit("rounded")),
        pl.when(pl.col("measure").is_in(noisy)).then(pl.lit("perturbed")),
        pl.col("obs_status").replace_strict(marks, default=None, return_dtype=pl.String),
        pl.when(pl.col("derivation") == "moved_land").then(pl.lit("extent_changed")),
        pl.when("nearly_whole").then(pl.lit("incomplete_aggregate")),
        pl.when(pl.col("caveats") != "").then("caveats"),
        separator=",",
        ignore_nulls=True,
    )
    texts = cells.select(pl.when(pl.col("reason").is_null() & (codes != "")).then(codes)).to_series()
    once = {text: ",".join(dict.fromkeys(text.split(","))) for text in texts.drop_nulls().unique()}
    return texts.replace(once)


def _build_remedies(cells: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Find the data owner and the remedy for each measure, reason and nation."""
    kinds = cells.filter(pl.col("reason").is_not_null()).select("measure", "reason", "nation").unique().sort(pl.all())
    return tabulate_remedies(kinds.iter_rows(), catalogue)


def _add_notes(cells: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Add the declared notes about a gap's source areas to its evidence."""
    for name in cells["source"].unique().sort():
        for note in catalogue.sources[name].notes:
            about = (pl.col("source") == name) & pl.col("reason").is_not_null()
            is_named = pl.any_horizontal(
                pl.col("source_areas").str.contains(code, literal=True) for code in note.place_codes
            )
            text = pl.format("{}. {}", "evidence", pl.lit(note.text))
            cells = cells.with_columns(pl.when(about & is_named).then(text).otherwise("evidence").alias("evidence"))
    return cells


def find_unreadable_files(project: Project, problem: Problem) -> dict[str, str]:
    """Find the sources of a problem with a stored file that cannot be read: the file, and why."""
    texts = {}
    for name in set(project.catalogue.problem_sources(problem)) & set(project.catalogue.observation_sources()):
        faults = load_source_table(project, name, "finding").filter(pl.col("reason") == "fetch_failed")
        if faults.height:
            texts[name] = " cannot be read: ".join(faults.select("file", "evidence").row(-1))
    return texts


def refuse_other_periods(problem: Problem, catalogue: Catalogue, cells: pl.DataFrame) -> None:
    """Raise CommongroundError where a cell has a figure for another period than the one requested."""
    wrong = find_other_periods(cells, problem.header.grain, instant_measures(catalogue, problem.measures))
    if wrong.height:
        first = wrong.row(0, named=True)
        raise CommongroundError(
            f"{problem.name}: {first['measure']} of {first['place_code']}: found a figure for "
            f"{format_period(first['reference_start'], first['reference_end'])}, expected one for "
            f"{format_period(first['period_start'], first['period_end'])} (1 of {wrong.height:,} such cells); "
            "nothing was stored. This is a fault in Commonground: please report it"
        )
