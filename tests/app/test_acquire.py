"""Added files: one file or a folder. Either all files are stored or none."""

import io
import shutil
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.app.acquire import add_folder, add_release
from pipelines.core.errors import FetchError, UnknownNameError
from pipelines.core.snapshots import read_log, source_snapshots
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.load import load_small_areas
from tests.command import run
from tests.small import copied

ROOT = Path(__file__).resolve().parent.parent.parent
STARTER = ROOT / "sources" / "starter"
DAY = date(2025, 3, 1)
OUTPUT_AREAS = (
    "oa_code,lsoa_code,msoa_code,la_code,constituency_code,region_code,country,population\n"
    "E00060358,E01011968,E02006909,E06000001,E14001272,E12000001,England,301\n"
    "S00135307,S01013745,S02002559,S12000033,S14000060,S99999999,Scotland,117\n"
)


@pytest.fixture
def project(bundled: Project, tmp_path: Path) -> Project:
    """The starter project with its files stored and its register read."""
    load_places(bundled)
    return bundled._replace(home=copied(bundled.home, tmp_path / "store"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "ons_output_areas.csv").write_text(OUTPUT_AREAS)
    return tmp_path / "folder"


def added(project: Project, folder: Path, released: date | None = DAY) -> str:
    result = io.StringIO()
    add_folder(project, folder, released, Console(file=result, width=200))
    return result.getvalue()


def test_folder_is_added_and_unknown_files_are_listed(project: Project, folder: Path) -> None:
    (folder / "notes [draft].txt").write_text("x")
    shutil.copy(STARTER / "nhs_trust_catchments.csv.gz", folder)
    result = added(project, folder)
    assert "not a source file: notes [draft].txt" in result
    for name in ("ons_output_areas", "nhs_trust_catchments", "nhs_trusts_used"):
        assert f"{name}: " in result
    assert [entry.released for entry in source_snapshots(project.home, "ons_output_areas")] == [DAY]
    # A bundled file has its own release day, regardless of the given day.
    assert {entry.released for entry in source_snapshots(project.home, "nhs_trusts_used")} == {date(2020, 12, 31)}


def test_added_finer_weights_are_stored(project: Project, folder: Path) -> None:
    added(project, folder)
    *_, finer, own = load_small_areas(project)
    assert (finer.source, own.source) == ("ons_output_areas", "ons_small_areas")
    assert finer.table.select("area_code", "lsoa_2021", "dz_2022", "lad_2022").rows() == [
        ("E00060358", "E01011968", None, "E06000001"), ("S00135307", None, "S01013745", "S12000033"),
    ]  # fmt: skip
    assert finer.table["residents_census_2021__all_ages"].to_list() == [301.0, None]
    assert finer.table["residents_census_2022__all_ages"].to_list() == [None, 117.0]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("hmrc_furlough.csv", "<html>Sign in</html>", "hmrc_furlough: hmrc_furlough.csv: found a web page"),
        ("hmrc_furlough.csv", "", "an empty file"),
        ("ons_vacancies.csv", "a,b\n1,2\n", "ons_vacancies: access is not_collected"),
        ("ons_output_areas.csv", OUTPUT_AREAS.replace("E06000001", "E09999999"), "E09999999"),
        ("ons_output_areas.csv", OUTPUT_AREAS.replace("la_code", "lad"), "la_code"),
        ("nhs_trust_catchments.csv", "trust_code,lad_code,trust_prop_by_lad\nR0A,E06000002,0.4\n", "sum to 0.4"),
        ("ons_claimant_rate_2024-11-15.csv.gz", "other", "rename the file to ons_claimant_rate.csv.gz"),
    ],
)
def test_one_invalid_file_prevents_storage_of_all(
    project: Project, folder: Path, name: str, content: str, expected: str
) -> None:
    (folder / name).write_text(content)
    (folder / "ons_claimant_rate.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FetchError) as refused:
        added(project, folder)
    assert expected in str(refused.value)
    assert [entry for entry in read_log(project.home) if entry.origin.startswith("file")] == []


def test_release_day_is_required_if_the_name_has_none(project: Project, folder: Path) -> None:
    with pytest.raises(FetchError, match="found no release day"):
        added(project, folder, None)
    (folder / "ons_output_areas.csv").unlink()
    shutil.copy(STARTER / "hmrc_furlough.csv", folder)
    assert "hmrc_furlough: hmrc_furlough.csv" in added(project, folder, None)
    assert [entry.released for entry in source_snapshots(project.home, "hmrc_furlough")] == [
        project.catalogue.sources["hmrc_furlough"].releases[0].released
    ]


def test_future_release_day_is_refused(project: Project, folder: Path) -> None:
    with pytest.raises(FetchError, match="found release day 2999-01-01, in the future; give the actual release day"):
        add_release(project, "ons_output_areas", folder / "ons_output_areas.csv", date(2999, 1, 1), Console(quiet=True))
    assert source_snapshots(project.home, "ons_output_areas") == []


def test_folder_without_source_files_is_refused_with_advice(project: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FetchError, match="found 0 files, none with the name of a source"):
        added(project, tmp_path / "empty")


def test_single_file_has_the_same_checks(project: Project, folder: Path) -> None:
    file = folder / "ons_output_areas.csv"
    add_release(project, "ons_output_areas", file, DAY, Console(quiet=True))
    assert len(source_snapshots(project.home, "ons_output_areas")) == 1
    file.write_text(OUTPUT_AREAS.replace("E06000001", "E06000063"))
    with pytest.raises(FetchError, match=r"E06000063 \(Cumberland, a lad code in use since 2023-04-01\) in lad_2022"):
        add_release(project, "ons_output_areas", file, DAY, Console(quiet=True))
    with pytest.raises(UnknownNameError, match="ons_output_areas"):
        add_release(project, "ons_output_area", file, DAY, Console(quiet=True))
    assert len(source_snapshots(project.home, "ons_output_areas")) == 1


def test_command_takes_a_file_or_a_folder_but_not_both(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = run("add", "--from", str(folder), "--released", "2025-03-01", store=store)
    assert done.returncode == 0 and "ons_output_areas.csv" in done.stdout
    for words in (("add",), ("add", "ons_output_areas"), ("add", "ons_output_areas", "--from", str(folder))):
        wrong = run(*words, store=store)
        assert wrong.returncode == 2 and "--from" in wrong.stderr and "Traceback" not in wrong.stderr
