"""Registers of further kinds of place in the starter edition, in one layout; called by carry_over.py.

The layout follows the ONS Code History Database. Where no list of dates was found, a place is in use
from the first day of the first year to the last day of the last year in which a published list or lookup has it.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from string import ascii_uppercase

from carry_over_recent import ITL, SUCCESSIONS, board_changes, territorial_areas
from carrying import Item, Row, csv_bytes, day_after, packed, rows_of

HEADER = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE", "STATUS"]
# Westminster constituencies; travel to work areas.
SEATS, LABOUR = ("E14", "W07", "N05", "N06"), ("E30", "W22", "N12")
ELECTIONS = ("2010-05-06", "2024-07-04")
# Travel to work areas of 2011 came into use on this day, according to the Code History Database.
LABOUR_DAY = "2015-07-31"
# The 26 districts of Northern Ireland ended on the day before the 11 began.
REFORM = "2015-04-01"
NEWEST_LIST = "2025"
NATIONS = {"E": "E92000001", "W": "W92000004", "S": "S92000003", "N": "N92000002"}
STATISTICAL = {"L": "W", "M": "S", "N": "N"}
ENGLAND, WALES = NATIONS["E"], NATIONS["W"]
CHANGES = ["from_code", "to_code", "kind", "changed_on", "authority"]
# Boards, authorities, partnerships and forces: a continuing name is the same body, unlike for constituencies.
STEADY = ("E54", "S08", "W11", "E31", "S38", "E22", "W14", "E23", "S23")
BY_NAME = "ONS Code History Database: the same name from the next day"
REFORMED = "Reform of 2015: by the small areas of 2011 that lie in both"
ODS = "NHS Organisation Data Service"


def place(kind: str, code: str, name: str, parent: str, first: str, last: str = "") -> Row:
    """Format a place as a row of the register."""
    result = (kind, code, name.strip(), "", parent, first, last, "terminated" if last else "live")
    return dict(zip(HEADER, result, strict=True))


def written(rows: Iterable[Row]) -> bytes:
    """Write a register in order of code and day."""
    return csv_bytes(HEADER, sorted(rows, key=lambda row: (row["GEOGCD"], row["OPER_DATE"])))


def area_register(history: str, wards: str, labour: str, old: str, nuts: str, itl: str, itl_2025: str) -> bytes:
    """Write constituencies, travel to work areas, wards, old districts of Northern Ireland and statistical areas."""
    kept = ({**row, "PARENTCD": "", "GEOGNMW": ""} for row in rows_of(history) if row["ENTITYCD"] in (*SEATS, *LABOUR))
    parts = (
        ({**row, "GEOGNM": row["GEOGNM"].strip()} for row in kept),
        _seats_of_scotland(rows_of(wards)),
        _wards(rows_of(wards)),
        _labour_areas(rows_of(labour)),
        _old_districts(rows_of(old)),
        territorial_areas(itl_2025, [*_statistical(rows_of(nuts), rows_of(itl))]),
    )
    return packed(written(row for part in parts for row in part))


def _seats_of_scotland(rows: list[Row]) -> Iterator[Row]:
    """Return the constituencies that the Code History Database lacks, in use from the election before their list."""
    years: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row["pcon_code"].startswith("S14"):
            years[row["pcon_code"], row["pcon_name"]] += _years(row)
    for (code, name), listed_years in years.items():
        first = ELECTIONS[0] if min(listed_years) < "2024" else ELECTIONS[1]
        last = day_after(ELECTIONS[1], -1) if max(listed_years) < "2024" else ""
        yield place("S14", code, name, NATIONS["S"], first, last)


def _years(row: Row) -> list[str]:
    return [row["first_available_year_included"], row["most_recent_year_included"]]


def _wards(rows: list[Row]) -> Iterator[Row]:
    """Return each ward with its listed district, one row per successive district, including recoded districts."""
    by_code: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_code[row["ward_code"]].append(row)
    for code, entries in by_code.items():
        ordered = sorted(entries, key=_years)
        inside = [[*same] for _, same in groupby(ordered, key=lambda row: row["lad_code"])]
        begins = [min(map(_years, same))[0] for same in inside]
        last = max(row["most_recent_year_included"] for row in entries)
        ends = [*(f"{int(year) - 1}-12-31" for year in begins[1:]), "" if last == NEWEST_LIST else f"{last}-12-31"]
        for same, first, end in zip(inside, begins, ends, strict=True):
            yield place(code[:3], code, same[-1]["ward_name"], same[-1]["lad_code"], f"{first}-01-01", end)


def _labour_areas(rows: list[Row]) -> Iterator[Row]:
    """Return the travel to work areas that the Code History Database lacks: in Scotland, and across its border."""
    for code, name in sorted({(row["TTWA11CD"], row["TTWA11NM"]) for row in rows}):
        if code[:3] not in LABOUR:
            yield place(code[:3], code, name, NATIONS.get(code[0], ""), LABOUR_DAY)


def _old_districts(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        if row["LAD14CD"].startswith("95"):
            yield place("lad", row["LAD14CD"], row["LAD14NM"], NATIONS["N"], "2009-01-01", day_after(REFORM, -1))


def _statistical(nuts: list[Row], itl: list[Row]) -> Iterator[Row]:
    """Give NUTS areas of 2018 and ITL areas of 2021, each in the next larger area; no list of ITL 3 of 2021 was found.

    ITL took the place of NUTS in 2021: TL for UK in each code. The areas of level 1, and their names, are the same; the
    code of an ITL 2 area begins with the code of its ITL 1 area.
    """
    for level in (1, 2, 3):
        # Not by the start of its code: UKN10 is in UKN0.
        parent = {row[f"NUTS{level}18CD"]: row.get(f"NUTS{level - 1}18CD", "") for row in nuts}
        for code, name in sorted({(row[f"NUTS{level}18CD"], row[f"NUTS{level}18NM"]) for row in nuts}):
            yield place(f"nuts{level}", code, name, parent[code] or _nation_of(code), "2018-01-01", "2020-12-31")
    largest = {row["NUTS118CD"]: row["NUTS118NM"] for row in nuts}
    for code, name in sorted({(row["RGNCD"], row["RGNNM"]) for row in itl}):
        yield place("itl2", code, name, code[:3], "2021-01-01")
    for code in sorted({row["RGNCD"][:3] for row in itl}):
        yield place("itl1", code, largest[f"UK{code[2:]}"], _nation_of(code), "2021-01-01")


def _nation_of(code: str) -> str:
    return NATIONS[STATISTICAL.get(code[2], "E")]


def area_changes(history: str, small_areas: str, old: str, successions: str) -> bytes:
    """Write the successors of area codes above and alongside districts, and of the 26 Northern Ireland districts."""
    rows = sorted(
        [*_going_on(rows_of(history)), *_reformed(rows_of(small_areas), rows_of(old)), *board_changes(successions)],
        key=lambda row: (row[3], row[:2]),
    )
    return csv_bytes(CHANGES, (dict(zip(CHANGES, row, strict=True)) for row in rows))


def _going_on(rows: list[Row]) -> Iterator[tuple[str, ...]]:
    """Return, for a code that ended, the code of its kind with the same name from the next day.

    The ONS gives a new code to a place of the same kind when its boundary moves.
    """
    opened = {(row["ENTITYCD"], row["GEOGNM"].strip(), row["OPER_DATE"]): row["GEOGCD"] for row in rows}
    for row in rows:
        if row["ENTITYCD"] in STEADY and row["TERM_DATE"]:
            day = day_after(row["TERM_DATE"])
            new = opened.get((row["ENTITYCD"], row["GEOGNM"].strip(), day), row["GEOGCD"])
            if new != row["GEOGCD"]:
                yield row["GEOGCD"], new, "moved_land", day, BY_NAME


def _reformed(rows: list[Row], old_districts: list[Row]) -> Iterator[tuple[str, ...]]:
    """Return the current districts in which each of the 26 Northern Ireland districts has small areas.

    Codes of small areas have separate letters for the 26 districts, in order of name: 95AA is in Antrim, which is 95T.
    """
    ireland = [row for row in old_districts if row["LAD14CD"].startswith("95")]
    ordered = sorted(ireland, key=lambda row: row["LAD14NM"])
    letters = {f"95{letter}": row["LAD14CD"] for letter, row in zip(ascii_uppercase, ordered, strict=True)}
    pairs = sorted({(letters[row["LSOA11CD"][:3]], row["LAD18CD"]) for row in rows})
    places = defaultdict(list)
    for old, new in pairs:
        places[old].append(new)
    for old, new in pairs:
        yield old, new, "split" if len(places[old]) > 1 else "merged", REFORM, REFORMED


def trust_register(newer: str, older: str, names: str, successors: str, mergers: str) -> bytes:
    """Write NHS trusts: those of 2020, those of 2018 that no longer exist, and later ones."""
    spelt = {row["nhs_trust22_code"]: row["nhs_trust22_name"] for row in rows_of(names)}
    known = {cells[0]: cells for text in (older, newer) for cells in _bare(text) if len(cells[0]) == 3}
    ended = {old: day_after(day, -1) for old, _, day in _followed(successors, mergers, {*known, *spelt})}
    opened = {new: day for _, new, day in _followed(successors, mergers, {*known, *spelt}) if new not in known}
    rows = [
        place("trust", code, spelt.get(code, cells[1]), WALES if cells[2] == "W00" else ENGLAND,
              _iso(cells[10]), _iso(cells[11]) or ended.get(code, ""))
        for code, cells in known.items()
    ]  # fmt: skip
    rows += [place("trust", code, spelt[code], ENGLAND, day) for code, day in opened.items()]
    return written(rows)


def trust_changes(newer: str, older: str, names: str, successors: str, mergers: str) -> bytes:
    """Write the successors of each NHS trust's code: merged, split or recoded."""
    spelt = {row["nhs_trust22_code"] for row in rows_of(names)}
    known = {cells[0] for text in (older, newer) for cells in _bare(text) if len(cells[0]) == 3}
    result = _followed(successors, mergers, known | spelt)
    onwards, before = (defaultdict(set) for _ in range(2))
    for old, new, _ in result:
        onwards[old].add(new)
        before[new].add(old)
    rows = [
        (old, new, _change(len(onwards[old]), len(before[new]) + (new in known)), day, ODS) for old, new, day in result
    ]
    return csv_bytes(
        CHANGES, (dict(zip(CHANGES, row, strict=True)) for row in sorted(rows, key=lambda r: (r[3], r[0])))
    )


def _change(after: int, before: int) -> str:
    return "split" if after > 1 else "merged" if before > 1 else "recoded"


def _bare(text: str) -> list[list[str]]:
    """Read a file of the Organisation Data Service, which has no headings."""
    return list(csv.reader(io.StringIO(text, newline="")))


def _followed(successors: str, mergers: str, trusts: set[str]) -> list[tuple[str, str, str]]:
    """Return each trust with its successor and the day; the second list completes the first."""
    result = {(row["old_code"], row["new_code"]): row["date"] for row in rows_of(successors)}
    result |= {pair: row["from_date"] for row in rows_of(mergers)
             if (pair := (row["trust_code_old"], row["trust_code_new"])) not in result}  # fmt: skip
    return sorted((old, new, day) for (old, new), day in result.items() if {old, new} <= trusts and old != new)


def _iso(day: str) -> str:
    """Format a day such as 20190401 as 2019-04-01; a blank remains blank."""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


OFFICE = re.compile(r" (?:Jobcentre(?: Plus)?|JCP)(?= |$)")


def jobcentres(newest: str, second: str, first: str) -> bytes:
    """Write Jobcentres under their postcodes, because they have no codes, each in the district of its postcode.

    The lists of Great Britain are of October 2015 and December 2016; the newest, of September 2018, is of Greater
    Manchester. An office of both older lists was in use from the first to the last day of these.
    """
    old = {row["Postcode"].replace(" ", ""): (OFFICE.sub("", row["JC Name"]), row["LAD25CD"]) for row in rows_of(first)}
    new = {row["POSTCODE"].replace(" ", ""): (OFFICE.sub("", row["NAME"]), row["LAD25CD"]) for row in rows_of(second)}
    # A mistyped postcode has no district: the office of the same name in the other list has it.
    by_name = {name: district for name, district in [*old.values(), *new.values()] if district}
    british = (
        place("jobcentre", code, name, district or by_name.get(name, ENGLAND),
              "2015-10-01" if code in old else "2016-12-01", "2016-12-31" if code in new else "2016-11-30")
        for code, (name, district) in {**old, **new}.items()
    )  # fmt: skip
    recent = (
        place("jobcentre", row["postcode"].replace(" ", ""), row["name"], row["area_code"], "2018-09-01")
        for row in rows_of(newest)
    )
    return packed(written([*british, *recent]))


BOARDS = {"7A1": "W11000023", "7A2": "W11000025", "7A3": "W11000031", "7A4": "W11000029", "7A5": "W11000030",
          "7A6": "W11000028", "7A7": "W11000024"}  # fmt: skip
"""Health boards of Wales: their Organisation Data Service codes and ONS codes."""


def border_practices(practices: str, lists: str) -> bytes:
    """Write the active GP practices of postcode districts, such as CH4, with practices of two nations."""
    bodies = BOARDS | {row["CCG_CODE"]: row["ONS_CCG_CODE"] for row in rows_of(lists)}
    # Fields 13, 15 and 26: active, its commissioner, and 4 for a GP practice.
    active = [cells for cells in _bare(practices) if cells[12] == "A" and cells[25] == "4" and cells[9]]
    nations: dict[str, set[str]] = defaultdict(set)
    for cells in active:
        nations[cells[9].split()[0]].add("W" if cells[14] in BOARDS else "E")
    rows = [
        {**place("border_practice", cells[0], cells[1], bodies[cells[14]], _iso(cells[10])), "POSTCODE": cells[9]}
        for cells in sorted(active)
        if len(nations[cells[9].split()[0]]) > 1
    ]
    return csv_bytes([*HEADER, "POSTCODE"], rows)


ORIGINS = {
    "practices": ("geo/nhs/ods_epraccur_2022_noheader.csv.gz", "geo/nhs/gp-reg-pat-prac-all_2022-05.csv.gz"),
    "areas": ("geo/code_changes/chd_2024-07_areas.csv.gz",
              "geo/lookups/dfe_ward_pcon_lad_la_devolved_rgn_ctry_2017_2025.csv.gz",
              "geo/lookups/lsoa11_ttwa11_uk.csv.gz",
              "geo/lad_registers/lad_2014-12_uk.csv", "geo/lookups/lad18_lau1_nuts3_nuts2_nuts1_uk.csv",
              "geo/lookups/lad23_itl2_2021_uk.csv", ITL),
    "changes": ("geo/code_changes/chd_2024-07_areas.csv.gz", "geo/lookups/sa11_soa11_lgd18_ni.csv.gz",
                "geo/lad_registers/lad_2014-12_uk.csv", SUCCESSIONS),
    "trusts": ("indicators/hospital_medicines/ods_etr_raw_no_header.csv",
               "geo/nhs/ods_etrust_2018_trusts_and_sites_noheader.csv.gz", "geo/nhs/trust22_nhs_region21.csv",
               "geo/nhs/ods_successor_codes.csv.gz", "indicators/hospital_capacity/mapping/trust_mergers.csv"),
    "jobcentres": ("geo/dwp/jobcentreplus_greater_manchester_2018-09.csv",
                   "geo/jobcentres/jobcentres_gb_2016-12.csv", "geo/jobcentres/jobcentres_gb_2015-10.csv"),
}  # fmt: skip
PLACES = (
    Item("ons_area_register.csv.gz", "2025", area_register, "constituencies, travel to work areas, wards, the 26 "
         "districts of Northern Ireland, NUTS and ITL 2; ITL 1 is derived: its codes are how those of ITL 2 begin, its "
         "names those of NUTS 1; ITL of 2025 are from the last file, in which ITL 2 has no names; "
         "constituencies of Scotland and wards are from the second file "
         "named, travel to work areas of Scotland and across its border from the third, the rest from the others in "
         "that order; days are those of elections, of reforms, or of the years of a list", ORIGINS["areas"]),
    Item("ons_area_changes.csv", "2024-07", area_changes, "derived: boards, fire, police and community safety areas "
         "whose name goes on under another code the next day; for the 26 districts of Northern Ireland those of today "
         "in which they have small areas, by the second file named; boards of April 2026 are from the last",
         ORIGINS["changes"]),
    Item("nhs_trust_register.csv", "2022", trust_register, "trusts; those that ended are from the second file named, "
         "names from the third, days on which others followed them from the last two", ORIGINS["trusts"]),
    Item("nhs_trust_changes.csv", "2022", trust_changes, "changes from a trust to another", ORIGINS["trusts"]),
    Item("nhs_border_practices.csv", "2022-06", border_practices, "active GP practices in postcode districts where "
         "bodies of two nations have some; codes of the bodies are from the second file named", ORIGINS["practices"]),
    Item("dwp_jobcentres.csv.gz", "2018-09", jobcentres, "names, postcodes and the districts of these; Great Britain "
         "is of 2015 and 2016, from the last two files", ORIGINS["jobcentres"]),
)  # fmt: skip
