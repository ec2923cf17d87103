"""Parts of place pages that a build takes from the page of the last build, because their inputs are the same.

A part is the row of a measure with its chart, or a section. The table PAGE_PART has the key of each part of each page.
A page that someone changed has no part to take.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl
from markupsafe import Markup

from pipelines.core.store import hash_bytes
from pipelines.outputs.freshness import place_page_path

PAGE_PART = pl.Schema({"place_code": pl.String, "part": pl.String, "first_hash": pl.UInt64, "second_hash": pl.UInt64})
"""A part of a place page, and the hashes of its inputs. Parts are named as in the page: m-claimant_rate, missing."""
Parts = Mapping[str, Markup]
"""Parts of a page by name. A measure has a row, such as m-claimant_rate, and with a trend a chart, t-claimant_rate."""
_EDGES = (
    ('<tr><th scope="row" id="m-', "</tr>", "m-"),
    ('<figure id="t-', "</figure>", "t-"),
    ('<section aria-labelledby="', "</section>", ""),
)
"""How each kind of part begins and ends, and what precedes its name. None contains another of its kind."""


def find_same_parts(parts: pl.DataFrame, before: pl.DataFrame) -> dict[str, list[str]]:
    """Return by place the names of the parts with the keys of the last build. Takes PAGE_PART of both builds."""
    same = parts.join(before, on=PAGE_PART.names(), how="semi").group_by("place_code").agg("part")
    return dict(same.iter_rows())


def read_page_parts(home: Path, code: str, names: Iterable[str], sha256: str | None) -> Parts:
    """Return the parts of a stored page with these names, and the charts of these measures.

    Empty where the page has not the recorded hash.
    """
    wanted, path = set(names), place_page_path(home, code)
    content = path.read_bytes() if wanted and path.is_file() else b""
    if hash_bytes(content) != sha256:
        return {}
    wanted |= {f"t-{name[2:]}" for name in wanted if name.startswith("m-")}
    return {name: Markup(part) for name, part in _cut_page(content.decode("utf-8")) if name in wanted}


def _cut_page(html: str) -> Iterator[tuple[str, str]]:
    """Cut the parts out of a page, with their names."""
    for opening, closing, prefix in _EDGES:
        for text in html.split(opening)[1:]:
            name = prefix + text[: text.index('"')]
            yield name, f"{opening}{text[: text.index(closing)]}{closing}"


def update_parts(parts: pl.DataFrame, before: pl.DataFrame, written: Iterable[str]) -> pl.DataFrame:
    """Return PAGE_PART of the pages as they are stored: those written have new keys, and the others those of before."""
    is_written = pl.col("place_code").is_in(list(written))
    others = before.join(parts, on="place_code", how="semi").filter(~is_written)
    return pl.concat([parts.filter(is_written), others])
