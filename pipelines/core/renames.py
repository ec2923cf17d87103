"""Tables and columns renamed since version 0.1.0: the one list of old and new names.

`commonground upgrade-sql`, the errors about unknown names and `docs/renamed-columns.md` all read it. No table or column
keeps its old name as an alias.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from pipelines.core.errors import CommongroundError

TABLES: Mapping[str, str] = {
    "boundary_cliffs": "boundary_discontinuities",
    "changes": "code_changes",
    "crosswalk_losses": "unallocated_residuals",
    "doubts": "plausibility_flags",
    "parents": "area_hierarchy",
    "reporting": "completeness",
    "returns": "provider_returns",
    "statuses": "obs_status",
    "totals": "published_totals",
}
"""Tables of the analyst's file: old name, new name."""

_BOUNDS = {"low": "lower_bound", "high": "upper_bound"}
_INTERVAL = {
    "likely_low": "interval_lower",
    "likely_high": "interval_upper",
    "likely_level": "interval_level",
    "likely_source": "interval_source",
}
_PUBLISHED = {"status": "obs_status", "marker": "published_marker"}
_OWNER = {"holder": "data_owner"}
_CELL = {
    **_BOUNDS,
    **_INTERVAL,
    **_PUBLISHED,
    "basis": "derivation",
    "split_share": "apportioned_share",
    "reasons_also": "other_reasons",
    "stand_in": "proxy_measure",
    **_OWNER,
    "value_start": "reference_start",
    "value_end": "reference_end",
    "parts": "source_areas",
}

VIEW = "problem"
"""Key of COLUMNS for the tables of the schema `problem`."""
CROSSWALK = "crosswalk"
"""Key of COLUMNS for a crosswalk, as a file or a frame."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    VIEW: {"because": "blocking_reasons"},
    "cells": _CELL,
    "gaps": _CELL,
    "ranks": {
        **_BOUNDS,
        **_INTERVAL,
        "rank_low": "rank_lower_bound",
        "rank_high": "rank_upper_bound",
        "similar_to": "similar_places",
    },
    "gap_ledger": {
        "reason_before": "previous_reason",
        **_OWNER,
        "owner": "problem_owner",
        "closed_because": "closure_reason",
        "accepted_because": "acceptance_reason",
    },
    "verdicts": {"because": "blocking_reasons", "needs_in_all": "needs_total", "people": "residents"},
    "unallocated_residuals": {"place_system": "geography", "to_system": "to_geography"},
    "area_hierarchy": {"parent_system": "parent_geography"},
    "neighbours": {"place_system": "geography", "basis": "boundary_source"},
    "border_practices": {"here": "same_nation_practices", "across": "other_nation_practices"},
    "observations": {"place_system": "geography", **_BOUNDS, **_INTERVAL, **_PUBLISHED},
    "published_totals": {**_BOUNDS, **_PUBLISHED},
    "reconciliation": {
        "local": "sum_of_places",
        "suppressed_low": "suppressed_lower_bound",
        "suppressed_high": "suppressed_upper_bound",
        "rounding_most": "rounding_bound",
    },
    "provider_returns": {"in_time": "on_time"},
    "completeness": {"in_time_rate": "on_time_rate"},
    "revisions": {"old_status": "old_obs_status", "new_status": "new_obs_status"},
    "findings": {"mass": "sum_of_values", **_OWNER},
    "measures": {"counted": "count_rows", "reaches": "expected_population", "weighed_by": "apportion_by"},
    "sources": {"places": "geography", "ask": "request", **_OWNER},
    "reasons": _OWNER,
    "obs_status": {"status": "obs_status"},
    CROSSWALK: {"from_system": "from_geography", "to_system": "to_geography", "people": "weight_population"},
}
"""Columns, by the new name of their table: old name, new name."""

REASONS: Mapping[str, tuple[str, ...]] = {
    "period_mismatch": ("no_figure_for_period", "before_series", "not_loaded", "coarser_period"),
    "discontinued": ("after_series", "no_figure_for_period", "coarser_period"),
    "crosswalk_loss": ("membership_not_loaded",),
}
"""Gap reasons that are gone: the reasons that replace each, the most general first."""
RESTATED_REASONS: Mapping[str, tuple[str, ...]] = {
    **REASONS,
    "fetch_failed": ("not_loaded",),
    "late": ("not_loaded",),
    "no_figure_for_period": ("coarser_period",),
    "not_returned": ("coarser_period", "outside_source"),
    "before_series": ("not_loaded",),
}
"""Gap reasons of stored ledgers that the same state of a gap no longer has, and those that it may have instead."""

_UNKNOWN = (
    re.compile(r"(?:Table|View|Schema) with name \"?([\w.]+)\"? does not exist"),
    re.compile(r"column named \"?(\w+)\"?"),
    re.compile(r"Referenced column \"(\w+)\" (?:was )?not found"),
    re.compile(r"Column \"(\w+)\""),
)


def new_names(old: str) -> dict[str, list[str]]:
    """Return the new names of an old table or column, each with the tables that have it; a table has none."""
    tables_by_name: dict[str, list[str]] = {TABLES[old]: []} if old in TABLES else {}
    for table, columns in COLUMNS.items():
        if old in columns:
            tables_by_name.setdefault(columns[old], []).append(table)
    return tables_by_name


def add_new_name(message: str) -> str:
    """Return a DuckDB error, led by the new name where it is about an old table or column."""
    for pattern in _UNKNOWN:
        match = pattern.search(message)
        old = match[1].rsplit(".", 1)[-1].lower() if match else ""
        replacements = new_names(old)
        if replacements:
            names = (
                f"{new} ({', '.join(tables)})" if len(replacements) > 1 else new for new, tables in replacements.items()
            )
            advice = f"{old} is now {' or '.join(names)}"
            return f"{advice}; `commonground upgrade-sql FILE` rewrites a query. {message}"
    return message


def refuse_old_columns(columns: Collection[str], expected: Iterable[str], what: str) -> None:
    """Refuse a frame that has the old name of a column instead of the expected one; raise CommongroundError."""
    old_names = {new: old for table in COLUMNS.values() for old, new in table.items()}
    for new in expected:
        old = old_names.get(new)
        if old in columns and new not in columns:
            raise CommongroundError(f"{what}: found the column {old}, expected {new}, its new name; rename the column")
