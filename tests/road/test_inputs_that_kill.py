"""Inputs that could exhaust a machine: each gives one error within its limits, and other work continues.

What could use up the machine runs in a process of its own, so that a failure stops that process and not the tests.
"""

import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from datetime import date
from functools import reduce
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.core.errors import DeclarationError, UnreadableError
from pipelines.core.snapshots import Snapshot, source_snapshots, store_snapshot
from pipelines.core.store import hash_bytes, output_path
from pipelines.core.visible import escape_invisible, escape_invisible_bytes, escape_invisible_frame, has_invisible
from pipelines.declarations.file_format import FileLayout
from pipelines.declarations.yaml_lines import read_yaml
from pipelines.readers.archive import unpack_file
from pipelines.readers.read import read_shape
from pipelines.readers.workbook import read_grids
from tests.breadth import cases, wide
from tests.command import run
from tests.measured import Run, run_command, run_measured
from tests.small import copied
from tests.workbooks import ods, xlsx, zipped

MOST = 600
"""Maximum memory in MB of a read or a query."""
MOST_OF_A_BUILD = 700
"""Maximum memory in MB of a build with refused inputs; two problems without such inputs use 570 MB."""


def refused(done: Run, *expected: str, most: int = MOST) -> None:
    """Assert that a command ended with error messages and used little memory."""
    assert done.code in (1, 2, 3, 4, 6), (done.code, done.err[-800:])
    assert "Traceback" not in done.err
    for text in expected:
        assert text in done.err
    assert done.peak < most


TEN = "[" + ",".join(["{0}"] * 10) + "]"
KILLING_YAML = {
    "billion laughs": (
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} {TEN.format(f'*a{n - 1}')}\n" for n in range(1, 12)),
        "over 100,000 values once aliases are expanded",
    ),
    "merges of merges": (
        "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: {TEN.format(f'*a{n - 1}')}}}\n" for n in range(1, 12)),
        "over 100,000 values once aliases are expanded",
    ),
    "lists in lists": ("a: " + "[" * 100_000, "nests deeper than 50 levels"),
    "mappings in mappings": ("{a: " * 40_000, "nests deeper than 50 levels"),
    "a merge with itself": ("measures: &m\n  <<: *m\n", "killing.yaml:2: *m is inside &m itself"),
    "a list of itself": ("a: &a [1, *a]", "*a is inside &a itself"),
    "a long text": ("title: " + "x" * 1_000_000, "expected at most 200,000"),
    "a long number": ("title: " + ":".join(["1"] * 80_000), "found a number of 159,999 digits"),
    "a number too large": ("title: " + ":".join(["1"] * 190) + ".5", "not YAML: int too large"),
    "a key of many": ("? [a]\n: b", "found a key that is a list or a mapping"),
    "an escape": ("title: a\npage: \x1b[31mred", "killing.yaml:2: not YAML: control characters are not allowed"),
}


@pytest.mark.parametrize(("text", "expected"), KILLING_YAML.values(), ids=list(KILLING_YAML))
def test_oversized_or_deeply_nested_declaration_is_refused_with_its_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "pipelines" / "problems").mkdir(parents=True)
    (tmp_path / "sources" / "killing.yaml").write_text(text, encoding="utf-8")
    done = run_command(tmp_path, tmp_path / "store", "build")
    refused(done, "killing.yaml", expected)
    # An unsafe declaration is excluded, and the build then lacks a register; an invalid one is refused.
    left_out = "the source is excluded" in done.err
    assert left_out == all(wrong not in expected for wrong in ("not YAML", "found a key"))
    assert done.code == (4 if left_out else 3)
    assert done.err.count("\n") == (2 if left_out else 1)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project and a store with a small analyst's file."""
    root = tmp_path_factory.mktemp("asked")
    (root / "sources").mkdir()
    (root / "pipelines" / "problems").mkdir(parents=True)
    path = output_path(root / "store", "commonground.duckdb")
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create table cells as select range as n, 'place ' || range as place from range(100000)")
    return root, root / "store"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select repeat('x', 2000000000)", "too much memory"),
        ("select length(repeat('x', 2000000000))", "too much memory"),
        ("select length(repeat(place, 100000000)) from cells", "too much memory"),
        ("select * from cells a, cells b", "too much memory"),
        ("select * from cells a, cells b order by random()", "too much memory"),
        ("select string_agg(repeat('x', 1000), '') from range(100000000)", "too much memory"),
        (
            "select count(*) from cells a, cells b, cells c",
            "takes too long; the limit is 3 s; set COMMONGROUND_SECONDS",
        ),
    ],
)
def test_query_that_exceeds_resources_stops_at_a_limit(asked: tuple[Path, Path], query: str, expected: str) -> None:
    # A loaded machine takes longer to reach the limit of memory, so only the query without an end has a short one.
    seconds = "3" if "limit is 3 s" in expected else "60"
    done = run_command(*asked, "sql", query, COMMONGROUND_SECONDS=seconds)
    refused(done, expected, "to allow more")
    assert done.err.count("\n") == 1


def test_user_can_raise_the_limits_of_a_query(asked: tuple[Path, Path]) -> None:
    large = "select repeat(place, 20) as text from cells a, range(20)"
    refused(run_command(*asked, "sql", large, COMMONGROUND_MEMORY_MB="100"), "the limit is 100 MB")
    # A loaded machine takes longer than the usual limit of time.
    allowed = run_command(*asked, "sql", large, COMMONGROUND_MEMORY_MB="4000", COMMONGROUND_SECONDS="60")
    assert (allowed.code, allowed.err) == (0, "")
    wrong = run_command(*asked, "sql", "select 1", COMMONGROUND_MEMORY_MB="lots")
    refused(wrong, "COMMONGROUND_MEMORY_MB: found 'lots', expected a whole number above 0")


@pytest.mark.parametrize(
    "query",
    ["copy (select 1) to '{0}.tmp/x.csv'", "explain analyze copy (select 1) to '{0}.tmp/x.csv'",
     "set memory_limit = '10GB'", "select 1; select 2"],
)  # fmt: skip
def test_query_writes_no_file_and_changes_no_limit(asked: tuple[Path, Path], query: str) -> None:
    path = output_path(asked[1], "commonground.duckdb")
    done = run("sql", query.format(path), store=asked[1], project=asked[0])
    assert done.returncode == 2
    assert done.stderr.startswith("error: invalid query")
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name]


@pytest.mark.parametrize(
    "query", ["pivot cells on n % 3", "pragma table_info('cells')", "describe cells", "from cells"]
)
def test_query_may_be_other_than_a_plain_select(asked: tuple[Path, Path], query: str) -> None:
    done = run("sql", query, "--format", "json", store=asked[1], project=asked[0])
    assert (done.returncode, done.stderr) == (0, "")


def test_deeply_nested_select_is_refused() -> None:
    program = (
        "from pipelines.declarations.problem_sql import parse_select; "
        "parse_select('select ' + '+'.join(['1'] * 900), 'a.sql')"
    )
    done = run_measured("-c", program)
    assert done.err.splitlines()[-1].endswith(
        "DeclarationError: a.sql: the SELECT nests too deeply; move its parts into a WITH clause"
    )


_LAST = "    vacancies.value as vacancies\n"
PROBLEMS = {
    "killing_join": (
        f"(select count(*) from {', '.join(f'lad_2023.vacancies {name}' for name in 'abcde')})",
        "killing_join.sql: the SELECT takes too long",
    ),
    "killing_text": ("repeat('x', 2000000000)", "killing_text.sql: the SELECT needs too much memory"),
}


SHEET, BODY = "xl/worksheets/sheet1.xml", "content.xml"
SOUND = [["code", "stock"], ["E09000024", "7"]]


def rewritten(book: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """Change one part of a workbook."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    members[part] = change(archived := bytes(members[part]).decode())  # type: ignore[arg-type]
    assert members[part] != archived
    return zipped(members)


def far_apart(*more: str, dimension: str = "") -> bytes:
    """Build a workbook with a cell at A1 and cells at other positions."""
    cells = "".join(
        f'<row r="{re.sub("[A-Z]", "", at)}"><c r="{at}" t="inlineStr"><is><t>x</t></is></c></row>'
        for at in ("A1", *more)
    )
    data = f"{dimension}<sheetData>{cells}</sheetData>"
    return rewritten(xlsx({"Data": SOUND}), SHEET, lambda text: re.sub("<sheetData>.*</sheetData>", data, text))


def repeated(rows: int, columns: int) -> bytes:
    """Build an ODS file with a repeated row and a repeated cell."""
    again = f'<table:table-row table:number-rows-repeated="{rows}">'
    cell = f'<table:table-cell table:number-columns-repeated="{columns}" office'
    change = (("<table:table-row>", again), ("<table:table-cell office", cell))
    return rewritten(
        ods({"Data": SOUND}), BODY, lambda text: reduce(lambda so_far, item: so_far.replace(*item), change, text)
    )


def swollen() -> bytes:
    """Build a gzip of 4 MB that unpacks to a gigabyte of rows."""
    return gzip.compress(b"code,name,year,stock\n") + gzip.compress(b"E09000024,Merton,2023,7\n" * 400_000) * 105


def lying(packed: bytes) -> bytes:
    """Change a zip to state a small unpacked size for its member."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        size = archive.infolist()[0].file_size
    return packed.replace(struct.pack("<I", size), struct.pack("<I", 100))


KILLING_FILES: dict[str, tuple[str, str, Callable[[], bytes], str]] = {
    "a cell at the last place": ("excel", "a.xlsx", lambda: far_apart("XFD1048576"), "needs too much memory to read"),
    "a dimension that lies": (
        "excel", "a.xlsx", lambda: far_apart("XFD1048576", dimension='<dimension ref="A1:B2"/>'), "too much memory",
    ),
    "a wide and long sheet": ("excel", "a.xlsx", lambda: far_apart("ALL40000"), "needs too much memory to read"),
    "a sheet that swells": (
        "excel", "a.xlsx",
        lambda: rewritten(xlsx({"Data": SOUND}), SHEET, lambda text: text.replace("</row>", " " * 500_000_000, 1)),
        "needs too much memory to read",
    ),
    "rows without end": ("ods", "a.ods", lambda: repeated(1_000_000_000, 1), "needs too much memory to read"),
    "rows and columns without end": ("ods", "a.ods", lambda: repeated(1_000_000, 16_384), "a.ods: "),
    "a gzip of a gigabyte": ("csv", "a.csv.gz", swollen, "bytes decompress to over"),
    "a zip that swells": ("csv", "a.zip", lambda: zipped({"a.csv": b"0" * 60_000_000}), "bytes decompress to over"),
    "a zip that lies": ("csv", "a.zip", lambda: lying(zipped({"a.csv": b"0" * 60_000_000})), "truncated or damaged"),
    "a zip in a gzip": (
        "csv", "a.zip.gz", lambda: gzip.compress(zipped({"a.csv": b"0" * 60_000_000})), "bytes decompress to over",
    ),
    "an endless line": ("csv", "a.csv.gz", lambda: gzip.compress(b"x" * 20_000_000), "found a line of over"),
    "wide headings over many lines": (
        "csv", "a.csv", lambda: b"," * 19_000 + b"\n1" * 1_000_000, "found 19,001 columns and",
    ),
    "a wide line under many": (
        "csv", "a.csv",
        lambda: b"1\n" * 20 + b"," * 19_000 + b"\n1" * 1_000_000,
        "found 19,001 columns and",
    ),
    "lists in lists in JSON": ("json", "a.json", lambda: b"[" * 1_000_000, "not JSON"),
    "many lists in JSON": ("json", "a.json", lambda: b"[" + b"[]," * 7_900_000 + b"1]", "needs too much memory"),
    "many names in JSON": (
        "json", "a.json", lambda: json.dumps([{f"k{n}": 1} for n in range(7_000)]).encode(), "found over 20,000,000",
    ),
}  # fmt: skip
_READ = """
import sys
from pathlib import Path
from pipelines.core.errors import UnreadableError
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.read import read_shape
from pipelines.readers.archive import unpack_file
kind, path = sys.argv[1], Path(sys.argv[2])
try:
    content, file = unpack_file(path.read_bytes(), None, path.name, kind)
    print(read_shape(content, FileLayout(format=kind), [("code",)], file).frame)
except UnreadableError as error:
    sys.exit(str(error))
"""


_FEW = [
    "a cell at the last place", "rows without end", "a gzip of a gigabyte", "an endless line", "lists in lists in JSON",
]  # fmt: skip


@pytest.mark.parametrize("file", cases(_FEW, wide=KILLING_FILES))
def test_file_that_exceeds_resources_is_refused(tmp_path: Path, file: str) -> None:
    kind, name, made, expected = KILLING_FILES[file]
    path = tmp_path / name
    path.write_bytes(made())
    done = run_measured("-c", _READ, kind, str(path))
    assert done.code == 1, (done.code, done.out[-300:], done.err[-800:])
    refused(done, name, expected)
    assert done.err.count("\n") == 1


def test_highly_compressed_file_is_read_once_the_limit_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"code,stock\n" + b"E09000024,7\n" * 3_000_000))
    assert "set COMMONGROUND_UNPACKED_MB" in run_measured("-c", _READ, "csv", str(path)).err
    allowed = run_measured("-c", _READ, "csv", str(path), COMMONGROUND_UNPACKED_MB="40")
    assert (allowed.code, allowed.err) == (0, "")


def test_workbook_that_exceeds_resources_does_not_affect_the_next() -> None:
    killing, sound = far_apart("XFD1048576"), xlsx({"Data": SOUND})
    for _ in range(2):
        with pytest.raises(UnreadableError, match=r"a\.xlsx: needs too much memory to read"):
            read_grids(killing, "excel", "a.xlsx")
        ((name, sheet),) = read_grids(sound, "excel", "b.xlsx")
        assert (name, sheet.drop("_row").rows()) == ("Data", [tuple(row) for row in SOUND])


UNSEEN = "\x1b]0;taken\x07\x1b[31mred\x9b2J\u202eslaever"
SEEN = "\\x1b]0;taken\\x07\\x1b[31mred\\x9b2J\\u202eslaever"


@pytest.mark.parametrize("kind", ["csv", "excel", "ods", "json", "parquet"])
def test_invisible_character_is_escaped_when_a_file_is_read(kind: str) -> None:
    text = UNSEEN.replace("\x1b", "\x9b").replace("\x07", "\x85") if kind in ("excel", "ods") else UNSEEN
    seen = SEEN.replace("\\x1b", "\\x9b").replace("\\x07", "\\x85") if kind in ("excel", "ods") else SEEN
    rows = [["code", f"na{text}me"], [f"E09{text}", "a\tb"]]
    parquet = io.BytesIO()
    pl.DataFrame({rows[0][0]: [rows[1][0]], rows[0][1]: [rows[1][1]]}).write_parquet(parquet)
    made = {
        "csv": f"{','.join(rows[0])}\n{','.join(rows[1])}\n".encode(),
        "excel": xlsx({f"Da{text}ta": rows}),
        "ods": ods({"Data": rows}),
        "json": json.dumps([dict(zip(*rows, strict=True))]).encode(),
        "parquet": parquet.getvalue(),
    }
    content, file = unpack_file(made[kind], None, "a", kind)
    sheet = read_shape(content, FileLayout.model_validate({"format": kind}), [("code",)], file)
    assert sheet.frame.drop("_row").to_dicts() == [{"code": f"E09{seen}", f"na{seen}me": "a\tb"}]
    assert not has_invisible(sheet.file)


def test_text_without_invisible_characters_is_unchanged() -> None:
    for text in ("Ynys Môn", "a\tb\nc\r\nd", "£1 – “x” \N{NO-BREAK SPACE}y", "中"):
        assert escape_invisible(text) == text
        assert escape_invisible_bytes(text.encode()) == text.encode()
        assert escape_invisible_frame(pl.DataFrame({text: [text, None]})).rows() == [(text,), (None,)]


def test_name_of_an_archive_member_is_escaped() -> None:
    _, file = unpack_file(zipped({f"{UNSEEN[:9]}.csv": b"code\n1\n"}), None, "a.zip", "csv")
    assert file == f"a.zip/{SEEN[:12]}.csv"
    with pytest.raises(UnreadableError) as refusal:
        unpack_file(zipped({f"{UNSEEN}a": b"", f"{UNSEEN}b": b""}), None, "a.zip", "csv")
    assert SEEN in str(refusal.value)
    assert not has_invisible(str(refusal.value))


def test_query_prints_no_control_character(asked: tuple[Path, Path]) -> None:
    query = "select chr(27) || '[31mred' || chr(155) || chr(8238) as \"a\x1b[1mb\", 'x' || chr(13) || 'y' as z"
    for form in ("table", "csv", "json"):
        done = run("sql", query, "--format", form, store=asked[1], project=asked[0])
        assert done.returncode == 0, done.stderr
        assert "[31mred" in done.stdout and "x9b" in done.stdout and "u202e" in done.stdout
        assert not has_invisible(done.stdout)
    wrong = run("sql", f"select nothing_{UNSEEN}", store=asked[1], project=asked[0])
    assert "x1b]0;taken" in wrong.stderr
    assert not has_invisible(wrong.stderr)


@pytest.mark.parametrize("text", [r'"\e[31mred"', r'"a\u202eb"', "'a\u2066b'", r'"a\x9bb"'])
def test_declaration_with_invisible_characters_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(DeclarationError, match=r"a.yaml:2: found '.*'; remove the invisible characters") as refusal:
        read_yaml(f"a: 1\ntitle: {text}\n", Path("a.yaml"))
    assert not has_invisible(str(refusal.value))


def test_snapshot_log_has_no_invisible_character(tmp_path: Path) -> None:
    line = Snapshot("a", hash_bytes(b"x"), date(2024, 1, 1), UNSEEN, "", f"https://example.org/{UNSEEN}", UNSEEN, 1, "")
    kept = store_snapshot(tmp_path, b"x", line)
    assert (kept.label, kept.origin, kept.file) == (SEEN, f"https://example.org/{SEEN}", SEEN)
    assert source_snapshots(tmp_path, "a") == [kept]


BOOK = """
title: Beds
publisher: p
licence: l
page: https://example.org
format: excel
geography: lad_2023
columns: {place: code, label: name, period: year}
releases: [{file: starter/beds.xlsx, released: 2024-01-01}]
measures: {beds: {title: Beds, unit: beds, kind: stock, column: beds}}
"""
ASKED = """/*
question: How many beds are there?
decision: How many to buy.
owner: o
geography: lad_2023
place_codes: [E09000024]
grain: latest
needs:
  beds: {max_age: 9 years}
*/
select place.place_code, beds.value as beds
from lad_2023.place
join lad_2023.beds using (place_code)
"""


@pytest.fixture(scope="module")
def built(built_small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Path]:
    """Two builds of the small project, once built, with problems and stored files that exceed resources."""
    folder = tmp_path_factory.mktemp("killing")
    root, store = (copied(built_small / name, folder / name) for name in ("project", "store"))
    for output in output_path(store, "jobs_recovery.html").parent.glob("jobs_*"):
        output.unlink()
    problems = root / "pipelines" / "problems"
    sound = (problems / "jobs_south_london.sql").read_text(encoding="utf-8")
    assert _LAST in sound
    for name, (column, _) in PROBLEMS.items():
        (problems / f"{name}.sql").write_text(sound.replace(_LAST, f"{_LAST.rstrip()},\n    {column} as killing\n"))
    (problems / "beds.sql").write_text(ASKED)
    (root / "sources" / "beds.yaml").write_text(BOOK)
    (root / "sources" / "laughs.yaml").write_text(KILLING_YAML["billion laughs"][0])
    (problems / "laughing.sql").write_text(ASKED.replace("beds", "laughs"))
    rows = [[f"E090000{n:02}", f"x{n}", "2023", str(n)] for n in range(1, 34)]
    (root / "sources" / "starter" / "beds.xlsx").write_bytes(xlsx({"Data": [["code", "name", "year", "beds"], *rows]}))
    for source, content in (("beds", far_apart("XFD1048576")), ("ons_claimant_rate", swollen())):
        store_snapshot(
            store, content, Snapshot(source, hash_bytes(content), date(2026, 6, 1), "", "", "", "new", len(content), "")
        )
    first = run_command(root, store, "build", COMMONGROUND_SECONDS="4")
    return first, run_command(root, store, "build", "beds", "jobs_recovery"), store


@wide
def test_problem_that_exceeds_resources_fails_alone(built: tuple[Run, Run, Path]) -> None:
    done, _, store = built
    refused(done, *(result for _, result in PROBLEMS.values()), most=MOST_OF_A_BUILD)
    assert "not read: " in done.err and "over 100,000 values once aliases are expanded" in done.err
    assert "laughing.sql:9: needs: unknown measure 'laughs'; it may be declared in an excluded source" in done.err
    assert done.code == 6
    for name in ("jobs_recovery", "jobs_south_london"):
        assert output_path(store, f"{name}.html").is_file()
    assert not output_path(store, "killing_join.html").exists()


@wide
def test_stored_file_that_exceeds_resources_is_refused_and_the_previous_release_used(
    built: tuple[Run, Run, Path],
) -> None:
    *builds, store = built
    for done in builds:
        named = ("beds: new: needs too much memory to read", "ons_claimant_rate: new: ", "bytes decompress to over")
        refused(done, *named, most=MOST_OF_A_BUILD)
        assert done.code == 6
    with duckdb.connect(str(output_path(store, "commonground.duckdb")), read_only=True) as con:
        result = con.sql("select measure, value from cells where problem = 'beds'").fetchall()
        assert result == [("beds", 24.0)]
        known = con.sql("select count(value) from cells where measure = 'claimant_rate'").fetchall()
        assert known[0][0] > 300
