"""Typed cells: every cell of the required grid ends as a value, or as a gap with its reason.

`value` is null if and only if there is a `reason`. The reasons that hold are found each by its own small
table, stacked, and ordered by precedence: the first is the cell's reason, the others stay beside it.
"""

from datetime import date

import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.periods import Span
from pipelines.core.reasons import PRECEDENCE, REASONS
from pipelines.core.schema import CELL, conformed
from pipelines.core.slices import SLICE
from pipelines.core.text import printed
from pipelines.declarations.base import NATIONS
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.source import Source
from pipelines.gaps.grid import asked_periods, asked_places, choose, chosen_table, grid

KEY = ["measure", "place_code", "period_start"]


def typed_cells(
    problem: Problem,
    catalogue: Catalogue,
    places: pl.DataFrame,
    placed: pl.DataFrame,
    set_aside: pl.DataFrame,
    as_of: date,
) -> pl.DataFrame:
    """Give schema.CELL for a problem: one row for every place, period and measure it asks for.

    Takes the places of its system, the placed slices of its measures, and what was set aside, placed too
    (measure, to_code, period_start, reason, evidence). Ages are counted to the end of the period asked
    about, and for grain latest to the day `as_of`.
    """
    periods = asked_periods(problem, as_of)
    required = grid(problem, asked_places(problem, places), periods)
    chosen = chosen_table(choose(problem, catalogue, _slices(placed), periods, as_of))
    joined = _answered(required.join(chosen, on=["measure", "period_start", "period_end"], how="left"), placed)
    joined = _beside_the_nearest(joined, placed)
    joined = _within(_nearly_whole(joined, problem), problem)
    found = _reasons(joined, catalogue, set_aside)
    cells = joined.join(found, on=KEY, how="left", maintain_order="left")
    return conformed(_finished(cells, problem, catalogue), CELL).sort("measure", "place_code", "period_start")


def _slices(placed: pl.DataFrame) -> dict[str, list[Span]]:
    slices: dict[str, list[Span]] = {}
    for measure, start, end in placed.select(SLICE).unique().sort(SLICE).iter_rows():
        slices.setdefault(measure, []).append(Span(start, end))
    return slices


def _answered(required: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    answers = placed.rename(
        {
            "period_start": "value_start",
            "period_end": "value_end",
            "to_code": "place_code",
            "reason": "placed_reason",
            "evidence": "placed_evidence",
        }
    )
    return required.join(
        answers, on=["measure", "value_start", "value_end", "place_code"], how="left", maintain_order="left"
    )


def _beside_the_nearest(cells: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Add the figure that the place has for the nearest period, where the release has none for the one asked about."""
    near = placed.select("measure", pl.col("period_start").alias("near_start"), pl.col("period_end").alias("near_end"),
                         pl.col("to_code").alias("place_code"), pl.col("value").alias("near_value"))  # fmt: skip
    return cells.join(near, on=["measure", "near_start", "near_end", "place_code"], how="left", maintain_order="left")


def _nearly_whole(cells: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Take the average of a rate over most of a place, where the problem says that so much of it will do."""
    least = {name: need.min_coverage for name, need in problem.header.needs.items()}
    enough = (
        (pl.col("placed_reason") == "children_incomplete")
        & pl.col("partial").is_not_null()
        & (pl.col("coverage") >= pl.col("measure").replace_strict(least, default=1.0, return_dtype=pl.Float64))
    )
    evidence = pl.format("{}; {} % of it has a rate", "placed_evidence", (pl.col("coverage") * 100).round(1))
    taken = {"value": pl.col("partial"), "placed_reason": pl.lit(None), "status": pl.lit("estimated"),
             "basis": pl.lit("rate_averaged"), "placed_evidence": evidence, "low": pl.lit(None), "high": pl.lit(None),
             }  # fmt: skip
    return cells.with_columns(enough.alias("nearly_whole")).with_columns(
        pl.when("nearly_whole").then(new).otherwise(name).alias(name) for name, new in taken.items()
    )


def _within(cells: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Withhold figures that were shared out more roughly than the problem allows; their bounds stay."""
    widest = {name: need.max_error for name, need in problem.header.needs.items() if need.max_error}
    allowed = pl.col("measure").replace_strict(widest, default=None, return_dtype=pl.Float64)
    half = (pl.col("likely_high") - pl.col("likely_low")) / 2
    too_wide = (half > allowed * pl.col("value").abs()).fill_null(True)
    rough = (pl.col("split_share") > 0) & allowed.is_not_null() & too_wide
    told = pl.format(
        "its 90 % interval is {} to {}, {} allowed either way",
        printed("likely_low").fill_null("not known"), printed("likely_high").fill_null("not known"),
        pl.concat_str((allowed * 100).round(1), pl.lit(" %")).fill_null(""),
    )  # fmt: skip
    rough = (rough & pl.col("value").is_not_null()).fill_null(False)
    return cells.with_columns(
        pl.when(rough).then(pl.lit("too_uncertain")).otherwise("placed_reason").alias("placed_reason"),
        pl.when(rough).then(told).otherwise("placed_evidence").alias("placed_evidence"),
        pl.when(~rough).then("value").alias("value"),
    )


def _reasons(cells: pl.DataFrame, catalogue: Catalogue, set_aside: pl.DataFrame) -> pl.DataFrame:
    """Give the reasons of each gap: reason and evidence of the first that holds, and the others' codes."""
    aside = _of_rows_set_aside(cells, set_aside)
    families = [_of_time(cells), _of_nation(cells, catalogue), _of_place(cells, aside), aside]
    stacked = _without_the_obvious(pl.concat(families))
    gaps = cells.filter(pl.col("value").is_null()).join(stacked, on=KEY, how="anti")
    unknown = gaps.select(*KEY, pl.lit("unexplained").alias("reason"), pl.lit("no check found why").alias("evidence"))
    order = pl.col("reason").replace_strict(PRECEDENCE, return_dtype=pl.Int64)
    ordered = pl.concat([stacked, unknown]).with_columns(order.alias("order")).sort(*KEY, "order", maintain_order=True)
    return ordered.group_by(KEY, maintain_order=True).agg(
        pl.col("reason").first(),
        pl.col("evidence").first(),
        pl.col("reason").unique(maintain_order=True).slice(1).str.join(",").alias("reasons_also"),
    )


def _without_the_obvious(stacked: pl.DataFrame) -> pl.DataFrame:
    """Keep `not_returned` only where nothing says more: a row set aside, or a nation left out, has no row either."""
    more = stacked.filter(pl.col("reason") != "not_returned")
    only = stacked.filter(pl.col("reason") == "not_returned").join(more, on=KEY, how="anti")
    return pl.concat([more, only])


def _of_time(cells: pl.DataFrame) -> pl.DataFrame:
    """No slice for the period, none at all, or one too old: but what has no row for a place is not its old figure.

    Where a slice is none of the period, nothing is placed, so a reason of the place is one of a slice too old.
    """
    known = pl.coalesce(printed("value"), printed("near_value"))
    figure = pl.format("; it was {}", known).fill_null("")
    of_others = pl.col("placed_reason").is_in(NO_ROW).fill_null(False)
    return cells.filter(pl.col("time_reason").is_not_null(), ~of_others).select(
        *KEY,
        pl.col("time_reason").alias("reason"),
        pl.concat_str(pl.col("time_evidence"), figure).alias("evidence"),
    )


def _of_nation(cells: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """The source leaves the nation out."""
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
        *KEY, pl.lit("nation_not_covered").alias("reason"), "evidence"
    )


NO_ROW = ["not_returned", "withdrawn"]
"""Reasons that say that the file has no row for a place."""


def _of_place(cells: pl.DataFrame, aside: pl.DataFrame) -> pl.DataFrame:
    """The slice is there, and gives no value for the place; a row set aside is no row that was withdrawn."""
    evidence = pl.when("carried").then(_joined("placed_evidence", "time_evidence")).otherwise("placed_evidence")
    told = cells.filter(pl.col("placed_reason").is_not_null()).select(
        *KEY, pl.col("placed_reason").alias("reason"), evidence.alias("evidence")
    )
    withdrawn = told.filter(pl.col("reason") == "withdrawn").join(aside, on=KEY, how="semi")
    return told.join(withdrawn, on=[*KEY, "reason"], how="anti")


def _of_rows_set_aside(cells: pl.DataFrame, set_aside: pl.DataFrame) -> pl.DataFrame:
    """The file has a row for the place, and it could not be used."""
    empty = cells.filter(pl.col("placed_reason").is_in(NO_ROW))
    aside = set_aside.rename({"period_start": "value_start", "to_code": "place_code"}).unique(
        ["measure", "place_code", "value_start"], maintain_order=True
    )
    return empty.join(aside, on=["measure", "place_code", "value_start"], how="inner").select(
        *KEY, "reason", "evidence"
    )


def _finished(cells: pl.DataFrame, problem: Problem, catalogue: Catalogue) -> pl.DataFrame:
    """Add what follows from a cell's reason: severity, holder, remedy; and what to mind of a value."""
    gap = pl.col("reason").is_not_null()
    # What is known of an earlier time is no bound of this one.
    bounds = (pl.col("reason") == pl.col("placed_reason")) & ~pl.col("carried")
    keep = ~gap | bounds.fill_null(False)
    source = pl.col("measure").replace_strict(catalogue.measure_source, return_dtype=pl.String)
    severity = pl.col("reason").replace_strict({c: r.severity for c, r in REASONS.items()}, default=None)
    period = pl.col("period_start").cast(pl.String) if problem.header.grain != "latest" else pl.lit("latest")
    cells = cells.with_columns(
        pl.concat_str(pl.lit(problem.name), "measure", "place_code", period, separator="/").alias("cell_id"),
        pl.when(~gap).then("value").alias("value"),
        pl.when(keep).then("low").alias("low"),
        pl.when(keep).then("high").alias("high"),
        pl.when(pl.col("reasons_also") != "").then("reasons_also").alias("reasons_also"),
        severity.alias("severity"),
        source.alias("source"),
        pl.col("measure").replace_strict({m: d.unit for m, d in catalogue.measures.items()}).alias("unit"),
        *(pl.when(~gap).then(name).alias(name) for name in ("basis", *INTERVAL_COLUMNS, "split_share")),
        # A value that was worked out says how.
        pl.when(gap).then("evidence").otherwise(_told()).alias("evidence"),
        _caveats(catalogue).alias("caveats"),
    )
    return _with_notes(
        cells.join(_remedies(cells, catalogue), on=["measure", "reason", "nation"], how="left", nulls_equal=True),
        catalogue,
    )


def _told() -> pl.Expr:
    """Say how a value was worked out, and what its caveats rest on; null where there is nothing to say."""
    said = [pl.when(pl.col(name) != "").then(name) for name in ("placed_evidence", "caveat_evidence")]
    told = _joined(pl.when("carried").then("time_evidence"), *said)
    return pl.when(told != "").then(told)


def _joined(*texts: str | pl.Expr) -> pl.Expr:
    return pl.concat_str(*texts, separator=". ", ignore_nulls=True)


def _caveats(catalogue: Catalogue) -> pl.Expr:
    """List what to mind of a value that is there: rounding, noise, the publisher's marks, and its own caveats."""
    rounded = sorted(m for m, d in catalogue.measures.items() if d.rounding)
    noisy = sorted(m for m, d in catalogue.measures.items() if d.perturbed)
    marks = {
        "provisional": "provisional",
        "estimated": "estimated",
        "forecast": "estimated",
        "unreliable": "low_reliability",
        "break": "definition_break",
    }
    found = pl.concat_str(
        pl.when("carried").then(pl.lit("carried_forward")),
        pl.when(pl.col("measure").is_in(rounded)).then(pl.lit("rounded")),
        pl.when(pl.col("measure").is_in(noisy)).then(pl.lit("perturbed")),
        pl.col("status").replace_strict(marks, default=None, return_dtype=pl.String),
        pl.when(pl.col("basis") == "moved_land").then(pl.lit("extent_changed")),
        pl.when("nearly_whole").then(pl.lit("incomplete_aggregate")),
        pl.when(pl.col("caveats") != "").then("caveats"),
        separator=",",
        ignore_nulls=True,
    )
    once = found.str.split(",").list.unique(maintain_order=True).list.join(",")
    return pl.when(pl.col("reason").is_null() & (found != "")).then(once)


def _remedies(cells: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Say for each measure, reason and nation who could close the gap, and how."""
    kinds = cells.filter(pl.col("reason").is_not_null()).select("measure", "reason", "nation").unique().sort(pl.all())
    rows = [
        (*kind, *remedy(kind[1], kind[2], catalogue.sources[catalogue.measure_source[kind[0]]]))
        for kind in kinds.iter_rows()
    ]
    schema = dict.fromkeys(("measure", "reason", "nation", "holder", "remedy"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


_BY_HAND = "Take a newer file from the publisher's page and keep it with commonground add"


def remedy(reason: str, nation: str, source: Source) -> tuple[str, str]:
    """Say who could close a gap of a source, and how."""
    told = REASONS[reason]
    elsewhere = next((found for name, found in source.elsewhere.items() if name == nation), None)
    if reason == "nation_not_covered" and elsewhere:
        return elsewhere.holder, elsewhere.how
    # A source says what to ask for where it is not open, and where it is of some places only.
    of_some = reason == "not_returned" and source.ask
    if of_some or (source.access != "open" and reason != "nation_not_covered"):
        return source.holder or source.publisher, source.ask or told.remedy
    if reason == "not_open":
        ask = "Ask for leave to show it, then declare released: true; or ask for figures that may be shown."
        return source.holder or source.publisher, source.ask or ask
    if reason == "fetch_failed" and source.key:
        return told.holder, f"Set {source.key} to a key of your account with the service, and refresh the source."
    how = told.remedy if source.fetched else told.remedy.replace("Refresh the source", _BY_HAND)
    return told.holder.replace("the publisher", source.holder or source.publisher), how


def _with_notes(cells: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Add to a gap's evidence what a person noted about its parts."""
    for name, source in catalogue.sources.items():
        for note in source.notes:
            about = (pl.col("source") == name) & pl.col("reason").is_not_null()
            named = pl.any_horizontal(pl.col("parts").str.contains(code, literal=True) for code in note.places)
            text = pl.format("{}. {}", "evidence", pl.lit(note.text))
            cells = cells.with_columns(pl.when(about & named).then(text).otherwise("evidence").alias("evidence"))
    return cells
