"""Codes and names that a source is read with, and the parts of a file with many cells."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.core.snapshots import Snapshot
from pipelines.core.table_cache import forget_tables
from pipelines.declarations.corrections import Correction
from pipelines.declarations.source import Source
from pipelines.geography import GeographyPlaces, Places
from pipelines.observations import ingest
from pipelines.observations.conform import Codes
from pipelines.observations.ingest import (
    OpenRelease,
    ReadingContext,
    load_codes,
    read_reviewed_names,
    split_by_measures,
)
from pipelines.readers import Sheet

OAK, ASH, OLD = "E07000001", "E07000002", "E07000009"


def place(code: str, name: str, last: date | None = None) -> dict[str, Any]:
    return {"place_code": code, "place_name": name, "kind": "lad", "valid_from": date(2009, 4, 1), "valid_to": last}


def register(*more: dict[str, Any]) -> Places:
    rows = [place(OAK, "Oak"), place(OAK, "Former Oak"), place(ASH, "Ash"), place(OLD, "Old", date(2015, 3, 31)), *more]
    return Places(table_from_records(rows, PLACE_COLUMNS), empty_table(CODE_CHANGE_COLUMNS))


def declared(columns: dict[str, Any], **said: Any) -> Source:
    measures = said.pop("measures", {"n": {"title": "t", "unit": "homes", "kind": "count", "column": "n"}})
    return Source.model_validate({
        "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
        "columns": {"period": "year", **columns}, "measures": measures, **said,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("source", "reads_names"),
    [
        (declared({"place": "code"}), False), (declared({"place": "code", "label": "name"}), True),
        (declared({"label": "name"}), True), (declared({}, place="E92000001"), False),
    ],
)  # fmt: skip
def test_names_are_loaded_for_files_with_names(source: Source, reads_names: bool, tmp_path: Path) -> None:
    codes = load_codes(source, register(), tmp_path / "none.csv")
    assert codes.system == {OAK, ASH}
    assert bool(codes.names) is reads_names
    assert ({"oak", "former oak", "ash"} <= {name.casefold() for name in codes.names}) is reads_names
    assert "old" not in {name.casefold() for name in codes.names}


def test_geography_that_is_given_is_read_instead_of_the_register(tmp_path: Path) -> None:
    places = register()
    given = GeographyPlaces("lad_2024", places.register.filter(pl.col("place_code") == ASH), frozenset({"E07000077"}))
    codes = load_codes(declared({"place": "code"}), places, tmp_path / "none.csv", given)
    assert codes.system == {ASH}
    assert codes.ever["E07000077"] == "lad" and codes.ever[OLD] == "lad"


def test_codes_of_a_geography_are_kept_while_the_register_and_its_areas_are_the_same(tmp_path: Path) -> None:
    source, places, none = declared({"place": "code", "label": "name"}), register(), tmp_path / "none.csv"
    system = GeographyPlaces("lad_2023", places.register.head(3), frozenset())
    first = load_codes(source, places, none, system)
    assert load_codes(source, places, none, system._replace(places=system.places.clone())) is first
    # The next step of a build has the memory for something else.
    forget_tables()
    assert load_codes(source, places, none, system) is not first
    other = load_codes(source, places, none, system._replace(other_codes=frozenset({"E07000077"})))
    assert other is not first and "E07000077" in other.ever
    assert load_codes(source, places, none, system._replace(places=system.places.head(1))).system == {OAK}
    newer = register(place(ASH, "New Ash"))
    assert "new ash" in {name.casefold() for name in load_codes(source, newer, none, system).names}
    # A source without names has codes of its own.
    assert not load_codes(declared({"place": "code"}), newer, none, system).names


def test_reviewed_names_of_a_source_are_added(tmp_path: Path) -> None:
    table = tmp_path / "s.names.csv"
    table.write_text("label,place_code,note\nOakham,E07000001,a former name\nThe Ashes,E07000002,\n")
    assert read_reviewed_names(table) == {"Oakham": OAK, "The Ashes": ASH}
    codes = load_codes(declared({"label": "name"}), register(), table)
    assert (codes.names["oakham"], codes.names["ashes"], codes.names["ash"]) == (OAK, ASH, ASH)
    assert read_reviewed_names(tmp_path / "none.csv") == {}
    table.write_text("label,code\nOakham,E07000001\n")
    with pytest.raises(UnreadableError, match=r"found columns label, code.*; expected place_code$"):
        read_reviewed_names(table)


FILTERED = {name: {"title": "t", "unit": "homes", "kind": "count", "column": "n", "filter": {"item": name}}
            for name in ("b", "a", "d", "c")}  # fmt: skip
ROWS = {"a": 3, "b": 2, "c": 4, "d": 0}


def opened(source: Source) -> OpenRelease:
    items = [name for name, rows in ROWS.items() for _ in range(rows)]
    frame = pl.DataFrame({"_row": range(2, 2 + len(items)), "item": items, "code": OAK, "year": "2020", "n": "1"})
    corrections = tuple(Correction.model_construct(measure=name, place_code=OAK) for name in ("a", "c", "c", "other"))
    context = ReadingContext("s", source, Codes(frozenset(), {}, {}), Path("s.py"), register().register, corrections)
    snapshot = Snapshot("s", "r", date(2024, 1, 1), "", "", "", "s.csv", 1, "l")
    return OpenRelease(context, snapshot, Sheet(frame, "s.csv", (), 7, ("unused",)))


def parts_of(most: int, monkeypatch: pytest.MonkeyPatch, source: Source) -> list[list[str]]:
    monkeypatch.setattr(ingest, "MOST_CELLS", most)
    return [list(part.context.source.measures) for part in split_by_measures(opened(source))]


@pytest.mark.parametrize(
    ("most", "parts"),
    [
        (36, [["b", "a", "d", "c"]]), (35, [["b", "a", "d", "c"]]), (8, [["b", "a"], ["d", "c"]]),
        (5, [["b", "a"], ["d", "c"]]), (4, [["a"], ["b"], ["d", "c"]]), (6, [["b", "a"], ["d", "c"]]),
        (1, [["a"], ["b"], ["d", "c"]]),
    ],
)  # fmt: skip
def test_measures_are_read_together_up_to_the_most_cells(
    most: int, parts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine rows of four measures are 36 cells, of which 3, 2, 4 and 0 are the rows of a, b, c and d."""
    assert [set(part) for part in parts_of(most, monkeypatch, declared({"place": "code"}, measures=FILTERED))] == [
        set(part) for part in parts
    ]


def test_file_with_as_many_cells_as_are_read_together_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    release = opened(declared({"place": "code"}, measures=FILTERED))
    monkeypatch.setattr(ingest, "MOST_CELLS", 36)
    assert split_by_measures(release)[0] is release


def test_file_with_measures_that_depend_on_others_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for more in ({"numerator": "b"}, {"denominator": "b"}):
        rate = {"a": {**FILTERED["a"], "kind": "rate", **more}, "b": FILTERED["b"]}
        if "denominator" not in more:
            rate["a"]["denominator"] = "b"
        assert len(parts_of(1, monkeypatch, declared({"place": "code"}, measures=rate))) == 1
    plain = {name: FILTERED[name] for name in ("a", "b")}
    assert len(parts_of(1, monkeypatch, declared({"place": "code"}, measures=plain))) == 2


def test_first_part_states_what_belongs_to_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MOST_CELLS", 1)
    first, second, third = split_by_measures(opened(declared({"place": "code"}, measures=FILTERED)))
    assert (first.sheet.skipped_rows, first.sheet.unmatched_declarations) == (7, ("unused",))
    for part in (second, third):
        assert (part.sheet.skipped_rows, part.sheet.unmatched_declarations) == (0, ())
    measures = [[item.measure for item in part.context.corrections] for part in (first, second, third)]
    assert measures == [["a"], [], ["c", "c"]]
    assert first.sheet.frame.height == second.sheet.frame.height == 9
