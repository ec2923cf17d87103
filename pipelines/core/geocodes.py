"""Kinds of place, and the kind, nation and validity that a code itself shows.

The meaning of the first three characters comes from the ONS Register of Geographic Codes. Codes of some kinds have no
such prefix (NHS trusts, Jobcentres, Eurostat NUTS areas): only the register identifies their kind.
"""

import re
from datetime import date

from pipelines.core.errors import UnknownNameError

KIND_PREFIXES: dict[str, tuple[str, ...]] = {
    "lad": ("E06", "E07", "E08", "E09", "W06", "S12", "N09"),
    "utla": ("E06", "E08", "E09", "E10", "W06", "S12", "N09"),
    "county": ("E10", "E11", "E13"),
    "region": ("E12",),
    "nation": ("E92", "W92", "S92", "N92"),
    "above_nation": ("K02", "K03", "K04"),
    "combined_authority": ("E47", "UKS"),
    "strategic_authority": ("E47", "E61", "UKS"),
    "icb": ("E54",),
    "stp": ("E54",),
    "sub_icb": ("E38",),
    "ccg": ("E38",),
    "nhs_region": ("E40",),
    "health_board": ("W11", "S08"),
    "pfa": ("E23", "W15", "S23", "N23"),
    "csp": ("E22", "W14"),
    "fra": ("E31", "W25", "S38", "N31"),
    "pcon": ("E14", "W07", "S14", "N05", "N06"),
    "ttwa": ("E30", "W22", "S22", "N12", "K01"),
    "ward": ("E05", "W05", "S13", "N08"),
    "parish": ("E04", "W04"),
    "oa": ("E00", "W00", "S00", "N00"),
    "lsoa": ("E01", "W01"),
    "dz": ("S01", "N20"),
    "sdz": ("N21",),
    "msoa": ("E02", "W02"),
    "iz": ("S02",),
    "soa": (),
    "trust": (),
    "site": (),
    "border_practice": (),
    "jobcentre": (),
    "itl1": (),
    "itl2": (),
    "itl3": (),
    "nuts1": (),
    "nuts2": (),
    "nuts3": (),
}
"""Kinds of place with their code prefixes. A unitary authority is both a district and an upper tier authority. Clinical
commissioning groups share their prefix with the sub-ICB locations that replaced them. An authority without a GSS code
has its statutory instrument as code, such as UKSI2026158."""

_ENTITY_PREFIXES: dict[str, tuple[str, ...]] = {
    "unitary authority": ("E06", "W06"),
    "non-metropolitan district": ("E07",),
    "metropolitan borough": ("E08",),
    "London borough": ("E09",),
    "council area": ("S12",),
    "local government district": ("N09",),
    "county": ("E10",),
    "metropolitan county": ("E11",),
    "inner or outer London": ("E13",),
    "region": ("E12",),
    "country": ("E92", "W92", "S92", "N92"),
    "Great Britain, the United Kingdom, or England and Wales": ("K02", "K03", "K04"),
    "combined authority": ("E47",),
    "combined authority without a GSS code yet": ("UKS",),
    "Greater London Authority": ("E61",),
    "integrated care board, before 2022 sustainability and transformation partnership": ("E54",),
    "sub-ICB location, before 2022 clinical commissioning group": ("E38",),
    "NHS England region": ("E40",),
    "local health board": ("W11",),
    "health board": ("S08",),
    "police force area": ("E23", "W15", "S23", "N23"),
    "community safety partnership": ("E22", "W14"),
    "fire and rescue authority": ("E31", "W25", "S38", "N31"),
    "Westminster constituency": ("E14", "W07", "S14", "N05", "N06"),
    "travel to work area": ("E30", "W22", "S22", "N12", "K01"),
    "ward or electoral division": ("E05", "W05", "S13", "N08"),
    "parish or community": ("E04", "W04"),
    "output area": ("E00", "W00", "S00", "N00"),
    "lower layer super output area": ("E01", "W01"),
    "middle layer super output area": ("E02", "W02"),
    "data zone": ("S01", "N20"),
    "super data zone": ("N21",),
    "intermediate zone": ("S02",),
}
ENTITY_NAMES: dict[str, str] = {prefix: name for name, prefixes in _ENTITY_PREFIXES.items() for prefix in prefixes}
"""Entity name for each prefix of a GSS code; one kind of place, such as districts, has several entities."""
KIND_BY_PREFIX: dict[str, str] = {
    prefix: kind for kind, prefixes in reversed(KIND_PREFIXES.items()) for prefix in prefixes
}
"""The first kind in order for each code prefix."""
KINDS_WITHOUT_PREFIX: frozenset[str] = frozenset(kind for kind, prefixes in KIND_PREFIXES.items() if not prefixes)
"""Kinds that have no code prefix."""
KINDS_OUTSIDE_REGISTER: frozenset[str] = frozenset(
    {"oa", "lsoa", "dz", "sdz", "msoa", "iz", "soa", "ward", *KINDS_WITHOUT_PREFIX}
)
"""Kinds for which a table of small areas or of shares may contain codes that the register lacks."""
UNAVAILABLE_KIND_ADVICE: dict[str, str] = {
    "itl3": "ITL 3 is stored for 2025 only; the Office for National Statistics publishes it "
    "(geoportal.statistics.gov.uk, lookup of LAD to LAU1 to ITL3 to ITL2 to ITL1); ITL 1 and 2 of 2021 and NUTS 3 of "
    "2018 are stored",
    "site": "NHS trust sites are not bundled with the project; add the NHS Organisation Data Service list with "
    "`commonground add nhs_trust_sites FILE --released DAY`, and the list of Scottish hospitals as phs_hospitals",
    "practice": "only GP practices on the border of England and Wales are stored (border_practice); NHS England's "
    "Organisation Data Service publishes all practices (epraccur)",
    "oa": "output areas are not bundled with the project; add them with `commonground add ons_output_areas FILE "
    "--released DAY`",
    "dz": "data zones of 2022 are in dz_2022, those of 2011 in lsoa_2011",
    "jobcentre": "Jobcentres of Great Britain are stored for 2015 and 2016, those of Greater Manchester for 2018; no "
    "newer open list was found, so ask the Department for Work and Pensions",
    "soa": "super output areas of Northern Ireland are in lsoa_2011",
}
"""Advice for kinds with no stored places, or not for every year: where the codes are published, and by whom."""
NATION_BY_LETTER = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland"}

GSS_PATTERN = r"^[EWSNK]\d{8}$"
"""Pattern of Government Statistical Service (GSS) codes."""
INSTRUMENT_PATTERN = r"^UKSI\d{5,}$"
"""Pattern of the codes of authorities without a GSS code: their statutory instruments."""
_GSS_CODE = re.compile(GSS_PATTERN)
_PSEUDO_CODE = re.compile(r"[EWSNMLK]9{8}|X(?:\d{2,8}|\.\.)?")
_OLD_NORTHERN_IRELAND = re.compile(r"95[A-Z]\w*")
"""Codes of Northern Ireland districts, wards and super output areas before 2015."""
_ITL_CODE = re.compile(r"(?:TL|UK)([C-N])\w*")
_NATION_BY_ITL_LETTER = {"L": "W", "M": "S", "N": "N"}


def gss_code_kind(code: str) -> str | None:
    """Return the kind of place that a GSS code's first three characters show; null where they are unknown."""
    return KIND_BY_PREFIX.get(code[:3]) if _GSS_CODE.fullmatch(code) else None


def is_pseudo_code(code: str) -> bool:
    """Return whether a code means no place, such as S99999999: unknown, abroad or in another nation."""
    return bool(_PSEUDO_CODE.fullmatch(code))


def is_code_of_kind(kind: str, code: str, registered_kind: str | None) -> bool:
    """Return whether a code has a kind, by its prefix or by its registered kind."""
    return registered_kind == kind or code[:3] in KIND_PREFIXES.get(kind, ())


def nation_letter(code: str) -> str:
    """Return the letter of a code's nation; blank where the code does not show it."""
    if _GSS_CODE.fullmatch(code):
        return code[0] if code[0] in NATION_BY_LETTER else ""
    if territory := _ITL_CODE.fullmatch(code):
        return _NATION_BY_ITL_LETTER.get(territory[1], "E")
    return "N" if _OLD_NORTHERN_IRELAND.fullmatch(code) else ""


_GEOGRAPHY_NAME = re.compile(r"(\w+)_([1-9]\d{3})", re.A)
# Travel to work areas are named by the year of the census behind them, and came into use years later.
_DATES_OF_USE = {("ttwa", 2001): date(2014, 12, 31), ("ttwa", 2011): date(2015, 12, 31)}


def geography_date(geography: str) -> date:
    """Return the date at which the register defines a geography's codes: 31 December of its year.

    Raises UnknownNameError for a name that is not a kind and a year.
    """
    match = _GEOGRAPHY_NAME.fullmatch(geography)
    if not match:
        raise UnknownNameError(f"unknown geography {geography!r}; expected a kind and a year, such as lad_2023")
    kind, year = match[1], int(match[2])
    return _DATES_OF_USE.get((kind, year), date(year, 12, 31))
