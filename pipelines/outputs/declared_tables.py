"""Tables of problems, measures and sources, as declared."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipelines.core.schema import DATE, STATUS_SYMBOLS, TEXT, Column, table_from_records
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.measure import counts_residents
from pipelines.declarations.partnership import Partnership, partnership_code
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


PROBLEM: dict[str, Column] = {
    "problem": Column(TEXT, "Name of the problem; problem.<name> is its view"),
    "question": Column(TEXT, "The question, in its owner's words"),
    "decision": Column(TEXT, "The decision that the answer supports"),
    "decision_date": Column(DATE, "Day of a decision of the past; null for a decision still to be made"),
    "owner": Column(TEXT, "Role of the person who takes the decision"),
    "geography": Column(TEXT, "Geography of the answer"),
    "nations": Column(TEXT, "Nations of the places requested, comma separated; null for all"),
    "grain": Column(TEXT, "latest: one row for each place; otherwise one row for each place and period"),
    "first_period": Column(TEXT, "First period requested; null for grain latest"),
    "last_period": Column(TEXT, "Last period requested; null for the last that has ended"),
    "essential_needs": Column(TEXT, "Measures without which the question has no answer, comma separated"),
    "optional_needs": Column(TEXT, "Measures without which the answer has a caveat, comma separated"),
    "unknowns": Column(TEXT, "Measures on which the decision rests and which no publisher reports, comma separated"),
    "not_answered": Column(TEXT, "Why this file has no cells of the problem; null where it has them"),
}
"""Table of problems. A need that several measures can answer is written `name (one of: measures)`."""


def problems_table(catalogue: Catalogue, unanswered: Mapping[str, str]) -> pl.DataFrame:
    """Return the table of problems (PROBLEM), one row for each problem.

    `unanswered` says why problems have no current answer. Of an excluded one, nothing else is known.
    """
    described = {name: _describe_problem(problem) for name, problem in catalogue.problems.items()}
    rows = [
        {"problem": name, **described.get(name, {}), "not_answered": unanswered.get(name)}
        for name in sorted({*described, *unanswered})
    ]
    return table_from_records(rows, PROBLEM)


def _describe_problem(problem: Problem) -> dict[str, Any]:
    header = problem.header
    needs = {
        name: f"{name} (one of: {', '.join(need.one_of)})" if need.one_of else name
        for name, need in header.needs.items()
    }
    essential = [text for name, text in needs.items() if header.needs[name].essential]
    optional = [text for name, text in needs.items() if not header.needs[name].essential]
    return {
        **{
            key: getattr(header, key)
            for key in ("question", "decision", "decision_date", "owner", "geography", "grain")
        },
        "nations": ", ".join(header.nations) or None,
        "first_period": header.periods.start if header.periods else None,
        "last_period": header.periods.end if header.periods else None,
        "essential_needs": ", ".join(essential) or None,
        "optional_needs": ", ".join(optional) or None,
        "unknowns": ", ".join(header.unknowns) or None,
    }


PARTNERSHIP: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the partnership as a place"),
    "place_name": Column(TEXT, "Name of the partnership"),
    "kind": Column(TEXT, "Kind of partnership"),
    "geography": Column(TEXT, "Geography of its members"),
    "member_code": Column(TEXT, "Code of one member"),
    "membership": Column(TEXT, "Reference for the members"),
}
"""One member of a declared partnership."""


def partnerships_table(partnerships: Mapping[str, Partnership]) -> pl.DataFrame:
    """Return a row for each member of each declared partnership (PARTNERSHIP)."""
    rows = [
        (partnership_code(name), item.title, item.kind, item.geography, member, item.membership)
        for name, item in sorted(partnerships.items())
        for member in item.members
    ]
    return pl.DataFrame(rows, schema={name: column.dtype for name, column in PARTNERSHIP.items()}, orient="row")


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
    schedule = source.schedule
    return ", ".join([*map(str, schedule.days), *([schedule.weekday] if schedule.weekday else [])]) or None


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


def statuses_table() -> pl.DataFrame:
    """Return the list of observation statuses: obs_status, gss_symbol, sdmx_code, from best to worst."""
    rows = [(status, symbol, code) for status, (symbol, code) in STATUS_SYMBOLS.items()]
    return pl.DataFrame(rows, schema=["obs_status", "gss_symbol", "sdmx_code"], orient="row")
