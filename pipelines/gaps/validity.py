"""Days on which an answer is the same, from the same releases.

A day changes an answer where it is the first day of something: a release, the end of a requested period, the end of a
figure's period, the day after a figure becomes too old, or the day on which a figure is due. Between two such days the
cells are the same, so they are those of the first.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from pipelines.core.periods import ReferencePeriod
from pipelines.core.store import state_path, table_key
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import FIGURE_TABLES, VIEW_TABLES, TableKeys
from pipelines.declarations.problem import Need
from pipelines.declarations.release_schedule import due_day
from pipelines.gaps.grid import choose_periods, greatest_age, list_periods


class Validity(NamedTuple):
    """Days on which an answer holds: from the first day up to, and without, the day of the next change."""

    first: date
    change: date


def find_validity(
    problem: Problem,
    catalogue: Catalogue,
    slices: dict[str, list[ReferencePeriod]],
    known: Iterable[date],
    as_of: date,
) -> Validity:
    """Find the days around a day on which a problem has the same answer from the same slices.

    `known` has the day of the last release, and the days from which other figures are used, as for residents.
    """
    find_changes = _changes_of_newest if problem.header.grain == "latest" else _changes_of_periods
    changes = {*known, *find_changes(problem, catalogue, slices, as_of)}
    return Validity(
        max((day for day in changes if day <= as_of), default=as_of),
        min((day for day in changes if day > as_of), default=date.max),
    )


def _changes_of_newest(
    problem: Problem, catalogue: Catalogue, slices: dict[str, list[ReferencePeriod]], as_of: date
) -> Iterator[date]:
    for measure in problem.measures:
        ends = {span.end for span in slices.get(measure, [])}
        yield from ends
        if past := [end for end in ends if end <= as_of]:
            source = catalogue.sources[catalogue.measure_source[measure]]
            most, _ = greatest_age(problem.header.measure_needs.get(measure, Need()), source)
            yield max(past) + timedelta(days=most + 1)


def _changes_of_periods(
    problem: Problem, catalogue: Catalogue, slices: dict[str, list[ReferencePeriod]], as_of: date
) -> Iterator[date]:
    periods = list_periods(problem, as_of)
    span = problem.header.periods
    if span is None or span.end is None:
        yield from (period.end for period in periods)
        yield _next_period_end(problem, as_of)
    for choice in choose_periods(problem, catalogue, slices, periods, as_of):
        if choice.reason in ("not_due", "late"):
            yield due_day(choice.period_end, catalogue.sources[catalogue.measure_source[choice.measure]].schedule)


def _next_period_end(problem: Problem, as_of: date) -> date:
    """Return the end of the first requested period that ends after a day."""
    day = as_of
    while len(later := list_periods(problem, day)) == len(list_periods(problem, as_of)):
        day += timedelta(days=366)
    return later[len(list_periods(problem, as_of))].end


def format_figures_key(content: str, validity: Validity) -> str:
    """Return the key of stored tables of figures: the hash of their inputs, and the days on which they hold."""
    return f"{content} {validity.first} {validity.change}"


def format_answer_key(content: str, figures_key: str) -> str:
    """Return the key of a stored view: the hash of its inputs, and the days on which its tables of figures hold."""
    return f"{content} {figures_key.partition(' ')[2]}"


def current_figures_key(home: Path, name: str, current_keys: TableKeys) -> str | None:
    """Return the key of a problem's tables of figures where all hold on the day of the keys; else null."""
    key = _shared_key(home, name, FIGURE_TABLES)
    content, _, days = (key or "").partition(" ")
    first, _, change = days.partition(" ")
    if key and content == current_keys.figures[name] and first <= current_keys.day.isoformat() < change:
        return key
    return None


def current_answer_key(home: Path, name: str, current_keys: TableKeys) -> str | None:
    """Return the key of a problem's views where all its stored tables hold on the day of the keys; else null."""
    figures_key = current_figures_key(home, name, current_keys)
    key = format_answer_key(current_keys.answer[name], figures_key) if figures_key else None
    return key if key == _shared_key(home, name, VIEW_TABLES) else None


def _shared_key(home: Path, name: str, kinds: Sequence[str]) -> str | None:
    """Return the key that all stored tables of some kinds have; null where they have several, or one is missing."""
    keys = {table_key(state_path(home, kind, name)) for kind in kinds}
    return keys.pop() if len(keys) == 1 else None
