"""Keys of declarations that have a new name or are no longer keys: each is refused with what to write instead."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

RENAMED_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "adding": ("additivity",),
        "alike": ("measure_defaults",),
        "api": ("fetch",),
        "ask": ("request",),
        "by": ("providers",),
        "combined": ("published_together",),
        "counted": ("count_rows",),
        "differs": ("not_comparable",),
        "do": ("action",),
        "from_system": ("from_geography",),
        "good_for": ("valid_for",),
        "header": ("headings",),
        "heading": ("heading_pattern",),
        "high": ("upper_bound",),
        "holder": ("data_owner",),
        "how": ("request",),
        "ignore": ("skip_columns",),
        "lies_in": ("nested_in",),
        "low": ("lower_bound",),
        "not_data": ("skip_rows",),
        "of": ("districts",),
        "only": ("place_codes",),
        "otherwise": ("default_cost",),
        "period_in_name": ("period",),
        "period_in_preamble": ("period",),
        "places": ("geography", "place_codes"),
        "reaches": ("expected_population",),
        "roll": ("expected",),
        "system": ("geography",),
        "to_system": ("to_geography",),
        "wants": ("unknowns",),
        "weighed_by": ("apportion_by",),
        "what": ("description",),
        "where": ("filter",),
    }
)
"""Each old key with its new name, or with one new name for each meaning that the old key had."""


REPLACED_KEYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "at_most": ("count_rows", "write it as count_rows: at most 697"),
        "best_fit": ("nested_in", "mark the geography in nested_in, as in nested_in: [lad_2024, pcon_2024: best_fit]"),
        "calendar": ("cadence", "write its keys under cadence, with every and lag"),
        "delimiter": ("headings", "delete it: the headings decide what separates the fields"),
        "encoding": ("headings", "delete it: a text file is read as UTF-8, UTF-16 or Windows-1252 by its bytes"),
        "estimate": ("uncertainty", "write it as uncertainty: estimate"),
        "interval": ("uncertainty", "write its keys under uncertainty"),
        "lag": ("cadence", "write it in cadence, as in cadence: monthly, 2 months later"),
        "layout": ("columns", "delete it: columns, heading_pattern and the measures decide"),
        "link": ("fetch", "write it under fetch"),
        "period_ends": ("period_format", "delete it: write 'week to', 'week ending' or 'w/e' in period_format"),
        "period_pattern": ("period", "write it as period: PATTERN"),
        "perturbed": ("uncertainty", "write it as uncertainty: perturbed"),
        "population": ("uncertainty", "delete it: it follows from a name that begins with residents"),
        "private": ("access", "write it as access: private"),
        "records": ("headings", "delete it: the list of records with the headings is found"),
        "released": ("access", "delete it, and write access: open for a source that was private"),
        "unallocated": ("totals", "write each label in totals, as in totals: {Unknown: unallocated}"),
    }
)
"""Each key that is no longer one: a key of the same mapping that a declaration may have, and what to do instead."""


def instead_of(old: str, known: Iterable[str]) -> str | None:
    """Return what to write instead of an old key; `known` are the keys of the mapping. None for any other key."""
    keys = set(known)
    new = next((new for new in RENAMED_KEYS.get(old, ()) if new in keys), None)
    if new:
        return f"this key is now {new}; rename it"
    beside, advice = REPLACED_KEYS.get(old, ("", ""))
    return f"no longer a key; {advice}" if beside in keys else None
