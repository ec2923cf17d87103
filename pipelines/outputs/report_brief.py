"""The brief of a problem: its answer, what one would not otherwise know, and the figures that are not known.

No line rests on a withheld or a doubted figure. A missing figure is only named as missing.
"""

from typing import Any

import polars as pl

from pipelines.core.periods import format_period
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.gaps import describe_last_build
from pipelines.geography import nation_code
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.answer_ranking import Ranking
from pipelines.outputs.brief import Brief, BriefLine, BriefSection, fit_brief, interleave, lower_first, upper_first
from pipelines.outputs.report_changes import write_days
from pipelines.outputs.report_model import Report, has_doubt
from pipelines.outputs.report_summary import list_requests
from pipelines.outputs.report_tables import format_figure, name_places

ANSWER_RULE = "The answer of the page."
NATION_RULE = "The first place beside its nation, for the same measure and period."
REVISION_RULE = "Newest revisions, by share of earlier figures that changed."
BORDER_RULE = "Borders of the newest period: the largest jump of a rate, then measures with a figure on one side only."
RETURN_RULE = "Newest returns, by share of the volume that is missing."
WITHHELD_RULE = "Newest periods, by number of places with a return that is withheld or in doubt."
CHANGE_RULE = "Gaps that changed since the last build."
REQUEST_RULE = "Requests, by number of people in the places without a figure."


def build_report_brief(report: Report, lead: str, answer: PageAnswer | None, rankings: list[Ranking]) -> Brief:
    """Return the brief of a problem; `lead` is the first sentence of its page."""
    news = interleave(
        _compare_with_nation(report, answer, rankings),
        _list_silent_returns(report),
        _list_withheld_returns(report),
        _list_revisions(report),
        _list_borders(report),
        _describe_changes(report),
    )
    return fit_brief([
        BriefSection("The answer", (BriefLine(lead, ANSWER_RULE),)),
        BriefSection("What one would not otherwise know", news),
        BriefSection("Not known, and the requests that would close it", tuple(_list_gaps(report))),
    ])  # fmt: skip


def _compare_with_nation(report: Report, answer: PageAnswer | None, rankings: list[Ranking]) -> list[BriefLine]:
    """Compare the first place of a rate with its nation's figure of the same period."""
    if not answer or not rankings or not answer.measure or answer.measure.kind in ADDITIVE_KINDS:
        return []
    end = rankings[0].highest if answer.order == "highest" else rankings[0].lowest
    first = answer.figures.filter(pl.col("place_code") == end.rows[0].code).row(0, named=True)
    history = report.history_of(answer.column).filter(
        pl.col("level") == "nation", pl.col("place_code") == nation_code(first["place_code"]),
        pl.col("period_start") == first["reference_start"], pl.col("period_end") == first["reference_end"],
        pl.col("value").is_not_null(),
    )  # fmt: skip
    if history.is_empty():
        return []
    percent = " %" if answer.measure.unit == "%" else ""
    figure, period = history.row(0, named=True), format_period(first["reference_start"], first["reference_end"])
    own = f"{end.rows[0].text}{percent} in {first['place_name']}"
    other = f"{answer.format(figure['value'])}{percent} in {first['nation']}"
    return [BriefLine(f"{_short_title(report, answer.column)}, {period}: {own}, {other}.", NATION_RULE)]


def _short_title(report: Report, name: str) -> str:
    """Return the subject of the first sentence for its measure, so that a brief says a long title once."""
    answer = report.header.answer
    return answer.subject if answer and answer.column == name and answer.subject else report.measures[name].title


def _list_silent_returns(report: Report) -> list[BriefLine]:
    if report.completeness.is_empty():
        return []
    newest = report.completeness.filter(pl.col("period_end") == pl.col("period_end").max().over("measure"))
    rows = newest.filter(pl.col("returned") < pl.col("due")).sort("reporting_rate", "measure", nulls_last=True)
    return [BriefLine(_describe_returns(report, row), RETURN_RULE) for row in rows.head(2).iter_rows(named=True)]


_LOW_RETURNS = ("suspected_zero", "near_zero_leak", "partial_return")
_SHORTFALL = r"(?:^|\. )([^:.]+): [^%]*? in (\d+) places, (\d+) % of the"
"""Provider, places compared and share of the expected sum, in the evidence of a shortfall (checks.providers)."""


def _list_withheld_returns(report: Report) -> list[BriefLine]:
    """List the returns of the newest period that are withheld, and the newest shortfalls of providers."""
    lines = _list_low_returns(report) + _list_shortfalls(report)
    return [BriefLine(text, WITHHELD_RULE) for text in lines]


def _list_low_returns(report: Report) -> list[str]:
    asked = report.asked_cells
    if not set(asked["reason"].unique()).intersection(_LOW_RETURNS):
        return []
    newest = asked.filter(pl.col("period_start") == pl.col("period_start").max())
    counted = newest.filter(pl.col("reason").is_in(list(_LOW_RETURNS))).group_by("measure", "period_end").len("places")
    return [
        f"{report.measures[name].title}: figures of {number:,} {'place' if number == 1 else 'places'} for the newest "
        "period are withheld, because their returns seem to be missing in part or whole."
        for name, _, number in counted.sort("places", "measure", descending=[True, False]).head(1).iter_rows()
    ]


def _list_shortfalls(report: Report) -> list[str]:
    asked = report.asked_cells
    if not any("provider_shortfall" in (text or "") for text in asked["caveats"].unique()):
        return []
    doubted = asked.filter(pl.col("caveats").str.split(",").list.contains("provider_shortfall").fill_null(False))
    provider = pl.col("evidence").str.extract(_SHORTFALL, 1).alias("provider")
    places, share = (
        pl.col("evidence").str.extract(_SHORTFALL, group).cast(pl.Int64).alias(name)
        for group, name in ((2, "places"), (3, "share"))
    )
    short = doubted.select("measure", "reference_start", "reference_end", provider, places, share).drop_nulls().unique()
    order = pl.col("measure").replace_strict({name: number for number, name in enumerate(report.measures)})
    by_time = short.sort("reference_end", order, "share", "provider", descending=[True, False, False, False])
    ordered = by_time.unique(["reference_end", "provider"], keep="first", maintain_order=True)
    return [
        f"{report.measures[name].title}, {format_period(start, end)}: {who} sent {part} % of the expected sum for "
        f"{number:,} of its places, so the figures of all its places are in doubt."
        for name, start, end, who, number, part in ordered.head(2).iter_rows()
    ]


def _describe_returns(report: Report, row: dict[str, Any]) -> str:
    rate, period = row["reporting_rate"], format_period(row["period_start"], row["period_end"])
    share = "" if rate is None else f"; {100 * rate:.0f} % of the volume was returned"
    return (
        f"{report.measures[row['measure']].title}: {row['due'] - row['returned']:,} of {row['due']:,} "
        f"{row['returned_by']} sent no complete return for {period}{share}."
    )


def _list_revisions(report: Report) -> list[BriefLine]:
    rows = report.history.revisions.filter(pl.col("changed") > 0).sort(
        "share_changed", "measure", descending=[True, False]
    )
    lines = []
    for row in rows.head(2).iter_rows(named=True):
        day, where = row["new_released_at"], name_places(row["places_most_affected"] or "", report)
        said = f"{_short_title(report, row['measure'])}: the release of {format_period(day, day)} revised "
        said += f"{row['changed']:,} of {row['cells_in_both']:,} earlier figures"
        lines.append(BriefLine(f"{said}{', most in ' + where if where else ''}.", REVISION_RULE))
    return lines


def _list_borders(report: Report) -> list[BriefLine]:
    """List the largest jump between neighbours, and the measures that are known on one side of most borders."""
    if report.breaks.lines.is_empty():
        return []
    doubted = report.cells.filter(has_doubt()).select("measure", "place_code").unique()
    newest = report.breaks.lines.filter(pl.col("period_end") == pl.col("period_end").max())
    for side in ("place_a", "place_b"):
        newest = newest.join(doubted, left_on=["measure", side], right_on=["measure", "place_code"], how="anti")
    size = (pl.col("value_a") - pl.col("value_b")) / pl.col("value_a").abs()
    # A count differs between neighbours because their sizes do.
    rates = [name for name, measure in report.measures.items() if measure.kind not in ADDITIVE_KINDS]
    own = newest.filter(pl.col("kind") == "jump", pl.col("measure").is_in(rates))
    jumps = own.sort(size, "measure", "place_a", "place_b", descending=[True, False, False, False])
    lines = [BriefLine(_describe_jump(report, row), BORDER_RULE) for row in jumps.head(1).iter_rows(named=True)]
    edges = newest.filter(pl.col("kind").is_in(["known_unknown", "nation_edge"])).group_by("measure").len("borders")
    for name, number in edges.sort("borders", "measure", descending=[True, False]).head(2).iter_rows():
        lines.append(BriefLine(f"{_short_title(report, name)}: at {number:,} {'border' if number == 1 else 'borders'} "
                               "one neighbour has a figure and the other has none.", BORDER_RULE))  # fmt: skip
    return lines


def _describe_jump(report: Report, row: dict[str, Any]) -> str:
    measure = report.measures[row["measure"]]
    percent = " %" if measure.unit == "%" else ""
    sides = [
        f"{format_figure(row[f'value_{side}'], measure)}{percent} in {name_places(row[f'place_{side}'], report)}"
        for side in ("a", "b")
    ]
    title = _short_title(report, row["measure"])
    return f"{title}: {sides[0]} and {sides[1]}, its neighbour; few neighbours differ as much."


def _describe_changes(report: Report) -> list[BriefLine]:
    if report.history.ledger.builds.height < 2:
        return []
    text = write_days(describe_last_build(report.history.ledger))
    return [] if "nothing changed" in text else [BriefLine(f"Gaps {text}.", CHANGE_RULE)]


def _list_gaps(report: Report) -> list[BriefLine]:
    """List the requests with most people, each measure once."""
    requests = list_requests(report)
    once = {row["measure"]: row for row in reversed(requests)}
    lines = []
    for row in (row for row in requests if once[row["measure"]] is row):
        least = "at least " if row["people_known"] < row["places"] else ""
        people = "" if row["people"] is None else f", {least}{row['people']:,.0f} people"
        where = f"{row['places']:,} {'place' if row['places'] == 1 else 'places'}{people}"
        request = f"{upper_first(row['data_owner'])}: {row['remedy']}"
        said = f"{row['measure_title']}: {lower_first(row['title'])} ({where}). {request}"
        lines.append(BriefLine(said, REQUEST_RULE))
    return lines
