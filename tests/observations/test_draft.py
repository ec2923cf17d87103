"""`commonground new source`: a draft of a declaration, with evidence for each guess and open points as TODO."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.app import steps
from pipelines.app.cli import app
from pipelines.app.scaffold import draft_source
from pipelines.app.stored_places import load_register
from pipelines.core.errors import CommongroundError, FetchError, UnreadableError
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.defaults import SharedDefaults, apply_defaults
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.crosswalk import PlaceData, list_geography_codes
from pipelines.geography.load import load_place_data
from pipelines.geography.names import build_name_table
from pipelines.geography.register import require_places
from pipelines.observations.column_figures import rounding_base
from pipelines.observations.conform import Codes, conform_release
from pipelines.observations.draft import draft_declaration
from pipelines.readers.read import read_sheet
from pipelines.readers.rows import count_unread_rows
from pipelines.readers.sniff import sniff_file
from tests.breadth import cases
from tests.publisher import publishing, says
from tests.workbooks import xlsx, zipped

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHED = Path(os.environ.get("COMMONGROUND_PUBLISHED", ROOT.parent / "shared" / "data")) / "indicators"
HELD = pytest.mark.skipif(not (PUBLISHED / "MANIFEST.csv").is_file(), reason=f"no published files at {PUBLISHED}")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "sources", root / "sources")
    shutil.copytree(ROOT / "pipelines" / "problems", root / "pipelines" / "problems")
    shutil.copy(ROOT / "pipelines" / "partnerships.yaml", root / "pipelines")
    made = Project(load_catalogue(root), tmp_path_factory.mktemp("store"), date(2026, 11, 24))
    steps.prepare_store(made)
    return made


@pytest.fixture(scope="module")
def place_data(edition: Project) -> Iterator[PlaceData]:
    """The stored places. Each draft reads the codes of sixty geographies: a draft of these tests reads them once."""
    stored = load_place_data(edition, load_register(edition))

    @cache
    def list_codes(system: str) -> list[str]:
        return list_geography_codes(stored, system)

    def list_codes_once(asked: PlaceData, system: str) -> list[str]:
        return list_codes(system) if asked is stored else list_geography_codes(asked, system)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.observations.profile.list_geography_codes", list_codes_once)
        yield stored


def source_of(said: dict[str, Any]) -> Source:
    """Read a draft as the project does, with the shared keys repeated in each measure."""
    return Source.model_validate(apply_defaults(said, {}, Path("src.yaml"), SharedDefaults(Path(), "", "", {})))


def drafted(content: bytes, file: str, place_data: PlaceData) -> tuple[str, dict[str, Any]]:
    text = draft_declaration("src", sniff_file(content, file), place_data, None)
    return text, yaml.safe_load(text)


COUNCILS = (("E09000024", "Merton"), ("E09000029", "Sutton"), ("E06000063", "Cumberland"), ("W06000015", "Cardiff"))
ROWS = [["code", "name", "year", "homes"]] + [
    [code, name, year, str(10 * n + 20)]
    for year in ("2021", "2022", "2023")
    for n, (code, name) in enumerate(COUNCILS * 2)
    if n < 4
]
TEXT = "\n".join(",".join(row) for row in ROWS) + "\n"


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (TEXT.encode(), {}),
        (b"\xef\xbb\xbf" + TEXT.encode(), {}),
        (TEXT.replace(",", ";").encode(), {}),
        (TEXT.replace("Merton", "Mértôn").encode("cp1252"), {}),
        (TEXT.encode("utf-16"), {}),
        (zipped({"notes.txt": "x", "data/a.csv": TEXT}), {"member": "data/a.csv"}),
        (xlsx({"Data": [["A title"], [], *ROWS]}), {"format": "excel"}),
        (xlsx({"Few": [ROWS[0], ROWS[1], ROWS[2]], "Many": ROWS}), {"format": "excel", "sheet": "Many"}),
        (
            json.dumps({"result": {"rows": [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]}}).encode(),
            {"format": "json"},
        ),
    ],
    ids=["csv", "byte order mark", "semicolons", "cp1252", "utf-16", "zip", "excel", "sheets", "json"],
)
def test_draft_states_the_file_format_and_the_vintage_of_codes(
    content: bytes, keys: dict[str, str], place_data: PlaceData
) -> None:
    text, said = drafted(content, "a.file", place_data)
    source = source_of(said)
    report = {key: said[key] for key in ("format", "sheet", "member") if key in said}
    assert report == keys
    # Cumberland began in April 2023, so the geography with all four codes is the newest.
    assert said["geography"].startswith("lad_202") and said["geography"] >= "lad_2023"
    assert "tiers seen: 4 lad" in text
    assert said["columns"] == {"place": "code", "label": "name", "period": "year"}
    assert read_sheet(content, source, "a.file").frame.height == 12


def test_draft_omits_keys_from_its_publisher_or_family(place_data: PlaceData) -> None:
    known = {"publisher": "p", "licence": "l", "page": "g", "url": "u", "cadence": "annual", "columns": {}}
    text = draft_declaration(
        "src", sniff_file(TEXT.encode(), "a.csv"), place_data, "u", known | {"family": {"listed": "homes"}}
    )
    said = yaml.safe_load(text)
    assert said["family"] == {"listed": "homes"}
    assert not set(known) & set(said)
    assert list(said) == ["title", "family", "geography", "period_kind", "measures"]
    assert "tiers seen: 4 lad" in text


def test_draft_for_a_known_publisher_omits_publisher_and_licence(project: Project, tmp_path: Path) -> None:
    (tmp_path / "homes.csv").write_text(TEXT)
    path, todo = draft_source(project, str(tmp_path / "homes.csv"), "mhclg_homes")
    path.write_text(path.read_text().replace("TODO", "decided"))
    assert load_catalogue(project.catalogue.root).sources["mhclg_homes"].publisher.startswith("Ministry of Housing")
    assert [item.partition(": ")[2][:9] for item in todo[:2]] == ["title: TO", "page: TOD"]
    path.unlink()


ACROSS = """\
Date,Borders,Fife,Grampian,Highland,Lothian,Tayside,National Facility
2021-01-31,5,6,*,7,8,9,*
2021-02-28,4,6,*,7,8,9,*
"""


def test_draft_of_a_file_with_places_as_columns_lists_every_heading(place_data: PlaceData) -> None:
    text, said = drafted(ACROSS.encode(), "a.csv", place_data)
    assert said["columns"] == {"label": "*", "period": "Date"}
    assert said["geography"].startswith("health_board_")
    assert "TODO unknown places: National Facility." in text and "skip_columns" not in said
    assert said["markers"] == {"*": "confidential"}
    assert list(said["measures"]) == ["src"]


def test_shared_keys_are_drafted_once_and_row_numbers_ignored(place_data: PlaceData) -> None:
    lines = [f"{n},{code},2023,{n + 4},{2 * n}" for n, (code, _) in enumerate(COUNCILS, 1)]
    text, said = drafted("\n".join([",code,year,beds,Beds occupied", *lines]).encode(), "a.csv", place_data)
    assert said["measure_defaults"] == {"unit": "TODO", "kind": "index"}
    assert said["measures"] == {
        "src_beds": {"title": "TODO", "column": "beds"},
        "src_beds_occupied": {"title": "TODO", "column": "Beds occupied"},
    }
    assert text.count("# kind:") == 1


def test_list_without_figures_is_drafted_to_count_rows(place_data: PlaceData) -> None:
    rows = [f"{name} hub,{code}" for code, name in COUNCILS for _ in (1, 2)]
    text, said = drafted("\n".join(["hub,area_code", *rows]).encode(), "a.csv", place_data)
    assert said["measures"]["src_listed"]["count_rows"] is True
    assert "TODO no column is mostly figures" in text
    dated = said | {"period": {"start": date(2020, 1, 1), "end": date(2020, 12, 31)}}
    assert read_sheet(("\n".join(["hub,area_code", *rows])).encode(), source_of(dated), "a.csv").frame.height == 8


def test_series_in_one_column_become_measures_with_counted_markers(place_data: PlaceData) -> None:
    rows = [f"{c},{n},2023,{series},{v}" for c, n in COUNCILS for series, v in (("Count", "15"), ("Rate", "*"))]
    text, said = drafted(("code,name,year,series,value\n" + "\n".join(rows)).encode(), "a.csv", place_data)
    assert [item["filter"] for item in said["measures"].values()] == [{"series": "Count"}, {"series": "Rate"}]
    assert said["markers"] == {"*": "confidential"}
    assert '"*": confidential # 4 cells' in text


def test_ambiguous_dates_are_left_to_a_person(place_data: PlaceData) -> None:
    text, said = drafted(TEXT.replace("2021", "01/02/2021").replace("2022", "03/02/2021").replace("2023", "03/04/2021")
                         .encode(), "a.csv", place_data)  # fmt: skip
    assert said["period_format"] == ["%d/%m/%Y", "%m/%d/%Y"]
    assert "TODO day or month first?" in text


def test_rounding_base_needs_many_different_figures() -> None:
    assert rounding_base([str(5 * n) for n in range(30)]) == (5, "all 29 different figures are multiples of 5")
    assert rounding_base([str(5 * n) for n in range(10)])[0] is None
    assert rounding_base([str(n) for n in range(30)])[0] is None
    assert rounding_base([str(n * 100) for n in range(30)] + ["0.5"])[0] is None


REAL = (
    ("claimant_count/ons_els_claimant_rate_release_2024-11-15.csv", "lad_2024", 361, 9_407),
    ("claimant_count/north_ward_lad_2023-08.csv", "ward_2021", 1_003, 3_400),
    ("universal_credit/statxplore_households_on_uc_lad_2015_2022.csv", "lad_2026", 320, 31_000),
    ("drug_misuse/ons_drug_poisoning_deaths_by_la_1993_2020.csv", "lad_2022", 331, 10_500),
    ("hospital_medicines/scmd_lithium_2022on.xlsx", "trust_2020", 136, 20_000),
    ("hospital_capacity/KH03-Beds-Open-Overnight-Q3-2019-20.xlsx", "trust_2020", 139, 201),
    ("covid_cases_testing/phe_coronavirus_cases_latest_2020-04-27.csv", "utla_2019", 149, 7_000),
    ("claimant_count/gm_lsoa_2018-11.csv", "lsoa_2011", 1_600, 1_600),
)
UNDATED = (
    ("homelessness/Detailed_LA_202212.ods", "lad_2022", 309),
    ("deprivation_health/wimd2019_wales.ods", "lsoa_2011", 1_909),
    ("furlough/brc_local_authority_stats_2020-09-21.csv", "lad_2019", 382),
    ("deprivation_health/NIMDM17_SOAresults.xls", "lsoa_2011", 890),
)


@HELD
@pytest.mark.parametrize(("file", "places", "met", "least"), cases([*REAL[:2], *REAL[5:]], wide=REAL))
def test_draft_of_a_published_file_reads_that_file(
    file: str, places: str, met: int, least: int, place_data: PlaceData
) -> None:
    content = (PUBLISHED / file).read_bytes()
    _, said = drafted(content, Path(file).name, place_data)
    source = source_of(said)
    assert said["geography"] == places
    read = cells(source, content, Path(file).name, place_data)
    assert read.height >= least
    sound = read.filter(pl.col("fault").is_null() | (pl.col("fault") == "duplicate"))
    assert sound["place_code"].n_unique() >= met
    assert read["period_start"].null_count() == 0


@HELD
@pytest.mark.parametrize(("file", "places", "met"), UNDATED)
def test_file_without_a_period_is_drafted_without_one(file: str, places: str, met: int, place_data: PlaceData) -> None:
    content = (PUBLISHED / file).read_bytes()
    text, said = drafted(content, Path(file).name, place_data)
    assert said["period"] == {"start": "TODO", "end": "TODO"}
    assert "TODO no column has a period" in text
    source = source_of(said | {"period": {"start": date(2020, 1, 1), "end": date(2020, 1, 1)}})
    read = cells(source, content, Path(file).name, place_data)
    assert said["geography"] == places
    assert read.filter(pl.col("fault").is_null())["place_code"].n_unique() >= met


def cells(source: Source, content: bytes, file: str, place_data: PlaceData) -> pl.DataFrame:
    system = source.geography or ""
    register = place_data.places.register
    named = register if not system.startswith("lad") else require_places(register, system)
    ever = dict(register.select("place_code", "kind").iter_rows())
    codes = Codes(frozenset(list_geography_codes(place_data, system)), ever, build_name_table(named, {}))
    snapshot = Snapshot("src", "x", date(2026, 1, 1), "", "", "", file, len(content), "")
    return conform_release(count_unread_rows(read_sheet(content, source, file), source), "src", source, snapshot, codes)


@pytest.mark.parametrize(
    "content",
    [b"words and words\nmore words\n", b"{}", b"[1, 2]", b"PK\x03\x04broken", b"\x1f\x8bbroken", b"PAR1broken",
     b"\xd0\xcf\x11\xe0broken", b"\x00\x01\x02", b"[" * 100_000, zipped({"a.txt": "words"})],
)  # fmt: skip
def test_file_without_a_table_raises_a_clear_error(content: bytes, place_data: PlaceData) -> None:
    with pytest.raises(UnreadableError, match=r"a\.file"):
        drafted(content, "a.file", place_data)


def test_draft_with_a_todo_is_not_read(project: Project, tmp_path: Path) -> None:
    (tmp_path / "Homes 2023.csv").write_text(TEXT)
    path, todo = draft_source(project, str(tmp_path / "Homes 2023.csv"), None)
    text = path.read_text()
    assert path.name == "homes_2023.yaml"
    assert [item.partition(": ")[0] for item in todo] == [
        f"line {n}" for n, line in enumerate(text.split("\n"), 1) if "TODO" in line
    ]
    read = load_catalogue(project.catalogue.root)
    assert "homes_2023" not in read.sources and "homes_2023_homes" not in read.measures
    with pytest.raises(CommongroundError, match=r"homes_2023\.yaml:1: .* TODO remains: title: TODO .*; decide each"):
        read.find_source("homes_2023")
    path.write_text(text.replace("TODO", "decided"))
    assert "homes_2023_homes" in load_catalogue(project.catalogue.root).measures
    path.write_text(text.replace("TODO", "decided") + "# TODO look up whether Cumberland is whole\n")
    last = text.count("\n") + 1
    with pytest.raises(CommongroundError, match=rf"homes_2023\.yaml:{last}: .* # TODO look up whether"):
        load_catalogue(project.catalogue.root).find_source("homes_2023")
    with pytest.raises(CommongroundError, match="already exists"):
        draft_source(project, str(tmp_path / "Homes 2023.csv"), None)
    path.unlink()


@pytest.fixture
def tidied(project: Project) -> Iterator[Project]:
    """Provide the project that all tests share, and remove what a test wrote."""
    folders = (project.catalogue.sources_dir, project.catalogue.root / "pipelines" / "problems")
    before = {path for folder in folders for path in folder.iterdir()}
    yield project
    for path in {path for folder in folders for path in folder.iterdir()} - before:
        path.unlink()


ASKING = """\
/*
question: How many homes are there?
decision: Where to build
owner: Head of housing
geography: lad_2023
grain: latest
needs: {homes_asked_homes: {max_age: 9 years}}
*/
SELECT place.place_code, homes_asked_homes.value AS homes
FROM lad_2023.place LEFT JOIN lad_2023.homes_asked_homes USING (place_code)
"""


def test_problem_with_a_draft_measure_is_skipped_with_the_open_line(tidied: Project, tmp_path: Path) -> None:
    (tmp_path / "homes.csv").write_text(TEXT)
    path, _ = draft_source(tidied, str(tmp_path / "homes.csv"), "homes_asked")
    problem = tidied.catalogue.root / "pipelines" / "problems" / "homes_asked_about.sql"
    problem.write_text(ASKING)
    catalogue = load_catalogue(tidied.catalogue.root)
    assert "homes_asked_about" not in catalogue.problems and catalogue.problems
    with pytest.raises(CommongroundError, match=r"unknown measure 'homes_asked_homes'; it is declared in .*\.yaml:1: "):
        catalogue.find_problem("homes_asked_about")
    path.write_text(path.read_text().replace("TODO", "decided"))
    assert "homes_asked_about" in load_catalogue(tidied.catalogue.root).problems


def test_build_names_each_draft_that_it_skips(tidied: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONGROUND_PROJECT", str(tidied.catalogue.root))
    (tmp_path / "homes.csv").write_text(TEXT)
    draft_source(tidied, str(tmp_path / "homes.csv"), "homes_unread")
    ran = CliRunner().invoke(app, ["build", "no_such_problem", "--store", str(tidied.home)])
    assert "not read:" in ran.output and "homes_unread.yaml:1: " in ran.output


def test_draft_without_a_period_does_not_stop_a_build(tidied: Project, tmp_path: Path) -> None:
    lines = [",".join(line.split(",")[:2] + line.split(",")[3:]) for line in TEXT.splitlines()[:5]]
    (tmp_path / "undated.csv").write_text("\n".join(lines))
    _, todo = draft_source(tidied, str(tmp_path / "undated.csv"), "homes_undated")
    assert any("period: {start: TODO" in item for item in todo)
    assert "homes_undated" not in load_catalogue(tidied.catalogue.root).sources


@pytest.mark.parametrize("where", ["/no/such/file.csv", "."])
def test_missing_file_is_rejected(where: str, project: Project) -> None:
    with pytest.raises(FetchError, match="cannot be read"):
        draft_source(project, where, "nothing")


def test_command_fetches_a_url_and_lists_open_points(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONGROUND_PROJECT", str(project.catalogue.root))
    with publishing() as publisher:
        url = publisher.at("/homes.csv", says(200, TEXT.encode()))
        ran = CliRunner().invoke(app, ["new", "source", url, "--name", "homes_fetched", "--store", str(project.home)])
        gone = CliRunner().invoke(
            app, ["new", "source", publisher.at("/gone", says(404)), "--store", str(project.home)]
        )
    assert ran.exit_code == 0
    assert "publisher: TODO name of the publisher" in ran.output
    path = project.catalogue.sources_dir / "homes_fetched.yaml"
    assert yaml.safe_load(path.read_text())["url"] == url
    path.unlink()
    assert isinstance(gone.exception, FetchError)
