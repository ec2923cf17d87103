"""Invalid files and declarations: each gets a clear error, and tables already built are not lost."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import CommongroundError, DeclarationError, UnreadableError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.file_format import FileColumns
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import BundledRelease
from pipelines.gaps import answer as answering
from pipelines.geography.access import load_places
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.source_tables import SourceTables
from pipelines.readers.read import read_sheet
from tests.small import copied, small_project

AS_OF = date(2026, 11, 24)
STOCK = Measure(title="s", unit="items", kind="stock", column=("stock",), range=(0, 1000))
SOURCE = Source(
    title="t", publisher="p", licence="l", page="https://example.org", geography="lad_2023",
    columns=FileColumns(place=("code",), label=("name",), period=("year",)), measures={"stock_on_hand": STOCK},
    releases=(BundledRelease(file="starter/stock.csv", released=date(2024, 1, 1)),),
)  # fmt: skip
GOOD = b"code,name,year,stock\nE09000024,Merton,2023,7\nE09000029,Sutton,2023,0\n"


def xlsx(rows: list[list[str]]) -> bytes:
    """Build a minimal workbook with rows of text."""
    cells = "".join(
        f'<row r="{r}">' + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in row) + "</row>"
        for r, row in enumerate(rows, 1)
    )
    space = "http://schemas.openxmlformats.org"
    sheet = f'<worksheet xmlns="{space}/spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>'
    book = (
        f'<workbook xmlns="{space}/spreadsheetml/2006/main" xmlns:r="{space}/officeDocument/2006/relationships">'
        '<sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    office = f"{space}/officeDocument/2006/relationships"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{space}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{space}/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{space}/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


EXCEL = SOURCE.model_copy(update={"format": "excel"})
BOOK = xlsx([line.split(",") for line in GOOD.decode().split()])


@pytest.mark.parametrize(
    ("source", "content", "complaint"),
    [
        (SOURCE, b"", "empty"),
        (SOURCE, b" \r\n\t", "empty"),
        (SOURCE, b"\xef\xbb\xbf  <!DOCTYPE html><html>", "web page"),
        (SOURCE, b"area,name,year,stock\nE09000024,Merton,2023,7\n", "expected also code"),
        (SOURCE, GOOD.replace(b"stock", b"Stock count", 1), "expected also stock"),
        (SOURCE, GOOD + "Caf\xe9\n".encode() + "Caf\xe9\n".encode("cp1252"), "not UTF-8 at byte .* it is damaged"),
        (SOURCE, GOOD.replace(b"Merton", b"Mer\x00ton"), "zero bytes"),
        (SOURCE, GOOD.replace(b"stock", b"stock,stock", 1), "stock' twice"),
        (SOURCE, GOOD + b"\n" + GOOD.split(b"\n", 1)[1], "looks like data after the blank row"),
        (SOURCE, gzip.compress(GOOD * 500)[:-40], "truncated or damaged gzip"),
        (SOURCE, zipped({"a.csv": GOOD * 500})[:-60], "truncated or damaged zip"),
        (SOURCE, zipped({"a.csv": GOOD, "b.csv": GOOD}), "found members a.csv, b.csv"),
        (EXCEL, BOOK[: len(BOOK) // 2], "not an Excel file, or truncated"),
        (EXCEL, GOOD, "not an Excel file"),
        (EXCEL, xlsx([["area", "stock"], ["E09000024", "7"]]), "expected also code"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_file_of_the_wrong_shape_is_refused(source: Source, content: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableError, match=complaint) as refusal:
        read_sheet(content, source, "stock.file")
    assert "stock.file" in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "content"),
    [
        (SOURCE, GOOD),
        (SOURCE, b"\xef\xbb\xbf" + GOOD),
        (SOURCE, GOOD.replace(b"\n", b"\r")),
        (SOURCE, GOOD.replace(b"\n", b"\r\n")),
        (SOURCE, b"A title,,\n\nsome words\n" + GOOD + b"\nSource: a publisher\n"),
        (SOURCE, gzip.compress(GOOD)),
        (SOURCE, zipped({"folder/a.csv": GOOD})),
        (SOURCE, GOOD.replace(b"Merton", "Mért\xf4n".encode("cp1252"))),
        (SOURCE, GOOD.decode().encode("utf-16")),
        (EXCEL, BOOK),
    ],
    ids=[
        "plain",
        "byte order mark",
        "old Mac ends",
        "Windows ends",
        "preamble",
        "gzip",
        "zip",
        "cp1252",
        "UTF-16",
        "Excel",
    ],
)
def test_same_table_is_read_from_every_file_format(source: Source, content: bytes) -> None:
    frame = read_sheet(content, source, "stock.file").frame
    assert frame["code"].to_list() == ["E09000024", "E09000029"]
    assert frame["stock"].to_list() == ["7", "0"]


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project with one more source, and a store with the tables of places: all tests read them."""
    folder = tmp_path_factory.mktemp("declared")
    root = small_project(folder)
    (root / "sources" / "council_stock.yaml").write_text(
        "title: t\npublisher: p\nlicence: l\npage: https://example.org\ngeography: lad_2023\n"
        "columns: {place: code, label: name, period: year}\nmarkers: {c: confidential}\n"
        "releases: [{file: starter/stock.csv, released: 2024-01-01}]\n"
        "measures: {stock_on_hand: {title: s, unit: items, kind: stock, column: stock, range: [0, 1000]}}\n"
    )
    project = Project(load_catalogue(root), folder / "store", AS_OF)
    steps.prepare_store(project)
    load_places(project)
    return project


@pytest.fixture
def project(declared: Project, tmp_path: Path) -> Project:
    """That project with a store of its own; the test writes the file of the added source."""
    return declared._replace(home=copied(declared.home, tmp_path / "store"))


@pytest.fixture
def edited(declared: Project) -> Iterator[Project]:
    """That project for a test that edits a declaration, which is restored after it."""
    folders = (declared.catalogue.sources_dir, declared.catalogue.root / "pipelines" / "problems")
    texts = {path: path.read_bytes() for folder in folders for path in folder.iterdir() if path.is_file()}
    yield declared
    for path, text in texts.items():
        path.write_bytes(text)


def observed(project: Project, extra: str) -> SourceTables:
    """Read a file of all London districts with extra rows, so that the share of bad rows is small."""
    boroughs = [f"E090000{n:02},x{n},{year},{n}" for n in range(1, 34) for year in (2022, 2023)]
    text = "\n".join(["code,name,year,stock", *boroughs, extra]) + "\n"
    (project.catalogue.sources_dir / "starter" / "stock.csv").write_text(text, encoding="utf-8")
    steps.prepare_store(project)
    return load_source_tables(project, "council_stock")


def collect_findings(seen: SourceTables, check: str) -> list[tuple[object, ...]]:
    result = seen.finding.filter(pl.col("check") == check)
    return result.select("reason", "place_code", "place_label", "rows", "sum_of_values", "set_aside").rows()


@pytest.mark.parametrize(
    ("row", "check", "finding"),
    [
        ("E06999999,Atlantis,2023,5", "unknown_places", ("unmatched_place", "E06999999", "Atlantis", 1, 5.0, True)),
        (",,2023,5", "unknown_places", ("unmatched_place", None, "", 1, 5.0, True)),
        ("E07000026,Allerdale,2023,5", "retired_codes", ("retired_code", "E07000026", "Allerdale", 1, 5.0, True)),
        (
            "E06000063,Cumberland,2023,lots",
            "unreadable_cells",
            ("unreadable", "E06000063", "Cumberland", 1, None, True),
        ),
        ("E06000063,Cumberland,MMXXIII,5", "unreadable_cells", ("unreadable", "E06000063", "Cumberland", 1, 5.0, True)),
        (
            "E06000063,Cumberland,2023,5000",
            "implausible_values",
            ("implausible", "E06000063", "Cumberland", 1, 5000.0, True),
        ),
        ("E09000001,x1,2023,9", "duplicate_keys", ("duplicate", "E09000001", "x1", 2, 10.0, True)),
        ("E09000001,x1,2023,1", "repeated_rows", ("duplicate", "E09000001", "x1", 1, 1.0, True)),
    ],
)
def test_bad_row_is_set_aside_and_counted(project: Project, row: str, check: str, finding: tuple[object, ...]) -> None:
    seen = observed(project, row)
    assert finding in collect_findings(seen, check)
    (release,) = seen.release.to_dicts()
    assert release["usable"]
    assert release["cells_read"] == 67
    kept = release["cells_used"] + release["cells_repeated"] + release["cells_set_aside"]
    assert kept + release["cells_of_other_tiers"] == 67
    observation = scan_observations(project, "council_stock").collect()
    assert observation.filter(pl.col("place_code") == (finding[1] or ""))["value"].to_list() in (
        [],
        [1.0],
        [1.0, 1.0],
    )


def test_zero_is_a_figure_and_blank_is_not(project: Project) -> None:
    observed(project, "E06000063,Cumberland,2023,\nE06000064,Westmorland,2023,0\nE06000065,North Yorkshire,2023,c")
    observation = scan_observations(project, "council_stock").collect()
    result = dict(observation.select("place_code", "value").iter_rows())
    assert result["E06000064"] == 0.0
    assert result["E06000063"] is result["E06000065"] is None
    status = dict(observation.select("place_code", "obs_status").iter_rows())
    assert (status["E06000063"], status["E06000065"]) == ("not_available", "confidential")


def test_file_with_more_bad_rows_than_its_contract_allows_is_refused(project: Project) -> None:
    seen = observed(project, "\n".join(f"E0699{n:04},Atlantis {n},2023,5" for n in range(40)))
    assert seen.slice.is_empty() and scan_observations(project, "council_stock").collect().is_empty()
    assert seen.release["usable"].to_list() == [False]
    (refusal,) = seen.finding.filter(pl.col("check") == "contract")["evidence"].to_list()
    assert "unmatched_place" in refusal and "40 of 106" in refusal


def test_unknown_council_name_is_reported_with_candidates(small: Project) -> None:
    path = small.catalogue.sources_dir / "starter" / "dwp_uc_households.csv.gz"
    text = gzip.decompress(path.read_bytes()).replace(b'"Merton"', b'"Mertonn"')
    path.write_bytes(gzip.compress(text))
    steps.prepare_store(small)
    result = load_source_tables(small, "dwp_uc_households").finding.filter(pl.col("check") == "unknown_places")
    assert result["place_label"].to_list() == ["Mertonn"]
    assert "perhaps E09000024 Merton" in result["evidence"].item()


def test_unused_name_in_the_table_of_names_is_reported(small: Project) -> None:
    with (small.catalogue.sources_dir / "dwp_uc_households.names.csv").open("a", encoding="utf-8") as table:
        table.write("Nowhere / Unlle,W06000001,\n")
    changed = small._replace(catalogue=load_catalogue(small.catalogue.root))
    steps.prepare_store(changed)
    result = load_source_tables(changed, "dwp_uc_households").finding.filter(pl.col("check") == "unused_names")
    assert result["evidence"].str.starts_with("Nowhere / Unlle").to_list() == [True]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("cadence: annual", "cadense: annual", r"ons_claimant_rate.yaml:3: cadense: unknown key; did you mean cadence"),
        (" denominator: residents_16_64,", "", "a rate must declare its denominator"),
        ("denominator: residents_16_64", "denominator: residents_16_65", "did you mean residents_16_64"),
        ("kind: rate", "kind: ratio", "'count', 'stock', 'rate'"),
        ("kind: rate", "kind: stock", "only a rate has a numerator or denominator"),
        ("rounding: 0.1", 'rounding: "0.1"', "valid number, found '0.1'"),
        ("cadence: ", "geography: districts\ncadence: ", "as in lad_2023, found 'districts'"),
        ("3 months later", "soon later", "an age, which is a number of days"),
        ("  claimant_rate:\n", "  claimant_rate: {title: t}\n  claimant_rate:\n", "claimant_rate is declared twice"),
        ("  claimant_rate:\n", "  residents_16_64:\n", "measure residents_16_64 is already declared"),
        ("title:", "\ttitle:", "not YAML"),
        (
            "title:",
            "releases: [{file: ../claimants.csv, released: 2024-11-15}]\ntitle:",
            "expected a path under sources/",
        ),
        (
            "title:",
            "releases: [2024-11-16]\ntitle:",
            r"yaml:1: releases: found ons_claimant_rate_2024-11-15.csv.gz, ons_claimant",
        ),
        ("claimant-count", "''", r"yaml:2: family: found .*, expected {explore_local_statistics: its name there}"),
    ],
)
def test_invalid_declaration_is_refused_with_file_line_and_choices(
    edited: Project, old: str, new: str, complaint: str
) -> None:
    path = edited.catalogue.sources_dir / "ons_claimant_rate.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DeclarationError, match=complaint) as refusal:
        load_catalogue(edited.catalogue.root)
    assert ".yaml" in str(refusal.value)


VALUE = "claimant_rate.value as claimant_rate,"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "lad_2023.claimant_rate using",
            "lad_2023.claimant_rat using",
            r"sql:\d+: unknown measure 'claimant_rat'; did you",
        ),
        ("  claimant_rate:", "  claimant_rates:", r"sql:\d+: needs: unknown measure 'claimant_rates'; did you mean"),
        ("  - vacancies", "  - vacancy", "unknown measure 'vacancy'; did you mean vacancies"),
        ("lad_2023.claimant_rate using", "lad_2019.claimant_rate using", "expected a table of lad_2023"),
        ("from lad_2023.place", "from lad_2023.place, read_csv('x.csv')", r"read_csv\(\) is not allowed"),
        ("from lad_2023.place", "from lad_2023.place, 'x.csv'", "expected <geography>.<measure>"),
        ("from lad_2023.place", "from lad_2023.place_period", "expected place for grain latest"),
        ("order by", "; select 1; select 2 order by", "found 3 statements, expected one SELECT"),
        (VALUE, f"coalesce(claimant_rate.value, 0) as x, {VALUE}", "would hide a gap"),
        (VALUE, f"*, {VALUE}", "expected named columns"),
        (VALUE, f"claimant_rate.value * 2, {VALUE}", "computed column without a name"),
        ("grain: latest", "grain: fortnight", "'latest', 'month', 'quarter' or 'year'"),
        ("grain: latest", "grain: month", "periods is required for grain month"),
        ("grain: latest", "grane: latest", "did you mean grain"),
        ("select", "insert into x select", "only a SELECT is allowed"),
        ("/*", "--", "expected the file to start with"),
    ],
)
def test_invalid_problem_is_refused_with_file_line_and_choices(
    edited: Project, old: str, new: str, complaint: str
) -> None:
    path = edited.catalogue.root / "pipelines" / "problems" / "jobs_recovery.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DeclarationError, match=complaint):
        load_catalogue(edited.catalogue.root).find_problem("jobs_recovery")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (VALUE, "case when vacancies.value is null then 0 end as claimant_rate,", "has 0 for E06000001"),
        (VALUE, f"greatest(vacancies.value, 0) as made_up, {VALUE}", "column made_up has 0"),
        ("order by", "where claimant_rate.value > 3 order by", "expected one for each of 361"),
        ("order by", "cross join lad_2023.place as other order by", "found 130321 rows"),
        ("place.place_name,", "place.no_such_name,", "DuckDB rejects the SELECT"),
        ("place.place_code,\n    place.place_name", "place.place_name", "must return place_code"),
    ],
)
def test_misleading_select_is_refused_when_it_runs(small: Project, old: str, new: str, complaint: str) -> None:
    path = small.catalogue.root / "pipelines" / "problems" / "jobs_recovery.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    changed = small._replace(catalogue=load_catalogue(small.catalogue.root))
    steps.prepare_store(changed)
    with pytest.raises(CommongroundError, match=complaint):
        answering.answer_problem(changed, "jobs_recovery")
