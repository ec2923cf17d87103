"""Cases and tests, deaths from drugs, and deprivation, for the starter edition."""

from collections.abc import Callable

from carry_over_housing import one_sheet
from carrying import Item, cut_columns, cut_lines, packed, parquet_columns, rows_of, whole_table
from workbooks import sheets_of, workbook

COVID, DEPRIVATION = "indicators/covid_cases_testing", "indicators/deprivation_health"
CASES = ["Area name", "Area code", "Area type", "Specimen date", "Cumulative lab-confirmed cases"]
TESTS = ["Date", "Testing - Cumulative people tested for COVID-19 - Total",
         "Testing - Total number of COVID-19 tests reported by NHS Labs - Cumulative",
         "Testing - Total number of COVID-19 tests reported by UK Gov testing programme - Cumulative"]  # fmt: skip
DOMAINS = ("Index of Multiple Deprivation", "Health and Disability", "Health Deprivation and Disability")


def cases(text: str) -> bytes:
    """Write cases as downloaded, for every place and day."""
    return parquet_columns(CASES, rows_of(text))


def dashboard(text: str) -> bytes:
    """Write new cases by day and upper-tier council, with the headings repeated inside the data."""
    return packed(cut_columns(text, ["date", "areaName", "areaCode", "newCasesBySpecimenDate"]))


def scottish_tests(text: str) -> bytes:
    """Write people tested and tests reported so far, by day."""
    return parquet_columns(TESTS, rows_of(text))


def indices(text: str) -> bytes:
    """Write scores, ranks and shares of districts for all deprivation and for health."""
    return cut_lines(text, lambda row: row["index_domain"] in DOMAINS)


def english_deciles(text: str) -> bytes:
    """Write the decile of each small area for all deprivation and for health."""
    code = text.split(",", 1)[0]
    return packed(cut_columns(text, [code, "IMD_decile", "Health_decile"]))


def ranks(sheet: str, columns: int) -> Callable[[bytes], bytes]:
    """Return a function that writes the first columns of one sheet of ranks as an .xlsx workbook."""

    def written(content: bytes) -> bytes:
        return workbook({sheet: [row[:columns] for row in sheets_of(content)[sheet]]})

    return written


def life_expectancy(text: str) -> bytes:
    """Write life expectancy at birth by constituency, and its confidence limits, in the publisher's encoding."""
    columns = [name for name in rows_of(text)[0] if name not in ("Area type", "Sex code", "Ageband")]
    return cut_columns(text, columns).decode().encode("cp1252")


HEALTH = (
    *(Item(f"phe_cases_{day}.parquet", day, cases, "columns of cases so far",
           (f"{COVID}/phe_coronavirus_cases_latest_{day}.csv",))
      for day in ("2020-04-27", "2020-04-28", "2020-07-01")),
    Item("phe_dashboard_cases.csv.gz", "2020-10-02", dashboard, "without deaths",
         (f"{COVID}/dashboard_utla_cases_snapshot_2020-10-02.csv",)),
    Item("gov_scot_cases.parquet", "2021-07-31", whole_table, "none",
         (f"{COVID}/scotland/health-boards_cumulative-cases.csv",)),
    Item("gov_scot_intensive_care_2020-09.parquet", "2020-09-30", whole_table, "none",
         (f"{COVID}/scotland/health-boards_icu-patients-confirmed-archived.csv",)),
    Item("gov_scot_intensive_care_2021-07.parquet", "2021-07-31", whole_table, "none",
         (f"{COVID}/scotland/health-boards_icu-patients-confirmed.csv",)),
    *(Item(f"gov_scot_hospital_patients_{day[:7]}.parquet", day, whole_table, "none",
           (f"{COVID}/scotland/health-boards_hospital-patients-confirmed{archived}.csv",))
      for day, archived in (("2020-09-30", "-archived"), ("2021-07-31", ""))),
    *(Item(f"gov_scot_{name}.xlsx", "2021-06-09", one_sheet(sheet), "one sheet of 21",
           (f"{COVID}/scotland/Scottish_Government_COVID-19_data_09_June_2021.xlsx",))
      for name, sheet in (("covid_admissions", "1.5_admissions"), ("recorded_crime", "3.3_crime"))),
    Item("gov_scot_tests.parquet", "2021-07-31", scottish_tests, "people tested, tests reported",
         (f"{COVID}/scotland/scotland_testing.csv",)),
    Item("ons_drug_deaths.parquet", "2021-08-31", whole_table, "none",
         ("indicators/drug_misuse/ons_drug_poisoning_deaths_by_la_1993_2020.csv",), "cp1252"),
    Item("mhclg_deprivation_2019.csv", "2019-12-31", indices, "all deprivation, health",
         (f"{DEPRIVATION}/iod2019_england_lad.csv",)),
    Item("mhclg_deprivation_2025.csv", "2025-12-31", indices, "all deprivation, health",
         (f"{DEPRIVATION}/iod2025_england_lad.csv",)),
    Item("mhclg_small_areas_2019.csv.gz", "2019-12-31", english_deciles, "deciles of all deprivation, of health",
         (f"{DEPRIVATION}/imd2019_england_lsoa11.csv.gz",)),
    Item("mhclg_small_areas_2025.csv.gz", "2025-12-31", english_deciles, "deciles of all deprivation, of health",
         (f"{DEPRIVATION}/imd2025_england_lsoa21.csv.gz",)),
    Item("gov_wales_deprivation.xlsx", "2019-11-27", ranks("WIMD_2019_ranks", 7), "one sheet of three; columns to "
         "health; written as .xlsx", (f"{DEPRIVATION}/wimd2019_wales.ods",)),
    Item("gov_scot_deprivation.xlsx", "2020-04-30", ranks("SIMD 2020v2 ranks", 9), "one sheet of two; columns to "
         "health", (f"{DEPRIVATION}/simd2020v2_ranks.xlsx",)),
    Item("nisra_deprivation.xlsx", "2018-12-31", ranks("MDM", 8), "one sheet of ten; columns to health; written as "
         ".xlsx", (f"{DEPRIVATION}/NIMDM17_SOAresults.xls",)),
    Item("ons_life_expectancy_pcon.csv", "2025-12-31", life_expectancy, "at birth",
         (f"{DEPRIVATION}/life_expectancy_pcon24_2022.csv",), "cp1252"),
)  # fmt: skip
