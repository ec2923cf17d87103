"""Hospital and ambulance data for the starter edition: medicines, beds, ventilated patients and PPE.

Each table has all its days and places. Large tables have the columns that the declarations read.
"""

from collections.abc import Callable

from carrying import Item, cut_columns, parquet_columns, rows_of, whole_table
from workbooks import sheets_of, workbook

MEDICINES, CAPACITY = "indicators/hospital_medicines", "indicators/hospital_capacity"
# A winter's table has trusts that admit emergencies, with beds open and occupied.
SITREP = ["Code", "Name", "Date", "G&A Beds Open", "G&A beds occ'd", "CC Adult Open", "CC Adult Occ"]
COVID = ["data", "org_code", "org_name", "date", "value"]
UEC = [
    "nhs_trust22_code", "date", "adult_general_acute_beds_available", "adult_general_acute_beds_occupied",
    "adult_critical_care_beds_available", "adult_critical_care_beds_occupied",
    "paediatric_intensive_cared_beds_available", "paediatric_intensive_cared_beds_occupied",
]  # fmt: skip
AMBULANCE = ["ambulance_service", "count_incidents", "total_hours", "category"]


def some_sheets(*names: str) -> Callable[[bytes], bytes]:
    """Return a function that writes selected sheets of a workbook completely."""

    def written(content: bytes) -> bytes:
        sheets = sheets_of(content)
        return workbook({name: sheets[name] for name in names})

    return written


def sitrep(text: str) -> bytes:
    """Write one winter's beds by trust and day, with both rows of days listed twice."""
    return parquet_columns(SITREP, rows_of(text))


def ventilated(text: str) -> bytes:
    """Write patients with COVID-19 in mechanical ventilation beds by day and provider."""
    return parquet_columns(COVID, (row for row in rows_of(text) if row["data"] == "MV beds COVID"))


def emergency_beds(text: str) -> bytes:
    """Write beds by trust and month: adult general, adult and paediatric critical care."""
    return parquet_columns(UEC, rows_of(text))


def ambulance(text: str) -> bytes:
    """Write incidents and total hours by category, without means and centiles, which lack their hours."""
    code = text.split(",", 1)[0]
    return cut_columns(text, [code, *AMBULANCE])


def welsh_beds(text: str) -> bytes:
    """Write beds by health board, month and specialty."""
    columns = ["date", "health_board_code", "health_board_name", "specialism", "daily_beds_available",
               "daily_beds_occupied"]  # fmt: skip
    return parquet_columns(columns, rows_of(text))


def welsh_ambulance(text: str) -> bytes:
    """Write red and amber calls and red responses by health board and month."""
    header = [name for name in rows_of(text)[0] if name != "green_calls" and "percent" not in name]
    return cut_columns(text, header)


def dashboard(column: str) -> Callable[[str], bytes]:
    """Return a function that writes one figure of the dashboard by day."""
    return lambda text: cut_columns(text, ["date", "areaCode", "areaName", column])


def ppe(text: str) -> bytes:
    """Write items issued, without the addresses of the pages."""
    return cut_columns(text, ["nation", "release", "item", "period", "value"])


def northern_irish_beds(text: str) -> bytes:
    """Write beds by hospital, quarter, programme of care and specialty."""
    columns = ["trust18_code", "date", "hospital", "programme_of_care", "specialty", "average_available_beds",
               "average_occupied_beds"]  # fmt: skip
    return parquet_columns(columns, rows_of(text))


def scottish_beds(text: str) -> bytes:
    """Write beds by health board and specialty, with quarters for their first days."""
    rows = [{**row, "date": _quarter(row["date"])} for row in rows_of(text)]
    return parquet_columns([*rows[0]], rows)


def _quarter(day: str) -> str:
    """Return the quarter of a day, such as 2019 Q2."""
    return f"{day[:4]} Q{(int(day[5:7]) + 2) // 3}"


def _sitreps() -> tuple[Item, ...]:
    # A winter's series is published weekly, so it was published at most a week after its last day.
    winters = {"2018-19": "2019-03-10", "2020-21": "2021-04-11"}
    return tuple(
        Item(f"nhse_winter_sitrep_{winter}.parquet", day, sitrep, "beds open and occupied",
             (f"{CAPACITY}/nhse_winter_sitrep_{winter}.csv.gz",))
        for winter, day in winters.items()
    )  # fmt: skip


HOSPITALS = (
    Item("nhsbsa_covid_medicines.parquet", "2021-12-31", whole_table, "none",
         (f"{MEDICINES}/scmd_covid_medicines_by_trust.csv",)),
    Item("nhse_msitrep_2020-01.xlsx", "2020-03-12", some_sheets("Critical Care Beds"),
         "one sheet of two; written as .xlsx",
         (f"{CAPACITY}/MSitRep-January-2020-LGBH3.xls",)),
    *(Item(f"nhse_kh03_{quarter}.xlsx", day, some_sheets("NHS Trust by Sector", "Data Quality"), "two sheets of four",
           (f"{CAPACITY}/KH03-Beds-Open-Overnight-{file}.xlsx",))
      for quarter, day, file in (("2019-20-q3", "2020-02-27", "Q3-2019-20"),
                                 ("2020-21-q1", "2020-11-19", "Q1-2020-21-revised-2020-11-19"))),
    *_sitreps(),
    *(Item(f"nhse_covid_ventilated_{day}.parquet", day, ventilated, "patients in mechanical ventilation beds",
        (f"{CAPACITY}/nhse_covid_hospital_activity_trust_{day}.csv.gz",))
      for day in ("2020-11-19", "2020-12-03")),
    Item("nhse_emergency_beds.parquet", "2025-12-31", emergency_beds, "beds of adults, and intensive care of "
         "children", (f"{CAPACITY}/uec_critical_care_monthly_trust_2022on.csv",)),
    *(Item(f"nhse_ambulance_{month}.csv", day, ambulance, "incidents and hours",
           (f"indicators/ambulance/nhse_aqi_{file}.csv",))
      for month, day, file in (("2020-12", "2021-01-31", "dec2020"), ("2021-04", "2021-05-31", "apr2021"))),
    Item("gov_wales_beds.parquet", "2024-12-31", welsh_beds, "columns of beds",
         (f"{CAPACITY}/wales_beds_by_health_board.csv",)),
    Item("gov_wales_ambulance.csv", "2024-12-31", welsh_ambulance, "without green calls and percentages",
         (f"{CAPACITY}/wales_ambulance_by_health_board.csv",)),
    *(Item(f"ukhsa_{name}_uk.csv", "2021-04-30", dashboard(column), "without what says the same in every row",
           (f"indicators/covid_cases_testing/uk_daily_{file}_dashboard.csv",))
      for name, column, file in (("tests", "newTestsByPublishDate", "tests"),
                                 ("ventilated", "covidOccupiedMVBeds", "mv_bed_occupancy"))),
    Item("ppe_items_issued.csv", "2022-03-31", ppe, "without addresses",
         ("indicators/ppe/ppe_items_issued_wales_scotland_transcribed.csv",)),
    Item("ppe_items_issued_so_far.csv", "2022-03-31", ppe, "without addresses",
         ("indicators/ppe/ppe_items_issued_wales_scotland_transcribed.csv",)),
    Item("phs_beds.parquet", "2024-12-31", scottish_beds, "quarters for their first days",
         (f"{CAPACITY}/scotland_beds_by_health_board_2019_2024.csv.gz",)),
    Item("dohni_beds.parquet", "2024-12-31", northern_irish_beds, "average beds",
         (f"{CAPACITY}/ni_beds_by_hospital_quarterly_2012_2024.csv.gz",)),
)  # fmt: skip
