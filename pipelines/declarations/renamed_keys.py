"""Keys of declarations that have a new name: an old key is refused with the new one."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

RENAMED_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "adding": ("additivity",),
        "alike": ("measure_defaults",),
        "ask": ("request",),
        "by": ("providers",),
        "combined": ("published_together",),
        "counted": ("count_rows",),
        "differs": ("not_comparable",),
        "do": ("action",),
        "from_system": ("from_geography",),
        "good_for": ("valid_for",),
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


def new_name(old: str, known: Iterable[str]) -> str | None:
    """Return the new name of an old key among the keys that a declaration may have there, or None."""
    keys = set(known)
    return next((new for new in RENAMED_KEYS.get(old, ()) if new in keys), None)
