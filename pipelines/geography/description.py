"""Description of an area by name, code or postcode, for the command `places`."""

from collections.abc import Iterator, Sequence
from datetime import date

from pipelines.core.errors import UnknownNameError
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.hierarchy import describe_membership, describe_postcodes, is_postcode
from pipelines.geography.lineage import describe_lineage, find_codes
from pipelines.geography.small_areas import Areas


def describe_area(
    place_data: PlaceData, postcode_tables: Sequence[Areas], text: str, until: date
) -> Iterator[tuple[str, str]]:
    """Describe an area by its name or code, or the areas of postcodes with a given beginning.

    Yields pairs of a heading and a text. Geographies are listed up to the year of `until`. Raises UnknownNameError
    where the text is neither a known name or code nor the start of a postcode.
    """
    register = place_data.places.register.sort("valid_from").select("place_code", "place_name")
    names: dict[str, str] = dict(zip(*register.get_columns(), strict=True))
    try:
        codes = find_codes(place_data.places, text)
    except UnknownNameError:
        # Codes outside the register, such as LSOAs, are in tables of small areas.
        membership = list(describe_membership(place_data.areas, place_data.shares, text.strip().upper(), names))
        if not membership and not is_postcode(text):
            raise
        yield from membership or describe_postcodes(list(postcode_tables), text, names)
        return
    for code in codes:
        yield from describe_lineage(place_data.places, code, until)
        yield from describe_membership(place_data.areas, place_data.shares, code, names)
