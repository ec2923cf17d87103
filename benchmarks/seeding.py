"""Faults at known cells of complete published figures, with the reason due for each.

A complete series has a figure for every place in every period. Each place gets at most one kind of fault, so that the
reasons given can be compared with those due. A third of the places get none.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import polars as pl

Spot = tuple[str, str]
"""A place and a period."""
Due = dict[Spot, str]
"""The reason due at each changed cell."""


class Row(NamedTuple):
    """A row of the file, as printed; `people` is the denominator of a rate, where the series has one."""

    code: str
    label: str
    period: str
    figure: str
    people: str = "100"


class Series(NamedTuple):
    """Complete figures of one measure, and their declaration; `rows` has the columns of Row."""

    name: str
    rows: pl.DataFrame
    kind: str
    grain: str
    places: str
    older: str
    rounding: float | None = None
    unit: str = "things"
    has_people: bool = False
    other_kinds: tuple[str, ...] = ()


class SeededFaults(NamedTuple):
    """A file with faults, the release before it without faults, and the reasons due."""

    rows: list[Row]
    before: list[Row]
    due: Due


class Field(NamedTuple):
    """The figures to change: the row of each place and period (None where deleted), and additional rows."""

    rows: dict[Spot, Row | None]
    extra: list[Row]
    periods: list[str]
    series: Series
    random: Random

    def figure(self, place: str, period: str) -> float:
        """Return a figure as a number."""
        row = self.rows[place, period]
        return float(row.figure) if row else 0.0

    def change_row(self, spot: Spot, **changes: str) -> None:
        """Change the row of a place and period."""
        row = self.rows[spot]
        self.rows[spot] = row._replace(**changes) if row else None

    def whole(self) -> tuple[int, int, int, int]:
        """Return the periods for faults of whole periods: rounded, in thousandths, ten times, under another date."""
        middle = len(self.periods) // 2
        return middle - 3, middle, middle + 3, len(self.periods) - 2

    def is_additive(self) -> bool:
        """Return whether the figures are counts."""
        return self.series.kind in COUNTS


Change = Callable[[Field, list[str], int], Due]
"""Puts a fault into some places (one, or two to merge) at a period; returns the reasons due."""
FaultKinds = dict[str, tuple[Change, tuple[str, ...], int]]
"""Faults by name, with the kinds of measure and the number of places together."""

COUNTS, ALL = ("count", "stock"), ("count", "stock", "rate")
FIRST = 3
"""First period with a fault; before it there is no history for comparison."""
LAST = 4
"""Number of last periods without a fault, except runs; the last but one has a fault of its own."""


def seed_faults(
    series: Series, seed: int, every: int, cell_faults: FaultKinds | None = None, whole_faults: bool = True
) -> SeededFaults:
    """Put every kind of fault into a series, at places and periods drawn by the seed, one in `every` periods.

    The kinds are those of CELL_FAULTS unless others are given. Without `whole_faults`, none of PERIOD_FAULTS is put,
    and the first and last periods have faults too.
    """
    random = Random(seed)
    rows_before = [Row(*row) for row in series.rows.sort("code", "period").iter_rows()]
    field = Field(
        {(row.code, row.period): row for row in rows_before},
        [],
        sorted({row.period for row in rows_before}),
        series,
        random,
    )
    places = sorted({row.code for row in rows_before})
    random.shuffle(places)
    free = _periods_with_history(field) if whole_faults else list(range(len(field.periods)))
    kinds = [
        (change, together)
        for change, measure_kinds, together in (cell_faults or CELL_FAULTS).values()
        if series.kind in measure_kinds
    ]
    share = max(len(places) * 2 // 3 // len(kinds) // 2 * 2, 2)
    due: Due = {}
    for number, (change, together) in enumerate(kinds):
        for hit, at in _draw_spots(field, places[number * share : (number + 1) * share], (free, every, together)):
            due |= change(field, hit, at)
    for whole, measure_kinds in PERIOD_FAULTS.values() if whole_faults else ():
        due |= whole(field, due) if series.kind in measure_kinds else {}
    rows = [row for row in field.rows.values() if row]
    return SeededFaults([*rows, *field.extra], [row for row in rows_before if row.period <= series.older], due)


def _periods_with_history(field: Field) -> list[int]:
    """Return the periods with others before and after them, but for those with a fault of the whole period."""
    return [at for at in range(FIRST, len(field.periods) - LAST) if at not in field.whole()]


def _draw_spots(field: Field, places: list[str], draw: tuple[list[int], int, int]) -> list[tuple[list[str], int]]:
    """Draw for each place (or several together) one of the free periods in each window, from its first half."""
    free, every, together = draw
    drawn = [free[start : start + (every + 1) // 2] for start in range(0, len(free), every)]
    return [
        (places[first : first + together], field.random.choice(window))
        for first in range(0, len(places) - together + 1, together)
        for window in drawn
    ]


def _set_figure(reason: str, change: Callable[[Field, float], str]) -> Change:
    """Make a fault that changes one figure."""

    def put(field: Field, places: list[str], at: int) -> Due:
        spot = (places[0], field.periods[at])
        field.change_row(spot, figure=change(field, field.figure(*spot)))
        return {spot: reason}

    return put


def _print_figure(figure: float, field: Field) -> str:
    """Print a figure in the publisher's form."""
    if field.is_additive():
        return str(round(figure))
    step = field.series.rounding or 0.01
    return f"{round(figure / step) * step:.6g}"


def _absence_reason(field: Field, period: str) -> str:
    return "withdrawn" if period <= field.series.older else "not_returned"


def _run_of_periods(field: Field, at: int, length: int) -> list[str]:
    end = min(whole for whole in field.whole() if whole >= at)
    return field.periods[at : min(at + length, end)]


def _delete_row(field: Field, places: list[str], at: int) -> Due:
    return _stop_provider(field, places, at, 1)


def _stop_provider(field: Field, places: list[str], at: int, length: int = 4) -> Due:
    spots = [(places[0], period) for period in _run_of_periods(field, at, length)]
    field.rows.update(dict.fromkeys(spots))
    return {spot: _absence_reason(field, spot[1]) for spot in spots}


def _leak_provider(field: Field, places: list[str], at: int) -> Due:
    spots = [(places[0], period) for period in _run_of_periods(field, at, 4)]
    for spot in spots:
        field.change_row(spot, figure=str(max(round(field.figure(*spot) * 0.02), 1)))
    return dict.fromkeys(spots, "near_zero_leak")


def _carry_forward(field: Field, places: list[str], at: int) -> Due:
    figure = _print_figure(field.figure(places[0], field.periods[at]), field)
    spots = [(places[0], period) for period in _run_of_periods(field, at + 1, 6)]
    for spot in spots if len(spots) == 6 else []:
        field.change_row(spot, figure=figure)
    return {} if len(spots) < 6 else dict.fromkeys(spots, "repeated_value")


def _merge_places(field: Field, places: list[str], at: int) -> Due:
    """Give two places the label of both, and the sum of both (for a rate, the mean)."""
    spots = [(place, field.periods[at]) for place in places]
    rows = [row for row in (field.rows[spot] for spot in spots) if row]
    whole = sum(float(row.figure) for row in rows) / (1 if field.is_additive() else 2)
    for spot in spots:
        field.change_row(spot, label=" and ".join(row.label for row in rows), figure=_print_figure(whole, field))
    return dict.fromkeys(spots, "combined_area")


def _shift_period(field: Field, places: list[str], at: int) -> Due:
    """Change the period of a row to the next one, which also has its own row."""
    spot, after = (places[0], field.periods[at]), (places[0], field.periods[at + 1])
    same = field.figure(*spot) == field.figure(*after)
    field.change_row(spot, period=after[1])
    return {spot: _absence_reason(field, spot[1])} | ({} if same else {after: "duplicate"})


def _halve_return(field: Field, places: list[str], at: int) -> Due:
    reason = "partial_return" if field.is_additive() else "implausible"
    return _set_figure(reason, lambda where, figure: _print_figure(figure / 2, where))(field, places, at)


def _duplicate_row(field: Field, places: list[str], at: int) -> Due:
    """Add a second row with a different figure."""
    spot = (places[0], field.periods[at])
    row = field.rows[spot]
    field.extra.extend([row._replace(figure=_print_figure(field.figure(*spot) * 1.03 + 1, field))] if row else [])
    return {spot: "duplicate"}


CELL_FAULTS: FaultKinds = {
    "a row deleted": (_delete_row, ALL, 1),
    "a provider stops for four periods": (_stop_provider, ALL, 1),
    "a provider all but stops for four periods": (_leak_provider, COUNTS, 1),
    "a figure set to zero": (_set_figure("suspected_zero", lambda _, __: "0"), ALL, 1),
    "a figure suppressed": (_set_figure("suppressed", lambda _, __: "c"), ALL, 1),
    "a return halved": (_halve_return, ALL, 1),
    "a figure two to four times": (
        _set_figure("implausible", lambda field, figure: _print_figure(figure * field.random.uniform(2, 4), field)),
        ALL,
        1,
    ),
    "a figure a thousand times": (_set_figure("unit_change", lambda _, figure: f"{figure * 1000:.10g}"), COUNTS, 1),
    "a figure carried forward six times": (_carry_forward, COUNTS, 1),
    "two places merged": (_merge_places, ALL, 2),
    "a row of the next period": (_shift_period, ALL, 1),
    "a row given twice, differently": (_duplicate_row, ALL, 1),
    "a figure made into text": (_set_figure("unreadable", lambda _, __: "see note"), ALL, 1),
}
"""Faults of single figures, with the kinds of measure and the number of places together."""


def _spots_without_fault(field: Field, due: Due, at: int) -> list[Spot]:
    spots = [spot for spot in field.rows if spot[1] == field.periods[at] and spot not in due]
    return [spot for spot in spots if field.rows[spot]]


def _rescale_period(by: float, which: int) -> Callable[[Field, Due], Due]:
    """Make a fault that multiplies a whole period, except cells with another fault."""

    def rescale(field: Field, due: Due) -> Due:
        spots = _spots_without_fault(field, due, field.whole()[which])
        for spot in spots:
            field.change_row(spot, figure=f"{field.figure(*spot) * by:.10g}")
        return dict.fromkeys(spots, "unit_change")

    return rescale


def _round_period(field: Field, due: Due) -> Due:
    """Round a whole period to tens."""
    spots = _spots_without_fault(field, due, field.whole()[0])
    for spot in spots:
        field.change_row(spot, figure=f"{round(field.figure(*spot), -1):.0f}")
    return {spot: "rounded" for spot in spots if field.figure(*spot)}


def _relabel_period(field: Field, _: Due) -> Due:
    """Change the last period but one to forty years earlier."""
    spots = _spots_without_fault(field, {}, field.whole()[3])
    for spot in spots:
        field.change_row(spot, period=f"{int(spot[1][:4]) - 40}{spot[1][4:]}")
    return dict.fromkeys(spots, "no_figure_for_period")


PERIOD_FAULTS: dict[str, tuple[Callable[[Field, Due], Due], tuple[str, ...]]] = {
    "a period in thousandths": (_rescale_period(0.001, 1), COUNTS),
    "a period ten times": (_rescale_period(10, 2), ALL),
    "a period rounded to tens": (_round_period, COUNTS),
    "a period under another date": (_relabel_period, ALL),
}
"""Faults of whole periods, with the kinds of measure."""
