"""Small files of every format, and ways to damage them, for seeded and bounded tests of the reader."""

import gzip
import io
import json
import random
import time
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.observations.conform import Codes, conform_release
from pipelines.readers.read import read_sheet
from pipelines.readers.rows import count_unread_rows
from tests.workbooks import ods, xlsx, zipped

DISTRICTS = {f"E09{n:06}": f"Borough {n}, City of" for n in range(1, 25)}
CODES = Codes(frozenset(DISTRICTS), {}, {name.casefold(): code for code, name in DISTRICTS.items()})
HEADINGS = ["code", "name", "year", "stock"]
PRINTED = ("1,234", "0", "*", "7.5")
ROWS = [[code, name, str(2020 + n % 3), PRINTED[n % 4]] for n, (code, name) in enumerate(DISTRICTS.items())]
INSERTED = (b"\xff\xfe", b'"', b",", b"\n", b"\r", b"NaN", b"inf", b"-1e400", b"<script>", b"=cmd()", "é".encode(),
            b"\x00", b"9" * 400, b"1e308", b"x" * 50_000, b"{" * 5_000, b"[" * 5_000, b"\x80",
            b"PK\x03\x04")  # fmt: skip


class Sample(NamedTuple):
    """A valid file, and the declaration that reads it."""

    source: Source
    content: bytes


def declare_source(**keys: object) -> Source:
    """Declare a source of one measure."""
    keys_by_default = {
        "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
        "columns": {"place": "code", "label": "name", "period": "year"}, "markers": {"*": "confidential"},
        "measures": {"stock": {"title": "s", "unit": "i", "kind": "stock", "column": "stock"}},
    }  # fmt: skip
    return Source.model_validate({**keys_by_default, **keys})


def write_parquet(columns: dict[str, list[str]]) -> bytes:
    """Write a Parquet file of text."""
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def make_samples() -> dict[str, Sample]:
    """Build a valid file of every supported format."""
    quoted = [f'{c},"{n}",{y},"{s}"' for c, n, y, s in ROWS]
    text = "\n".join(["A title", "", ",".join(HEADINGS), *quoted, "", "Source: us"]) + "\n"
    table = [HEADINGS, *ROWS]
    records = [dict(zip(HEADINGS, row, strict=True)) for row in ROWS]
    columns = {name: [row[n] for row in ROWS] for n, name in enumerate(HEADINGS)}
    wide = [["code", "2021", "2022 (p)"], *([code, "1", "2"] for code in DISTRICTS)]
    figures = ",".join(PRINTED[n % 4].replace(",", "") for n in range(len(DISTRICTS)))
    across = [",".join(["year", *DISTRICTS]), *(f"{1990 + n},{figures}" for n in range(len(DISTRICTS)))]
    counted = {
        "listed": {"title": "l", "unit": "i", "kind": "stock", "count_rows": True},
        "few": {"title": "f", "unit": "i", "kind": "stock", "column": "stock", "count_rows": "at most 7"},
    }
    one = {"stock": {"title": "s", "unit": "i", "kind": "stock"}}
    stat = {
        "id": ["code", "year"], "size": [len(DISTRICTS), 1], "value": list(range(len(DISTRICTS))),
        "dimension": {"code": {"category": {"index": list(DISTRICTS)}}, "year": {"category": {"index": ["2023"]}}},
    }  # fmt: skip
    by_value = {"stock": {"title": "s", "unit": "i", "kind": "stock", "column": "value"}}
    merged = [["Area", "", "Stock"], ["code", "year", "Total"], *([r[0], r[2], r[3]] for r in ROWS)]
    joined = {"stock": {"title": "s", "unit": "i", "kind": "stock", "column": "Stock / Total"}}
    heads = {"place": "Area / code", "period": "Area / year"}
    return {
        "csv": Sample(declare_source(), text.encode()),
        "csv in gzip": Sample(declare_source(), gzip.compress(text.encode(), mtime=0)),
        "csv in zip": Sample(declare_source(), zipped({"a.csv": text})),
        "csv of cp1252": Sample(declare_source(), text.replace("Borough", "Bórough").encode("cp1252")),
        "csv without headings": Sample(declare_source(header_rows=0, headings=HEADINGS), "\n".join(quoted).encode()),
        "wide csv": Sample(
            declare_source(columns={"place": "code"}, markers={"p": "provisional"}, measures=one),
            "\n".join(",".join(row) for row in wide).encode(),
        ),
        "csv by place": Sample(declare_source(columns={"place": "*", "period": "year"}), "\n".join(across).encode()),
        "list to count": Sample(
            declare_source(columns={"place": "code", "period": "year"}, measures=counted), text.encode()
        ),
        "xlsx": Sample(declare_source(format="excel"), xlsx({"Notes": [["words"]], "Data": table})),
        "merged xlsx": Sample(
            declare_source(format="excel", header_rows=2, columns=heads, measures=joined), xlsx({"Data": merged})
        ),
        "ods": Sample(declare_source(format="ods", blank_rows=True), ods({"Notes": [["words"]], "Data": [[], *table]})),
        "json": Sample(declare_source(format="json"), json.dumps(records).encode()),
        "json-stat": Sample(
            declare_source(format="jsonstat", columns={"place": "code", "period": "year"}, measures=by_value),
            json.dumps(stat).encode(),
        ),
        "parquet": Sample(declare_source(format="parquet"), write_parquet(columns)),
    }


def _random_position(rng: random.Random, content: bytes) -> int:
    return rng.randrange(len(content)) if content else 0


def flip_byte(rng: random.Random, content: bytes) -> bytes:
    """Change one byte."""
    where = _random_position(rng, content)
    return content[:where] + bytes([rng.randrange(256)]) + content[where + 1 :]


def flip_bytes(rng: random.Random, content: bytes) -> bytes:
    """Change up to thirty bytes."""
    for _ in range(rng.randint(2, 30)):
        content = flip_byte(rng, content)
    return content


def delete_bytes(rng: random.Random, content: bytes) -> bytes:
    """Delete some bytes."""
    where = _random_position(rng, content)
    return content[:where] + content[where + rng.choice([1, 5, 200]) :]


def double_bytes(rng: random.Random, content: bytes) -> bytes:
    """Repeat some bytes."""
    where = _random_position(rng, content)
    return content[:where] + content[where : where + rng.choice([5, 300])] + content[where:]


def insert_bytes(rng: random.Random, content: bytes) -> bytes:
    """Insert difficult bytes."""
    where = _random_position(rng, content)
    return content[:where] + rng.choice(INSERTED) + content[where:]


def cut_end(rng: random.Random, content: bytes) -> bytes:
    """Cut off the end."""
    return content[: _random_position(rng, content)]


def shuffle_lines(rng: random.Random, content: bytes) -> bytes:
    """Shuffle the lines."""
    lines = content.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def line_ends(rng: random.Random, content: bytes) -> bytes:
    """Convert line ends, as a version control system does to text."""
    old, new = rng.choice([(b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\n", b"\r")])
    return content.replace(old, new)


def other_marks(rng: random.Random, content: bytes) -> bytes:
    """Replace the delimiter or the quotation mark."""
    old, new = rng.choice([(b",", b";"), (b",", b"\t"), (b",", b",,"), (b'"', b"'"), (b'"', b'""'), (b'"', b"")])
    return content.replace(old, new)


def longer_number(rng: random.Random, content: bytes) -> bytes:
    """Enlarge a number in the file: a size, a count, a figure."""
    where = [n for n, byte in enumerate(content) if 48 <= byte <= 57]
    if not where:
        return content
    at = rng.choice(where)
    return content[:at] + b"9" * rng.choice([3, 9, 18, 300]) + content[at:]


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    flip_byte,
    flip_bytes,
    delete_bytes,
    double_bytes,
    insert_bytes,
    cut_end,
    shuffle_lines,
    line_ends,
    other_marks,
    longer_number,
)


class Ending(NamedTuple):
    """Result of reading a damaged file; `fault` should be blank."""

    name: str
    seconds: float
    refused: bool
    fault: str


def read_damaged(seed: int, sound: dict[str, Sample]) -> Ending:
    """Damage one file once or twice, read it, and return the result."""
    rng = random.Random(seed)
    kind = rng.choice(sorted(sound))
    source, content = sound[kind]
    name = kind
    for damage in rng.sample(DAMAGES, rng.choice([1, 1, 2])):
        content, name = damage(rng, content), f"{name}, {damage.__name__}"
    started = time.perf_counter()
    refused, fault = read_result(source, content)
    return Ending(f"{seed}: {name}", time.perf_counter() - started, refused, fault)


def read_result(source: Source, content: bytes) -> tuple[bool, str]:
    """Read a file; return whether it is refused, and any fault in the message or the cells, or blank."""
    snapshot = Snapshot("a", "x", date(2024, 1, 1), "", "", "", "a.file", len(content), "")
    try:
        sheet = count_unread_rows(read_sheet(content, source, "a.file"), source)
        return False, cell_faults(conform_release(sheet, "a", source, snapshot, CODES))
    except UnreadableError as error:
        return True, "" if "a.file" in str(error) else f"a refusal without a file name: {error}"


def cell_faults(cells: pl.DataFrame) -> str:
    """Describe the faults of cells that should be valid; blank where there are none."""
    sound = cells.filter(pl.col("fault").is_null())
    checks = {
        "a figure that is not finite": cells["value"].drop_nulls().is_finite().all(),
        "an unknown status": set(cells["obs_status"].drop_nulls()) <= set(OBSERVATION_STATUSES),
        "an unknown place": set(sound["place_code"]) <= CODES.system,
        "a cell without a period": sound["period_start"].null_count() == 0,
        "a cell twice": sound.select("measure", "place_code", "period_start", "period_end").is_unique().all(),
        "a suppressed figure with a value": sound.filter(
            pl.col("published_marker") == "*", pl.col("value").is_not_null()
        ).is_empty(),
    }
    return "; ".join(name for name, good in checks.items() if not good)
