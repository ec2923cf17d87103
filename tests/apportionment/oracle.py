"""Placing written from the definitions, slowly: one cell at a time, in plain Python.

Tests compare the engine with it.
"""

from typing import Any, NamedTuple

from pipelines.core.schema import OBSERVATION_STATUSES, STATUSES_WITHOUT_VALUE

Row = dict[str, Any]
Leg = tuple[str | None, str | None, float | None, float | None]
"""A row of a crosswalk: source place, target place, weight and people."""
REASON_OF_STATUS = {
    "low": "suppressed", "confidential": "suppressed", "not_available": "not_available",
    "not_applicable": "not_applicable",
}  # fmt: skip


class Part(NamedTuple):
    """A published figure that touches a target place: its codes there, its weight, its people and its row."""

    codes: list[str]
    weight: float | None
    people: float | None
    is_whole: bool
    is_joint: bool
    row: Row | None
    denominator: float | None

    @property
    def value(self) -> float | None:
        return None if self.row is None else self.row["value"]

    def bound(self, side: str) -> float | None:
        return None if self.row is None else self.row[side]


class Slice(NamedTuple):
    """One slice: its kind, whether it can be negative, whether it is an estimate, its rows and its denominators."""

    kind: str
    signed: bool
    uncertain: bool
    rows: dict[str, Row]
    denominators: dict[str, float]
    same_period: bool


def place_cell(target: str, legs: list[Leg], figures: Slice, allowed: bool = False) -> Row:
    """Place one slice at one target place: value, reason, bounds, coverage, share, partial, status and derivation."""
    parts = list_parts(target, legs, figures)
    outside = [people for source, to, _, people in legs if to == target and source is None]
    mine = [leg for leg in legs if leg[1] == target and leg[0] is not None]
    single = len(parts) == 1 and parts[0].is_whole and not outside
    is_open = any(people != 0 for people in outside)
    valued = sum(len(part.codes) for part in parts if part.value is not None)
    complete = all(part.value is not None for part in parts) and not is_open
    mean = average(parts, is_open) if figures.kind == "rate" or are_all_zero(parts, is_open) else None
    if figures.kind in ("count", "stock"):
        weighed = all(part.weight is not None for part in parts)
        figure = sum(part.value * part.weight for part in parts) if complete and weighed else None
    else:
        figure = parts[0].value if single else mean if complete else None
    reason = find_reason(parts, mine, outside, figure, allowed)
    crossed = [(part.value or 0.0) * (part.weight or 0.0) for part in parts if not part.is_whole]
    cut = sum(crossed) if figure is not None else 0.0
    share = (cut / figure if figure else 0.0) if figures.kind in ("count", "stock") and figure is not None else None
    averaged = reason is None and figures.kind not in ("count", "stock") and not single
    low, high = find_bounds(parts, figures, figure, reason, single, bool(is_open))
    return {
        "value": figure if reason is None else None,
        "reason": reason,
        "lower_bound": low,
        "upper_bound": high,
        "coverage": find_coverage(parts, legs, target, complete, valued, mean, figures),
        "apportioned_share": share,
        "partial": mean if reason == "children_incomplete" else None,
        "obs_status": find_status(parts, reason, averaged or bool(share and share > 0), figure),
        "is_averaged": averaged,
    }


def list_parts(target: str, legs: list[Leg], figures: Slice) -> list[Part]:
    """List the published figures that touch a place; figures of several places together are one part."""
    together = {code: joint for joint in figures.rows if "+" in joint for code in joint.split("+")}
    known = {leg[0] for leg in legs}
    every = [*legs, *((code, None, 1.0, None) for code in together if code not in known)]
    grouped: dict[str, dict[str | None, list[Leg]]] = {}
    for leg in every:
        if leg[0] is not None:
            grouped.setdefault(together.get(leg[0], leg[0]), {}).setdefault(leg[1], []).append(leg)
    parts = []
    for origin in sorted(grouped):
        there = grouped[origin]
        if target not in there:
            continue
        people = {to: _sum([leg[3] for leg in rows]) for to, rows in there.items()}
        weight = there[target][0][2] if "+" not in origin else _joint_weight(people, target)
        parts.append(Part([leg[0] or "" for leg in there[target]], weight, people[target],
                          weight == 1 and len(there) == 1, "+" in origin, figures.rows.get(origin),
                          figures.denominators.get(origin)))  # fmt: skip
    return parts


def _sum(numbers: list[float | None]) -> float | None:
    return None if None in numbers else sum(number for number in numbers if number is not None)


def _joint_weight(people: dict[str | None, float | None], target: str) -> float | None:
    if len(people) == 1:
        return 1.0
    total = _sum(list(people.values()))
    return people[target] / total if total else None


def are_all_zero(parts: list[Part], is_open: bool) -> bool:
    """Return whether every part of a place is 0."""
    return not is_open and bool(parts) and all(part.value == 0 for part in parts)


def average(parts: list[Part], is_open: bool) -> float | None:
    """Average the known parts by their apportioned denominators, where each part has one; parts of 0 average 0."""
    if are_all_zero(parts, is_open):
        return 0.0
    if is_open or any(part.weight is None or not part.denominator for part in parts):
        return None
    known = [(part.value, part.weight * part.denominator) for part in parts if part.value is not None]
    mass = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / mass if mass else None


def find_reason(
    parts: list[Part], mine: list[Leg], outside: list[float | None], figure: float | None, allowed: bool
) -> str | None:
    """Return the first reason that applies."""
    by_people = None not in [leg[3] for leg in mine] + outside
    sizes = [(leg[3] if by_people else leg[2]) or 0.0 for leg in mine]
    minor = sum(size for leg, size in zip(mine, sizes, strict=True) if leg[2] is not None and leg[2] < 0.5)
    rows = [part.row for part in parts if part.row is not None]
    if sum(sizes) and minor / sum(sizes) > 0.5 and not allowed:
        return "coarser_only"
    if any(part.is_joint and part.weight is None and part.value is not None for part in parts):
        return "combined_area"
    if any(leg[2] is None for leg in mine):
        return "split"
    if outside:
        return "low_reach"
    if not rows:
        return "not_returned"
    if all(part.value is None for part in parts):
        worst = max((row["obs_status"] for row in rows), key=OBSERVATION_STATUSES.index)
        return REASON_OF_STATUS.get(worst, "unexplained")
    if any(part.value is None for part in parts):
        return "children_incomplete"
    return None if figure is not None else "needs_parts"


def find_bounds(
    parts: list[Part], figures: Slice, figure: float | None, reason: str | None, single: bool, is_open: bool
) -> tuple[float | None, float | None]:
    """Return the bounds of a cell."""
    if figures.kind in ("count", "stock"):
        return _bound_sum(parts, figures.signed, figure is not None, is_open)
    lows, highs = ([part.bound(side) for part in parts] for side in ("lower_bound", "upper_bound"))
    if single and reason in (None, "suppressed"):
        return lows[0], highs[0]
    if single or reason not in (None, "needs_parts") or not all(part.is_whole for part in parts):
        return None, None
    if reason is None and figures.same_period:
        masses = [part.denominator or 0.0 for part in parts]
        low, high = (
            None if None in ends else sum(end * mass for end, mass in zip(ends, masses, strict=True)) / sum(masses)
            for ends in (lows, highs)
        )
        return low, high
    if figures.kind == "rank" or figures.uncertain:
        return None, None
    values = [part.value for part in parts]
    return (min(v if end is None else end for end, v in zip(lows, values, strict=True)),
            max(v if end is None else end for end, v in zip(highs, values, strict=True)))  # fmt: skip


def _bound_sum(parts: list[Part], signed: bool, has_value: bool, is_open: bool) -> tuple[float | None, float | None]:
    """Sum what each part adds: a whole part its bounds, a cut part 0 to its upper bound, a missing one 0 or more."""
    lows, highs = ([part.bound(side) for part in parts] for side in ("lower_bound", "upper_bound"))
    if all(low is None and high is None for low, high in zip(lows, highs, strict=True)):
        return None, None
    crossed = any(not part.is_whole for part in parts)
    whole_lows = [low for low, part in zip(lows, parts, strict=True) if part.is_whole]
    no_low = (signed and (crossed or is_open or None in lows)) or (has_value and None in whole_lows)
    no_high = is_open or None in highs or (signed and crossed)
    return None if no_low else sum(low or 0.0 for low in whole_lows), None if no_high else sum(highs)


def find_coverage(
    parts: list[Part], legs: list[Leg], target: str, complete: bool, valued: int, mean: float | None, figures: Slice
) -> float | None:
    """Return the share of the place in parts with a figure: of residents for a count, of denominators for a rate."""
    if complete or not valued:
        return 1.0 if complete else 0.0
    if figures.kind in ("count", "stock"):
        people = [leg[3] for leg in legs if leg[1] == target]
        total = _sum(people)
        return sum(part.people or 0.0 for part in parts if part.value is not None) / total if total else None
    if mean is None:
        return None
    masses = [(part.value, part.weight * part.denominator) for part in parts]
    return sum(mass for value, mass in masses if value is not None) / sum(mass for _, mass in masses)


def find_status(parts: list[Part], reason: str | None, estimated: bool, figure: float | None) -> str | None:
    """Return the worst status; for a value, the worst of its published figures where any part has such a status."""
    if reason is None and estimated:
        return "estimated"
    every = [part.row["obs_status"] for part in parts if part.row is not None]
    shown = [status for status in every if status not in STATUSES_WITHOUT_VALUE]
    used = shown if figure is not None and shown else every
    return max(used, key=OBSERVATION_STATUSES.index, default=None)
