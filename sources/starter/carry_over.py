"""Write the starter edition from a folder of published files: `python sources/starter/carry_over.py FOLDER`.

Each file has its publisher's layout, figures and markers, reduced to the needs of the starter problems. PROVENANCE.csv
records the origin of each file and the data left out. The same folder always gives the same bytes.
"""

import argparse
import csv
import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from carry_over_areas import ORIGINS, small_areas
from carry_over_claimants import CLAIMED
from carry_over_els import EXPLORE_LOCAL
from carry_over_elsewhere import ELSEWHERE
from carry_over_health import HEALTH
from carry_over_hospitals import HOSPITALS
from carry_over_housing import HOUSING
from carry_over_local import LOCAL
from carry_over_places import PLACES
from carry_over_recent import AUTHORITIES, BOARDS, RECENT_PLACES, SUCCESSIONS, later_authorities, with_boards
from carrying import Item, Row, csv_bytes, cut_lines, day_after, packed, read_origins, read_text, rows_of

HERE = Path(__file__).resolve().parent
PARTS = ("geo", "indicators", "responses")
DISTRICTS = ("E06", "E07", "E08", "E09", "W06", "S12", "N09")
NATIONS = ("E92", "W92", "S92", "N92")
# Counties, regions and nations; combined authorities; NHS, police, community safety and fire areas.
TIERS = ("E10", "E11", "E12", "E13", *NATIONS, "E47", "E54", "E38", "E40", "W11", "S08", "E23", "W15", "S23", "N23",
         "E22", "W14", "E31", "W25", "S38", "N31")  # fmt: skip
ASKED = (*DISTRICTS, "K", *NATIONS)
FIRST_YEAR, FIRST_MONTH = 2011, "January 2019"
# Degrees to which boundaries are rounded: about 500 m, the same for all, so that shared borders remain shared.
GRID = 0.005
BY_NAME = "ONS Code History Database: the same name from the next day"
REGISTERS = ("2016-12", "2017-12", "2018-12", "2019-12", "2020-12", "2021", "2022-12", "2023-04", "2024-05")

Ring = list[list[float]]


def areas(history: str) -> list[Row]:
    """Return the code history of districts and other kinds of area, with trimmed names."""
    rows = (row for row in rows_of(history) if row["ENTITYCD"] in (*DISTRICTS, *TIERS))
    return [{**row, "GEOGNM": row["GEOGNM"].strip()} for row in rows]


def register(
    history: str, since: str, welsh: str, codes: str, boards: str, successions: str, authorities: str
) -> bytes:
    """Write the code history of districts and higher tiers, with Welsh names and places of 2025 and 2026."""
    header = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE", "STATUS"]
    names = {row["LAD23CD"]: row["LAD23NMW"].strip() for row in rows_of(welsh)}
    places = [*with_boards([*_up_to_date(history, since)], boards, successions), *_above(codes)]
    places += later_authorities(authorities, {row["GEOGCD"] for row in places})
    rows = [{**row, "GEOGNMW": names.get(row["GEOGCD"], "")} for row in places]
    return csv_bytes(header, sorted(rows, key=lambda row: (row["GEOGCD"], row["OPER_DATE"])))


def _up_to_date(history: str, since: str) -> Iterator[Row]:
    """Return the code history with later recodes."""
    places = areas(history)
    known = {row["GEOGCD"] for row in places}
    later = {row["oldcd"]: row for row in rows_of(since)
             if row["newcd"].startswith(DISTRICTS) and row["newcd"] not in known}  # fmt: skip
    for row in places:
        if change := later.get(row["GEOGCD"]):
            # The list has the year only; councils change on 1 April, the start of their financial year.
            day = f"{change['start']}-04-01"
            yield {**row, "TERM_DATE": day_after(day, -1), "STATUS": "terminated"}
            yield {**row, "GEOGCD": change["newcd"], "OPER_DATE": day}
        else:
            yield row


def _above(codes: str) -> list[Row]:
    """Return the United Kingdom, Great Britain, and England and Wales, which the code history lacks."""
    districts = {(row[f"{name}CD"], row[f"{name}NM"]) for row in rows_of(codes) for name in ("EW", "GB", "UK")}
    return [{"ENTITYCD": code[:3], "GEOGCD": code, "GEOGNM": name, "PARENTCD": "", "OPER_DATE": "2009-01-01",
             "TERM_DATE": "", "STATUS": "live"} for code, name in districts if code]  # fmt: skip


def changes(listed: str, since: str, history: str) -> bytes:
    """Write the successors of each district's code: as listed for England and Wales, else by continuing names."""
    result = [(row["changed_from_code"], row["changed_to_code"], row["date"], row["desc"]) for row in rows_of(listed)]
    result = [change for change in result if change[0] != change[1]]
    result += _going_on([*_up_to_date(history, since)], {change[0] for change in result}, since)
    met = Counter(new for _, new, *_ in result)
    header = ["from_code", "to_code", "kind", "changed_on", "authority"]
    kinds = ((old, new, _kind(old, new, met[new]), day, why) for old, new, day, why in result)
    rows = sorted(kinds, key=lambda cells: (cells[3], cells[0]))
    return csv_bytes(header, (dict(zip(header, cells, strict=True)) for cells in rows))


def _kind(old: str, new: str, met: int) -> str:
    """Return the kind of a code change: the ONS gives a council of the same type a new code when its boundary moves."""
    return "merged" if met > 1 else "moved_land" if old[:3] == new[:3] else "recoded"


def _going_on(places: list[Row], listed_before: set[str], since: str) -> Iterator[tuple[str, str, str, str]]:
    """Return the code under which the name of an ended code continues the next day, and the authority."""
    listed = {(row["oldcd"], row["newcd"]) for row in rows_of(since)}
    opened = {(row["GEOGNM"], row["OPER_DATE"]): row["GEOGCD"] for row in places}
    for row in places:
        if row["ENTITYCD"] in DISTRICTS and row["TERM_DATE"] and (old := row["GEOGCD"]) not in listed_before:
            day = day_after(row["TERM_DATE"])
            if (new := opened.get((row["GEOGNM"], day), old)) != old:
                yield old, new, day, "ONS: local authority changes 2018 to 2025" if (old, new) in listed else BY_NAME


def boundaries(text: str) -> bytes:
    """Write the boundaries of districts on a coarser grid; the largest ring of every district remains."""
    return _boundaries(text, "LAD24CD")


def board_boundaries(text: str) -> bytes:
    """Write the boundaries of integrated care boards on the same grid."""
    return _boundaries(text, "icb22cd")


def _boundaries(text: str, code: str) -> bytes:
    shapes = [(feature, _coarser(feature["geometry"]["coordinates"])) for feature in json.loads(text)["features"]]
    features = [{**feature, "geometry": {"type": "MultiPolygon", "coordinates": kept}} for feature, kept in shapes]
    features.sort(key=lambda feature: str(feature["properties"][code]))
    return packed(json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode())


def _coarser(polygons: list[list[Ring]]) -> list[list[Ring]]:
    """Round polygons to the grid, including holes: without South Cambridgeshire's, a map would hide Cambridge."""
    kept = [[ring for ring in map(_on_grid, polygon) if ring] for polygon in polygons if _on_grid(polygon[0])]
    return kept or polygons


def _on_grid(ring: Ring) -> Ring:
    """Round a ring's points to the grid; return nothing where no area remains."""
    points = [[round(round(x / GRID) * GRID, 3) + 0.0 for x in point] for point in ring]
    points = [point for n, point in enumerate(points) if n == 0 or point != points[n - 1]]
    doubled = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(points))
    return points if len(points) >= 4 and abs(doubled) > GRID**2 / 2 else []


def residents(text: str) -> bytes:
    """Write mid-2011 and mid-2022 residents aged 16 to 64 by single year of age, for districts and nations."""
    return packed(cut_lines(text, lambda row: row["Area code"].startswith(ASKED) and 16 <= int(row["Age"]) <= 64))


def claimant_rate(text: str) -> bytes:
    """Write one release of the claimant rate: districts and nations, from 2011, all columns."""
    # Headings were in capitals up to January 2025, and are in lower case since.
    code, year = ("AREACD", "Period") if "AREACD" in text[:20] else ("areacd", "period")
    return packed(cut_lines(text, lambda row: row[code].startswith(ASKED) and int(row[year][:4]) >= FIRST_YEAR))


def universal_credit(districts: str, layout: str) -> bytes:
    """Write a Stat-Xplore export from January 2019, with header and footer from an export that has them."""
    table = list(csv.reader(io.StringIO(districts, newline="")))
    first = table[0].index(FIRST_MONTH)
    # The second row has only its label and stays unchanged.
    cut = [[row[0], *row[min(first, len(row) - 1) :]] for row in table]
    body = [_as_exported(row, texts=len(row) if n == 0 else 1) for n, row in enumerate(cut)]
    head, foot = _around(layout.splitlines())
    return packed(("\n".join([*head, *body, *foot]) + "\n").encode())


def _around(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the text above and below an export's table, without notes I to IV on the benefit."""
    start = next(n for n, line in enumerate(lines) if line.startswith('"Month"'))
    stop = next(n for n, line in enumerate(lines) if line.startswith('"Total"'))
    return lines[:start], [
        line for line in lines[stop + 1 :] if not line.startswith(('"I",', '"II",', '"III",', '"IV",'))
    ]


def _as_exported(cells: list[str], texts: int) -> str:
    """Write a row in the Stat-Xplore format: quoted text, unquoted figures and blanks, and a final comma."""
    return ",".join(f'"{cell}"' if cell and n < texts else cell for n, cell in enumerate(cells))


def furlough(text: str) -> bytes:
    """Write furloughed employments and take-up by district, as compiled, without the other columns."""
    return csv_bytes(["LAD19CD", "Name", "LAD19NM", "Furlough count", "Furlough rate"], rows_of(text), end="\n")


def trust_shares(text: str) -> bytes:
    """Write the shares between NHS trusts and districts in both directions, without the names of districts."""
    return packed(csv_bytes(["trust_code", "lad_code", "trust_prop_by_lad", "lad_prop_by_trust"], rows_of(text), "\n"))


AREAS, SINCE = "geo/code_changes/chd_2024-07_areas.csv.gz", "geo/code_changes/la_changes_2018_2025_uk.csv"
STATXPLORE = "indicators/universal_credit/statxplore_households_on_uc"
CLAIMANTS = {
    "2024-11-15": "indicators/claimant_count/ons_els_claimant_rate_release_2024-11-15.csv",
    "2025-01-24": "indicators/claimant_count/ons_els_claimant_rate_release_2025-01-24.csv",
    "2026-06-26": "indicators/ons_explore_local_statistics/claimant-count.csv.gz",
}
ITEMS = (
    Item("ons_lad_register.csv", "2024-07", register, "districts, counties, regions and nations; recodes of April "
         "2025, Welsh names and rows above nations, boards of April 2026 and strategic authorities of 2025 and 2026 "
         "are from the other files named, in that order; an authority without a GSS code has its statutory instrument "
         "as code", (AREAS, SINCE, "geo/lad_registers/lad_2023-04_uk.csv", "geo/code_changes/la_all_codes_uk.csv",
                     BOARDS, SUCCESSIONS, AUTHORITIES)),
    Item("ons_lad_changes.csv", "2023-12", changes, "changes of code, not of name alone; Scotland and April 2025 are "
         "from the other files named", ("geo/code_changes/chd_2023-12_lad_changes_ew.csv", SINCE, AREAS)),
    Item("ons_lad_boundaries.geojson.gz", "2024-05", boundaries, f"coordinates rounded to {GRID} degrees; repeated "
         "points, and islands of which no area is left, left out", ("geo/boundaries/lad_2024-05_buc_uk.geojson",)),
    Item("ons_icb_boundaries.geojson.gz", "2022-07", board_boundaries, f"coordinates rounded to {GRID} degrees; "
         "repeated points, and islands of which no area is left, left out", ("geo/boundaries/icb_2022-07_en.geojson",)),
    Item("ons_residents.csv.gz", "2024-03-26", residents, "districts and nations; ages 16 to 64",
         ("geo/population/lad23_mid2011_mid2022_syoa_sex_uk.csv.gz",)),
    *(Item(f"ons_claimant_rate_{day}.csv.gz", day, claimant_rate, "districts and nations; 2011 on", (path,))
      for day, path in CLAIMANTS.items()),
    Item("dwp_uc_households.csv.gz", "2024-02-13", universal_credit, "January 2019 on; head and foot are those of the "
         "second file named, without its notes I to IV",
         (f"{STATXPLORE}_lad_2015_2022.csv", f"{STATXPLORE}_msoa_2015_2022.csv")),
    Item("hmrc_furlough.csv", "2020-09-21", furlough, "columns of furlough",
         ("indicators/furlough/brc_local_authority_stats_2020-09-21.csv",)),
    Item("ons_small_areas.parquet", "2024-12", small_areas, "derived: each combination of LSOA 2011, LSOA 2021 and "
         "constituency 2024, data zones 2011, super output areas of Northern Ireland; residents of an LSOA that was "
         "split, merged or cut are shared out over its parts by Census 2021 or mid-2020 residents, as "
         "carry_over_areas.py says", tuple(ORIGINS.values())),
    Item("nhs_trust_catchments.csv.gz", "2020", trust_shares, "columns of codes and shares",
         ("geo/nhs/trust_lad19_shares_both_ways.csv.gz",)),
    *PLACES,
    *RECENT_PLACES,
    *HOSPITALS,
    *HEALTH,
    *HOUSING,
    *EXPLORE_LOCAL,
    *LOCAL,
    *CLAIMED,
)  # fmt: skip


def checked(folder: Path, made: dict[str, bytes]) -> Iterator[tuple[bool, str]]:
    """Compare the register with each published ONS register, and follow every code to 2023."""
    places = [row for row in rows_of(made["ons_lad_register.csv"].decode()) if row["ENTITYCD"] in DISTRICTS]
    for edition in REGISTERS:
        rows = rows_of(read_text(folder / f"geo/lad_registers/lad_{edition}_uk.csv"))
        live, result = _in_use(places, edition[:4], edition[:4]), {row[f"LAD{edition[2:4]}CD"] for row in rows}
        yield live == result, f"codes in use at the end of {edition[:4]}: {len(live)}; in the register: {len(result)}"
    after: dict[str, set[str]] = {}
    for row in rows_of(made["ons_lad_changes.csv"].decode()):
        after.setdefault(row["from_code"], set()).add(row["to_code"])
    ever, target = _in_use(places, "2010", "2024"), _in_use(places, "2023", "2023")
    astray = sorted(code for code in ever if len(_became(code, after, target)) != 1)
    yield not astray, f"codes used since the end of 2010: {len(ever)}; without one of 2023: {' '.join(astray) or 0}"


def _in_use(places: list[Row], first: str, last: str) -> set[str]:
    return {row["GEOGCD"] for row in places
            if row["OPER_DATE"] <= f"{last}-12-31" and (row["TERM_DATE"] or "9999") >= f"{first}-12-31"}  # fmt: skip


def _became(code: str, after: dict[str, set[str]], target: set[str]) -> set[str]:
    outcomes = (_became(new, after, target) for new in after.get(code, ()))
    return {code} if code in target else set().union(*outcomes)


def provenance(folder: Path, made: dict[str, bytes]) -> bytes:
    """Write the provenance of each starter file from the manifests of the folder; several origins in a fixed order.

    Files from elsewhere come last, with the origin that their script states.
    """
    rows = ((part, row) for part in PARTS for row in rows_of(read_text(folder / part / "MANIFEST.csv")))
    # The list of recorded answers has requests instead of titles.
    result = {
        (path := f"{part}/{row['file']}"): {
            "title": row.get("request", ""), "source_commit": row.get("commit", ""), **row, "origin": path
        }
        for part, row in rows
    }  # fmt: skip
    fields = {"publisher": "publisher", "dataset": "title", "licence": "licence", "origin": "origin",
              "origin_repository": "source_repo", "origin_path": "source_path",
              "origin_commit": "source_commit"}  # fmt: skip
    header = ["file", "sha256", "bytes", "publisher", "dataset", "release", "licence", "cut"]
    written = []
    for item in ITEMS:
        content = made[item.file]
        from_manifest = {
            name: " + ".join(result[path][field] for path in item.origins) for name, field in fields.items()
        }
        own = {**item._asdict(), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        written.append({**own, **from_manifest})
    for row in ELSEWHERE:
        content = (HERE / row["file"]).read_bytes()
        written.append({"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), **row})
    return csv_bytes([*header, *list(fields)[3:]], written)


def main(arguments: list[str] | None = None) -> int:
    """Write every starter file and PROVENANCE.csv; write nothing and return 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with geo/ and indicators/, each with a MANIFEST.csv")
    folder: Path = parser.parse_args(arguments).folder
    if missing := [path for part in PARTS if not (path := folder / part / "MANIFEST.csv").is_file()]:
        sys.stderr.write(f"found no {missing[0]}, expected the folder of published files; give its path\n")
        return 1
    made = {item.file: item.make(*read_origins(folder, item)) for item in ITEMS}
    sound, lines = zip(*checked(folder, made), strict=True)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if not all(sound):
        sys.stderr.write("expected none to differ, wrote nothing; see the files in geo/code_changes\n")
        return 1
    for name, content in {**made, "PROVENANCE.csv": provenance(folder, made)}.items():
        # A table of names goes beside the declaration of its source.
        (HERE.parent if name.endswith(".names.csv") else HERE).joinpath(name).write_bytes(content)
        sys.stdout.write(f"{name}: {len(content):,} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
