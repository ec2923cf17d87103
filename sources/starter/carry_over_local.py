"""Crime, emissions, food, town centres and jobs, for the starter edition."""

import csv
import io
from collections.abc import Callable

from carry_over_housing import one_sheet
from carrying import Item, Row, csv_bytes, cut_columns, cut_lines, packed, rows_of

SECTORS = ("Industry", "Commercial", "Public Sector", "Domestic", "Transport", "Agriculture", "Waste Management")
EMISSIONS = ["Year", "local-authority-code", "official-name", *(f"{name} Total:kt CO2" for name in SECTORS),
             "Total Emissions:kt CO2"]  # fmt: skip
FIRST_YEAR = "2015"
CRIMES = ("PCON24CD", "PCON24NM", "All", "Anti-social behaviour", "Violence and sexual offences")
CAMERAS = ["Date", "InCount", "LocationName", "Hour"]
LAST_YEAR = "2016"
CLAIMANTS = "indicators/claimant_count"
# The month is the newest one published when the file was fetched: regional sums equal those of the ward file.
CONSTITUENCIES = {"2023-09-27": "August 2023", "2023-10-24": "September 2023", "2023-11-14": "October 2023"}
# The day of each month's file is not known; the count is published in the middle of the following month.
WARDS = {"2023-08": "2023-09-30", "2023-09": "2023-10-31", "2023-10": "2023-11-30"}


UC_MONTHS = ("December 2022", "November 2023")
"""Months of Universal Credit by neighbourhood: the last complete month, and the last, which is provisional."""
UC_MSOA = "indicators/universal_credit/statxplore_households_on_uc_msoa_2015_2022.csv"


def emissions(text: str) -> bytes:
    """Write emissions from 2015, by sector and in total."""
    return packed(cut_columns(text, EMISSIONS, lambda row: row["Year"] >= FIRST_YEAR))


def crimes(text: str) -> bytes:
    """Write all offences, anti-social behaviour and violence, by constituency and year, under both rows of headings."""
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    kept = [n for n, name in enumerate(rows[0]) if name in CRIMES]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([row[n] for n in kept] for row in rows)
    return packed(buffer.getvalue().encode())


def of_columns(columns: list[str], keep: Callable[[Row], object] = bool) -> Callable[[str], bytes]:
    """Return a function that writes selected columns and rows."""
    return lambda text: cut_columns(text, columns, keep)


def footfall(text: str) -> bytes:
    """Write the hourly counts of every camera in the last year, dates as published."""
    last = [row for row in rows_of(text) if row["Year"] == LAST_YEAR]
    return packed(csv_bytes(CAMERAS, last, "\n"))


def neighbourhoods(text: str) -> bytes:
    """Write a Stat-Xplore export by neighbourhood: its header and footer, and its last two months."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith('"Month"'))
    stop = next(n for n, line in enumerate(lines) if line.startswith('"Total"'))
    wanted = [n for n, name in enumerate(next(csv.reader(lines[start : start + 1]))) if name.startswith(UC_MONTHS)]
    kept = [[row[n] for n in (0, *wanted) if n < len(row)] for row in csv.reader(lines[start : stop + 1])]
    table = [",".join(f'"{cell}"' if n == 0 or row is kept[0] else cell for n, cell in enumerate(row)) for row in kept]
    foot = [line for line in lines[stop + 1 :] if not line.startswith(('"I",', '"II",', '"III",', '"IV",'))]
    return packed(("\n".join([*lines[:start], *table, *foot]) + "\n").encode())


def names_of_neighbourhoods(export: str, england: str, scotland: str) -> bytes:
    """Write the code of each neighbourhood with a name of its own, as the export spells it.

    The export writes names of Scotland with `and` and single blanks. A name that several places share identifies none.
    """
    codes: dict[str, set[str]] = {}
    for name, code in [
        *((row["MSOA11NM"], row["MSOA11CD"]) for row in rows_of(england)),
        *((row["IZ2011_Name"], row["IZ2011_Code"]) for row in rows_of(scotland)),
    ]:
        codes.setdefault(" ".join(name.replace("&", "and").split()), set()).add(code)
    lines = export.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith('"Month"'))
    labels = [row[0] for row in csv.reader(lines[start:]) if row]
    single = {label: next(iter(codes[label])) for label in labels if len(codes.get(label, ())) == 1}
    rows = [{"label": label, "place_code": code, "note": ""} for label, code in single.items()]
    return csv_bytes(["label", "place_code", "note"], rows, "\n")


def adults(text: str) -> bytes:
    """Write claimants aged 16 and over by constituency, with the residents in the denominator."""
    return packed(cut_lines(text, lambda row: row["age"] == "Aged 16+"))


def counted(text: str) -> bytes:
    """Write the number of claimants, without their share of residents: wards, districts, counties, regions."""
    return packed(cut_lines(text, lambda row: row["variable_name"] == "Claimant count"))


LOCAL = (
    *(Item(f"desnz_co2_emissions_{edition}.csv.gz", day, emissions, "2015 on; totals of sectors",
           (f"indicators/carbon/la_emissions_mysociety_v{version}.csv",))
      for edition, version, day in (("old_councils", "1.0.0", "2022-12-31"), ("2023_councils", "1.2.0", "2023-12-31"))),
    Item("police_uk_crimes.csv.gz", "2025-12-31", crimes, "all, anti-social behaviour, violence and sexual offences",
         ("indicators/crime_justice/police_uk_crime_by_pcon24_2016_2024.csv",)),
    Item("ons_crime_severity.csv", "2023-12-31", of_columns(["ltla23_code", "crime_severity_score"]), "none",
         ("indicators/crime_justice/england_crime_severity_lad23.csv",)),
    Item("trafford_food_banks.csv", "2020-12-31", of_columns(["Name", "Postcode", "Area name", "Area code"]),
         "names, postcodes, areas", ("indicators/food_and_hubs/gm_food_banks.csv",)),
    Item("trafford_food_providers.csv", "2020-12-31", of_columns(
         ["name", "type", "postcode", "area_code", "area_name"]), "names, kinds, postcodes, areas",
         ("indicators/food_and_hubs/trafford_food_providers.csv",)),
    Item("trafford_community_hubs.csv", "2020-12-31", of_columns(["community_hub", "postcode"]), "names, postcodes",
         ("indicators/food_and_hubs/trafford_community_hubs.csv",)),
    Item("nhs_digital_shielded_patients.csv", "2020-05-31", of_columns(
         ["area_code", "area_name", "period", "group", "value"]), "without columns that say the same in every row",
         ("indicators/food_and_hubs/trafford_shielded_patients.csv",)),
    Item("leeds_footfall.csv.gz", "2017-12-31", footfall, "2016; date, hour, camera, count",
         ("indicators/mobility_footfall/leeds_city_centre_footfall_2009_2016.csv.gz",)),
    Item("odi_business_rates.csv", "2024-09-25", of_columns(
         ["ONS code", "Local Authority", "Last updated", "Rows", "Score", "Includes empties"]),
         "scores, rows, whether empty shops are told", ("indicators/retail_business_rates/status_by_council.csv",)),
    *(Item(f"nomis_claimants_pcon_{day}.csv.gz", day, adults, "aged 16 and over",
           (f"{CLAIMANTS}/pcon10_monthly/claimants_pcon_fetched_{day}.csv",))
      for day in CONSTITUENCIES),
    *(Item(f"nomis_claimants_wards_{month}.csv.gz", day, counted, "counts, without shares of residents",
           (f"{CLAIMANTS}/north_ward_lad_{month}.csv",))
      for month, day in WARDS.items()),
    *(Item(f"nisra_claimants_{name}.xlsx", "2022-08-31", one_sheet(sheet), "one sheet of eight",
           (f"{CLAIMANTS}/nisra_claimant_count_workbook_2022-07.xlsx",))
      for name, sheet in (("11_districts", "LGD(11)"), ("26_districts", "LGD(26)"))),
    Item("ons_vacancies_uk.csv", "2025-12-31", of_columns(
         ["code", "value", "date", "freq"], lambda row: row["freq"] == "q"), "quarters",
         ("indicators/vacancies/uk_vacancies_by_sector_yff.csv",)),
    Item("dwp_uc_trafford.csv", "2022-12-31", of_columns(["area_code", "area_name", "period", "value"]),
         "without columns that say the same in every row", ("indicators/universal_credit/trafford_uc_msoa.csv",)),
    Item("dwp_uc_households_msoa.csv.gz", "2024-02-13", neighbourhoods, "two months; without its notes I to IV",
         (UC_MSOA,)),
    Item("dwp_uc_households_msoa.names.csv", "2024-02-13", names_of_neighbourhoods,
         "codes of the names in the first file",
         (UC_MSOA, "geo/lookups/lsoa11_msoa11_ew_scot.csv.gz", "geo/lookups/dz2011_lookup_scotland.csv.gz")),
    Item("dwp_uc_households_pcon.xlsx", "2025-08-31", one_sheet("Data Sheet 0"), "one sheet of three",
         ("indicators/universal_credit/statxplore_uc_households_pcon24_2025.xlsx",)),
)  # fmt: skip
