"""DuckDB's CSV reader with rejected rows, compared with ours: rows, rejected rows, encodings, time and memory.

python -m benchmarks.csv_rejects [DAMAGED FILES] [FIRST SEED] [MEGABYTES]

Each reader gets the bytes as published. Python's `csv` module, on the decoded text, is the reference. A reader is
right where it gives the same cells, or names the row that it leaves out. It is wrong where a row differs or is absent
without notice. Text with an unclosed quotation mark has no right reading, so a reader refuses, rejects or guesses.
There are four parts: all bundled CSV files; named awkward files; small random files by seed; one large file.
"""

import csv
import io
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb

from benchmarks.reading import write_large_file
from pipelines.core.errors import UnreadableError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.archive import decode_text, unpack_file
from pipelines.readers.csv import split_text
from pipelines.readers.header import HEADER_WITHIN, ROW

ROOT = Path(__file__).resolve().parent.parent
LARGE_COLUMNS = 8
Rows = list[list[str]]


class Outcome(NamedTuple):
    """Rows from a reader, and the lines that it reports as left out; or its refusal."""

    rows: Rows
    rejected: set[int]
    refusal: str = ""


Reader = Callable[[bytes, str, int], Outcome]


def read_ours(content: bytes, _: str, width: int) -> Outcome:
    """Read a file in the same way as a release of a source."""
    try:
        grid, _ = split_text(decode_text(content, "a.csv"), FileLayout(), "a.csv")
    except UnreadableError as error:
        return Outcome([], set(), str(error))
    return Outcome([_pad_row(list(row), width) for row in grid.drop(ROW).rows()], set())


def read_duckdb(content: bytes, encoding: str, width: int, strict: bool = True) -> Outcome:
    """Read a file with `read_csv`, with all options given and rejected rows stored."""
    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(width))
    options = f"""auto_detect=false, header=false, quote='"', escape='"', null_padding=true, parallel=false,
        delim=',', encoding='{encoding}', columns={{{columns}}},
        strict_mode={str(strict).lower()}, store_rejects=true"""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file, duckdb.connect() as con:
        file.write(content)
        file.flush()
        try:
            rows = con.sql(f"select * from read_csv('{file.name}', {options})").fetchall()
        except duckdb.Error as error:
            return Outcome([], set(), str(error))
        lines = {line for (line,) in con.sql("select line from reject_errors").fetchall()}
    return Outcome([[(cell or "").strip() for cell in row] for row in rows], lines)


def read_duckdb_lenient(content: bytes, encoding: str, width: int) -> Outcome:
    """Read a file with `strict_mode=false`, which accepts more forms."""
    return read_duckdb(content, encoding, width, strict=False)


READERS: dict[str, Reader] = {"ours": read_ours, "duckdb": read_duckdb, "lenient duckdb": read_duckdb_lenient}


def true_rows(text: str, delimiter: str) -> Rows:
    """Read text with Python's `csv`, with uniform line ends; blank lines are rows too."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(plain, newline=""), delimiter=delimiter)]


def _pad_row(row: list[str], width: int) -> list[str]:
    return row + [""] * (width - len(row))


def is_well_formed(text: str, delimiter: str) -> bool:
    """Return whether quotation marks close at the end of a field, so that the text has one right reading."""
    try:
        return bool(list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
    except csv.Error:
        return False


def judge_outcome(outcome: Outcome, truth: Rows, width: int, well_formed: bool) -> str:
    """Classify an outcome: right, refused, rejected (all other rows right), guessed, blank lines lost, or wrong."""
    if outcome.refusal:
        return "refused"
    whole = [_pad_row(row, width) for row in truth]
    if not well_formed:
        return "rejected" if outcome.rejected else "guessed"
    if len(outcome.rows) == len(whole) and all(map(_is_same_row, outcome.rows, whole, [width] * len(whole))):
        return "right"
    left = [row for number, row in enumerate(whole, 1) if number not in outcome.rejected]
    if outcome.rejected and outcome.rows == left:
        return "rejected"
    if outcome.rows == [row for row in left if any(row)]:
        return "blank lines lost"
    return "wrong"


def _is_same_row(mine: list[str], truth: list[str], width: int) -> bool:
    """Compare one row; for a field beyond the last column it is enough that the reader shows one."""
    if len(truth) > width:
        return mine[:width] == truth[:width] and len(mine) > width and mine[width] == truth[width] != ""
    return mine == _pad_row(truth, len(mine))


def bundled_files() -> list[tuple[str, bytes, FileLayout]]:
    """List the bundled CSV files, each with the format of its source."""
    sources = load_catalogue(ROOT).sources
    files = []
    for path in sorted((ROOT / "sources" / "starter").rglob("*.csv*")):
        source = sources.get(path.name.partition(".")[0]) or sources.get(path.name.rpartition("_")[0])
        content, _ = unpack_file(path.read_bytes(), source.member if source else None, path.name, "csv")
        files.append((path.name, content, source or FileLayout()))
    return files


LATE = "".join(f"E{n:08d},Merton,1\n" for n in range(20_480))
AWKWARD: dict[str, bytes | tuple[bytes, str]] = {
    "byte order mark": b"\xef\xbb\xbfcode,name,n\nE1,Merton,1\n",
    "lines end in CR": b"code,name,n\rE1,Merton,1\rE2,Sutton,2\r",
    "lines end in CRLF, one in CR": b"code,name,n\r\nE1,Merton,1\r\nE2,Sutton,2\rE3,Barnet,3\r\n",
    "cp1252": (b"code,name,n\nE1,Ynys M\xf4n \x96 Anglesey,1\n", "cp1252"),
    "UTF-16": ("code,name,n\nE1,Môn,1\n".encode("utf-16"), "utf-16"),
    "a line end in quotation marks": b'code,name,n\nE1,"Mer\nton",1\nE2,Sutton,2\n',
    "doubled quotation marks": b'code,name,n\nE1,"The ""Hill""",1\n',
    "a quotation mark inside a field": b'code,name,n\nE1,5" pipe,1\nE2,Sutton,2\n',
    "quoted, with one more inside": b'code,name,n\nE1,"5" pipe",1\nE2,Sutton,2\n',
    "a mark that never closes": b'code,name,n\nE1,"Merton,1\nE2,Sutton,2\nE3,Barnet,3\n',
    "a mark that closes in the next row": b'code,name,n\nE1,"a,1\nE2,"b",2\nE3,Barnet,3\n',
    "a row too wide": b"code,name,n\nE1,Merton,1\nE2,Sutton,2,extra\nE3,Barnet,3\n",
    "a row too narrow": b"code,name,n\nE1,Merton\nE2,Sutton,2\n",
    "a preamble and blank lines": b"Table 1\n\ncode,name,n\n\nE1,Merton,1\n",
    "space around cells": b"code , name,n\n E1,Merton ,1\n",
    "zero bytes": b"code,name,n\nE1,Merton\x00,1\n",
    "first quoted name after row 20,480": ("code,name,n\n" + LATE + 'E9,"Bristol, City of",1\n').encode(),
}


def judge_file(content: bytes, encoding: str, counts: dict[str, Counter[str]], width: int = 0) -> dict[str, str]:
    """Read one file with each reader, judge it, and count; `width` 0 uses the widest of the first rows."""
    text = content.decode(encoding, errors="replace")
    truth = true_rows(text, ",")
    sound = is_well_formed(text, ",")
    width = width or max(len(row) for row in truth[:HEADER_WITHIN])
    marks = {name: judge_outcome(read(content, encoding, width), truth, width, sound) for name, read in READERS.items()}
    for name, mark in marks.items():
        counts.setdefault(name, Counter())[mark] += 1
    return marks


def damage_file(seed: int) -> bytes:
    """Build a small file by a seed: two to six rows of one to four fields, with difficult characters."""
    chance = random.Random(seed)
    fields = ("1", "a b", '"a"', '"a,b"', '"a""b"', 'a"b', '"a', 'a"', '"a\nb"', " ", "", "é", ' "a"', '"a" ')
    rows = [[chance.choice(fields) for _ in range(3)] for _ in range(chance.randint(1, 5))]
    for row in rows:
        row[:] = row[: chance.choice((3, 3, 3, 2))] + ["extra"] * chance.choice((0, 0, 0, 0, 1))
    end = chance.choice(("\n", "\n", "\r\n", "\r"))
    return ("code,name,n" + end + end.join(",".join(row) for row in rows) + end).encode()


def measure_reader(road: str, path: Path) -> str:
    """Read a large file in this process; return processor seconds and peak memory in MB."""
    begun = time.process_time()
    if road == "ours":
        content, file = unpack_file(path.read_bytes(), None, path.name, "csv")
        grid, _ = split_text(decode_text(content, file), FileLayout(), file)
    else:
        columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(LARGE_COLUMNS))
        kept = {"duckdb": "store_rejects=true", "duckdb, nothing kept": "ignore_errors=false"}[road]
        with duckdb.connect() as con:
            grid = con.sql(
                f"""select * from read_csv('{path}', auto_detect=false, header=false, delim=',', quote='"', escape='"',
                columns={{{columns}}}, {kept})"""
            ).pl()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"{grid.height:,} rows, {time.process_time() - begun:.2f} CPU s, peak {peak:,} MB"


def compare_readers(files: int, first: int, megabytes: int) -> None:
    """Run the four parts and print the results."""
    counts: dict[str, Counter[str]] = {}
    for name, content, shape in bundled_files():
        marks = judge_file(content, shape, counts)
        if set(marks.values()) != {"right"}:
            sys.stdout.write(f"  {name}: {marks}\n")
    sys.stdout.write(f"bundled files: {_format_counts(counts)}\n\n")
    counts = {}
    for name, case in AWKWARD.items():
        content, encoding = case if isinstance(case, tuple) else (case, "utf-8")
        sys.stdout.write(f"  {name}: {judge_file(content, encoding, counts, 3)}\n")
    sys.stdout.write(f"awkward files: {_format_counts(counts)}\n\n")
    counts = {}
    for seed in range(first, first + files):
        judge_file(damage_file(seed), FileLayout(), counts, 3)
    sys.stdout.write(f"{files:,} damaged files from seed {first}: {_format_counts(counts)}\n\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        write_large_file(path, megabytes * 1_000_000)
        for road in ("ours", "duckdb", "duckdb, nothing kept") * 3:
            command = [sys.executable, "-m", "benchmarks.csv_rejects", road, str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
            sys.stdout.write(f"{road}, {megabytes:,} MB: {done.stdout}")


def _format_counts(counts: dict[str, Counter[str]]) -> str:
    return "; ".join(
        f"{name}: {', '.join(f'{mark} {n}' for mark, n in sorted(marks.items()))}" for name, marks in counts.items()
    )


if __name__ == "__main__":
    if len(sys.argv) == 3 and not sys.argv[1].isdigit():
        sys.stdout.write(measure_reader(sys.argv[1], Path(sys.argv[2])) + "\n")
    else:
        given = [int(text) for text in sys.argv[1:]]
        compare_readers(*(given + [2_000, 0, 200][len(given) :]))
