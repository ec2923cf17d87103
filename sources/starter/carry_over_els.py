"""Datasets of ONS Explore Local Statistics for the starter edition: figures of the last years."""

from carrying import Item, cut_columns, cut_lines, packed, rows_of

SETS = "indicators/ons_explore_local_statistics"
PLACES = ("E06", "E07", "E08", "E09", "W06", "S12", "N09", "E23", "W15", "K", "E92", "W92", "S92", "N92")
COLUMNS = ["areacd", "areanm", "indicator", "period", "observation", "status", "notes"]
LIMITS = ["lci_95", "uci_95"]
FIRST_YEAR = "2016"
AS_IT_STOOD = "2026-06-26"
NAMES = {
    "desnz_gas_consumption": "domestic-gas-consumption",
    "ons_homicide": "homicide-offences",
    "ofcom_gigabit": "gigabit-capable-broadband",
    "dwp_children_in_poverty": "children-in-relative-poverty",
    "ohid_adult_obesity": "adult-obesity-prevalence",
    "ons_smokers": "cigarette-smokers",
    "nisra_circulatory_deaths": "preventable-cardiovascular-mortality-ni",
    "dfe_apprenticeships": "apprenticeships",
    "sds_apprenticeships": "apprenticeships-scotland",
    "dfeni_apprenticeships": "apprenticeships-ni",
    "ons_employment": "employment-rate",
    "nisra_employment": "employment-rate-ni",
    "ons_modelled_unemployment": "modelled-unemployment",
    "mhclg_net_additions": "net-additions-to-the-housing-stock",
    "gov_wales_net_additions": "net-additions-to-the-housing-stock-wales",
    "nisra_net_additions": "net-additions-to-the-housing-stock-northern-ireland",
    "ons_business_demography": "business-demography",
    "ons_weekly_pay": "gross-median-weekly-pay",
}
"""Source of each dataset, and its name in the publisher's address."""
LIMITED = frozenset({"ohid_adult_obesity", "ons_smokers", "nisra_circulatory_deaths", "ons_employment",
                     "nisra_employment", "ons_modelled_unemployment", "ons_weekly_pay"})  # fmt: skip
"""Sources with confidence limits; in the others these columns are empty."""


def with_limits(text: str) -> bytes:
    """Write the figures of districts, police forces and nations from 2016, with their confidence limits."""
    return _cut(text, [*COLUMNS, *LIMITS])


def places_only(text: str) -> bytes:
    """Write the same of a set without limits; refuse a set with limits, which would be lost."""
    first = rows_of(text)[0]
    limits = [name for name in first if "confidence" in name.casefold() or name.casefold() in LIMITS]
    lost = next((row for row in rows_of(text) if any(row[name] for name in limits)), None)
    if lost:
        raise ValueError(f"{lost} has limits of confidence; add its source to LIMITED")
    return _cut(text, COLUMNS)


def _cut(text: str, wanted: list[str]) -> bytes:
    kept = {name.casefold(): name for name in rows_of(text)[0]}
    # Headings were in capitals, and the status had another name, up to 2025.
    columns = [kept.get(name) or kept[f"observation {name}"] for name in wanted]
    place, period = kept["areacd"], kept["period"]
    return packed(
        cut_columns(text, columns, lambda row: row[place].startswith(PLACES) and row[period][:4] >= FIRST_YEAR)
    )


def residents_by_age(text: str) -> bytes:
    """Write mid-2011 and mid-2022 residents of every age, for districts and nations."""
    return packed(cut_lines(text, lambda row: row["Area code"].startswith(PLACES)))


CUT = "districts, forces and nations; 2016 on"
NO_LIMITS = f"{CUT}; without the columns for limits of confidence, which are empty"
EXPLORE_LOCAL = (
    *(Item(f"{name}.csv.gz", AS_IT_STOOD, with_limits, CUT, (f"{SETS}/{slug}.csv.gz",)) if name in LIMITED else
      Item(f"{name}.csv.gz", AS_IT_STOOD, places_only, NO_LIMITS, (f"{SETS}/{slug}.csv.gz",))
      for name, slug in NAMES.items()),
    Item("ons_residents_by_age.csv.gz", "2024-03-26", residents_by_age, "districts and nations",
         ("geo/population/lad23_mid2011_mid2022_syoa_sex_uk.csv.gz",)),
    Item("desnz_ghg_per_head_2025-02-26.csv.gz", "2025-02-26", places_only, NO_LIMITS,
         ("indicators/carbon/ons_els_ghg_per_capita_2025-02-26.csv",)),
    Item("ons_homicide_2025-02-11.csv.gz", "2025-02-11", places_only, NO_LIMITS,
         ("indicators/crime_justice/ons_els_homicide_pfa_2025-02-11.csv",)),
    Item(f"desnz_ghg_per_head_{AS_IT_STOOD}.csv.gz", AS_IT_STOOD, places_only, NO_LIMITS,
         (f"{SETS}/greenhouse-gas-emissions.csv.gz",)),
)  # fmt: skip
