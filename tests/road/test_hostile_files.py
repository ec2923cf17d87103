"""Published files with random damage: each gives cells or a clear error, never a crash.

The damage is seeded, so that a failure can be repeated; the message has the seed and number.
"""

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import settings

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.access import load_geography, load_places
from pipelines.observations.conform import Codes, conform_release
from pipelines.observations.ingest import load_codes
from pipelines.readers.archive import unpack_file
from pipelines.readers.read import read_sheet
from pipelines.readers.tidy import tidy_sheet

ROOT = Path(__file__).resolve().parent.parent.parent
TIMES = settings.default.max_examples  # type: ignore[union-attr]
"""Number of files with each kind of damage; `make test-deep` damages twenty times as many."""
INSERTED = (b"\xff\xfe", b'"', b",", b"\n", b"\r", b"NaN", b"inf", b"-1e400", b"<script>", b"=cmd()", "é".encode(),
            b"\x00", b"9" * 400, b"1e308", b"x" * 50_000)  # fmt: skip

Sample = tuple[Source, bytes, Codes]
Damage = Callable[[random.Random, bytes], bytes]


@pytest.fixture(scope="module")
def samples(edition: Project) -> dict[str, Sample]:
    """First and last lines of each source's newest file, with preamble, header, data and footnotes."""
    places = load_places(edition)
    actual = {}
    for name, source in edition.catalogue.observation_sources().items():
        if not source.releases:
            continue
        content = (edition.catalogue.sources_dir / source.releases[-1].file).read_bytes()
        lines = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).split(b"\n")
        names = edition.catalogue.sources_dir / f"{name}.names.csv"
        codes = load_codes(source, places, names, load_geography(edition, source.geography or ""))
        actual[name] = (source, b"\n".join(lines[:40] + lines[-12:]), codes)
    return actual


def at_random(rng: random.Random, content: bytes) -> int:
    return rng.randrange(len(content)) if content else 0


def flipped(rng: random.Random, content: bytes) -> bytes:
    where = at_random(rng, content)
    return content[:where] + bytes([rng.randrange(256)]) + content[where + 1 :]


def deleted(rng: random.Random, content: bytes) -> bytes:
    where = at_random(rng, content)
    return content[:where] + content[where + rng.choice([1, 5, 200]) :]


def doubled(rng: random.Random, content: bytes) -> bytes:
    where = at_random(rng, content)
    return content[:where] + content[where : where + rng.choice([5, 300])] + content[where:]


def inserted(rng: random.Random, content: bytes) -> bytes:
    where = at_random(rng, content)
    return content[:where] + rng.choice(INSERTED) + content[where:]


def cut_short(rng: random.Random, content: bytes) -> bytes:
    return content[: at_random(rng, content)]


def shuffled(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def other_commas(rng: random.Random, content: bytes) -> bytes:
    return content.replace(b",", rng.choice([b";", b"\t", b", ", b",,"]))


def packed_and_damaged(rng: random.Random, content: bytes) -> bytes:
    return rng.choice([flipped, deleted, cut_short])(rng, gzip.compress(content, mtime=0))


DAMAGES: tuple[Damage, ...] = (
    flipped,
    deleted,
    doubled,
    inserted,
    cut_short,
    shuffled,
    other_commas,
    packed_and_damaged,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_published_file_is_read_correctly_or_refused(samples: dict[str, Sample], damage: Damage) -> None:
    refused = 0
    for number in range(TIMES):
        rng = random.Random(f"{damage.__name__}{number}")
        name = rng.choice(sorted(samples))
        source, content, codes = samples[name]
        content = damage(rng, content)
        try:
            sheet = tidy_sheet(read_sheet(content, source, "file.csv"), ROOT / "sources" / f"{name}.py")
            snapshot = Snapshot(name, "x", date(2024, 1, 1), "", "", "", "file.csv", len(content), "")
            cells = conform_release(sheet, name, source, snapshot, codes)
        except UnreadableError as error:
            refused += 1
            assert "file.csv" in str(error), f"{damage.__name__} {number}"
            continue
        result = f"{damage.__name__} {number} of {name}"
        assert cells["value"].drop_nulls().is_finite().all(), result
        assert set(cells["obs_status"].drop_nulls()) <= set(OBSERVATION_STATUSES), result
        sound = cells.filter(cells["fault"].is_null())
        assert {part for code in sound["place_code"] for part in code.split("+")} <= codes.system, result
        assert sound.select("measure", "place_code", "period_start", "period_end").is_unique().all(), result
    # A compressed file has a checksum, which detects nearly all damage.
    assert refused < TIMES or damage is packed_and_damaged


def packed(names: dict[str, bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in names.items():
            archive.writestr(name, body)
    return kept.getvalue()


@pytest.mark.parametrize(
    ("names", "member", "expected"),
    [
        (["a-2026.csv", "notes.txt"], "a-*.csv", "a-2026.csv"),
        (["a.csv"], None, "a.csv"),
        (["b.csv", "a.csv"], "a.csv", "a.csv"),
        (["a-2026.csv", "a-2025.csv"], "a-*.csv", "(2 match)"),
        (["notes.txt"], "a-*.csv", "(0 match)"),
        (["a.csv", "b.csv"], None, "one, or member: declared"),
        (["../a.csv"], None, "path outside the archive"),
        (["/etc/a.csv"], None, "path outside the archive"),
        (["C:\\a.csv"], None, "path outside the archive"),
        (["..\\a.csv"], None, "path outside the archive"),
    ],
)
def test_zip_member_is_selected_by_name_alone(names: list[str], member: str | None, expected: str) -> None:
    content = packed(dict.fromkeys(names, b"code,value\n"))
    try:
        assert unpack_file(content, member, "a.zip", "csv") == (b"code,value\n", f"a.zip/{expected}")
    except UnreadableError as error:
        assert expected in str(error)
