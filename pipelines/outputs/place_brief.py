"""The brief of one place: what its own page says that a reader would not otherwise know.

No line rests on a withheld or a doubted figure. A missing figure is only named as missing.
"""

from datetime import date, timedelta
from math import log
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.outputs.brief import Brief, BriefLine, BriefSection, fit_brief, interleave, lower_first
from pipelines.outputs.place_context import PlaceContext
from pipelines.outputs.place_pages import PlacePage
from pipelines.outputs.report_model import has_doubt
from pipelines.outputs.report_tables import format_figure

NATION_RULE = "Rates furthest from the nation's figure for the same period, by ratio."
REVISION_RULE = "Newest revisions by relative size, the largest of each measure."
BORDER_RULE = "Border: jumps of rates first, then gaps on one side, by number of neighbours."
YEAR_RULE = "Figures that differ by a tenth or more from those of a year before, by ratio; without a break between."
LEAST_CHANGE, LEAST_COUNT = 1.1, 20
"""Smallest ratio of a change over a year that a brief states, and smallest count in it."""
RETURN_RULE = "Missing returns, by number of periods."
CHANGE_RULE = "Gaps that are newer than the place's oldest gap, newest first."
REQUEST_RULE = "Missing figures, by number of questions: needs and unknowns in turn."
MOST_NAMES = 3
_NO_RETURN = ("not_returned", "withdrawn", "partial_return")


class BriefFacts(NamedTuple):
    """Facts that briefs need beside the page: revised figures and borders, by code of place."""

    revisions: dict[str, list[dict[str, Any]]]
    borders: dict[str, list[dict[str, Any]]]


NO_BRIEF_FACTS = BriefFacts({}, {})


def collect_brief_facts(cells: pl.DataFrame, revisions: pl.DataFrame, discontinuities: pl.DataFrame) -> BriefFacts:
    """Collect the facts of all briefs in one pass.

    Takes the caveats of cells (measure, place_code, caveats), the figures that the newest release of each source
    changed (revisions.REVISION) and the discontinuities (discontinuities.BOUNDARY_DISCONTINUITY). A measure with a
    doubted figure in a place is left out there.
    """
    doubted = cells.filter(has_doubt()).select("measure", "place_code").unique()
    return BriefFacts(_group(_largest_revisions(revisions, doubted)), _group(_own_borders(discontinuities, doubted)))


def _group(rows: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        grouped.setdefault(row["place_code"], []).append(row)
    return grouped


def _largest_revisions(revisions: pl.DataFrame, doubted: pl.DataFrame) -> pl.DataFrame:
    """Return for each place and measure the largest change by the newest release, and the number of changes."""
    size = ((pl.col("new") - pl.col("old")) / pl.max_horizontal(pl.col("old").abs(), pl.col("new").abs())).abs()
    known = revisions.drop_nulls(["old", "new"]).join(doubted, on=["measure", "place_code"], how="anti")
    newest = known.filter(pl.col("new_released_at") == pl.col("new_released_at").max().over("measure"))
    ranked = newest.with_columns(size.alias("size")).sort("size", "period_end", descending=True, maintain_order=True)
    return ranked.group_by("place_code", "measure", maintain_order=True).agg(
        pl.len().alias("changes"),
        pl.col("old", "new", "size", "period_start", "period_end", "new_released_at").first(),
    )


def _own_borders(discontinuities: pl.DataFrame, doubted: pl.DataFrame) -> pl.DataFrame:
    """Return the newest borders of each place: measure, kind, other places, and whether the place has the figure."""
    newest = discontinuities.filter(
        pl.col("kind").is_in(["known_unknown", "nation_edge", "jump"]),
        pl.col("period_end") == pl.col("period_end").max().over("problem", "measure"),
    ).unique(["measure", "kind", "place_a", "place_b"], keep="last", maintain_order=True)
    for side in ("place_a", "place_b"):
        newest = newest.join(doubted, left_on=["measure", side], right_on=["measure", "place_code"], how="anti")
    sides = [
        newest.select("measure", "kind", "reason_b", pl.col(own).alias("place_code"), pl.col(other).alias("other"),
                      pl.lit(own == "place_a").alias("has_figure"),
                      pl.col("value_a" if own == "place_a" else "value_b").alias("value"),
                      pl.col("value_b" if own == "place_a" else "value_a").alias("other_value"))
        for own, other in (("place_a", "place_b"), ("place_b", "place_a"))
    ]  # fmt: skip
    key = ["place_code", "measure", "kind", "has_figure", "reason_b"]
    grouped = (
        pl.concat(sides).sort(*key, "other").group_by(key, maintain_order=True).agg("other", "value", "other_value")
    )
    is_jump = (pl.col("kind") == "jump").alias("is_jump")
    return grouped.with_columns(is_jump, pl.col("other").list.len().alias("number")).sort(
        "is_jump", "number", "measure", descending=[True, True, False], maintain_order=True
    )


def build_place_brief(page: PlacePage, catalogue: Catalogue, context: PlaceContext, facts: BriefFacts) -> Brief:
    """Return the brief of a place, from its page, what it is compared with, and the facts of all briefs."""
    news = interleave(
        _compare_with_nation(page),
        _list_changes(page, catalogue, context),
        _list_borders(catalogue, context.names, facts.borders.get(page.code, [])),
        _list_revisions(catalogue, facts.revisions.get(page.code, [])),
        _list_returns(page, catalogue),
        _list_new_gaps(page),
    )
    return fit_brief([
        BriefSection("What one would not otherwise know", news),
        BriefSection("Not known, and the requests that would close it", _list_requests(page)),
    ])  # fmt: skip


def _compare_with_nation(page: PlacePage) -> list[BriefLine]:
    """List figures beside the nation's, which the engine gives for the same measure and period."""
    rows = [
        (abs(log(row["value"] / row["nation_value"])), row)
        for row in page.rows
        if row["kind"] not in ADDITIVE_KINDS and not row["is_doubted"] and row["nation_value"]
        and row["value"] > 0 and row["nation_value"] > 0
    ]  # fmt: skip
    ranked = sorted(rows, key=lambda item: (-item[0], item[1]["measure"]))
    return [
        BriefLine(f"{row['title']}, {row['when']}: {row['text']} {row['unit']} here, {row['nation'].text}"
                  f"{' %' if row['unit'] == '%' else ''} in {page.nation}.", NATION_RULE)
        for _, row in ranked[:4]
    ]  # fmt: skip


def _list_changes(page: PlacePage, catalogue: Catalogue, context: PlaceContext) -> list[BriefLine]:
    """List the figures that differ most from those of the same period a year before, without a break between."""
    changes = []
    for row in page.rows:
        before = _year_before(row["starts"], row["ends"])
        earlier = context.figures.get((row["measure"], *before), {}).get(page.code) if before else None
        if not earlier or _is_small_or_unsure(row, earlier, catalogue):
            continue
        size = abs(log(row["value"] / earlier))
        if size >= log(LEAST_CHANGE) and not _has_break(row, before, page.code, context):
            changes.append((-size, row["measure"], row, earlier))
    return [
        BriefLine(f"{row['title']}: {row['text']} {row['unit']} in {row['when']}, "
                  f"{format_figure(earlier, catalogue.measures[row['measure']])} a year before.", YEAR_RULE)
        for _, _, row, earlier in sorted(changes, key=lambda change: change[:2])[:3]
    ]  # fmt: skip


def _year_before(start: date, end: date) -> tuple[date, date] | None:
    """Return the same period a year before; None where it begins on 29 February."""
    after = end + timedelta(days=1)
    if (start.month, start.day) == (2, 29) or (after.month, after.day) == (2, 29):
        return None
    return start.replace(year=start.year - 1), after.replace(year=after.year - 1) - timedelta(days=1)


def _is_small_or_unsure(row: dict[str, Any], earlier: float, catalogue: Catalogue) -> bool:
    """Return whether a change may be chance: a doubted or estimated figure, or a small count."""
    is_count = row["kind"] in ADDITIVE_KINDS
    least = min(row["value"], earlier)
    is_unsure = row["is_doubted"] or catalogue.measures[row["measure"]].is_uncertain
    return bool(is_unsure or least <= 0 or (is_count and least < LEAST_COUNT))


def _has_break(row: dict[str, Any], before: tuple[date, date] | None, code: str, context: PlaceContext) -> bool:
    """Return whether the series has a break in the year before a figure."""
    line = context.lines.get((row["measure"], code))
    points = line if line and before else ()
    return any(point.mark == "break" and before[0] < point.start <= row["starts"] for point in points)  # type: ignore[index]


def _list_revisions(catalogue: Catalogue, rows: list[dict[str, Any]]) -> list[BriefLine]:
    lines = []
    for row in sorted(rows, key=lambda row: (-row["size"], row["measure"]))[:3]:
        measure = catalogue.measures[row["measure"]]
        old, new = (format_figure(row[name], measure) for name in ("old", "new"))
        if old != new:
            day = format_period(row["new_released_at"], row["new_released_at"])
            figures = "figure was" if row["changes"] == 1 else "figures were"
            lines.append(BriefLine(
                f"{measure.title}: {row['changes']:,} {figures} revised on {day}; "
                f"{format_period(row['period_start'], row['period_end'])} changed from {old} to {new}.", REVISION_RULE,
            ))  # fmt: skip
    return lines


def _list_borders(catalogue: Catalogue, names: dict[str, str], rows: list[dict[str, Any]]) -> list[BriefLine]:
    lines = []
    # A count differs between neighbours because their sizes do.
    kept = [row for row in rows if not (row["is_jump"] and catalogue.measures[row["measure"]].kind in ADDITIVE_KINDS)]
    for row in kept[:3]:
        measure = catalogue.measures[row["measure"]]
        title = measure.title
        others = [names.get(code, code) for code in row["other"]]
        named = ", ".join(others[:MOST_NAMES]) + (f" and {len(others) - MOST_NAMES} more" * (len(others) > MOST_NAMES))
        reason = lower_first(REASONS[row["reason_b"]].title) if row["reason_b"] in REASONS else ""
        if row["is_jump"]:
            own, other = (format_figure(row[name][0], measure) for name in ("value", "other_value"))
            text = f"{title}: {own} here and {other} in neighbouring {others[0]}; few neighbours differ as much."
        elif row["has_figure"]:
            text = f"{title}: known here, and not in neighbouring {named} ({reason})."
        else:
            text = f"{title}: not known here ({reason}), and known in neighbouring {named}."
        lines.append(BriefLine(text, BORDER_RULE))
    return lines


def _gaps(page: PlacePage) -> list[dict[str, Any]]:
    return [row for _, rows in page.missing for row in rows]


def _list_returns(page: PlacePage, catalogue: Catalogue) -> list[BriefLine]:
    """List the missing returns of sources to which each place sends its own."""
    own = [
        row for row in _gaps(page)
        if row["reason"] in _NO_RETURN and catalogue.sources[catalogue.measure_source[row["measure"]]].returns
    ]  # fmt: skip
    return [
        BriefLine(f"{row['title']}: {lower_first(row['why'])}, in {row['cells']:,} "
                  f"{'period' if row['cells'] == 1 else 'periods'}.", RETURN_RULE)
        for row in sorted(own, key=lambda row: (-row["cells"], row["measure"]))[:2]
    ]  # fmt: skip


def _list_new_gaps(page: PlacePage) -> list[BriefLine]:
    dated = [row for row in _gaps(page) if row["opened"]]
    first = min((row["opened"] for row in dated), default=None)
    newer = sorted((row for row in dated if row["opened"] != first), key=lambda row: (row["opened"], row["measure"]))
    return [
        BriefLine(f"{row['title']}: missing since {row['since']} ({lower_first(row['why'])}).", CHANGE_RULE)
        for row in newer[::-1][:2]
    ]


def _list_requests(page: PlacePage) -> tuple[BriefLine, ...]:
    """List the missing figures with their reason, data owner and remedy: needs and unknowns in turn.

    Measures with the same request share a line.
    """
    ranked = sorted(_gaps(page), key=lambda row: (-len(row["problems"]), -row["cells"], row["measure"]))
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in ranked:
        key = (row["need"], row["why"], row["data_owner"], row["remedy"])
        groups.setdefault(key, []).append(row)
    lines = {key: BriefLine(_describe_request(rows), REQUEST_RULE) for key, rows in groups.items()}
    needed = [line for key, line in lines.items() if key[0] == "needed"]
    return interleave(needed, [line for key, line in lines.items() if key[0] != "needed"])


def _describe_request(rows: list[dict[str, Any]]) -> str:
    first, owner = rows[0], rows[0]["data_owner"]
    bounds = f"; it is {first['bounds']}" if first["bounds"] and len(rows) == 1 else ""
    titles = "; ".join(dict.fromkeys(row["title"] for row in rows))
    remedy = first["remedy"].replace("`", "")
    return f"{titles}: {lower_first(first['why'])}{bounds}. {owner[:1].upper()}{owner[1:]}: {remedy}"
