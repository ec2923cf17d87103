"""Parts of place pages: taken from a stored page only where it has the recorded content."""

from pathlib import Path

import polars as pl

from pipelines.core.store import hash_bytes, read_table
from pipelines.declarations.project import Project
from pipelines.outputs.freshness import page_parts_path, pages_path, place_page_path
from pipelines.outputs.place_parts import PAGE_PART, find_same_parts, read_page_parts, update_parts

CODE = "E09000024"
ROW, CHART = '<tr><th scope="row" id="m-a_b">1</th></tr>', '<figure id="t-a_b"><svg></svg></figure>'
OTHER = '<tr><th scope="row" id="m-a">2</th></tr>'
SECTION = '<section aria-labelledby="missing">\n<h2 id="missing">None</h2>\n</section>'
PAGE = f'<section aria-labelledby="known">{OTHER}\n{ROW}\n</section>{CHART}\n{SECTION}\n<p>é</p>'


def stored(home: Path, html: str = PAGE) -> str:
    """Store a page and return its hash."""
    path = place_page_path(home, CODE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(html.encode("utf-8"))
    return hash_bytes(html.encode("utf-8"))


def keys(**parts: int) -> pl.DataFrame:
    rows = [(CODE, name, number, 0) for name, number in parts.items()]
    return pl.DataFrame(rows, schema=PAGE_PART, orient="row")


def test_parts_are_cut_from_a_page_by_name(tmp_path: Path) -> None:
    sha256 = stored(tmp_path)
    assert read_page_parts(tmp_path, CODE, ["m-a_b", "missing"], sha256) == {
        "m-a_b": ROW, "t-a_b": CHART, "missing": SECTION
    }  # fmt: skip
    assert read_page_parts(tmp_path, CODE, ["m-a", "m-absent"], sha256) == {"m-a": OTHER}
    assert read_page_parts(tmp_path, CODE, [], sha256) == {}


def test_page_that_someone_changed_or_removed_has_no_part(tmp_path: Path) -> None:
    sha256 = stored(tmp_path)
    assert read_page_parts(tmp_path, CODE, ["m-a"], None) == {}
    stored(tmp_path, PAGE.replace(">1<", ">7<"))
    assert read_page_parts(tmp_path, CODE, ["m-a"], sha256) == {}
    place_page_path(tmp_path, CODE).unlink()
    assert read_page_parts(tmp_path, CODE, ["m-a"], sha256) == {}


def test_parts_with_equal_keys_are_the_same() -> None:
    assert find_same_parts(keys(a=1, b=2), keys(a=1, b=3, c=1)) == {CODE: ["a"]}
    assert find_same_parts(keys(a=1), PAGE_PART.to_frame()) == {}


def test_page_that_is_not_written_keeps_the_keys_of_its_parts() -> None:
    now, before = keys(a=1, b=2), keys(a=1, b=3)
    assert update_parts(now, before, []).equals(before)
    assert update_parts(now, before, [CODE]).equals(now)
    gone = before.with_columns(pl.lit("E00000000").alias("place_code"))
    assert update_parts(now, gone, [CODE]).equals(now)


def test_every_part_of_the_edition_is_found_in_its_page(small: Project) -> None:
    hashes = dict(read_table(pages_path(small)).select("place_code", "sha256").iter_rows())
    parts = read_table(page_parts_path(small)).group_by("place_code").agg("part")
    assert parts.height == len(hashes)
    for code, names in parts.iter_rows():
        page_parts = read_page_parts(small.home, code, names, hashes[code])
        # A page without neighbours and similar places has no section to compare.
        assert set(names) - {"compare"} <= set(page_parts)
