"""Completeness of returns: which providers were due to return, which did, and whether in time.

Completeness is a share of volume, not a count of files. The volume due from a provider is its usual volume, scaled by
the change in the other providers' volume in that period. A provider that never returned is due the usual volume per
resident. A reporting rate is the volume returned as a share of the volume due, so a silent large trust counts more
than a small one. DHIS2's reporting rates, on which these are based, count reports.
"""

from datetime import timedelta

import polars as pl

from pipelines.core.schema import DATE, NUMBER, OBSERVATION_COLUMNS, TEXT, WHOLE, Column, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY, newest_slices
from pipelines.declarations.base import age_in_days
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.declarations.source import Source

RETURN_STATES = ("returned", "hidden", "partial", "not_returned")
"""State of a return: with a figure; suppressed by the publisher; a part of a return; or absent."""

PROVIDER_RETURN: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "measure")},
    "returned_by": Column(TEXT, "Type of provider: trusts, councils, forces"),
    "place_code": Column(TEXT, "Code of the provider, in the source's geography"),
    "place_name": Column(TEXT, "Name of the provider"),
    **{name: OBSERVATION_COLUMNS[name] for name in ("period_start", "period_end")},
    "due_on": Column(DATE, "Day by which it is usually published: the last day of the period plus the source's lag"),
    "state": Column(TEXT, "returned, hidden (returned but suppressed), partial (part of a return) or not_returned"),
    "first_released": Column(DATE, "Day of the first stored release with the return; null where there is none"),
    "on_time": Column(
        pl.Boolean,
        "True if published by the due day; false if not returned or later than others; null where "
        "the first stored release is later than that day, so timeliness is unknown",
    ),
    "value": Column(NUMBER, "The figure in the newest release; null where there is none"),
    "volume_due": Column(NUMBER, "Volume of a complete return, in the measure's unit; null where unknown"),
}
"""One return that is due: a measure, a provider on the roll, and a period for which any provider has returned."""

COMPLETENESS: dict[str, Column] = {
    **{name: PROVIDER_RETURN[name] for name in ("source", "measure", "returned_by")},
    "scope": Column(TEXT, "period: all providers in one period; provider: one provider in all periods"),
    "place_code": Column(TEXT, "Code of the provider; null for a period"),
    "place_name": Column(TEXT, "Name of the provider; null for a period"),
    "period_start": Column(DATE, "First day of the period, or of the provider's first period"),
    "period_end": Column(DATE, "Last day of the period, or of the provider's last period"),
    "due": Column(WHOLE, "Number of returns due"),
    "returned": Column(WHOLE, "Number of complete returns"),
    "volume_due": Column(NUMBER, "Volume of the returns due, without those of unknown size"),
    "reporting_rate": Column(
        NUMBER,
        "Share of that volume returned, 0 to 1; a partial return counts in part; null where the size of more "
        "than one return in ten is unknown",
    ),
    "on_time_rate": Column(NUMBER, "Share returned in time; null where timeliness is unknown for any return"),
    "size_unknown": Column(WHOLE, "Returns due of unknown size, in no rate"),
    "missing": Column(TEXT, "Providers that did not return, largest first; or the missing periods"),
}
"""Completeness of returns, by period and by provider."""

_MAX_NAMES = 8
_MAX_UNKNOWN_SHARE = 0.1
_HIDDEN_STATUSES = ("confidential", "low")


def count_returns(
    observation: pl.DataFrame,
    doubt: pl.DataFrame,
    source: Source,
    roll: pl.DataFrame,
    people: pl.DataFrame,
    change: pl.DataFrame,
) -> pl.DataFrame:
    """Return the state of each return that was due (PROVIDER_RETURN); empty for a source without `returns`.

    Takes all releases of a source (schema.OBSERVATION_COLUMNS with `order`), its plausibility flags
    (doubt.PLAUSIBILITY_FLAG), its places (schema.PLACE_COLUMNS), residents (place_code, people), and code changes
    (schema.CODE_CHANGE_COLUMNS). Covers counts and stocks only, because a rate has no volume.
    """
    adding = [name for name, definition in source.measures.items() if definition.kind in ADDITIVE_KINDS]
    figures = observation.filter(pl.col("measure").is_in(adding))
    if not source.returns or figures.is_empty():
        return conform_table(figures.clear(), PROVIDER_RETURN)
    rows = figures.with_columns(pl.col("place_code").str.split("+")).explode("place_code")
    key = [*SLICE_KEY, "place_code"]
    returns = rows.filter(pl.col("value").is_not_null() | pl.col("obs_status").is_in(_HIDDEN_STATUSES))
    first = returns.group_by(key).agg(pl.col("released_at").min().alias("first_released"))
    first_of_period = returns.group_by(SLICE_KEY).agg(pl.col("released_at").min().alias("opened"))
    now = newest_slices(returns).unique(key, keep="first").select(*key, "value", "obs_status")
    partial = doubt.filter(pl.col("withheld")).select(key).unique().with_columns(pl.lit(True).alias("doubted"))
    # A figure that is not applicable is not due.
    due = _due_returns(returns, roll, source, change).join(
        rows.filter(pl.col("obs_status") == "not_applicable"), on=key, how="anti"
    )
    beside = ((first, key), (first_of_period, SLICE_KEY), (now, key), (partial, key), (people, "place_code"))
    for table, on in beside:
        due = due.join(table, on=on, how="left", maintain_order="left")
    result = _add_volume_due(due.with_columns(_return_state().alias("state")))
    last = pl.col("period_end") + timedelta(days=age_in_days(source.lag)) if source.lag else pl.lit(None, pl.Date)
    result = result.with_columns(last.alias("due_on"), pl.lit(source.returns.providers).alias("returned_by"))
    source_name = observation["source"].first()
    return conform_table(
        result.with_columns(_is_in_time().alias("on_time"), pl.lit(source_name).alias("source")).sort(
            "measure", "period_start", "place_code"
        ),
        PROVIDER_RETURN,
    )


def _due_returns(returns: pl.DataFrame, roll: pl.DataFrame, source: Source, change: pl.DataFrame) -> pl.DataFrame:
    """Return the roll: each provider in each period with any return, while its code was in use.

    Where the roll is `seen`, a provider is due from the first period that it returned for. A return follows the
    end of its period. So if its code ended with the period, a provider is exempt where its successor returned.
    """
    covered = roll.filter(pl.col("nation").is_null() | pl.col("nation").is_in(list(source.coverage)))
    providers = covered.unique("place_code", keep="last").select("place_code", "place_name", "valid_from", "valid_to")
    due = returns.select(SLICE_KEY).unique().join(providers, how="cross")
    since, until = pl.col("valid_from"), pl.col("valid_to")
    if source.returns and source.returns.expected == "seen":
        began = returns.group_by("measure", "place_code").agg(pl.col("period_start").min().alias("began"))
        due, since = due.join(began, on=["measure", "place_code"]), pl.col("began")
    in_use = (since.is_null() | (since <= pl.col("period_end"))) & (until.is_null() | (until >= pl.col("period_end")))
    successor_returns = change.join(returns, left_on="to_code", right_on="place_code").rename(
        {"from_code": "place_code"}
    )
    ended = due.filter(until == pl.col("period_end")).join(successor_returns, on=[*SLICE_KEY, "place_code"], how="semi")
    exempt = ended.join(returns, on=[*SLICE_KEY, "place_code"], how="anti")
    on_roll = due.filter(in_use).join(exempt, on=[*SLICE_KEY, "place_code"], how="anti", maintain_order="left")
    return on_roll.select(*SLICE_KEY, "place_code", "place_name")


def _return_state() -> pl.Expr:
    return (
        pl.when(pl.col("obs_status").is_null()).then(pl.lit("not_returned"))
        .when(pl.col("doubted")).then(pl.lit("partial"))
        .when(pl.col("value").is_null()).then(pl.lit("hidden"))
        .otherwise(pl.lit("returned"))
    )  # fmt: skip


def _add_volume_due(due: pl.DataFrame) -> pl.DataFrame:
    """Add the volume of a complete return: the provider's usual volume, scaled by the change of the others."""
    whole = pl.col("value").filter(pl.col("state") == "returned")
    own = due.with_columns(whole.median().over("measure", "place_code").alias("own"))
    both = pl.col("own").is_not_null() & pl.col("people").is_not_null()
    a_head = [pl.col(name).filter(both).sum().over("measure") for name in ("own", "people")]
    by_people = pl.when(a_head[1] > 0).then(pl.col("people") * a_head[0] / a_head[1])
    usual = own.with_columns(pl.coalesce("own", by_people).alias("usual"))
    sums = [pl.col(name).filter(pl.col("state") == "returned").sum().over(SLICE_KEY) for name in ("value", "usual")]
    movement = pl.when(sums[1] > 0).then(sums[0] / sums[1]).otherwise(1.0)
    return usual.with_columns((pl.col("usual") * movement).alias("volume_due"))


def _is_in_time() -> pl.Expr:
    out = pl.col("first_released")
    return (
        pl.when(out.is_null() | (out > pl.col("opened"))).then(pl.lit(False))
        .when(out <= pl.col("due_on")).then(pl.lit(True))
    )  # fmt: skip


def summarise_completeness(returns: pl.DataFrame) -> pl.DataFrame:
    """Summarise returns (PROVIDER_RETURN) by period and by provider; return COMPLETENESS, the least complete first."""
    if returns.is_empty():
        return empty_table(COMPLETENESS)
    due, part = pl.col("volume_due"), (pl.col("value") / pl.col("volume_due")).clip(0, 1).fill_nan(0)
    share = pl.col("state").replace_strict({"returned": 1.0, "hidden": 1.0}, default=0.0, return_dtype=pl.Float64)
    weighted = returns.with_columns(
        pl.when(pl.col("state") == "partial").then(part).otherwise(share).alias("share"),
        pl.col("period_start").dt.strftime("%Y-%m-%d").alias("period"),
        pl.format("{} {}", "place_code", "place_name").alias("provider"),
    ).sort("volume_due", "place_code", "period_start", descending=[True, False, False], nulls_last=True)
    absent = pl.col("state") == "not_returned"
    tables = []
    for scope, keys, missing in (("period", ["period_start", "period_end"], "provider"),
                            ("provider", ["place_code", "place_name"], "period")):  # fmt: skip
        is_sized = due.is_not_null()
        is_known = (due > 0).any() & (is_sized.mean() >= 1 - _MAX_UNKNOWN_SHARE)
        grouped = weighted.group_by("source", "measure", "returned_by", *keys).agg(
            pl.lit(scope).alias("scope"), pl.len().alias("due"), (pl.col("share") == 1).sum().alias("returned"),
            due.sum().alias("volume_due"),
            pl.when(is_known).then((pl.col("share") * due).sum() / due.sum()).alias("reporting_rate"),
            pl.when(is_known & pl.col("on_time").filter(is_sized).is_not_null().all())
            .then((pl.col("on_time") * due).sum() / due.sum()).alias("on_time_rate"),
            (~is_sized).sum().alias("size_unknown"),
            pl.col(missing).filter(absent).alias("_absent"),
            *(pl.col(name).min() for name in ("period_start",) if name not in keys),
            *(pl.col(name).max() for name in ("period_end",) if name not in keys),
        )  # fmt: skip
        tables.append(conform_table(grouped.with_columns(_missing_names().alias("missing")), COMPLETENESS))
    return pl.concat(tables).sort(
        "scope", "source", "measure", "reporting_rate", "period_start", "place_code", nulls_last=True
    )


def newest_periods(completeness: pl.DataFrame) -> pl.DataFrame:
    """Return the newest period of each measure in COMPLETENESS, and the least complete of the other periods."""
    periods = completeness.filter(pl.col("scope") == "period")
    last = (pl.col("period_end") == pl.col("period_end").max()).over("measure")
    least = pl.col("reporting_rate").rank("ordinal").over("measure", last) == 1
    return periods.filter(last | (least & (pl.col("reporting_rate") < 1))).sort(
        "measure", "period_end", descending=[False, True]
    )


def _missing_names() -> pl.Expr:
    absent = pl.col("_absent")
    more = absent.list.len().cast(pl.Int64) - _MAX_NAMES
    some = absent.list.head(_MAX_NAMES).list.join(", ")
    return pl.when(more > 0).then(pl.format("{} and {} more", some, more)).when(absent.list.len() > 0).then(some)
