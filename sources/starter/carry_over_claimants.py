"""Claimants by district and month, Universal Credit of May 2025 and recorded crime, for the starter edition."""

import csv
import io
import json
from itertools import product
from typing import Any

from carrying import Item, Row, packed, parquet_columns, rows_of
from workbooks import sheets_of

CLAIMANTS = "indicators/claimant_count"
NOMIS = ["DATE", "GEOGRAPHY_CODE", "GEOGRAPHY_NAME", "OBS_VALUE"]
"""Headings of the Nomis service, which fetched files have too."""
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
AREAS = ("E06", "E07", "E08", "E09", "E11", "E92")
NORTH = tuple(f"{CLAIMANTS}/north_ward_lad_2023-{month}.csv" for month in ("08", "09", "10"))


def _row(month: str, code: str, name: str, value: str) -> Row:
    return dict(zip(NOMIS, (month, code, name, value), strict=True))


def _one_of_each(rows: list[Row]) -> bytes:
    """Write one row for each place and month: the last, where several extracts have it."""
    return parquet_columns(NOMIS, {(row["DATE"], row["GEOGRAPHY_CODE"]): row for row in rows}.values())


def greater_manchester(districts: str, dashboard: str) -> bytes:
    """Write ten districts from 2015 to 2017, and Trafford and Greater Manchester from 2013."""
    rows = [_row(row["date"][:7], row["lad15cd"], row["lad15nm"], row["count"]) for row in rows_of(districts)]
    rows += [_row(row["period"][:7], row["area_code"], row["area_name"], row["value"])
             for row in rows_of(dashboard) if row["group"] == row["indicator"] == "Claimant count"]  # fmt: skip
    return _one_of_each(rows)


def neighbours(trafford: str, *north: str) -> bytes:
    """Write districts like Trafford for 37 months, and districts of the North for three of them."""
    rows = [_row(row["date"], row["geography_code"], row["geography_name"], row["value"])
            for text in north for row in rows_of(text) if row["variable_name"] == "Claimant count"]  # fmt: skip
    rows += [_row(_month(row["period"]), row["area_code"], row["area_name"], row["value"])
             for row in rows_of(trafford) if row["measure"] == "Count"]  # fmt: skip
    return _one_of_each([row for row in rows if row["GEOGRAPHY_CODE"].startswith(AREAS)])


def _month(text: str) -> str:
    name, year = text.split()
    return f"{year}-{MONTHS.index(name) + 1:02}"


def every_district(text: str) -> bytes:
    """Write table CC01 of one month: every district, county, region and nation."""
    return parquet_columns(
        NOMIS, [_row("2026-04", row["geography_code"], "", row["claimants_2026_04"]) for row in rows_of(text)]
    )


def table_of_answer(text: str) -> bytes:
    """Write a JSON-stat answer as a table: a column for each dimension, and the value."""
    data = json.loads(text, parse_float=str, parse_int=str)
    codes = [_codes_in_order(data["dimension"][name]["category"]) for name in data["id"]]
    columns = [*data["id"], "value"]
    rows = (dict(zip(columns, (*key, value or ""), strict=True))
            for key, value in zip(product(*codes), data["value"], strict=True))  # fmt: skip
    return parquet_columns(columns, rows)


def _codes_in_order(category: dict[str, Any]) -> list[str]:
    return list(category["index"]) if "index" in category else list(category["label"])


def households_of_may_2025(export: bytes) -> bytes:
    """Write the table of a Stat-Xplore workbook as the service's CSV: districts, the total and the notes."""
    sheet = sheets_of(export)["Data Sheet 0"]
    start = next(n for n, row in enumerate(sheet) if row[0] == "Month")
    table = [(row[2], row[3]) for row in sheet[start + 2 :] if row[2] and row[3]]
    buffer = io.StringIO(newline="")
    written = csv.writer(buffer, lineterminator="\n")
    written.writerows([["Month", sheet[start][3]], *table])
    return packed(buffer.getvalue().encode())


def partnerships(text: str) -> bytes:
    """Write the table of partnerships without the lines above it."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    start = next(n for n, line in enumerate(lines) if line[0].split() == ["Police", "Force", "Area", "code"])
    heading = [" ".join(name.split()) for name in lines[start]]
    rows = [dict(zip(heading, line, strict=True)) for line in lines[start + 1 :]]
    return parquet_columns(heading, rows)


CLAIMED = (
    Item("nomis_claimants_2019-05-31.parquet", "2019-05-31", greater_manchester, "counts, without rates; two extracts "
         "in one file",
         (f"{CLAIMANTS}/gm_2015_2017/gm_local_authorities.csv", f"{CLAIMANTS}/gm_dashboard_2013_2020.csv")),
    Item("nomis_claimants_2026-04-30.parquet", "2026-04-30", neighbours, "counts of districts and England, without "
         "rates and wards; four extracts in one file",
         (f"{CLAIMANTS}/trafford_and_neighbours_2023_2026.csv", *NORTH)),
    Item("nomis_claimants_2026-05-31.parquet", "2026-05-31", every_district, "counts, without rates and changes",
        (f"{CLAIMANTS}/ons_cc01_2026-04_by_lad.csv",)),
    *(Item(f"nisra_claimants_monthly_{day}.parquet", day, table_of_answer, "labels of codes", (path,))
      for day, path in (("2025-03-21", f"{CLAIMANTS}/nisra_ccmlgd_released_2025-03-21.json"),
                        ("2025-05-14", "responses/nisra/CCMLGD_2025-06-06.json"))),
    Item("dwp_uc_households_2025-08.csv.gz", "2025-08-31", households_of_may_2025, "the table, without notes; written "
         "as CSV", ("indicators/universal_credit/statxplore_uc_households_la_2025-05.xlsx",)),
    Item("ons_crime_by_partnership.parquet", "2025-10-31", partnerships, "lines above the table",
         ("indicators/crime_justice/ons_crime_csp_ye_june_2025_table_c2.csv",)),
)  # fmt: skip
