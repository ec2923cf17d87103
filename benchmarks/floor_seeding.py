"""Faults that no declaration is needed to find, at known cells of complete published figures.

None is larger than those met in published files: a minus, a marker of nines, the label of another place, a denominator
of 0, a fraction among percentages, a row of a longer period.
"""

from benchmarks.seeding import ALL, COUNTS, Due, FaultKinds, Field, Spot

RATES = ("rate",)
NINES = "99999"
MINUS_MARKERS = ("-1", "-9", "-99", "-999", "-9999")


def _figure_of(field: Field, spot: Spot) -> str:
    row = field.rows[spot]
    return row.figure if row else ""


def _label_of_another_place(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    mine = field.rows[spot]
    others = sorted({row.label for row in field.rows.values() if row and mine and row.label != mine.label})
    field.change_row(spot, label=field.random.choice(others))
    return {spot: "label_contradicts_code"}


def _label_of_two_places(field: Field, places: list[str], at: int) -> Due:
    """Publish two places in one row, under the code of the first and both names; the second has no row."""
    (first, second), period = places, field.periods[at]
    rows = [field.rows[place, period] for place in places]
    figures = [float(row.figure) for row in rows if row]
    whole = sum(figures) if field.is_additive() else sum(figures) / 2
    label = " and ".join(row.label.split(" / ")[0] for row in rows if row)
    field.change_row((first, period), label=label, figure=f"{whole:.10g}")
    field.rows[second, period] = None
    return dict.fromkeys([(first, period), (second, period)], "combined_area")


def _minus_marker(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    field.change_row(spot, figure=field.random.choice(MINUS_MARKERS))
    return {spot: "numeric_marker"}


def _nines(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    field.change_row(spot, figure=NINES)
    return {spot: "numeric_marker"}


def _minus_before_count(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    figure = _figure_of(field, spot)
    if float(figure) == 0:
        return {}
    field.change_row(spot, figure=f"-{figure}")
    return {spot: "numeric_marker" if f"-{figure}" in MINUS_MARKERS else "implausible"}


def _denominator_of_zero(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    field.change_row(spot, people="0")
    return {spot: "zero_denominator"} if field.series.has_people else {}


def _printed_division(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    field.change_row(spot, figure="#DIV/0!")
    return {spot: "zero_denominator"}


def _fraction_among_percentages(field: Field, places: list[str], at: int) -> Due:
    spot = (places[0], field.periods[at])
    number = float(_figure_of(field, spot).removesuffix("%"))
    if field.series.unit != "%" or not number:
        return {}
    field.change_row(spot, figure=f"{number / 100:.6g}")
    return {spot: "unit_change"}


def _row_of_longer_period(field: Field, places: list[str], at: int) -> Due:
    """Date a row by its year where the series is by month, and by three years where it is by year."""
    period = field.periods[at]
    spot, year = (places[0], period), int(period[:4])
    field.change_row(spot, period=f"{year}" if field.series.grain == "month" else f"{year - 1} to {year + 1}")
    return {spot: "coarser_period"}


FLOOR_FAULTS: FaultKinds = {
    "a row with the name of another place": (_label_of_another_place, ALL, 1),
    "two places in one row, with both names": (_label_of_two_places, ALL, 2),
    "-1, -9, -99, -999 or -9999 for a figure": (_minus_marker, ALL, 1),
    "99999 for figures of several places": (_nines, ALL, 1),
    "a minus before a count": (_minus_before_count, COUNTS, 1),
    "a denominator of 0": (_denominator_of_zero, RATES, 1),
    "#DIV/0! for a rate": (_printed_division, RATES, 1),
    "a fraction among percentages": (_fraction_among_percentages, RATES, 1),
    "a row of a longer period": (_row_of_longer_period, ALL, 1),
}
"""Faults of single figures, with the kinds of measure and the number of places together."""
