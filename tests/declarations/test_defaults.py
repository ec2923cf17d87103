"""Defaults of declarations: keys from publishers, families and conventions, and refusals."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.defaults import infer_keys, read_shared_defaults
from pipelines.declarations.source import Source

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHERS = """
nhs: {publisher: The NHS, licence: Open Government Licence v3.0, coverage: [England]}
nhs_scot: {publisher: NHS Scotland, licence: A licence, coverage: [Scotland]}
"""
FAMILIES = """
listed:
  page: "https://example.org/about/{set}"
  url: "https://example.org/{set}/{set}.csv"
  columns: {place: [code, CODE], period: year}
  measure_defaults: {column: figure, rounding: 5}
plain: {compiled_by: A laboratory, cadence: "quarterly, 3 months later"}
taken: {releases: [2026-06-26], cadence: monthly}
tables:
  fetch: {nomis: {query: {geography: "{set}", measures: 20100}, select: [CODE]}}
  road: {evidence: documented, citation: an/example a.R}
layers: {fetch: {arcgis: {layer: "https://example.org/{set}/FeatureServer/0", geometry: true}}}
"""
HEAD = "title: t\npage: https://example.org\ngeography: lad_2023\n"
BODY = HEAD + "columns: {place: code, period: year}\nmeasures: {beds: {title: b, unit: beds, kind: stock, column: b}}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pipelines" / "problems").mkdir(parents=True)
    for folder in ("shared", "starter"):
        (tmp_path / "sources" / folder).mkdir(parents=True)
    (tmp_path / "sources" / "shared" / "publishers.yaml").write_text(PUBLISHERS)
    (tmp_path / "sources" / "shared" / "families.yaml").write_text(FAMILIES)
    return tmp_path


def declared(root: Path, text: str, name: str = "nhs_beds", files: tuple[str, ...] = ()) -> Source:
    for file in files:
        (root / "sources" / "starter" / file).write_text("")
    (root / "sources" / f"{name}.yaml").write_text(text)
    return load_catalogue(root).sources[name]


def refused(root: Path, text: str, **more: Any) -> str:
    with pytest.raises(DeclarationError) as raised:
        declared(root, text, **more)
    return str(raised.value)


def test_publisher_with_the_longest_matching_prefix_applies(root: Path) -> None:
    assert declared(root, BODY).publisher == "The NHS"
    assert declared(root, BODY).coverage == ("England",)
    assert declared(root, BODY.replace("beds:", "others:"), "nhs_scot_beds").publisher == "NHS Scotland"


def test_keys_of_a_source_take_precedence_over_shared_keys(root: Path) -> None:
    own = declared(root, BODY + "publisher: A council\nlicence: Another\ncoverage: [Wales]\n")
    assert (own.publisher, own.licence, own.coverage) == ("A council", "Another", ("Wales",))


def test_source_of_an_unknown_publisher_must_declare_it(root: Path) -> None:
    assert "publisher is missing; Publisher; default: from" in refused(root, BODY, name="council_beds")


def test_family_gives_addresses_with_the_name_of_the_dataset_and_columns(root: Path) -> None:
    text = HEAD.replace("page: https://example.org\n", "family: {listed: beds-open}\n")
    text += "measures: {beds: {title: b, unit: beds, kind: stock}}\n"
    source = declared(root, text)
    assert source.page == "https://example.org/about/beds-open"
    assert source.url == "https://example.org/beds-open/beds-open.csv"
    assert source.columns is not None and source.columns.place == ("code", "CODE")
    assert (source.measures["beds"].column, source.measures["beds"].rounding) == (("figure",), 5)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (
            "family: listd\n",
            "sources/nhs_beds.yaml:{line}: family: 'listd' is not in shared/families.yaml; did you mean",
        ),
        ("family: listed\n", "family: found 'listed', expected {listed: its name there}"),
        ("family: {plain: x}\n", "family: found {'plain': 'x'}, expected plain"),
        ("family: {plain: '', listed: x}\n", "found 2 families, expected one"),
        ("family: 7\n", "family: Input should be a valid dictionary, found 7"),
    ],
)
def test_invalid_family_is_refused(said: str, complaint: str, root: Path) -> None:
    assert complaint.replace("{line}", str(BODY.count("\n") + 1)) in refused(root, BODY + said)


def test_unquoted_text_with_a_comma_gets_a_hint(root: Path) -> None:
    result = refused(root, BODY.replace("title: b", "title: Beds, open at night"))
    assert "Beds" not in result and "open at night: unknown key" in result
    assert "within { }, put a text with a comma in quotes" in result


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("publishers.yaml", "nhs:\n  licenc: x\n", "publishers.yaml:2: licenc: unknown key; did you mean licence"),
        ("publishers.yaml", "nhs: {cadence: now}\n", "publishers.yaml:1: cadence: Input should be 'daily'"),
        ("publishers.yaml", "nhs: {}\nnhs: {}\n", "publishers.yaml:2: nhs is declared twice"),
        ("families.yaml", "- listed\n", "families.yaml: found list, expected a mapping"),
        (
            "families.yaml",
            "plain:\n  measure_defaults: {unti: x}\n",
            "families.yaml:2: measure_defaults.unti: unknown key; did you mean unit?",
        ),
    ],
)
def test_shared_declarations_are_validated_with_their_own_line(
    file: str, text: str, complaint: str, root: Path
) -> None:
    (root / "sources" / "shared" / file).write_text(text)
    assert complaint in refused(root, BODY + "family: plain\n")


def test_measure_defaults_apply_unless_a_measure_overrides_them(root: Path) -> None:
    text = HEAD + "columns: {place: code, period: year}\nmeasure_defaults: {unit: beds, kind: stock, rounding: 10}\n"
    text += "measures:\n  open: {title: o, column: o}\n  full: {title: f, column: f, rounding: 1}\n"
    source = declared(root, text)
    assert {name: (item.unit, item.rounding) for name, item in source.measures.items()} == {
        "open": ("beds", 10), "full": ("beds", 1)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("alike", "complaint"),
    [
        ("{unit: beds, knd: stock}", "measure_defaults.knd: unknown key; did you mean kind?"),
        ("{unit: beds, kind: rate}", "measures.open: a rate must declare its denominator"),
        ("{unit: beds, kind: heap}", "measure_defaults.kind: Input should be 'count', 'stock'"),
        ("[unit]", "measure_defaults: Input should be a valid dictionary"),
    ],
)
def test_measure_defaults_reject_unknown_keys_and_values(alike: str, complaint: str, root: Path) -> None:
    text = (
        HEAD
        + f"columns: {{place: code, period: year}}\nmeasure_defaults: {alike}\n"
        + "measures:\n  open: {title: o, column: o}\n"
    )
    assert complaint in refused(root, text)


def test_release_declared_by_day_uses_the_file_with_that_day(root: Path) -> None:
    source = declared(
        root,
        BODY + "releases: [2024-11-15, {released: 2025-01-24, label: revised}]\n",
        files=(
            "nhs_beds_2024-11-15.csv.gz",
            "nhs_beds_2025-01-24.xlsx",
            "nhs_beds.csv",
            "nhs_beds_other_2024-11-15.csv",
        ),
    )
    assert [(item.file, item.label) for item in source.releases] == [
        ("starter/nhs_beds_2024-11-15.csv.gz", ""), ("starter/nhs_beds_2025-01-24.xlsx", "revised")
    ]  # fmt: skip


def test_bundled_files_with_a_day_are_releases_unless_declared(root: Path) -> None:
    files = (
        "nhs_beds_2025-01-24.csv",
        "nhs_beds_2024-11-15.csv",
        "nhs_beds_2024-02-30.csv",
        "nhs_beds_open_2020-01-01.csv",
    )
    assert [str(item.released) for item in declared(root, BODY, files=files).releases] == ["2024-11-15", "2025-01-24"]
    assert not declared(root, BODY + "releases: []\n").releases
    assert not declared(root, BODY + "access: not_held\nrequest: Ask.\n").releases


def test_family_states_the_release_day_of_its_bundled_files_only(root: Path) -> None:
    assert not declared(root, BODY + "family: taken\n").releases
    source = declared(root, BODY + "family: taken\n", files=("nhs_beds.csv",))
    assert [(item.file, str(item.released)) for item in source.releases] == [("starter/nhs_beds.csv", "2026-06-26")]
    own = declared(root, BODY + "family: taken\nreleases: [2026-01-31]\n")
    assert [str(item.released) for item in own.releases] == ["2026-01-31"]


def test_compiled_table_without_an_address_has_a_default_road(root: Path) -> None:
    compiled = declared(root, BODY + "compiled_by: A charity\n").road
    assert compiled is not None and compiled.unknown == "A compiled table."
    assert declared(root, BODY + "compiled_by: A charity\nurl: https://example.org/a.csv\n").road is None
    own = declared(root, BODY + "compiled_by: A charity\nroad: {unknown: One day.}\n").road
    assert own is not None and own.unknown == "One day."


def test_frequency_in_a_text_or_a_mapping_decides_the_kind_of_period(root: Path) -> None:
    for cadence in ("monthly", "monthly, 2 months later", "{every: monthly, lag: 2 months}"):
        assert declared(root, BODY + f"cadence: {cadence}\n").period_kind == ("month",)
    assert declared(root, BODY + "family: plain\n").lag == "3 months"


def test_file_of_a_single_release_needs_no_day_in_its_name(root: Path) -> None:
    assert declared(root, BODY + "releases: [2024-11-15]\n", files=("nhs_beds.csv.gz",)).releases[0].file == (
        "starter/nhs_beds.csv.gz"
    )


@pytest.mark.parametrize(
    ("releases", "files", "complaint"),
    [
        (
            "[2024-11-15]",
            (),
            ":6: releases: found no file of this name in starter/, expected one file nhs_beds_2024-11-15.*",
        ),
        ("[2024-11-15]", ("nhs_beds.csv", "nhs_beds_2024-11-15.csv"), "found nhs_beds.csv, nhs_beds_2024-11-15.csv"),
        (
            "[2024-11-15, 2025-01-24]",
            ("nhs_beds.csv", "nhs_beds_2024-11-15.csv"),
            "expected one file nhs_beds_2025-01-24.*;",
        ),
        ("[2024-11-15, 2025-01-24]", ("nhs_beds_2024-11-15.csv",), "found nhs_beds_2024-11-15.csv in starter/"),
        ("[2024]", (), "releases.0: Input should be a valid dictionary"),
        ("[{released: soon}]", (), "releases.0: file is missing"),
        ("[{label: x}]", (), "released is missing"),
        ("['2024-11-15']", (), "releases.0: Input should be a valid dictionary"),
    ],
)
def test_release_without_exactly_one_matching_file_is_refused(
    releases: str, files: tuple[str, ...], complaint: str, root: Path
) -> None:
    assert complaint in refused(root, BODY + f"releases: {releases}\n", files=files)


def test_period_kind_and_coverage_are_inferred(root: Path) -> None:
    other = "publisher: p\nlicence: l\nelsewhere: {Wales: {data_owner: h, request: w}}\ncadence: monthly\n"
    source = declared(root, BODY + other, "council_beds")
    assert (source.period_kind, source.coverage) == (("month",), ("England", "Scotland", "Northern Ireland"))
    assert declared(root, BODY + other + "period_kind: day\n", "council_beds").period_kind == ("day",)


def test_unpublished_source_has_no_licence(root: Path) -> None:
    text = "title: t\npage: p\naccess: not_open\nrequest: Ask.\nmeasures: {beds: {title: b, unit: beds, kind: stock}}\n"
    assert declared(root, text).licence == "none, as nothing is published"
    assert declared(root, text.replace("not_open", "not_held")).licence == "Open Government Licence v3.0"


def test_change_of_shared_keys_changes_only_the_sources_that_use_them(root: Path) -> None:
    def both(publishers: str) -> dict[str, str]:
        (root / "sources" / "shared" / "publishers.yaml").write_text(publishers)
        declared(root, BODY)
        declared(root, BODY.replace("beds:", "others:"), "nhs_scot_beds")
        return load_catalogue(root).declaration_hashes

    before, after = both(PUBLISHERS), both(PUBLISHERS.replace("A licence", "Another licence"))
    assert before["nhs_beds"] == after["nhs_beds"]
    assert before["nhs_scot_beds"] != after["nhs_scot_beds"]


def test_draft_infers_keys_from_its_name_and_address(root: Path) -> None:
    said = read_shared_defaults(root / "sources")
    assert infer_keys("nhs_beds", None, said)["publisher"] == "The NHS"
    known = infer_keys("council_beds", "https://example.org/beds-open/beds-open.csv", said)
    assert known["family"] == {"listed": "beds-open"}
    assert "publisher" not in known
    assert infer_keys("council_beds", "https://example.org/beds-open/other.csv", said) == {}
    by_headings = infer_keys("council_beds", None, said, ["CODE", "name", "year", "figure"])
    assert by_headings["family"] == {"listed": "TODO"}
    assert infer_keys("council_beds", None, said, ["CODE", "name"]) == {}


ROAD = "road: {citation: an/example b.R}\n"
PART = "fetch: {nomis: {dataset: NM_1, query: {geography: TYPE480, date: latest}}}\n"


def test_source_adds_keys_of_its_request_and_citations_to_its_family(root: Path) -> None:
    source = declared(root, BODY + "family: {tables: TYPE424}\n" + PART.replace("geography: TYPE480, ", "") + ROAD)
    assert source.fetch and source.fetch.nomis and source.road
    assert source.fetch.nomis.query == {"geography": ("TYPE424",), "measures": ("20100",), "date": ("latest",)}
    assert (source.fetch.nomis.dataset, source.fetch.nomis.select) == ("NM_1", ("CODE",))
    assert source.road.citation == ("an/example a.R", "an/example b.R")


def test_key_of_a_request_and_evidence_of_a_source_take_precedence(root: Path) -> None:
    other = "road: {evidence: inferred, inferred: all}\n"
    source = declared(root, BODY + "family: {tables: TYPE424}\n" + PART + other)
    assert source.fetch and source.fetch.nomis and source.road
    assert source.fetch.nomis.query["geography"] == ("TYPE480",)
    assert (source.road.evidence, source.road.citation) == ("inferred", ())


def test_layer_with_geometry_provides_boundaries_in_json(root: Path) -> None:
    source = declared(root, HEAD + "family: {layers: lads}\nfetch: {arcgis: {fields: [CODE]}}\n")
    assert (source.provides, source.format) == ("boundary", "json")
    assert source.fetch and source.fetch.arcgis and source.fetch.arcgis.layer.endswith("/lads/FeatureServer/0")


def test_sheet_and_service_show_the_format(root: Path) -> None:
    assert declared(root, BODY + "sheet: Table 1\n").format == "excel"
    assert declared(root, BODY + "sheet: Table 1\nformat: ods\n").format == "ods"
    assert declared(root, BODY + "url: https://example.org/X/JSON-stat/2.0/en\n").format == "jsonstat"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT)


def test_every_shared_declaration_is_used(catalogue: Catalogue) -> None:
    families = {family for source in catalogue.sources.values() for family in source.family}
    assert all(f"\n{family}:" in read_shared_defaults(ROOT / "sources").families for family in families)
    for line in read_shared_defaults(ROOT / "sources").families.splitlines():
        if line and not line.startswith((" ", "#")):
            assert line.partition(":")[0] in families
