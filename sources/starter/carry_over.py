"""Write the starter edition from a folder of published files: `python sources/starter/carry_over.py FOLDER`.

Each file keeps its publisher's layout and is cut to what the seed problems need; figures and markers are
carried over as printed. PROVENANCE.csv says for each where it came from and what was left out. The bytes
are the same on every run over the same folder.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
DISTRICTS = ("E06", "E07", "E08", "E09", "W06", "S12", "N09")
TIERS = ("E10", "E11", "E12", "E13", "E47", "E92", "W92", "S92", "N92")
ABOVE_NATIONS = {"K02000001": "United Kingdom", "K03000001": "Great Britain", "K04000001": "England and Wales"}
NATION_CODES = {"E92000001": "England", "W92000004": "Wales", "S92000003": "Scotland", "N92000002": "Northern Ireland"}
FIRST_YEAR = 2011
FIRST_MONTH = "January 2019"
GRID = 0.005
"""Degrees to which boundaries are rounded: about 500 m, so that shared borders stay shared."""


class Item(NamedTuple):
    """One starter file: how it is made, from which published files, and what was left out."""

    file: str
    origin: str
    publisher: str
    dataset: str
    release: str
    licence: str
    cut: str
    make: Callable[[Path], bytes]


Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """Read a CSV file, packed or not, as rows of text."""
    return list(csv.DictReader(io.StringIO(read_text(path))))


def read_text(path: Path) -> str:
    """Read a text file, packed or not."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]], *, mark: bool = False) -> bytes:
    """Write rows as CSV with the line ends that publishers' exports have."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return (b"\xef\xbb\xbf" if mark else b"") + buffer.getvalue().encode()


def packed(content: bytes) -> bytes:
    """Pack bytes so that the same bytes always pack to the same."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def register(folder: Path) -> bytes:
    """Write the code history of districts and of the tiers above them, with Welsh names."""
    header = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE", "STATUS"]
    kept = [row for row in read_rows(folder / "geo/code_changes/chd_2024-07_areas.csv.gz")
            if row["ENTITYCD"] in (*DISTRICTS, *TIERS)]  # fmt: skip
    welsh = {row["LAD23CD"]: row["LAD23NMW"] for row in read_rows(folder / "geo/lad_registers/lad_2023-04_uk.csv")}
    recoded = recodes_of_2025(folder)
    rows = [
        {
            **row,
            "GEOGNM": row["GEOGNM"].strip(),
            "GEOGNMW": (welsh.get(row["GEOGCD"]) or "").strip(),
            **({"TERM_DATE": "2025-03-31", "STATUS": "terminated"} if row["GEOGCD"] in recoded else {}),
        }
        for row in kept
    ]
    rows += [
        {
            **row,
            "GEOGCD": recoded[row["GEOGCD"]],
            "OPER_DATE": "2025-04-01",
            "TERM_DATE": "",
            "STATUS": "live",
            "GEOGNMW": "",
        }
        for row in kept
        if row["GEOGCD"] in recoded
    ]
    known = {row["GEOGCD"] for row in rows}
    rows += [
        {"ENTITYCD": code[:3], "GEOGCD": code, "GEOGNM": name, "GEOGNMW": "", "PARENTCD": "",
         "OPER_DATE": "2009-01-01", "TERM_DATE": "", "STATUS": "live"}
        for code, name in (ABOVE_NATIONS | NATION_CODES).items()
        if code not in known
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["GEOGCD"], row["OPER_DATE"]))
    return csv_bytes(header, ([row[name] for name in header] for row in rows))


def recodes_of_2025(folder: Path) -> dict[str, str]:
    """Give the districts that got a new code in April 2025, old code to new."""
    rows = read_rows(folder / "geo/code_changes/la_changes_2018_2025_uk.csv")
    return {row["oldcd"]: row["newcd"] for row in rows if row["type"] == "new_code" and row["start"] == "2025"}


def changes(folder: Path) -> bytes:
    """Write what became of each district's code: England and Wales from one list, the rest from another."""
    opened = {
        row["GEOGCD"]: row["OPER_DATE"] for row in read_rows(folder / "geo/code_changes/chd_2024-07_areas.csv.gz")
    }
    rows = []
    seen: set[tuple[str, str]] = set()
    for row in read_rows(folder / "geo/code_changes/chd_2023-12_lad_changes_ew.csv"):
        pair = (row["changed_from_code"], row["changed_to_code"])
        if pair[0] != pair[1]:
            rows.append([*pair, row["date"], row["desc"]])
            seen.add(pair)
    for row in read_rows(folder / "geo/code_changes/la_changes_2018_2025_uk.csv"):
        pair = (row["oldcd"], row["newcd"])
        if pair not in seen and row["oldcd"].startswith(DISTRICTS) and row["newcd"].startswith(DISTRICTS):
            day = opened.get(pair[1]) or f"{row['start']}-04-01"
            rows.append([*pair, day, f"ONS code changes {row['start']}: {row['oldnm']} to {row['newnm']}"])
            seen.add(pair)
    return csv_bytes(["from_code", "to_code", "kind", "changed_on", "authority"], sorted(_with_kind(rows), key=_dated))


def _with_kind(rows: list[list[str]]) -> list[list[str]]:
    """Say merged where several old codes became one, recoded where one became one."""
    ends = [row[1] for row in rows]
    return [[row[0], row[1], "merged" if ends.count(row[1]) > 1 else "recoded", row[2], row[3]] for row in rows]


def _dated(row: Sequence[str]) -> tuple[str, str]:
    return row[3], row[0]


def boundaries(folder: Path) -> bytes:
    """Write the boundaries of districts on a coarser grid; every district keeps at least one ring."""
    told = json.loads(read_text(folder / "geo/boundaries/lad_2024-05_buc_uk.geojson"))
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "properties": {name: feature["properties"][name] for name in ("LAD24CD", "LAD24NM")},
            "geometry": {"type": "MultiPolygon", "coordinates": _coarser(feature["geometry"]["coordinates"])},
        }
        for feature in told["features"]
    ]
    features.sort(key=lambda feature: str(feature["properties"]["LAD24CD"]))
    text = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"), ensure_ascii=False)
    return packed(text.encode())


Ring = list[list[float]]


def _coarser(polygons: list[list[Ring]]) -> list[list[Ring]]:
    for step in (GRID, GRID / 5):
        kept = [[rounded] for polygon in polygons if len(rounded := _rounded(polygon[0], step)) >= 4]
        # A small district keeps a finer grid: it would otherwise be a triangle, or nothing.
        if kept and max(len(polygon[0]) for polygon in kept) >= 7:
            return kept
    return [[polygon[0]] for polygon in polygons]


def _rounded(ring: Ring, step: float) -> Ring:
    points: Ring = []
    for x, y in ring:
        point = [round(round(x / step) * step, 5), round(round(y / step) * step, 5)]
        if not points or points[-1] != point:
            points.append(point)
    if len(points) > 1 and points[0] != points[-1]:
        points.append(points[0])
    return points


def residents(folder: Path) -> bytes:
    """Write mid-2011 and mid-2022 residents aged 16 to 64 by single year of age, for districts and nations."""
    rows = read_rows(folder / "geo/population/lad23_mid2011_mid2022_syoa_sex_uk.csv.gz")
    header = list(rows[0])
    kept = (row for row in rows if row["Area code"].startswith((*DISTRICTS, "K", "E92", "W92", "S92", "N92"))
            and 16 <= int(row["Age"]) <= 64)  # fmt: skip
    return packed(csv_bytes(header, ([row[name] for name in header] for row in kept)))


def claimant_rate(path: str) -> Callable[[Path], bytes]:
    """Make a writer of one release of the claimant rate: districts and nations, 2011 on, all columns."""

    def make(folder: Path) -> bytes:
        rows = read_rows(folder / path)
        header = list(rows[0])
        code = "AREACD" if "AREACD" in header else "areacd"
        year = "Period" if "Period" in header else "period"
        kept = (row for row in rows if row[code].startswith((*DISTRICTS, "K", "E92", "W92", "S92", "N92"))
                and int(row[year][:4]) >= FIRST_YEAR)  # fmt: skip
        return packed(csv_bytes(header, ([row[name] for name in header] for row in kept), mark=True))

    return make


def universal_credit(folder: Path) -> bytes:
    """Write the Stat-Xplore export of households on Universal Credit from January 2019, in its full layout."""
    path = folder / "indicators/universal_credit/statxplore_households_on_uc_lad_2015_2022.csv"
    table = [row for row in csv.reader(io.StringIO(read_text(path))) if row]
    first = table[0].index(FIRST_MONTH)
    lines = ["Stat-Xplore", "", '"Households on Universal Credit (I II III IV z)"',
             '"National - Regional - LA - OAs by Month"', '"Counting: Households on Universal Credit"', "",
             "Filters:", '"Default Summation","Households on Universal Credit"', ""]  # fmt: skip
    lines += [_quoted([row[0], *row[first:]], head=n == 0) for n, row in enumerate(table)]
    lines += ["", "", "Symbol,Description", '"z","\'..\' is nil or negligible"', '"p","provisional"', '"r","revised"',
              "", "Source: Department for Work and Pensions"]  # fmt: skip
    return packed(("\r\n".join(lines) + "\r\n").encode())


def _quoted(cells: list[str], *, head: bool) -> str:
    """Write a row as Stat-Xplore does: texts quoted, figures and markers not, a comma at the end."""
    if head:
        return ",".join(f'"{cell}"' for cell in cells if cell) + ","
    return ",".join([f'"{cells[0]}"', *cells[1:]])


def furlough(folder: Path) -> bytes:
    """Write employments furloughed and take-up by district, as compiled, without the other columns."""
    rows = read_rows(folder / "indicators/furlough/brc_local_authority_stats_2020-09-21.csv")
    header = ["LAD19CD", "Name", "LAD19NM", "Furlough count", "Furlough rate"]
    return csv_bytes(header, ([row[name] for name in header] for row in rows))


ONS, OGL = "Office for National Statistics", "Open Government Licence v3.0"
ELS = "Explore Local Statistics: claimant count"
ITEMS = (
    Item("ons_lad_register.csv", "geo/code_changes/chd_2024-07_areas.csv.gz", ONS, "Code History Database", "2024-07",
         OGL, "districts and the tiers above them; Welsh names from the register of April 2023; recodes of April 2025 "
         "from the ONS list of changes 2018 to 2025", register),
    Item("ons_lad_changes.csv", "geo/code_changes/chd_2023-12_lad_changes_ew.csv", ONS, "Code History Database",
         "2023-12", OGL, "changes of code; Scotland and 2025 from the ONS list of changes 2018 to 2025", changes),
    Item("ons_lad_boundaries.geojson.gz", "geo/boundaries/lad_2024-05_buc_uk.geojson", ONS,
         "Local Authority Districts (May 2024) Boundaries UK BUC", "2024-05",
         f"{OGL}; contains OS data (c) Crown copyright and database right 2024",
         f"coordinates rounded to {GRID} degrees, holes and repeated points left out", boundaries),
    Item("ons_residents.csv.gz", "geo/population/lad23_mid2011_mid2022_syoa_sex_uk.csv.gz", ONS,
         "Estimates of the population for the UK, mid-2022", "2024-03-26", OGL,
         "districts and nations; ages 16 to 64", residents),
    *(Item(f"ons_claimant_rate_{day}.csv.gz", path, ONS, ELS, day, OGL, "districts and nations; 2011 on",
           claimant_rate(path)) for day, path in (
        ("2024-11-15", "indicators/claimant_count/ons_els_claimant_rate_release_2024-11-15.csv"),
        ("2025-01-24", "indicators/claimant_count/ons_els_claimant_rate_release_2025-01-24.csv"),
        ("2026-06-26", "indicators/ons_explore_local_statistics/claimant-count.csv.gz"))),
    Item("dwp_uc_households.csv.gz", "indicators/universal_credit/statxplore_households_on_uc_lad_2015_2022.csv",
         "Department for Work and Pensions", "Stat-Xplore: Households on Universal Credit", "2024-02-13", OGL,
         "January 2019 on; head and foot of the export set again, its long notes left out", universal_credit),
    Item("hmrc_furlough.csv", "indicators/furlough/brc_local_authority_stats_2020-09-21.csv",
         "HM Revenue and Customs, compiled by the British Red Cross", "Coronavirus Job Retention Scheme statistics",
         "2020-09-21", OGL, "columns of furlough", furlough),
)  # fmt: skip


def provenance(folder: Path, made: dict[str, bytes]) -> bytes:
    """Write where each starter file came from."""
    told: dict[str, Row] = {}
    for part in ("geo", "indicators"):
        told |= {f"{part}/{row['file']}": row for row in read_rows(folder / part / "MANIFEST.csv")}
    header = ["file", "sha256", "bytes", "publisher", "dataset", "release", "licence", "cut", "origin",
              "origin_repository", "origin_path", "origin_commit"]  # fmt: skip
    rows = []
    for item in ITEMS:
        origin = told[item.origin]
        content = made[item.file]
        rows.append([item.file, hashlib.sha256(content).hexdigest(), str(len(content)), item.publisher, item.dataset,
                     item.release, item.licence, item.cut, item.origin, origin["source_repo"], origin["source_path"],
                     origin["source_commit"]])  # fmt: skip
    return csv_bytes(header, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every starter file and PROVENANCE.csv; give 1 where the folder is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with geo/ and indicators/, each with a MANIFEST.csv")
    folder: Path = parser.parse_args(arguments).folder
    if not (folder / "geo" / "MANIFEST.csv").is_file():
        sys.stderr.write(f"{folder}: found no geo/MANIFEST.csv, expected a folder of published files\n")
        return 1
    made: dict[str, Any] = {item.file: item.make(folder) for item in ITEMS}
    for name, content in {**made, "PROVENANCE.csv": provenance(folder, made)}.items():
        (HERE / name).write_bytes(content)
        sys.stdout.write(f"{name}: {len(content):,} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
