"""Rendering of a place page: its content in the template, with its trends drawn."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from markupsafe import Markup

from pipelines.core.table_cache import keep_results
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.version import project_version
from pipelines.outputs.brief import NO_BRIEF, Brief
from pipelines.outputs.page_templates import render_page
from pipelines.outputs.page_words import find_words, write_words
from pipelines.outputs.place_context import PlaceContext
from pipelines.outputs.place_figures import line_series
from pipelines.outputs.place_pages import PlacePage
from pipelines.outputs.report_tables import format_figure
from pipelines.outputs.trend_chart import draw_sparkline, draw_trend_chart


def render_place_page(
    page: PlacePage, people_title: str, catalogue: Catalogue, context: PlaceContext, brief: Brief = NO_BRIEF
) -> str:
    """Render the page of one place as one HTML document; its only script is the search of places."""

    def sparkline(row: dict[str, Any]) -> Markup:
        return Markup(draw_sparkline([line_series(ref, context) for ref in row["lines"]]))

    def chart(row: dict[str, Any]) -> Markup:
        lines, measure = [line_series(ref, context) for ref in row["lines"]], catalogue.measures[row["measure"]]
        drawn = draw_trend_chart(lines, f"{row['title']}, {row['unit']}", lambda value: format_figure(value, measure))
        return Markup(drawn)

    return render_page(
        "place.html", page=page, brief=brief, brief_title=page.name, people_title=people_title,
        words=_words_of_pages(catalogue, context), version=project_version(), sparkline=sparkline, chart=chart,
        trends=page.trends, rendered=page.rendered,
        questions={name: problem.header.question for name, problem in catalogue.problems.items()},
    )  # fmt: skip


@keep_results(1)
def _words_of_pages(catalogue: Catalogue, context: PlaceContext) -> Callable[[str], str]:
    """Return a function that replaces the identifiers in a text. The pages of a build share most of their texts."""
    return cache(partial(write_words, find=find_words(catalogue.sources, catalogue.measures, context.names)))
