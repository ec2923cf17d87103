"""Files of sources that no release is bundled for, in the layout that public programs and extracts show.

The figures are made up, but for those of Barnet and Knowsley, which the cited files have.
"""

from datetime import date

import polars as pl
import pytest

from pipelines.core.snapshots import Snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.project import Project
from pipelines.geography.access import list_source_geographies, load_places
from pipelines.observations.ingest import read_release, reading_context
from tests.workbooks import xlsx

HLE = ["Period", "Country", "Area type", "Area code", "Area name", "Sex", "Sex code", "Age group", "Age code", "HLE"]
HLE += ["LCI", "UCI", "Proportion (%)"]
KNOWSLEY = ["2011 to 2013", "England", "Local Areas", "E08000011", "Knowsley", "Male", "1", "<1", "1", "57.2"]
KNOWSLEY += ["55.0", "59.4", "75"]
WOMEN = [*KNOWSLEY[:5], "Female", "2", "<1", "1", "60.1", "58.0", "62.0", "73"]
OLDER = [*KNOWSLEY[:7], "01 to 04", "2", "56.0", "54.0", "58.0", "75"]
DRUGS = """ReportingPeriod,Area,sex,age_group,drug_group,intreatment_allintx
2009/10,Barnet,Total,Total,Total,1105
2009/10,Barnet,Total,Total,Opiate,565
2009/10,Barnet,Total,Total,Alcohol only,295
2009/10,Barnet,M,Total,Total,775
2010/11,Barnet,TOTAL,TOTAL,Total,900
"""
TESTS = """areaCode,areaName,areaType,date,uniquePeopleTestedBySpecimenDateRollingSum
E08000009,Trafford,utla,2020-10-07,2500
"""
METERS = [["Code", "Country or region", "Local authority", "Number of meters\n(thousands):\nDomestic\n"],
          ["E09000024", "London", "Merton", "75.312"]]  # fmt: skip
Figure = tuple[str, str, date, date, float | None]
FILES: dict[str, tuple[str, bytes, list[Figure]]] = {
    "ons_life_expectancy_lad": (
        "hle.xlsx", xlsx({"Notes": [["Notes"]], "1": [["Table 1"], HLE, KNOWSLEY, WOMEN, OLDER]}),
        [("healthy_life_expectancy_at_birth_men", "E08000011", date(2011, 1, 1), date(2013, 12, 31), 57.2),
         ("healthy_life_expectancy_at_birth_women", "E08000011", date(2011, 1, 1), date(2013, 12, 31), 60.1)],
    ),
    "ohid_drug_treatment": (
        "ViewIt.csv", DRUGS.encode(),
        [("people_in_drug_treatment", "E09000003", date(2009, 4, 1), date(2010, 3, 31), 810.0),
         ("people_in_drug_treatment", "E09000003", date(2010, 4, 1), date(2011, 3, 31), None)],
    ),
    "ukhsa_tests_by_council": (
        "tests.csv", TESTS.encode(),
        [("people_tested_by_council", "E08000009", date(2020, 10, 1), date(2020, 10, 7), 2500.0)],
    ),
    "desnz_gas_meters": (
        "gas.xlsx", xlsx({"Contents": [["Contents"]], "2024": [["Gas 2024"], *METERS]}),
        [("gas_meters", "E09000024", date(2024, 1, 1), date(2024, 12, 31), 75312.0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_file_in_the_published_layout_is_read(edition: Project, name: str) -> None:
    file, content, expected = FILES[name]
    systems = list_source_geographies(edition, name)
    context = reading_context(edition.catalogue, name, load_places(edition), systems)
    snapshot = Snapshot(name, hash_bytes(content), date(2026, 1, 31), "", "", "", file, len(content), "")
    read = read_release(context, snapshot, content).cells
    figures = read.select("measure", "place_code", "period_start", "period_end", "value").cast({"measure": pl.String})
    assert sorted(figures.rows(), key=str) == sorted(expected, key=str), read.to_dicts()
