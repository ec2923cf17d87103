"""All checks of figures, one measure at a time; a function added here runs on every source.

`find_suspects` needs the rows of one measure only, and most of the work is there. `settle_flags` then compares the few
suspects of all measures of a source.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from checks.confirmation import (
    LEAST_LATER_PERIODS,
    LargerAreas,
    add_kept_levels,
    compare_totals,
    drop_confirmed_flags,
    find_whole_returns,
    list_returned_figures,
)
from checks.expected import FIGURE_COLUMNS, Fit, describe_expected, describe_figures, fit_expected
from checks.flags import FIGURE_KEY, keep_first_flags, no_flags
from checks.plausible import (
    find_implausible_figures,
    find_near_zero_leaks,
    find_partial_returns,
    find_suspected_zeros,
    select_suspects,
)
from checks.published_together import describe_alike, describe_labels, flag_identical_series, flag_shared_labels
from checks.repeats import describe_multiples, describe_repeats, find_repeated_values, find_undeclared_rounding
from checks.series import Slices, number_slices, select_compared_days, select_releases, split_measures
from checks.units import (
    describe_periods,
    find_changes_between_releases,
    find_unit_changes,
    select_moved_figures,
    select_rescaled,
)
from checks.unrecovered import drop_recovered, flag_unrecovered, list_recovered, list_unrecovered
from pipelines.core.schema import empty_frame
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

Numbers = np.ndarray[Any, np.dtype[Any]]
JUDGED_COLUMNS = [*FIGURE_COLUMNS, "geography", "obs_status", "lower_bound", "upper_bound", "order"]
"""Columns of the observations of a measure that checks of figures use."""
LOW_CHECKS = ("suspected_zeros", "near_zero_leaks", "partial_returns")
LEVEL_CHECKS = (
    "shared_labels", "identical_series", "unit_changes", "changes_between_releases", "implausible_figures",
)  # fmt: skip
"""Checks of the level of a figure. Flags of LOW_CHECKS come before the last."""
WAITING = {"measure": pl.String, "place_code": pl.String, "period_start": pl.Date, "period_end": pl.Date}
FigureCheck = Callable[[pl.DataFrame], pl.DataFrame]
"""A check of figures with their expected values: returns flags (PLAUSIBILITY_FLAG)."""
_KEPT_PERIODS = range(1, LEAST_LATER_PERIODS)
"""Numbers of later periods with which a kept level depends on the other counts of the return."""


class Suspects(NamedTuple):
    """Flags of one measure that its own rows give, before they are compared with its other measures and each other.

    `flags` are by check, for checks with a flag. `waiting` has the FIGURE_KEY of partial returns that are none where
    the other counts of the place and period are as usual. `returned` has those counts of this measure
    (upheld.RETURNED), in the periods asked for. `compared` has the totals that contain low figures
    (upheld.COMPARED_TOTAL). `after_low` has the counts after low figures that are far below those before
    (unrecovered.AFTER_LOW), and `recovered` those near them (unrecovered.RECOVERED).
    """

    flags: dict[str, pl.DataFrame]
    waiting: pl.DataFrame
    returned: pl.DataFrame
    compared: pl.DataFrame
    after_low: pl.DataFrame
    recovered: pl.DataFrame


def flag_figures(
    observation: pl.DataFrame, measures: dict[str, Measure], larger: LargerAreas | None = None
) -> pl.DataFrame:
    """Flag implausible figures of one source; return PLAUSIBILITY_FLAG.

    Takes observations of all releases (schema.OBSERVATION_COLUMNS and `order`; texts may be categories). It judges the
    newest release of each period, which cells use, and compares it with the release before for changes of unit.
    `larger` has the source's figures for larger areas: a low figure that agrees with its totals is not flagged as low.
    """
    figures = (pl.col("value") >= 0) & pl.col("value").is_finite()
    slices = observation.lazy().group_by(*SLICE_KEY, "order").agg(figures.any().alias("has_figures")).collect()
    return flag_measures(split_measures(observation), slices, measures, larger)


def flag_measures(
    measure_rows: Iterable[tuple[str, pl.DataFrame]],
    slices: pl.DataFrame,
    measures: dict[str, Measure],
    larger: LargerAreas | None = None,
) -> pl.DataFrame:
    """Flag implausible figures of one source as flag_figures does, with the rows of one measure in memory at a time.

    Takes the name and the rows (JUDGED_COLUMNS) of each measure, and all slices: SLICE_KEY, `order`, and `has_figures`,
    whether any figure is 0 or more.
    """
    periods = list_return_periods(slices, measures)
    suspects = [find_suspects(rows, measures[name], larger, periods) for name, rows in measure_rows if name in measures]
    return settle_flags(suspects, larger)


def list_return_periods(slices: pl.DataFrame, measures: dict[str, Measure]) -> pl.Series:
    """Return the first days of periods in which a kept level depends on the other counts of the source.

    Takes all slices: SLICE_KEY, `order` and `has_figures`.
    """
    counts = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    if len(counts) < 2:
        return pl.Series(dtype=pl.Date)
    slices = slices.filter(pl.col("measure").cast(pl.String).is_in(counts))
    used = slices.filter(pl.col("order") == pl.col("order").max().over(SLICE_KEY)).filter("has_figures")
    later = pl.col("period_start").rank("dense", descending=True).over("measure") - 1
    return used.filter(later.is_in(list(_KEPT_PERIODS)))["period_start"].unique()


def find_suspects(
    rows: pl.DataFrame, measure: Measure, larger: LargerAreas | None, return_periods: pl.Series
) -> Suspects:
    """Find the suspect figures of one measure, from its rows alone; the same rows give the same suspects.

    Takes the rows of all releases of one measure (JUDGED_COLUMNS). No other measure is needed
    here. `settle_flags` needs the suspects of every measure of the source. There a level that a count keeps for one or
    two periods is judged by the source's other counts of the place and period. `return_periods` (list_return_periods)
    says for which periods those are listed. A stored result depends on the rows, on `return_periods`, on the
    declaration of the measure, and on `larger` where it has totals of the measure.
    """
    rows = select_compared_days(rows)
    slices = number_slices(rows)
    is_used = select_releases(slices)
    fit = fit_expected(slices, is_used, measure)
    is_additive = measure.kind in ADDITIVE_KINDS
    additive = [str(name) for name in rows["measure"].head(1)] if is_additive else []
    chosen = select_suspects(fit, is_additive)
    figures = _describe_suspects(fit, rows, chosen)
    low = _run_checks(_low_checks(additive), figures)
    flags = low | _find_level_flags(slices, is_used, fit, chosen)
    low_numbers = chosen[_find_low(figures, low)] if is_additive else chosen[:0]
    flags |= _run_checks({"repeated_values": find_repeated_values}, describe_repeats(fit, rows))
    if not measure.rounding:
        flags |= _run_checks({"undeclared_rounding": find_undeclared_rounding}, describe_multiples(fit, rows))
    return Suspects(
        flags,
        _list_waiting(figures),
        list_returned_figures(fit, slices, return_periods if is_additive else return_periods.clear()),
        compare_totals(pl.concat([no_flags(), *low.values()]), slices, is_used, larger, measure),
        list_unrecovered(fit, rows, low_numbers),
        list_recovered(fit, rows, low_numbers),
    )


def _find_low(figures: pl.DataFrame, low: Mapping[str, pl.DataFrame]) -> Numbers:
    """Find the row numbers of the suspect figures with a flag for being low."""
    if not low:
        return np.empty(0, dtype=np.intp)
    keys = pl.concat([table.select(FIGURE_KEY) for table in low.values()])
    numbered = figures.select(pl.col(name).cast(keys.schema[name]) for name in FIGURE_KEY).with_row_index("_row")
    return numbered.join(keys, on=FIGURE_KEY, how="semi")["_row"].to_numpy().astype(np.intp)


def _run_checks(checks: Mapping[str, FigureCheck], figures: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the flags of each check that has any. Most measures have no figure to check, and expressions take time."""
    if figures.is_empty():
        return {}
    flags = {name: check(figures) for name, check in checks.items()}
    return {name: table for name, table in flags.items() if table.height}


def _low_checks(additive: list[str]) -> dict[str, FigureCheck]:
    """Return the checks of figures that seem too low, with the levels that at least three later periods keep."""

    def find_unkept_returns(figures: pl.DataFrame) -> pl.DataFrame:
        is_kept = pl.col("level") & (pl.col("later") >= LEAST_LATER_PERIODS)
        return find_partial_returns(figures.with_columns(is_kept.alias("kept")), additive)

    return {
        "suspected_zeros": partial(find_suspected_zeros, additive=additive),
        "near_zero_leaks": find_near_zero_leaks,
        "partial_returns": find_unkept_returns,
    }


def _find_level_flags(slices: Slices, is_used: Numbers, fit: Fit, suspects: Numbers) -> dict[str, pl.DataFrame]:
    """Find figures in another unit, implausible figures and figures of several places, by check."""
    rows = slices.rows
    periods = describe_periods(fit, rows)
    moved = np.union1d(suspects, select_moved_figures(fit, periods)) if periods.height else suspects
    old, new = (rows[chosen] for chosen in select_rescaled(slices, is_used))
    level_checks: dict[str, FigureCheck] = {
        "unit_changes": partial(find_unit_changes, periods=periods),
        "implausible_figures": find_implausible_figures,
    }
    return {
        **_run_checks({"shared_labels": flag_shared_labels}, describe_labels(fit, slices)),
        **_run_checks({"identical_series": flag_identical_series}, describe_alike(fit, rows)),
        **_run_checks(level_checks, describe_figures(fit, rows, moved)),
        **_run_checks({"changes_between_releases": partial(find_changes_between_releases, old)}, new),
    }


def _list_waiting(figures: pl.DataFrame) -> pl.DataFrame:
    """Return the FIGURE_KEY of figures with a level that is kept for fewer than three periods."""
    if figures.is_empty():
        return empty_frame(WAITING)
    is_waiting = pl.col("level") & pl.col("later").is_in(list(_KEPT_PERIODS))
    return figures.filter(is_waiting).select(pl.col(name).cast(dtype) for name, dtype in WAITING.items())


def _describe_suspects(fit: Fit, rows: pl.DataFrame, suspects: Numbers) -> pl.DataFrame:
    """Return the suspect figures, with whether the place continues at their level (upheld.add_kept_levels)."""
    if not len(suspects):
        return rows.clear()
    is_suspect = np.zeros(len(fit.by_place.sizes), dtype=bool)
    is_suspect[fit.place[suspects]] = True
    series = np.flatnonzero(is_suspect[fit.place])
    levels = add_kept_levels(describe_expected(fit, series)).filter(pl.Series(np.isin(series, suspects)))
    return pl.concat([rows.select(FIGURE_COLUMNS)[fit.row[suspects]], levels], how="horizontal")


def settle_flags(suspects: Sequence[Suspects], larger: LargerAreas | None = None) -> pl.DataFrame:
    """Return the flags (PLAUSIBILITY_FLAG) that remain of the suspects of all measures of a source."""
    if not any(item.flags for item in suspects):
        return no_flags()
    low = keep_first_flags([*_stack_checks(suspects, LOW_CHECKS[:2]), _settle_partial_returns(suspects)])
    if larger:
        compared = pl.concat([item.compared for item in suspects])
        low = drop_confirmed_flags(low, compared, larger.members)
    repeats, rounding = _stack_checks(suspects, ("repeated_values", "undeclared_rounding"))
    before, after = _stack_checks(suspects, LEVEL_CHECKS[:4]), _stack_checks(suspects, LEVEL_CHECKS[4:])
    after_low = flag_unrecovered(pl.concat([item.after_low for item in suspects]), low)
    recovered = pl.concat([item.recovered for item in suspects])
    level = keep_first_flags([*before, low, after_low, *(drop_recovered(flags, recovered, low) for flags in after)])
    level = level.join(repeats, on=FIGURE_KEY, how="anti", maintain_order="left")
    return pl.concat([level, repeats, rounding.join(level, on=FIGURE_KEY, how="anti", maintain_order="left")])


def _stack_checks(suspects: Sequence[Suspects], names: Sequence[str]) -> list[pl.DataFrame]:
    """Return for each check the flags of all measures, by figure."""
    return [
        pl.concat([no_flags(), *(item.flags[name] for item in suspects if name in item.flags)]).sort(FIGURE_KEY)
        for name in names
    ]


def _settle_partial_returns(suspects: Sequence[Suspects]) -> pl.DataFrame:
    """Return the flags of partial returns without those at a level that the rest of a whole return confirms."""
    waiting, returned = (pl.concat([getattr(item, name) for item in suspects]) for name in ("waiting", "returned"))
    (partial_returns,) = _stack_checks(suspects, LOW_CHECKS[2:])
    if waiting.is_empty() or partial_returns.is_empty():
        return partial_returns
    whole = find_whole_returns(waiting, returned)
    return partial_returns.join(whole, on=FIGURE_KEY, how="anti", maintain_order="left")
