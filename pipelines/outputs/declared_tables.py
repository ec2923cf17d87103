"""Tables of measures and sources, as declared."""

import polars as pl

from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.measure import counts_residents
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import OTHER_KINDS

COMPUTED_MEASURE_COLUMNS = {
    "count_rows": "True where the figure is the number of rows of a place and period",
    "at_most": "The figure is 1 where the published number is at most this, else 0; null where it is used as published",
    "perturbed": "True where the publisher adds noise to protect people",
    "estimate": "True where the figures are from a sample or a model, without published limits",
    "population": "True where the measure counts who lives in a place",
}
"""Columns of the table `measures` that follow from several keys of a declaration."""


def measures_table(catalogue: Catalogue) -> pl.DataFrame:
    """Return the table of measures, one row for each measure."""
    rows = [
        {
            "measure": name,
            "source": catalogue.measure_source[name],
            **measure.model_dump(exclude={"column", "filter", "range", "count_rows", "uncertainty"}),
            "count_rows": measure.counts_rows,
            "at_most": measure.at_most,
            "perturbed": measure.perturbed,
            "estimate": measure.estimate,
            "population": counts_residents(name, measure),
            "interval": f"{measure.interval.level:g} %" if measure.interval else None,
        }
        for name, measure in sorted(catalogue.measures.items())
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def declared_sources(catalogue: Catalogue) -> pl.DataFrame:
    """Return the columns of the table of sources that are declared, one row for each source."""
    plain = ("title", "publisher", "compiled_by", "licence", "page", "url", "access", "data_owner", "request",
             "provides", "cadence", "lag", "geography")  # fmt: skip
    rows = [
        {
            "source": name,
            **{key: getattr(source, key) for key in plain},
            # The address of private figures is confidential.
            "url": source.url if source.is_public else None,
            **describe_expected_places(source),
            "calendar": describe_calendar(source),
            "coverage": ", ".join(source.coverage),
            "attribution": publisher_attribution(source.publisher, source.licence),
        }
        for name, source in sorted(catalogue.sources.items())
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def describe_calendar(source: Source) -> str | None:
    """Describe the publisher's calendar of a source in a few words."""
    if not source.calendar:
        return None
    days = [str(day) for day in source.calendar.days]
    return ", ".join([*days, *([source.calendar.weekday] if source.calendar.weekday else [])])


def publisher_attribution(publisher: str, licence: str) -> str:
    """Return the attribution required by the licence."""
    return f"Source: {publisher}, licensed under the {licence}."


def describe_expected_places(source: Source) -> dict[str, str | None]:
    """Describe the extent of the newest release of a source of places: columns of the table `sources`."""
    newest = source.releases[-1] if source.releases else None
    if newest is None or not newest.known_up_to:
        return {"known_up_to": None, "expected_places": None}
    days = [f"{kind} {day}" for kind, day in newest.known_up_to.items() if kind != OTHER_KINDS]
    return {
        "known_up_to": "; ".join([str(newest.last_day_known), *days]),
        "expected_places": "; ".join(f"{name} {number}" for name, number in newest.expected_places.items()) or None,
    }
