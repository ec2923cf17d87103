"""Content of the place pages: verdicts, latest figures, gaps and data owners.

The content is computed for all places in one pass and then split by place, for speed.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.core.schema import CELL_COLUMNS, empty_table
from pipelines.declarations.catalogue import Catalogue
from pipelines.gaps import RANKED_COLUMNS, VERDICT_WORDS, is_open, open_reason, summarise_by_place
from pipelines.outputs.place_context import NO_CONTEXT, NO_FACTS, PlaceContext, name_places
from pipelines.outputs.place_figures import FIGURE_COLUMNS, figure_row, keep_latest, key_numbers, newest_figures
from pipelines.outputs.place_parts import Parts
from pipelines.outputs.report_model import has_doubt
from pipelines.outputs.report_tables import format_figure
from pipelines.outputs.search import describe_kind

RowsByPlace = dict[str, list[dict[str, Any]]]


class KnownGroup(NamedTuple):
    """The measures with a figure that one problem needs, as rows of `place_figures.figure_row`."""

    problem: str
    question: str
    rows: list[dict[str, Any]]


class PlacePage(NamedTuple):
    """Content of the page of one place, as plain text and numbers.

    `verdicts` has a row for each problem, and `known` the measures with a figure by problem. `missing` lists the
    requests for each data owner. Owners of needed figures come before owners of wanted figures. `elsewhere` has the
    measures of series that do not cover the nation of the place. `neighbours`, `similar`, `members` and `partnerships`
    are codes and names. `rendered` has the parts that are rendered already, by the last build.
    """

    code: str
    name: str
    welsh_name: str
    kind: str
    region: str
    nation: str
    people: str
    verdicts: list[dict[str, Any]]
    known: list[KnownGroup]
    missing: list[tuple[str, list[dict[str, Any]]]]
    elsewhere: list[dict[str, Any]]
    neighbours: list[tuple[str, str]]
    similar: list[tuple[str, list[tuple[str, str]]]]
    members: list[tuple[str, str]]
    membership: str
    partnerships: list[tuple[str, str]]
    rendered: Parts = MappingProxyType({})

    @property
    def trends(self) -> list[dict[str, Any]]:
        """The measures with a chart."""
        return [row for row in self.rows if row.get("lines") or f"t-{row['measure']}" in self.rendered]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All measures with a figure, in the order of the page."""
        return [row for group in self.known for row in group.rows]

    @property
    def numbers(self) -> list[dict[str, Any]]:
        """The figures of the first lines."""
        return key_numbers(self.rows)

    @property
    def licences(self) -> list[tuple[str, list[str]]]:
        """The licences of the figures, each with its publishers."""
        publishers: dict[str, dict[str, None]] = {}
        for row in self.rows:
            publishers.setdefault(row["licence"], {})[row["publisher"]] = None
        return [(licence, list(names)) for licence, names in publishers.items()]

    @property
    def answered(self) -> int:
        """Number of problems that are answerable for this place, with or without caveats."""
        return sum(row["verdict"] != "not_answerable" for row in self.verdicts)


class PageRows(NamedTuple):
    """Rows that pages show: each place (place_code, place_name, nation), its verdicts, newest figures and open gaps.

    `people` has place_code and residents, and `doubted` the doubtful caveats of figures (place_code, measure, caveats).
    """

    places: pl.DataFrame
    verdicts: pl.DataFrame
    figures: pl.DataFrame
    gaps: pl.DataFrame
    people: pl.DataFrame
    doubted: pl.DataFrame

    def of_places(self, codes: Collection[str]) -> "PageRows":
        """Return the rows of some places."""
        return PageRows(*(rows.filter(pl.col("place_code").is_in(list(codes))) for rows in self))


_GAP_COLUMNS = ("cell_id", "problem", "need", "measure", "place_code", "period_start", "lower_bound", "upper_bound",
                "value", "reason", "other_reasons", "proxy_measure", "evidence", "data_owner", "remedy")  # fmt: skip
"""Columns of cells that an open gap is shown with."""
PAGE_COLUMNS = tuple(
    name for name in CELL_COLUMNS if name in {"nation", *RANKED_COLUMNS, *FIGURE_COLUMNS, *_GAP_COLUMNS}
)
"""Columns of cells that pages are made from."""


def collect_page_rows(
    catalogue: Catalogue, cells: Iterable[pl.DataFrame], verdict_table: pl.DataFrame, since: pl.DataFrame,
    is_ranked: bool = True,
) -> PageRows:  # fmt: skip
    """Collect the rows of all pages. `is_ranked` is False for partnerships.

    Takes the cells of each problem (PAGE_COLUMNS), the verdicts (verdicts.VERDICT) of all, and the opening day of each
    gap (gap_id, opened). Of the cells of one problem, what pages show is kept before the next are read.
    """
    parts = [_collect_shown(catalogue, own, is_ranked) for own in chain([empty_table(CELL_COLUMNS)], cells)]
    shown = _ShownCells(*(pl.concat(tables) for tables in zip(*parts, strict=True)))
    return PageRows(
        shown.places.unique("place_code", keep="first", maintain_order=True).sort("place_code"),
        summarise_by_place(verdict_table).sort("place_code", "problem"),
        keep_latest(shown.figures).sort("place_code", "problem"),
        _group_gaps(shown.gaps, since),
        verdict_table.drop_nulls("residents").select("place_code", "residents").unique(
            "place_code", keep="last", maintain_order=True
        ),
        shown.doubted,
    )  # fmt: skip


class _ShownCells(NamedTuple):
    """What pages show of the cells of a problem: places, newest figures, open gaps, and doubtful caveats."""

    places: pl.DataFrame
    figures: pl.DataFrame
    gaps: pl.DataFrame
    doubted: pl.DataFrame


def _collect_shown(catalogue: Catalogue, cells: pl.DataFrame, is_ranked: bool) -> _ShownCells:
    return _ShownCells(
        cells.select("place_code", "place_name", "nation").unique("place_code", keep="first", maintain_order=True),
        newest_figures(catalogue, cells, is_ranked),
        cells.select(_GAP_COLUMNS).filter(is_open()),
        cells.select("place_code", "measure", "caveats").filter(has_doubt()).unique(maintain_order=True),
    )


def compose_pages(
    catalogue: Catalogue, rows: PageRows, context: PlaceContext = NO_CONTEXT,
    rendered: Mapping[str, Parts] = MappingProxyType({}),
) -> list[PlacePage]:  # fmt: skip
    """Return the page content of each place of some rows, in order of code.

    `rendered` has by place the parts of its page that are rendered already.
    """
    verdicts = {code: [_verdict_row(row, catalogue) for row in own]
                for code, own in group_by_place(rows.verdicts).items()}  # fmt: skip
    figures = _known_groups(catalogue, rows.figures, context, rendered)
    missing = {code: [_gap_row(row, catalogue) for row in own] for code, own in group_by_place(rows.gaps).items()}
    people = dict(rows.people.iter_rows())
    return [
        _place_page(code, name, nation or "", f"{people[code]:,.0f}" if code in people else "",
                    verdicts.get(code, []), figures.get(code, []), missing.get(code, []), context)._replace(
                        rendered=rendered.get(code, {}))
        for code, name, nation in rows.places.iter_rows()
    ]  # fmt: skip


def _place_page(
    code: str, name: str, nation: str, people: str, verdicts: list[dict[str, Any]], known: list[KnownGroup],
    gaps: list[dict[str, Any]], context: PlaceContext,
) -> PlacePage:  # fmt: skip
    facts, names = context.facts.get(code, NO_FACTS), context.names
    here = [row for row in gaps if row["reason"] != _ELSEWHERE]
    return PlacePage(
        code, name, facts.welsh_name if facts.welsh_name != name else "",
        _begin_sentence(describe_kind(code, facts.kind)),
        facts.region_name, nation, people, verdicts, known, group_by_owner(here),
        [row for row in gaps if row["reason"] == _ELSEWHERE], name_places(facts.neighbours, names),
        [(model, name_places(codes, names)) for model, codes in facts.similar],
        name_places(facts.members, names), facts.membership, name_places(facts.partnerships, names),
    )  # fmt: skip


def _begin_sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


_ELSEWHERE = "nation_not_covered"
"""Reason of a gap in a place where the measure can't exist, because its series is of other nations."""


def group_by_place(frame: pl.DataFrame) -> RowsByPlace:
    """Group the rows of a frame by place_code and keep their order."""
    parts: RowsByPlace = {}
    for row in frame.iter_rows(named=True):
        parts.setdefault(row["place_code"], []).append(row)
    return parts


def _verdict_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    header = catalogue.problems[row["problem"]].header
    met = f"{row['needs_met']:,} of {row['needs_total']:,}"
    in_time = (
        "" if header.grain == "latest" else f"Answerable in {row['answered']:,} of {row['periods']:,} {header.grain}s"
    )
    return {
        **row, "question": header.question, "owner": header.owner, "said": VERDICT_WORDS[row["verdict"]], "met": met,
        "in_time": in_time,
        "causes": [describe_cause(cause, catalogue) for cause in split_causes(row["blocking_reasons"])],
    }  # fmt: skip


def split_causes(because: str | None, most: int = 4) -> list[str]:
    """Split the reasons for a verdict into a list. The list is limited to `most`, and the rest are counted."""
    causes = because.split("; ") if because else []
    return causes[:most] + ([f"and {len(causes) - most} more"] if len(causes) > most else [])


def describe_cause(cause: str, catalogue: Catalogue) -> str:
    """Describe the reason for a verdict with the titles of its measure and of its gap reason or caveats."""
    measure, _, rest = cause.partition(": ")
    if measure not in catalogue.measures:
        return cause
    codes, _, times = rest.partition(" (")
    reasons = " and ".join(REASONS[code].title.lower() if code in REASONS else code for code in codes.split(" and "))
    return f"{catalogue.measures[measure].title}: {reasons}" + (f" ({times}" if times else "")


def _known_groups(
    catalogue: Catalogue, newest: pl.DataFrame, context: PlaceContext, rendered: Mapping[str, Parts]
) -> dict[str, list[KnownGroup]]:
    """Return the known figures of each place: the problems, and for each the measures in declared order."""
    order = {(problem.name, measure): n for problem in catalogue.problems.values()
             for n, measure in enumerate(problem.measures)}  # fmt: skip
    groups: dict[str, list[KnownGroup]] = {}
    for code, rows in group_by_place(newest).items():
        by_problem: dict[str, list[dict[str, Any]]] = {}
        own = rendered.get(code, {})
        for row in sorted(rows, key=lambda row: order[row["problem"], row["measure"]]):
            made = figure_row(row, catalogue, context, f"m-{row['measure']}" in own)
            by_problem.setdefault(row["problem"], []).append(made)
        names = sorted(by_problem, key=lambda name: max(row["ends"] for row in by_problem[name]), reverse=True)
        groups[code] = [KnownGroup(name, catalogue.problems[name].header.question, by_problem[name])
                        for name in names]  # fmt: skip
    return groups


def _group_gaps(cells: pl.DataFrame, since: pl.DataFrame) -> pl.DataFrame:
    """Return the open gaps of each place, with measure, reason, opening day, data owner and remedy."""
    open_gaps = cells.with_columns(open_reason().alias("reason"))
    dated_gaps = open_gaps.join(since, left_on="cell_id", right_on="gap_id", how="left")
    grouped = dated_gaps.sort("problem", "period_start").group_by(
        "place_code", "measure", "reason", "data_owner", "remedy", maintain_order=True
    ).agg(
        pl.len().alias("cells"), pl.col("evidence").last(), pl.col("opened").min(), pl.col("need").min(),
        pl.col("problem").unique().sort().alias("problems"), pl.col("lower_bound").last(), pl.col("upper_bound").last(),
        pl.col("value").is_not_null().any().alias("has_proxy"),
    )  # fmt: skip
    return grouped.sort("place_code", "need", "data_owner", "measure", "reason", maintain_order=True)


def group_by_owner(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group gaps by data owner, in the order of the rows."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row["data_owner"], []).append(row)
    return list(parts.items())


def _gap_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    reason, measure = REASONS[row["reason"]], catalogue.measures[row["measure"]]
    is_bounded = (
        row["lower_bound"] is not None and row["upper_bound"] is not None and row["cells"] == 1 and not row["has_proxy"]
    )
    return {
        **row,
        "title": measure.title,
        "why": reason.title,
        "data_owner": row["data_owner"] or reason.data_owner,
        "remedy": row["remedy"] or reason.remedy,
        "bounds": f"between {format_figure(row['lower_bound'], measure)} and "
        f"{format_figure(row['upper_bound'], measure)}"
        if is_bounded
        else "",
        "since": format_period(row["opened"], row["opened"]) if row["opened"] else "",
        "periods": f"{row['cells']:,}",
    }
