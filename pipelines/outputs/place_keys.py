"""Keys of place pages: hashes of the rows that a page shows, so that a build composes only pages with other rows.

A page also compares its figures with others of the same measure. So its key has all stored figures of each measure that
it shows. Each part of a page has a key of its own, so that a build renders only the parts with other rows.
"""

from collections.abc import Mapping

import polars as pl

from pipelines.declarations.fingerprints import hash_texts, program_key
from pipelines.declarations.project import Project
from pipelines.outputs.freshness import declaration_keys
from pipelines.outputs.place_brief import BriefFacts
from pipelines.outputs.place_context import NO_FACTS, PlaceContext
from pipelines.outputs.place_pages import PageRows
from pipelines.outputs.place_parts import PAGE_PART, Parts


def hash_groups(rows: pl.DataFrame, column: str) -> dict[str, str]:
    """Hash the rows of each entry of a column. Their order has no effect.

    The hashes of rows are added, by two seeds, because sorting them takes longer than all the rest.
    """
    hashed = rows.select(column, *(rows.hash_rows(seed).alias(f"hash_{seed}") for seed in _SEEDS))
    groups = hashed.group_by(column).agg(pl.len(), *(pl.col(f"hash_{seed}").sum() for seed in _SEEDS))
    return {entry: " ".join(map(str, numbers)) for entry, *numbers in groups.iter_rows()}


_SEEDS = (1, 2)


def common_key(project: Project, problems: list[str], people_title: str, names: Mapping[str, str]) -> str:
    """Return the key of what all pages share: code, declarations, and names of places by code."""
    groups = [item.model_dump_json() for item in project.catalogue.partnerships.values()]
    return hash_texts(
        program_key("outputs"), people_title, *declaration_keys(project, problems), *groups, str(sorted(names.items()))
    )


def key_places(rows: PageRows, context: PlaceContext, common: str) -> dict[str, str]:
    """Return the key of what all parts of a place's page share: the place, its facts, and what all pages share."""
    places = hash_groups(rows.places, "place_code")
    return {
        code: hash_texts(common, places[code], repr(context.facts.get(code, NO_FACTS)))
        for code in rows.places["place_code"]
    }


def list_shown_measures(rows: PageRows) -> pl.DataFrame:
    """List the measures that each page shows, also in place of others: place_code, measure."""
    instead = rows.figures.select("place_code", pl.col("proxy_measure").alias("measure")).drop_nulls()
    return rows.figures.select("place_code", "measure").vstack(instead)


def list_new_measures(rows: PageRows, rendered: Mapping[str, Parts]) -> set[str]:
    """List the measures, also in place of others, that any page shows in a part that is not rendered yet."""
    shown = rows.figures.select("place_code", "measure", "proxy_measure").iter_rows()
    new = [(name, proxy) for code, name, proxy in shown if f"m-{name}" not in rendered.get(code, ())]
    return {name for names in new for name in names if name}


def key_pages(
    rows: PageRows, facts: BriefFacts, measure_keys: Mapping[str, str], place_keys: Mapping[str, str]
) -> dict[str, str]:
    """Return the key of each place's page.

    `measure_keys` has the hash of all figures of each measure over time, and `place_keys` those of `key_places`.
    """
    parts = [hash_groups(table, "place_code") for table in (rows.verdicts, rows.figures, rows.gaps, rows.people)]
    measures = list_shown_measures(rows).group_by("place_code").agg(pl.col("measure").unique().sort())
    by_place = dict(measures.iter_rows())
    return {
        code: hash_texts(
            place_key, *(part.get(code, "") for part in parts),
            *(measure_keys.get(name, "") for name in by_place.get(code, ())),
            *map(repr, (facts.revisions.get(code), facts.borders.get(code))),
        )
        for code, place_key in place_keys.items()
    }  # fmt: skip


def key_parts(rows: PageRows, measure_keys: Mapping[str, str], place_keys: Mapping[str, str]) -> pl.DataFrame:
    """Return the key of each part of the pages (place_parts.PAGE_PART): the rows that it shows, in their order."""
    keys = [
        pl.col(name).replace_strict(measure_keys, default="", return_dtype=pl.String).alias(f"key of {name}")
        for name in ("measure", "proxy_measure")
    ]
    measures = rows.figures.with_columns(*keys, pl.format("m-{}", "measure").alias("part"))
    sections = [
        table.with_columns(pl.lit(part).alias("part"), pl.int_range(pl.len()).over("place_code").alias("number"))
        for part, table in (("answers", rows.verdicts), ("missing", rows.gaps), ("compare", rows.places))
    ]
    hashed = pl.concat([_hash_parts(table, place_keys) for table in (measures, *sections)])
    return hashed.group_by("place_code", "part", maintain_order=True).agg(pl.col(_HASHES).sum())


def _hash_parts(rows: pl.DataFrame, place_keys: Mapping[str, str]) -> pl.DataFrame:
    """Return PAGE_PART for each row of a table with place_code and part."""
    place = pl.col("place_code").replace_strict(place_keys, default="", return_dtype=pl.String)
    keyed = rows.with_columns(place.alias("key of place_code"))
    hashes = [keyed.hash_rows(seed).alias(name) for seed, name in zip(_SEEDS, _HASHES, strict=True)]
    return keyed.select("place_code", "part", *hashes).cast(PAGE_PART)


_HASHES = PAGE_PART.names()[2:]
