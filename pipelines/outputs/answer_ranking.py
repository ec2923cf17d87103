"""Highest and lowest places of an answer, in groups that are statistically similar where figures are uncertain."""

from typing import NamedTuple

import polars as pl

from pipelines.gaps import NO_INTERVAL, NOISE, rank_places
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.report_model import Report

ROWS_SHOWN = 10
"""Maximum number of places at one end of a ranking; a page with a chart beside it shows fewer."""
OF_INPUTS = "its inputs are estimates or have added noise"


class RankedPlace(NamedTuple):
    """A place of a ranking, with its figure and interval in words."""

    code: str
    name: str
    value: float
    text: str
    note: str


class End(NamedTuple):
    """The highest or the lowest places.

    `leaders` is the number of places that may be the first: 1, or several with equal or statistically similar figures.
    `is_certain` is False where `why` says that the order is not known.
    """

    order: str
    rows: tuple[RankedPlace, ...]
    leaders: int
    is_equal: bool
    why: str

    @property
    def is_certain(self) -> bool:
        """Whether the first row is the end of the order, alone or with equal figures."""
        return not self.why and (self.leaders == 1 or self.is_equal)


class Ranking(NamedTuple):
    """Both ends of the order of the places that are compared with each other. `group` is blank for a single group."""

    group: str
    places: int
    highest: End
    lowest: End


def rank_answer(report: Report, answer: PageAnswer) -> list[Ranking]:
    """Rank the comparable places of each group, the group with most places first."""
    by_group = answer.comparable.partition_by("group", maintain_order=True)
    labels = label_groups(answer)
    ranked = []
    for group in by_group:
        ranks = pl.DataFrame()
        if answer.measure:
            cells = report.cells.filter(
                pl.col("measure") == answer.column, pl.col("period_start") == answer.period_start
            )
            ranks = rank_places(cells.join(group, on="place_code", how="semi"), {answer.column: answer.measure})
        ends = (_find_end(report, answer, group, ranks, order) for order in ORDERS)
        ranked.append(Ranking(labels[group["group"][0]], group.height, *ends))
    return sorted(ranked, key=lambda ranking: -ranking.places)


ORDERS = ("highest", "lowest")


def label_groups(answer: PageAnswer) -> dict[str, str]:
    """Return a label for each group: the nations of its places; blank where there is one group."""
    groups = answer.comparable.group_by("group").agg(pl.col("nation").drop_nulls().unique().sort().str.join(" and "))
    if groups.height < 2:
        return {group: "" for group, _ in groups.iter_rows()}
    return {group: nation or "other places" for group, nation in groups.iter_rows()}


def _find_end(report: Report, answer: PageAnswer, group: pl.DataFrame, ranks: pl.DataFrame, order: str) -> End:
    """Return one end of a group; `ranks` (ranks.RANK) is for the places of a measure."""
    is_highest = order == "highest"
    ordered = group.sort("value", "place_name", descending=[is_highest, False])
    rows = tuple(_ranked_place(row, answer) for row in ordered.head(ROWS_SHOWN).iter_rows(named=True))
    equal = int((ordered["value"] == ordered["value"][0]).sum())
    if answer.measure is None:
        why = OF_INPUTS if any(report.measures[name].is_uncertain for name in answer.inputs) else ""
        return End(order, rows, equal, equal > 1, why)
    first = ranks.filter(pl.col("place_code") == rows[0].code).row(0, named=True)
    if first["noise"] or first["no_interval"]:
        return End(order, rows, equal, equal > 1, NOISE if first["noise"] else NO_INTERVAL)
    at_end = pl.col("rank_lower_bound") == 1 if is_highest else pl.col("rank_upper_bound") == ranks.height
    leaders = set(ranks.filter(at_end)["place_code"]) | {rows[0].code}
    # A leader that shares the first figure is equal, not similar.
    of_leaders = ordered.filter(pl.col("place_code").is_in(sorted(leaders)))["value"]
    is_equal = len(leaders) > 1 and bool((of_leaders == rows[0].value).all())
    return End(order, rows, len(leaders), is_equal, "")


def _ranked_place(row: dict[str, object], answer: PageAnswer) -> RankedPlace:
    value, low, high = row["value"], row["interval_lower"], row["interval_upper"]
    assert isinstance(value, float)
    has_interval = isinstance(low, float) and isinstance(high, float) and low != high
    note = f"{answer.format(low)} to {answer.format(high)}" if has_interval else ""  # type: ignore[arg-type]
    return RankedPlace(str(row["place_code"]), str(row["place_name"]), value, answer.format(value), note)
