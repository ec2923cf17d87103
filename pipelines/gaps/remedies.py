"""Data owner and remedy of a gap: from its reason, its nation and the declaration of its source.

A remedy for an administrator names the command to type. A remedy for a publisher asks for figures, and names no file
of this project.
"""

from collections.abc import Iterable

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.source import Source

LOADING_REASONS = ("not_loaded", "fetch_failed")
"""Reasons that loading a file of the source closes."""


def tabulate_remedies(kinds: Iterable[tuple[str, str, str]], catalogue: Catalogue) -> pl.DataFrame:
    """Tabulate the data owner and the remedy for each measure, reason and nation."""
    rows = [(*kind, *_remedy_of_measure(kind, catalogue)) for kind in kinds]
    schema = dict.fromkeys(("measure", "reason", "nation", "data_owner", "remedy"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _remedy_of_measure(kind: tuple[str, str, str], catalogue: Catalogue) -> tuple[str, str]:
    measure, reason, nation = kind
    name = catalogue.measure_source[measure]
    return find_remedy(reason, nation, name, catalogue.sources[name])


def find_remedy(reason: str, nation: str, name: str, source: Source) -> tuple[str, str]:
    """Return who could close a gap of a source, and how."""
    definition = REASONS[reason]
    elsewhere = next((other for place, other in source.elsewhere.items() if place == nation), None)
    if reason == "nation_not_covered" and elsewhere:
        return elsewhere.data_owner, elsewhere.request
    if reason in LOADING_REASONS:
        return definition.data_owner, describe_loading(name, source)
    # A source declares what to ask for where it is not open, or covers some places only.
    is_partial = reason in ("not_returned", "outside_source") and source.request
    if is_partial or (not source.is_available and reason != "nation_not_covered"):
        return source.data_owner or source.publisher, source.request or definition.remedy
    if reason == "not_open":
        ask = "Ask for permission to publish it, then declare access: open; or ask for publishable figures."
        return source.data_owner or source.publisher, source.request or ask
    action = definition.remedy
    if action.startswith(_REFRESH):
        action = describe_loading(name, source).removesuffix(".") + action.removeprefix(_REFRESH)
    return definition.data_owner.replace("the publisher", source.data_owner or source.publisher), action


_REFRESH = "Refresh the source"


def describe_loading(name: str, source: Source) -> str:
    """Return how to load a file of a source: the command to type, and what it needs first."""
    if source.is_refreshable:
        key = f"Set {source.key_variable} to your API key for the service, then run" if source.key_variable else "Run"
        return f"{key} `commonground refresh {name}`."
    if not source.is_available:
        what = source.request or "Download the file."
        return f"{what} Then run `commonground add {name} FILE --released DAY`, which names the lines to declare."
    return f"Download a file from {source.page}, then run `commonground add {name} FILE --released DAY`."
