"""Hospital and ambulance data for the starter edition: medicines, beds, ventilated patients and PPE.

Daily tables are reduced to the last day of each month and the newest day, because problems are monthly.
"""

from collections.abc import Callable
from datetime import date, timedelta

from carrying import Item, csv_bytes, cut_columns, cut_lines, packed, rows_of
from workbooks import sheets_of, workbook

MEDICINES, CAPACITY = "indicators/hospital_medicines", "indicators/hospital_capacity"
# A winter's table has trusts that admit emergencies, with beds open and occupied.
SITREP = ["Code", "Name", "Date", "G&A Beds Open", "G&A beds occ'd", "CC Adult Open", "CC Adult Occ"]
# The day after the change to summer time is 23:00 on the previous day: the compiled table is in UTC.
SUMMER_TIME = " 23:00:00"
UEC = [
    "nhs_trust22_code", "date", "adult_general_acute_beds_available", "adult_general_acute_beds_occupied",
    "adult_critical_care_beds_available", "adult_critical_care_beds_occupied",
    "paediatric_intensive_cared_beds_available", "paediatric_intensive_cared_beds_occupied",
]  # fmt: skip
AMBULANCE = ["ambulance_service", "count_incidents", "total_hours", "category"]


def day_of(text: str) -> date:
    """Return the day meant in a table of winter 2020-21, which mixes days and times in UTC."""
    return date.fromisoformat(text[:10]) + timedelta(days=text.endswith(SUMMER_TIME))


def is_month_end(day: date) -> bool:
    """Return whether a day is the last of its month."""
    return (day + timedelta(days=1)).day == 1


def medicines(text: str) -> bytes:
    """Write the medicines issued from April 2020 on; the rows as published, negative quantities too."""
    return packed(cut_lines(text, lambda row: row["year_month"] >= "2020-04"))


def some_sheets(*names: str) -> Callable[[bytes], bytes]:
    """Return a function that writes selected sheets of a workbook completely."""

    def written(content: bytes) -> bytes:
        sheets = sheets_of(content)
        return workbook({name: sheets[name] for name in names})

    return written


def sitrep(text: str) -> bytes:
    """Write one winter's beds by trust on the last day of each month, with both rows of days listed twice."""
    return packed(cut_columns(text, SITREP, lambda row: is_month_end(day_of(row["Date"]))))


def ventilated(text: str) -> bytes:
    """Write patients with COVID-19 in mechanical ventilation beds of NHS trusts: month ends, and the newest day."""
    rows = [row for row in rows_of(text) if row["data"] == "MV beds COVID" and row["org_code"][0] in "RT"]
    newest = max(row["date"] for row in rows)
    kept = (row for row in rows if row["date"] == newest or is_month_end(date.fromisoformat(row["date"])))
    return packed(csv_bytes([*rows[0]], kept, "\n"))


def emergency_beds(text: str) -> bytes:
    """Write beds by trust and month from January 2024: adult general, adult and paediatric critical care."""
    return packed(cut_columns(text, UEC, lambda row: row["date"][-4:] >= "2024"))


def ambulance(text: str) -> bytes:
    """Write incidents and total hours by category, without means and centiles, which lack their hours."""
    code = text.split(",", 1)[0]
    return cut_columns(text, [code, *AMBULANCE])


def welsh_beds(text: str) -> bytes:
    """Write beds by health board and month to the end of 2022, all specialties together."""
    columns = ["date", "health_board_code", "health_board_name", "specialism", "daily_beds_available",
               "daily_beds_occupied"]  # fmt: skip
    kept = {"21", "22"}
    return cut_columns(text, columns, lambda row: row["date"][-2:] in kept and row["specialism"] == "all_specialties")


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


def _sitreps() -> tuple[Item, ...]:
    # A winter's series is published weekly, so it was published at most a week after its last day.
    winters = {"2018-19": "2019-03-10", "2020-21": "2021-04-11"}
    return tuple(
        Item(f"nhse_winter_sitrep_{winter}.csv.gz", day, sitrep, "month ends; beds open and occupied",
             (f"{CAPACITY}/nhse_winter_sitrep_{winter}.csv.gz",))
        for winter, day in winters.items()
    )  # fmt: skip


HOSPITALS = (
    Item("nhsbsa_covid_medicines.csv.gz", "2021-12-31", medicines, "April 2020 on",
         (f"{MEDICINES}/scmd_covid_medicines_by_trust.csv",)),
    Item("nhse_msitrep_2020-01.xlsx", "2020-03-12", some_sheets("Critical Care Beds"),
         "one sheet of two; written as .xlsx",
         (f"{CAPACITY}/MSitRep-January-2020-LGBH3.xls",)),
    *(Item(f"nhse_kh03_{quarter}.xlsx", day, some_sheets("NHS Trust by Sector", "Data Quality"), "two sheets of four",
           (f"{CAPACITY}/KH03-Beds-Open-Overnight-{file}.xlsx",))
      for quarter, day, file in (("2019-20-q3", "2020-02-27", "Q3-2019-20"),
                                 ("2020-21-q1", "2020-11-19", "Q1-2020-21-revised-2020-11-19"))),
    *_sitreps(),
    *(Item(f"nhse_covid_ventilated_{day}.csv.gz", day, ventilated, "patients in mechanical ventilation beds; NHS "
           "trusts; month ends and the newest day", (f"{CAPACITY}/nhse_covid_hospital_activity_trust_{day}.csv.gz",))
      for day in ("2020-11-19", "2020-12-03")),
    Item("nhse_emergency_beds.csv.gz", "2025-12-31", emergency_beds, "2024 on; beds of adults, and intensive care of "
         "children", (f"{CAPACITY}/uec_critical_care_monthly_trust_2022on.csv",)),
    *(Item(f"nhse_ambulance_{month}.csv", day, ambulance, "incidents and hours",
           (f"indicators/ambulance/nhse_aqi_{file}.csv",))
      for month, day, file in (("2020-12", "2021-01-31", "dec2020"), ("2021-04", "2021-05-31", "apr2021"))),
    Item("gov_wales_beds.csv", "2024-12-31", welsh_beds, "all specialties; to December 2022",
         (f"{CAPACITY}/wales_beds_by_health_board.csv",)),
    Item("gov_wales_ambulance.csv", "2024-12-31", welsh_ambulance, "without green calls and percentages",
         (f"{CAPACITY}/wales_ambulance_by_health_board.csv",)),
    *(Item(f"ukhsa_{name}_uk.csv", "2021-04-30", dashboard(column), "without what says the same in every row",
           (f"indicators/covid_cases_testing/uk_daily_{file}_dashboard.csv",))
      for name, column, file in (("tests", "newTestsByPublishDate", "tests"),
                                 ("ventilated", "covidOccupiedMVBeds", "mv_bed_occupancy"))),
    Item("ppe_items_issued.csv", "2022-03-31", ppe, "without addresses",
         ("indicators/ppe/ppe_items_issued_wales_scotland_transcribed.csv",)),
)  # fmt: skip
