"""Rough sleeping and homelessness, for the starter edition."""

from collections.abc import Callable

from carrying import Item, cut_columns, parquet_columns, rows_of, whole_table
from workbooks import sheets_of, workbook

ROUGH, HOMELESS = "indicators/rough_sleeping", "indicators/homelessness"
SNAPSHOTS = {
    # The workbook states only "Latest update: January 2017".
    "2017-01-31": ("Rough_Sleeping_Autumn_2016_Final_Tables.xls", "Table 1"),
    "2018-01-25": ("Rough_sleeping_statistics_England_autumn_2017.xlsx", "table 1"),
    "2020-02-27": ("2019_Rough_Sleeping_Snapshot_Tables.xlsx", "Table 1 Total"),
    "2023-02-28": ("Rough_sleeping_2022_exported_from_Numbers.xlsx", "Table 1 Total"),
}
APPROACHES = {"2020-02-27": "Table 4 Approach", "2023-02-28": "Table 3 Approach"}
AS_ASSESSED, AS_HOUSED = 16, 15
"""Columns kept of tables A1 (all) and TA1 (households, children, and those in bed and breakfast)."""


def one_sheet(name: str, columns: int | None = None) -> Callable[[bytes], bytes]:
    """Return a function that writes the first columns of one sheet, with all rows, as an .xlsx workbook."""

    def written(content: bytes) -> bytes:
        return workbook({name: [row[:columns] for row in sheets_of(content)[name]]})

    return written


def assessed(text: str) -> bytes:
    """Write assessed households by council; a row of NA has no code. The YAML states why only one rate is used."""
    code, rate = list(rows_of(text)[0])[:2]
    return cut_columns(text, [code, rate], lambda row: row[code] != "NA")


def newest_snapshot(text: str) -> bytes:
    """Write the snapshots of autumn 2024 and 2025 under the headings of the publisher's first table."""
    heading = ["Local authority", "Local authority ONS code", "2024", "2025"]
    rows = [[row["la_name"], row["lad24cd"], row["rough_sleeping_2024"], row["rough_sleeping_2025"]]
            for row in rows_of(text)]  # fmt: skip
    return workbook({"Table 1 Total": [heading, *rows]})


def properties(text: str) -> bytes:
    """Write the properties of each place, with 31 March, the day of the lists, for each year."""
    rows = [{**row, "date": f"{row['date']}-03-31"} for row in rows_of(text)]
    return parquet_columns([*rows[0]], rows)


HOUSING = (
    Item("mhclg_rough_sleeping_2026-02-26.xlsx", "2026-02-26", newest_snapshot, "written as .xlsx, with headings of "
         "the publisher's workbook", (f"{ROUGH}/mhclg_rough_sleeping_snapshot_2024_2025_by_lad.csv",)),
    Item("mhclg_rough_sleeping_initiative.xlsx", "2020-02-27", one_sheet("Table 3 RSI"), "one sheet",
         (f"{ROUGH}/{SNAPSHOTS['2020-02-27'][0]}",)),
    Item("voa_properties.parquet", "2024-12-31", properties, "days for years",
         ("indicators/housing/voa_dwellings_by_la_1993_2024.csv.gz",)),
    Item("ons_residents_all_ages.parquet", "2024-12-31", whole_table, "none",
         ("indicators/population/ons_population_by_la_1991_2023_all_ages.csv.gz",)),
    *(Item(f"mhclg_rough_sleeping_{day}.xlsx", day, one_sheet(sheet), "one sheet; written as .xlsx, without colours",
           (f"{ROUGH}/{file}",))
      for day, (file, sheet) in SNAPSHOTS.items()),
    *(Item(f"mhclg_rough_sleeping_approach_{day}.xlsx", day, one_sheet(sheet), "one sheet",
           (f"{ROUGH}/{SNAPSHOTS[day][0]}",))
      for day, sheet in APPROACHES.items()),
    Item("mhclg_homelessness_2022-12.xlsx", "2023-05-10", one_sheet("A1", AS_ASSESSED), "one sheet of 33; written as "
         ".xlsx", (f"{HOMELESS}/Detailed_LA_202212.ods",)),
    Item("mhclg_temporary_accommodation_2022-12.xlsx", "2023-05-10", one_sheet("TA1_", AS_HOUSED), "one sheet of 33; "
         "columns to bed and breakfast; written as .xlsx", (f"{HOMELESS}/Detailed_LA_202212.ods",)),
    Item("gov_scot_homelessness.csv", "2024-02-29", assessed, "first rate of two; councils that have a code",
         (f"{HOMELESS}/scotland_homelessness_healthyr.csv",)),
)  # fmt: skip
