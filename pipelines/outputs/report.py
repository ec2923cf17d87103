"""Gap report of a problem: one self-contained HTML file, a summary in JSON, and the cells as CSV and Parquet."""

import io
import json
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.export import escape_formulas
from pipelines.core.ordering import filter_frame, sort_frame
from pipelines.core.periods import format_period
from pipelines.gaps import is_needed
from pipelines.observations import newest_periods
from pipelines.outputs.answer import PageAnswer, find_answer
from pipelines.outputs.answer_ranking import Ranking, rank_answer
from pipelines.outputs.answer_sentence import period_of_groups, sentence_values
from pipelines.outputs.answer_trend import describe_answer_trend
from pipelines.outputs.csvw import CREDIT_COLUMNS
from pipelines.outputs.larger_places import count_larger_needs_met, larger_place_table
from pipelines.outputs.map import draw_map
from pipelines.outputs.open_files import has_geojson
from pipelines.outputs.page_templates import page_environment
from pipelines.outputs.page_words import ACCESS_WORDS, find_words, link_names, unique_names, write_words
from pipelines.outputs.partners import list_partners
from pipelines.outputs.rank_chart import draw_rank_charts
from pipelines.outputs.report_brief import build_report_brief
from pipelines.outputs.report_changes import (
    acceptance_rows,
    count_causes,
    count_verdicts,
    describe_changes,
    lay_out_breaks,
    oldest_opening_day,
)
from pipelines.outputs.report_model import MAX_LISTED_PLACES, MAX_TABLE_CELLS, Report
from pipelines.outputs.report_summary import (
    RELEASES_SHOWN,
    count_gaps_by_reason,
    count_needs_met,
    finding_rows,
    grave_findings,
    list_reasons,
    list_requests,
    newest_release_day,
    source_attribution,
    source_rows,
    summarise_report,
)
from pipelines.outputs.report_tables import (
    all_place_names,
    describe_age_limits,
    list_highest,
    measure_headings,
    name_places,
    period_table,
    place_table,
)
from pipelines.outputs.value_map import build_value_map

MAX_FINDINGS = 50
"""Maximum number of findings in the report. The analyst's file lists all findings."""


class PageCharts(NamedTuple):
    """The answer of a page with its order, and the chart over time with its lines; empty where nothing is compared."""

    answer: PageAnswer | None
    rankings: list[Ranking]
    trend: dict[str, Any] | None


def find_page_charts(report: Report) -> PageCharts:
    """Return what the map, the order and the chart of the page show."""
    answer = find_answer(report)
    rankings = rank_answer(report, answer) if answer else []
    return PageCharts(
        answer, rankings, describe_answer_trend(report, answer, rankings) if answer and rankings else None
    )


def render_html(report: Report, charts: PageCharts | None = None) -> str:
    """Render the report as one HTML document; its scripts are the search of places and the order of the table."""
    charts = charts or find_page_charts(report)
    shown = charts.answer
    findings = grave_findings(report)
    maps = _map_values(report)
    answers = _answer_values(report, charts, is_drawn=bool(maps["drawn"]))
    titles = {name: measure.title for name, measure in report.measures.items()}
    words = partial(write_words, find=find_words(report.sources, report.measures, all_place_names(report)))
    return (
        page_environment()
        .get_template("report.html")
        .render(
            **answers,
            has_geojson=has_geojson(report),
            **maps,
            report=report,
            header=report.header,
            summary=summarise_report(report),
            letters=report.history.letters,
            partner_list=list_partners(report),
            reasons=count_gaps_by_reason(report),
            verdicts=count_verdicts(report.history.verdicts),
            causes=count_causes(report.history.verdicts, report.measures),
            changed=describe_changes(report.history, report.measures),
            accepted=acceptance_rows(report.history.gaps, report.measures),
            oldest=oldest_opening_day(report.history.gaps),
            newest=newest_release_day(report.cells),
            revised=_revision_rows(report),
            breaks=lay_out_breaks(report.breaks, report.boundaries, maps["drawn"], titles, words),
            **_table_values(report),
            highest=[ranking for ranking in list_highest(report) if not shown or ranking["name"] != shown.column],
            latest=report.header.grain == "latest",
            oldest_that_will_do=describe_age_limits(report),
            shopping=list_requests(report),
            sources=source_rows(report),
            releases_shown=RELEASES_SHOWN,
            returned=newest_periods(report.completeness).to_dicts(),
            findings=finding_rows(findings.head(MAX_FINDINGS)),
            findings_in_all=findings.height,
            meanings=list_reasons(report, findings.head(MAX_FINDINGS)),
            periods=_format_periods(report),
            say=format_period,
            titles=titles,
            words=words,
            linked=partial(link_names, codes=_linked_places(report)),
            access_words=ACCESS_WORDS,
        )
    )


def _table_values(report: Report) -> dict[str, Any]:
    """Return the rows and headings of the tables of places and partnerships, and the limits of their size."""
    return {
        "heads": measure_headings(report),
        "rows": _result_rows(report),
        "partnership_rows": _partnership_rows(report),
        "partnership_heads": measure_headings(report.of_partnerships) if report.header.groups else [],
        "max_table_cells": MAX_TABLE_CELLS,
        "max_listed_places": MAX_LISTED_PLACES,
    }


def _linked_places(report: Report) -> dict[str, str]:
    """Return the codes of the places with a page by name, where one place alone has the name."""
    if report.is_by_larger_place:
        return {}
    return unique_names(dict(report.places.select("place_code", "place_name").iter_rows()))


def _answer_values(report: Report, charts: PageCharts, *, is_drawn: bool) -> dict[str, Any]:
    """Return what the first screen shows: the sentence, the map of the values, and both ends of the order.

    Charts of the order are in place of a map that is not drawn.
    """
    answer, rankings, trend = charts
    sentences = sentence_values(report, answer, rankings)
    # A report by larger place has no map or chart of its many places.
    is_shown = answer is not None and rankings and not report.is_by_larger_place
    value_map = build_value_map(answer, rankings) if answer and is_shown else None
    return {
        "brief": build_report_brief(report, sentences["lead"], answer, rankings),
        "brief_title": report.header.question,
        "answer": answer,
        "rankings": rankings,
        "value_map": value_map,
        "rank_charts": draw_rank_charts(answer, value_map.shapes) if answer and value_map and not is_drawn else [],
        "trend": trend,
        "partnership_trend": trend["partnerships"] if trend else "",
        "answer_periods": period_of_groups(answer) if answer and rankings else "",
        **sentences,
    }


def state_page_answer(report: Report, charts: PageCharts | None = None) -> str:
    """Return the first sentence of the page."""
    charts = charts or find_page_charts(report)
    return str(sentence_values(report, charts.answer, charts.rankings)["lead"])


def _map_values(report: Report) -> dict[str, Any]:
    """Return the outlines of the places, and the map of the share of needs met."""
    counted = count_larger_needs_met(report) if report.is_by_larger_place else count_needs_met(report)
    met = {code: (known, asked) for code, known, asked in counted.iter_rows()}
    names = _shown_names(report)
    drawn = draw_map(report.boundaries, set(met), subset=bool(report.header.place_codes or report.header.nations))
    shapes = _met_shapes(report, met, names)
    return {
        "drawn": drawn,
        "names": names,
        "met_shapes": [(shape.code, *shapes[shape.code]) for shape in drawn.shapes] if drawn else [],
        "met_inset": [(shape.code, *shapes[shape.code]) for shape in drawn.inset] if drawn else [],
        "legend": legend_rows(met),
    }


def _revision_rows(report: Report) -> list[dict[str, Any]]:
    """Return the revisions of the newest releases, with the names of the places most affected."""
    return [
        {**row, "places_most_affected": name_places(row["places_most_affected"] or "", report)}
        for row in report.history.revisions.to_dicts()
    ]


def _result_rows(report: Report) -> list[dict[str, Any]]:
    """Return the rows of the table of results: by place, or by larger place where there are too many places to list."""
    if report.is_by_larger_place:
        return larger_place_table(report)
    return place_table(report) if report.header.grain == "latest" else period_table(report)


def _partnership_rows(report: Report) -> list[dict[str, Any]]:
    """Return a row for each partnership, with the columns of the table of places."""
    if not report.header.groups:
        return []
    own = report.of_partnerships
    return place_table(own) if report.header.grain == "latest" else period_table(own)


def _shown_names(report: Report) -> dict[str, str]:
    """Return the names of the places that the report shows, by code."""
    shown = report.larger.select("larger_code", "larger_name") if report.is_by_larger_place else report.places
    return dict(shown.select(pl.nth(0), pl.nth(1)).iter_rows())


def _format_periods(report: Report) -> str:
    first, last = report.cells["period_start"].min(), report.cells["period_end"].max()
    return format_period(first, last)  # type: ignore[arg-type]


def shade_name(met: int, asked: int) -> str:
    """Return the name of the map shade for a share of needs met."""
    share = met / asked if asked else 0.0
    steps = ((1.0, "all"), (0.75, "most"), (0.5, "half"), (1e-9, "few"))
    return next((name for least, name in steps if share >= least), "none")


_SHADE_TITLES = {
    "all": "all needs met",
    "most": "at least three quarters",
    "half": "at least half",
    "few": "less than half",
    "none": "none",
}


def legend_rows(met: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the shades in use, with their meanings and numbers of places."""
    shades = [shade_name(*counts) for counts in met.values()]
    return [
        {"shade": name, "text": text, "places": shades.count(name)}
        for name, text in _SHADE_TITLES.items()
        if name in shades
    ]


def format_percent(met: int, asked: int) -> str:
    """Format a share as a percentage. It never rounds up to 100% or down to 0%."""
    whole = 100 * met // asked if asked else 0
    return "under 1%" if met and not whole else f"{whole}%"


def _met_shapes(report: Report, met: dict[str, tuple[int, int]], names: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the shade and the tooltip of each place on the map."""
    is_count_of_needs = report.header.grain == "latest" and not report.is_by_larger_place
    unit = "needs met" if is_count_of_needs else "needed figures available"
    return {
        code: (
            shade_name(*counts),
            f"{names.get(code, code)}: {counts[0]:,} of {counts[1]:,} {unit} ({format_percent(*counts)})",
        )
        for code, counts in met.items()
    }


def cells_csv(cells: pl.DataFrame) -> bytes:
    """Return the cells (`credited_cells`) within the scope of their need as CSV, with text that is safe to open.

    The rows are written in blocks, so that no copy has them all.
    """
    content = io.BytesIO()
    cells.head(0).write_csv(content)
    for block in cells.iter_slices(CSV_ROWS):
        escape_formulas(filter_frame(block, is_needed())).write_csv(content, include_header=False)
    return content.getvalue()


CSV_ROWS = 10_000
"""Rows of a block of CSV."""


def credited_cells(report: Report) -> pl.DataFrame:
    """Return all cells, with the measure title, publisher, licence and attribution of each figure."""
    return _add_credits(sort_frame(report.cells, "cell_id"), report)


def _add_credits(cells: pl.DataFrame, report: Report) -> pl.DataFrame:
    credits = pl.DataFrame(
        [
            (name, measure.title, source.publisher, source.licence, source.page, source_attribution(source))
            for name, measure in report.measures.items()
            for source in [report.sources[report.measure_sources[name]]]
        ],
        schema=dict.fromkeys(("measure", *CREDIT_COLUMNS), pl.String),
        orient="row",
    )
    return cells.join(credits, on="measure", how="left", maintain_order="left")


def encode_cells(report: Report) -> bytes:
    """Return the cells (credited_cells) as Parquet; those of a large report are read and written in parts."""
    if report.cells_file is None:
        return encode_parquet(credited_cells(report))
    from pyarrow import parquet

    stored, content = pl.scan_parquet(report.cells_file), io.BytesIO()
    count = stored.select(pl.len()).collect().item()
    parts = [stored.slice(first, CELLS_OF_A_PART) for first in range(0, count, CELLS_OF_A_PART)]
    if not _is_in_order(parts):
        return encode_parquet(_add_credits(stored.sort("cell_id").collect(), report))
    writer = None
    for part in parts:
        table = _add_credits(part.collect(), report).to_arrow(compat_level=pl.CompatLevel.newest())
        # Without Arrow's own schema, which names types that some readers do not have.
        writer = writer or parquet.ParquetWriter(content, table.schema, compression="zstd", store_schema=False)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return content.getvalue()


def _is_in_order(parts: Sequence[pl.LazyFrame]) -> bool:
    """Return whether the cells of all parts are in the order of their cell_id."""
    last = ""
    for part in parts:
        ids = part.select("cell_id").collect().to_series()
        if ids[0] <= last or not bool((ids.slice(1) > ids.head(-1)).all()):
            return False
        last = ids[-1]
    return True


CELLS_OF_A_PART = 1 << 16
"""Cells of a large report that are written together."""


def encode_parquet(table: pl.DataFrame) -> bytes:
    """Return a table as Parquet. The same table gives the same bytes."""
    content = io.BytesIO()
    table.write_parquet(content, compression="zstd")
    return content.getvalue()


_SOURCE_FIELDS = ("title", "publisher", "compiled_by", "licence", "page", "access", "cadence")


def report_json(report: Report, charts: PageCharts | None = None) -> str:
    """Return the report as JSON: question, summary, requests, sources, and the names of the files with the rows."""
    known = report.cells.select("reference_start", "reference_end").filter(report.cells["value"].is_not_null())
    content = {
        "problem": report.problem,
        "question": report.header.question,
        "decision": report.header.decision,
        "owner": report.header.owner,
        "places": report.header.geography,
        "grain": report.header.grain,
        "newest_release": newest_release_day(report.cells),
        "figures_from": known["reference_start"].min(),
        "figures_to": known["reference_end"].max(),
        "version": report.version,
        "answer": state_page_answer(report, charts),
        "summary": summarise_report(report)._asdict(),
        "gaps_by_reason": count_gaps_by_reason(report),
        "shopping_list": list_requests(report),
        "people": report.people_title,
        "measures": {name: measure.model_dump() for name, measure in report.measures.items()},
        "sources": [_source_object(row) for row in source_rows(report)],
        "since_last_build": describe_changes(report.history, report.measures)["line"],
        "cells": f"{report.problem}.cells.parquet",
        "view": f"{report.problem}.view.parquet",
    }
    return _encode_lines(content)


def _encode_lines(content: dict[str, Any]) -> str:
    """Encode an object as JSON, with each list item on its own line."""
    encode = json.JSONEncoder(ensure_ascii=False, default=_iso_date).encode

    def encode_value(value: object) -> str:
        return "[\n" + ",\n".join(map(encode, value)) + "\n]" if isinstance(value, list) else encode(value)

    return "{\n" + ",\n".join(f"{encode(key)}: {encode_value(value)}" for key, value in content.items()) + "\n}\n"


def _source_object(row: dict[str, Any]) -> dict[str, Any]:
    fields = {name: getattr(row["source"], name) for name in _SOURCE_FIELDS}
    return {"source": row["name"], **fields, "attribution": row["attribution"], "releases": row["releases"]}


def _iso_date(value: date) -> str:
    return value.isoformat()
