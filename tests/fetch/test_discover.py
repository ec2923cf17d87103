"""Routes to files: changing links, paged services and the user's own files, on a local publisher."""

import json
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.core import snapshots
from pipelines.core.errors import FetchError
from pipelines.declarations.endpoint import STATXPLORE_KEY, LinkSelection
from pipelines.declarations.source import Source
from pipelines.fetch import apis as services
from pipelines.fetch.file_periods import period_end_day
from pipelines.fetch.links import PageLink, parse_links, pick_newest
from pipelines.fetch.refresh import refresh_source
from pipelines.fetch.snapshot_log import Outcome
from tests.fetch.test_refresh import CSV, LATER, NOW, QUICK, TODAY
from tests.gaps.test_cells import MERTON, Case, cell_of
from tests.publisher import PAGE, Publisher, by_query, file, publishing, says

ROOMY = QUICK._replace(bytes=10_000_000)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def source(**road: Any) -> Source:
    about = {"title": "t", "publisher": "Office", "licence": "OGL", "page": "https://example.org"}
    return Source.model_validate({**about, "provides": "boundary", **road})


def get(home: Path, **road: Any) -> Outcome:
    return refresh_source(home, "claimants", source(**road), today=TODAY, now=NOW, limits=ROOMY)


def content(home: Path, outcome: Outcome) -> bytes:
    assert outcome.snapshot, outcome.detail
    return snapshots.read_snapshot(home, outcome.snapshot.sha256)


LANDING = b"""<!DOCTYPE html><html><head><base href="/stats/"></head><body>
<a href="files/ae-by-provider-september-2026.csv">September</a>
<a href="files/ae-by-provider-October-2026.csv#top">A&amp;E by <b>provider</b>, October 2026</a>
<a href="files/ae-by-provider-august-2026.csv">August</a> <a href="mailto:us@example.org">us</a> <a>no link</a>
<a href="files/notes-november-2026.pdf">Notes</a></body></html>"""
BY_PROVIDER = r"ae-by-provider-(?P<period>[A-Za-z]+-\d{4})\.csv$"


def test_newest_file_is_selected_by_the_period_in_its_name(tmp_path: Path, office: Publisher) -> None:
    page = office.at("/landing", says(200, LANDING, Content_Type="text/html"))
    office.at("/stats/files/ae-by-provider-October-2026.csv", file(CSV, '"1"'))
    link = {"page": page, "pattern": BY_PROVIDER, "newest": "period"}
    outcomes = [get(tmp_path, fetch={"link": link}) for _ in range(2)]
    assert [outcome.result for outcome in outcomes] == ["new", "unchanged"]
    assert content(tmp_path, outcomes[0]) == CSV
    assert outcomes[0].snapshot and outcomes[0].snapshot.label == "October-2026"
    assert office.asked[-1].headers["if-none-match"] == '"1"', "the file is requested with its ETag, the page is not"


def test_pages_are_followed_in_turn(tmp_path: Path, office: Publisher) -> None:
    page = office.at("/landing", says(200, b'<a href="/2025-26">2025-26</a><a href="/2026-27">2026-27</a>'))
    office.at("/2026-27", says(200, b'<a href="/old.csv">x</a> <a href="/new.csv">Timeseries</a>'))
    office.at("/new.csv", says(200, CSV))
    link = {"page": page, "through": [r"20\d\d-\d\d$"], "pattern": "Timeseries", "newest": "last"}
    assert content(tmp_path, get(tmp_path, fetch={"link": link})) == CSV
    assert [asked.path for asked in office.asked] == ["/landing", "/2026-27", "/new.csv"]


def test_page_without_a_matching_link_reports_its_links(tmp_path: Path, office: Publisher) -> None:
    page = office.at("/landing", says(200, LANDING))
    outcome = get(tmp_path, fetch={"link": {"page": page, "pattern": r"by-trust.*\.csv"}})
    assert outcome.result == "failed"
    assert outcome.detail.startswith(f"claimants: {page}: no link matches 'by-trust")
    assert "4 links" in outcome.detail and "correct the pattern" in outcome.detail
    assert snapshots.read_log(tmp_path)[-1].error == outcome.detail


def test_link_to_another_host_is_followed_only_where_declared(tmp_path: Path, office: Publisher) -> None:
    office.at("/a.csv", says(200, CSV))
    away = office.url("/a.csv", "localhost")
    page = office.at("/landing", says(200, f'<a href="{away}">a.csv</a>'.encode()))
    refused = get(tmp_path, fetch={"link": {"page": page, "pattern": "csv"}})
    assert refused.result == "failed" and "found the file on localhost" in refused.detail
    assert get(tmp_path, fetch={"link": {"page": page, "pattern": "csv", "hosts": "localhost"}}).result == "new"


def test_two_equally_new_files_are_refused() -> None:
    links = [PageLink("https://a.org/x-2026-01.csv", ""), PageLink("https://a.org/y-2026-01.csv", "")]
    with pytest.raises(FetchError, match="equally new"):
        pick_newest(links, LinkSelection(pattern=r"(?P<period>\d{4}-\d\d)", newest="period"), "page")
    assert pick_newest(
        [*links, links[0]], LinkSelection(pattern=r"x-(?P<period>\d{4}-\d\d)", newest="period"), "page"
    ) == links[0]._replace(label="2026-01")


def test_unreadable_period_is_refused() -> None:
    with pytest.raises(FetchError, match="expected a period"):
        pick_newest(
            [PageLink("https://a.org/x-13.csv", "")],
            LinkSelection(pattern=r"x-(?P<period>\d+)", newest="period"),
            "page",
        )


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("October-2026", date(2026, 10, 31)), ("oct_2026", date(2026, 10, 31)), ("202610", date(2026, 10, 31)),
        ("2026-10", date(2026, 10, 31)), ("2026 Q3", date(2026, 9, 30)), ("5-November-2026", date(2026, 11, 5)),
        ("5th November 2026", date(2026, 11, 5)), ("2026-11-05", date(2026, 11, 5)), ("2026", date(2026, 12, 31)),
        ("October%202026", date(2026, 10, 31)), ("202613", None), ("Octember-2026", None), ("31-November-2026", None),
    ],
)  # fmt: skip
def test_periods_in_file_names_are_read(text: str, end: date | None) -> None:
    assert period_end_day(text) == end


def test_links_are_read_from_malformed_pages() -> None:
    assert parse_links(b"\x00\xff<a href='/x'>y</a><a href='javascript:x()'>n</a", "https://a.org/p") == [
        PageLink("https://a.org/x", "y")
    ]
    with pytest.raises(FetchError, match="invalid address"):
        parse_links(b"<a href='http://[broken'>y</a>", "https://a.org/p")


def test_pattern_is_validated_when_declared() -> None:
    with pytest.raises(ValueError, match="expected a regular expression"):
        source(fetch={"link": {"page": "https://a.org", "pattern": "("}})
    with pytest.raises(ValueError, match="needs a pattern with"):
        source(fetch={"link": {"page": "https://a.org", "pattern": "x", "newest": "period"}})
    with pytest.raises(ValueError, match="declare one of url"):
        source(fetch={"link": {"page": "https://a.org", "pattern": "x"}}, url="https://a.org/x.csv")
    with pytest.raises(ValueError, match="declare one service"):
        source(fetch={})


HEADER = b'"DATE","GEOGRAPHY_CODE","OBS_VALUE","RECORD_COUNT"\n'


def nomis_page(start: int, stop: int, total: int) -> bytes:
    return HEADER + b"".join(b'"2026-10","E%08d",%d,%d\n' % (n, n, total) for n in range(start, stop))


NOTES = [{"annotationtitle": "LastUpdated", "annotationtext": "2026-11-10 07:00:00"}]
ABOUT_TABLE = {"structure": {"keyfamilies": {"keyfamily": [{"annotations": {"annotation": NOTES}}]}}}


def nomis_of(office: Publisher) -> dict[str, Any]:
    office.at("/api/v01/dataset/NM_162_1.def.sdmx.json", says(200, json.dumps(ABOUT_TABLE).encode()))
    query = {"geography": "TYPE424", "measures": 20100, "time": ["latest", "prevyear"]}
    chosen = ["DATE", "GEOGRAPHY_CODE", "OBS_VALUE"]
    return {"nomis": {"dataset": "NM_162_1", "query": query, "select": chosen, "service": office.url("")}}


def test_nomis_pages_are_requested_until_all_rows_arrive(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "NOMIS_PAGE", 3)
    pages = {f"recordoffset={n}": nomis_page(n, min(n + 3, 7), 7) for n in (0, 3, 6)}
    office.at("/api/v01/dataset/NM_162_1.data.csv", by_query(pages))
    outcomes = [get(tmp_path, fetch=nomis_of(office)) for _ in range(2)]
    assert content(tmp_path, outcomes[0]).decode() == nomis_page(0, 7, 7).decode().replace('"', "")
    assert [outcome.result for outcome in outcomes] == ["new", "unchanged"]
    assert len(office.asked) == 8
    asked = office.asked[1].path
    assert "geography=TYPE424&measures=20100&time=latest,prevyear" in asked
    assert "select=DATE,GEOGRAPHY_CODE,OBS_VALUE,RECORD_COUNT&recordlimit=3&recordoffset=0" in asked
    assert outcomes[0].snapshot and outcomes[0].snapshot.file == "claimants.csv"
    assert (outcomes[0].snapshot.released, outcomes[0].snapshot.dated_by) == (date(2026, 11, 10), "publisher")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (nomis_page(0, 2, 7), "found 2 rows, expected 7"),
        (b"Error: unknown dataset\n", "expected a CSV with RECORD_COUNT"),
        (b"", "found an empty file"),
        (PAGE, "found a web page"),
        (HEADER + b'"x","y",1,many\n', "expected one number"),
        (HEADER, "found no rows"),
        (b"\xff\xfe,RECORD_COUNT", "not a CSV file"),
    ],
)
def test_table_with_a_faulty_nomis_page_is_refused(
    tmp_path: Path, office: Publisher, answer: bytes, expected: str
) -> None:
    first = by_query({"recordoffset=0": answer, "recordoffset=2": HEADER})
    office.at("/api/v01/dataset/NM_162_1.data.csv", first)
    outcome = get(tmp_path, fetch=nomis_of(office))
    assert outcome.result == "failed" and expected in outcome.detail
    assert snapshots.source_snapshots(tmp_path, "claimants") == []


LAYER = "/arcgis/rest/services/LAD/FeatureServer/0"
ABOUT = {"objectIdField": "FID", "fields": [{"name": "FID", "type": "esriFieldTypeOID"}]}


def layer(office: Publisher, pages: list[dict[str, Any]], count: Any) -> str:
    office.at(LAYER, says(200, json.dumps(ABOUT).encode()))
    answers = {"returnCountOnly=true": json.dumps({"count": count}).encode()}
    start = 0
    for page in pages:
        answers[f"resultOffset={start}"] = json.dumps(page).encode()
        start += len(page.get("features", []))
    office.at(LAYER + "/query", by_query(dict(sorted(answers.items(), reverse=True))))
    return office.url(LAYER)


def rows(*codes: str) -> list[dict[str, Any]]:
    return [{"attributes": {"LAD24CD": code, "LAD24NM": None}} for code in codes]


def test_feature_pages_are_requested_until_none_remain(tmp_path: Path, office: Publisher) -> None:
    pages = [{"features": rows("A", "B"), "exceededTransferLimit": True}, {"features": rows("C")}]
    outcome = get(tmp_path, fetch={"arcgis": {"layer": layer(office, pages, 3), "fields": ["LAD24CD", "LAD24NM"]}})
    assert content(tmp_path, outcome) == b"LAD24CD,LAD24NM\nA,\nB,\nC,\n"
    assert "orderByFields=FID" in office.asked[2].path and "outFields=LAD24CD%2CLAD24NM" in office.asked[2].path


def test_boundary_pages_become_one_collection(tmp_path: Path, office: Publisher) -> None:
    shapes = [{"type": "Feature", "properties": {"LAD24CD": code}, "geometry": None} for code in "AB"]
    pages: list[dict[str, Any]] = [
        {"type": "FeatureCollection", "features": shapes[:1], "properties": {"exceededTransferLimit": True}},
        {"type": "FeatureCollection", "features": shapes[1:]},
    ]
    where = layer(office, pages, 2)
    outcome = get(tmp_path, fetch={"arcgis": {"layer": where, "geometry": True}}, format="json")
    assert json.loads(content(tmp_path, outcome)) == {"type": "FeatureCollection", "features": shapes}


@pytest.mark.parametrize(
    ("pages", "count", "expected"),
    [
        ([{"features": rows("A"), "exceededTransferLimit": True}, {"features": []}], 3, "found 1 features, expected 3"),
        (
            [{"error": {"code": 400, "message": "Invalid field:\n LAD24XX"}}],
            3,
            "error (Invalid field: LAD24XX)",
        ),
        ([{"features": ["A"]}], 1, "found 1 features"),
        ([], "three", "expected a number"),
        ([{"features": []}], 0, "found no features"),
    ],
)
def test_layer_with_a_faulty_page_is_refused(
    tmp_path: Path, office: Publisher, pages: list[dict[str, Any]], count: Any, expected: str
) -> None:
    outcome = get(tmp_path, fetch={"arcgis": {"layer": layer(office, pages, count)}})
    assert outcome.result == "failed" and expected in outcome.detail
    assert snapshots.source_snapshots(tmp_path, "claimants") == []


CUBE = {
    "fields": [
        {
            "label": "Month",
            "items": [{"labels": ["Sep-26"], "uris": ["str:value:D:202609"], "annotationKeys": ["I", "p"]}],
        },
        {
            "label": "Authority",
            "items": [
                {"labels": ["Merton"], "uris": ["str:value:G:E09000024"]},
                {"labels": ["Total"], "type": "Total"},
            ],
        },
    ],
    "measures": [{"label": "Households", "uri": "m"}],
    "cubes": {"m": {"values": [[7310.0, None]]}},
}
XPLORE = {"database": "str:database:UC", "measures": "m", "dimensions": ["d", "g"], "recodes": {"d": ["x:202609"]}}


def test_stat_xplore_key_is_sent_but_never_stored(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(STATXPLORE_KEY, "hush-hush-1234")
    office.at("/webapi/rest/v1/table", says(503), says(200, json.dumps(CUBE).encode()))
    outcome = get(tmp_path, fetch={"stat_xplore": {**XPLORE, "service": office.url("")}})
    assert content(tmp_path, outcome).decode() == (
        "Month,Month code,Authority,Authority code,Households,Marks\n"
        "Sep-26,202609,Merton,E09000024,7310,p\nSep-26,202609,Total,,,p\n"
    )
    assert office.asked[1].headers["apikey"] == "hush-hush-1234"
    assert json.loads(office.asked[1].body) == {
        "database": "str:database:UC", "measures": ["m"], "dimensions": [["d"], ["g"]],
        "recodes": {"d": {"map": [["x:202609"]], "total": False}},
    }  # fmt: skip
    kept = b"".join(path.read_bytes() for path in snapshots.snapshots_dir(tmp_path).iterdir())
    assert b"hush" not in kept and "hush" not in caplog.text and "hush" not in str(outcome)


def test_key_is_not_sent_to_another_host(tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATXPLORE_KEY, "hush-hush-1234")
    office.at("/webapi/rest/v1/table", says(307, Location=office.url("/elsewhere", "localhost")))
    outcome = get(tmp_path, fetch={"stat_xplore": {**XPLORE, "service": office.url("")}})
    assert outcome.result == "failed" and len(office.asked) == 1


@pytest.mark.parametrize("key", [None, "", "two words here", "line\nbreak-1234567", "ключ-ключ-ключ"])
def test_missing_or_invalid_key_is_reported_with_a_remedy(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.delenv(STATXPLORE_KEY, raising=False)
    if key is not None:
        monkeypatch.setenv(STATXPLORE_KEY, key)
    outcome = get(tmp_path, fetch={"stat_xplore": {**XPLORE, "service": office.url("")}})
    assert outcome.result == "not_fetchable" and office.asked == []
    assert STATXPLORE_KEY in outcome.detail and "get a key" in outcome.detail
    assert not key or key not in outcome.detail
    assert snapshots.read_log(tmp_path)[-1].error == outcome.detail


@pytest.mark.parametrize(
    "cube", [{}, {**CUBE, "cubes": {}}, {**CUBE, "cubes": {"m": {"values": [[1.0]]}}}, {**CUBE, "fields": ["x"]}]
)
def test_incomplete_cube_is_refused(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch, cube: dict[str, Any]
) -> None:
    monkeypatch.setenv(STATXPLORE_KEY, "hush-hush-1234")
    office.at("/webapi/rest/v1/table", says(200, json.dumps(cube).encode()))
    outcome = get(tmp_path, fetch={"stat_xplore": {**XPLORE, "service": office.url("")}})
    assert outcome.result == "failed"
    assert "the response lacks" in outcome.detail or "found too few or too many" in outcome.detail


def test_newest_resource_of_a_ckan_dataset_is_selected(tmp_path: Path, office: Publisher) -> None:
    resources = [{"name": f"EPD_{n}", "url": office.url(f"/files/EPD_{n}.csv")} for n in (202608, 202610, 202609)]
    listing = {"success": True, "result": {"resources": [*resources, {"name": None}, "x"]}}
    office.at("/api/3/action/package_show", says(200, json.dumps(listing).encode()))
    office.at("/files/EPD_202610.csv", file(LATER, '"1"'))
    api = {"portal": office.url(""), "package": "epd", "pattern": r"EPD_(?P<period>\d{6})", "newest": "period"}
    outcomes = [get(tmp_path, fetch={"ckan": api}) for _ in range(2)]
    assert content(tmp_path, outcomes[0]) == LATER
    assert [outcome.result for outcome in outcomes] == ["new", "unchanged"]
    assert office.asked[0].path == "/api/3/action/package_show?id=epd"
    assert outcomes[0].snapshot and outcomes[0].snapshot.file == "EPD_202610.csv"


def test_attachment_of_the_newest_publication_in_a_collection_is_selected(tmp_path: Path, office: Publisher) -> None:
    documents = [{"base_path": f"/stats/{year}", "title": f"Figures {year}"} for year in (2024, 2026, 2025)]
    attachments = [
        {"title": "Notes", "url": office.url("/notes.pdf")},
        {"title": "Table 1", "url": office.url("/t.csv")},
    ]
    office.at("/api/content/all", says(200, json.dumps({"links": {"documents": documents}}).encode()))
    office.at("/api/content/stats/2026", says(200, json.dumps({"details": {"attachments": attachments}}).encode()))
    office.at("/t.csv", says(200, CSV))
    api = {"path": "/all", "through": ["/stats/2026"], "pattern": "^Table 1", "service": office.url("")}
    assert content(tmp_path, get(tmp_path, fetch={"govuk": api})) == CSV


def test_plan_that_never_ends_is_given_up(tmp_path: Path, office: Publisher) -> None:
    page = {"features": rows("A"), "exceededTransferLimit": True}
    office.at(LAYER, says(200, json.dumps(ABOUT).encode()))
    counted = {"returnCountOnly": json.dumps({"count": 1}).encode(), "resultOffset": json.dumps(page).encode()}
    office.at(LAYER + "/query", by_query(counted))
    few = ROOMY._replace(requests=9)
    road = source(fetch={"arcgis": {"layer": office.url(LAYER)}})
    outcome = refresh_source(tmp_path, "claimants", road, today=TODAY, now=NOW, limits=few)
    assert outcome.result == "failed" and "over 9 requests" in outcome.detail and len(office.asked) == 9


def test_last_file_by_name_in_a_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "returns"
    folder.mkdir()
    for name, body in (("2026-09.csv", LATER), ("2026-10.csv", CSV), (".hidden.csv", LATER), ("~$open.csv", LATER)):
        (folder / name).write_bytes(body)
    for url in (str(folder), folder.as_uri(), f"{folder}/2026-1*.csv"):
        home = tmp_path / f"store{len(url)}"
        outcomes = [get(home, url=url) for _ in range(2)]
        assert content(home, outcomes[0]) == CSV
        assert [outcome.result for outcome in outcomes] == ["new", "unchanged"]
        assert outcomes[0].snapshot and outcomes[0].snapshot.file == "2026-10.csv"
        assert outcomes[0].snapshot.origin.startswith("file file:")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("{here}/none.csv", "does not exist"),
        ("{here}", "found no file"),
        ("gs://bucket/a.csv", "need gcsfs, which is not installed"),
        ("sftp://host/a.csv", "need paramiko, which is not installed"),
        ("file://{here}/a.zip::x", "nested addresses"),
    ],
)
def test_unavailable_file_is_reported(tmp_path: Path, url: str, expected: str) -> None:
    folder = tmp_path / "returns"
    folder.mkdir()
    outcome = get(tmp_path / "store", url=url.format(here=folder))
    assert outcome.result == "failed" and expected in outcome.detail


def test_web_page_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(PAGE)
    assert "found a web page" in get(tmp_path / "store", url=str(tmp_path / "a.csv")).detail


def test_source_without_its_key_is_a_gap_with_a_remedy(tmp_path: Path) -> None:
    query = "{database: d, measures: m, dimensions: [a, b]}"
    declared = f"period_kind: year\ngeography: lad_2023\nfetch: {{stat_xplore: {query}}}\n"
    cell = cell_of(Case("fetch_failed", MERTON, ["<html>"], source=declared), tmp_path)
    assert cell["reason"] == "fetch_failed"
    assert "cannot be read" in str(cell["evidence"])
    assert str(cell["remedy"]).startswith(f"Set {STATXPLORE_KEY} to your API key for the service, then run ")
