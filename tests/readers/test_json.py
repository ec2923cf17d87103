"""Lists of JSON objects and JSON-stat datasets: every value at its own categories, with its published digits."""

import json
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.core.limits import MEMORY
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.json import read_json, read_records

CODE = [("code",)]


def read(content: str, required: Any = CODE, kind: Any = "json") -> pl.DataFrame:
    sheet = read_records(content.encode(), FileLayout(format=kind), required, "a.json")
    assert sheet.file == "a.json" and sheet.preamble == () and sheet.ragged_rows == ()
    return sheet.frame


def test_records_are_rows_of_text_with_their_published_digits() -> None:
    frame = read('[{"code": " E1 ", "n": 1.50}, {"n": 1E5, "code": "E2", "x": null}, {"code": null, "y": [1, "é"]}]')
    assert frame.columns == ["code", "n", "x", "y", "_row"]
    assert frame.rows() == [("E1", "1.50", "", "", 1), ("E2", "1E5", "", "", 2), ("", "", "", '["1", "é"]', 3)]
    assert read('[{"code": true, "_row": 7, " ": 1, "n": NaN}]').rows() == [("true", "NaN", 1)]
    assert read('[{"code": "a\\u001bb"}]').rows() == [("a\\x1bb", 1)]


def test_declared_heading_in_two_spellings_is_refused() -> None:
    content = '[{"code": "E1", "n": 1, "n ": 2}]'
    assert read(content).rows() == [("E1", "1", "2", 1)]
    with pytest.raises(UnreadableError, match="found heading 'n' twice, in columns 2 and 3"):
        read(content, [("code",), ("n",)])


def test_longest_list_with_the_headings_is_read() -> None:
    long = [{"x": n} for n in range(5)]
    data = {"meta": long, "a": {"few": [{"code": "E1"}], "many": [{"code": "E2"}, {"code": "E3"}]}}
    assert read(json.dumps(data))["code"].to_list() == ["E2", "E3"]
    assert read(json.dumps({"b": [{"code": "E1"}, {"n": 1}], "c": long}))["code"].to_list() == ["E1", ""]
    with pytest.raises(UnreadableError, match="found columns x; expected also code"):
        read(json.dumps({"c": long, "d": [{"y": 1}]}))


def test_list_inside_a_record_or_with_other_entries_is_no_table() -> None:
    assert read('[{"code": "E1", "parts": [{"code": "E2"}, {"code": "E3"}]}]')["code"].to_list() == ["E1"]
    assert read('{"a": [1, {"code": "E2"}], "b": [{"code": "E1"}], "c": []}')["code"].to_list() == ["E1"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"b": 1, "a": [1]}', "found dict with a, b, expected a list of objects"),
        ("[1, 2]", "found list, expected a list of objects"),
        ('[{"code": "E1"}, 2]', "found list, expected a list of objects"),
        ('"code"', "found str, expected"),
        ("[]", "found columns none; expected also code"),
        ("[{", "not JSON, or truncated"),
        ("[" * 100_000, "not JSON, or truncated"),
        (json.dumps({f"k{n}": n for n in range(9)}), "found dict with k0, k1, k2, k3, k4, k5, k6, k7, expected"),
    ],
)
def test_other_json_is_refused_with_what_was_found(content: str, complaint: str) -> None:
    with pytest.raises(UnreadableError, match=complaint):
        read(content)


def test_cells_are_limited_by_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of text takes 20 bytes: one megabyte has 50,000 of them."""
    monkeypatch.setenv(MEMORY, "1")
    monkeypatch.setattr("pipelines.readers.json.read_limit", lambda _: 400)
    assert read(json.dumps([{"code": 1, "n": 2}] * 25_000)).height == 25_000
    with pytest.raises(UnreadableError, match="found over 50,000 cells, more than the memory allows"):
        read(json.dumps([{"code": 1, "n": 2}] * 25_001))
    most = stat([8_333, 1], values="7")
    assert read(most, kind="jsonstat").height == 8_333, "two columns for each dimension, and two more"
    for sizes in ([8_334, 1], [1, 8_334]):
        with pytest.raises(UnreadableError, match="found over 50,000 cells"):
            read(stat(sizes, values="7"), kind="jsonstat")


def test_reading_takes_no_more_memory_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(more: int) -> None:
        asked.append(more)
        raise MemoryError

    monkeypatch.setattr("pipelines.readers.json.limit_memory", refuse)
    with pytest.raises(UnreadableError, match=r"a\.json: needs too much memory"):
        read_json(b"[]", "a.json")
    assert asked == [400_000_000]


def stat(sizes: list[int], values: Any, **said: Any) -> str:
    """Write a dataset of areas by years; categories are E0, E1, … and 2020, 2021, …"""
    firsts = {"code": ("E", 0), "year": ("", 2020), "sex": ("s", 0)}
    names = list(firsts)[: len(sizes)]
    dimension = {
        name: {"category": {"index": [f"{start}{first + n}" for n in range(size)]}}
        for name, size in zip(names, sizes, strict=True) for start, first in [firsts[name]]
    }  # fmt: skip
    return json.dumps({"id": names, "size": sizes, "dimension": dimension, "value": values, **said})


def test_values_are_in_the_order_of_the_dimensions_last_one_first() -> None:
    frame = read(stat([2, 3], [1, 2, 3, 4.50, None, "6"]), kind="jsonstat")
    assert frame.columns == ["code", "code label", "year", "year label", "value", "status", "_row"]
    assert frame.select("code", "year", "value", "_row").rows() == [
        ("E0", "2020", "1", 1), ("E0", "2021", "2", 2), ("E0", "2022", "3", 3),
        ("E1", "2020", "4.5", 4), ("E1", "2021", "", 5), ("E1", "2022", "6", 6),
    ]  # fmt: skip
    cube = read(stat([2, 3, 2], list(range(12))), kind="jsonstat")
    assert [(row["code"], row["year"], row["sex"]) for row in cube.to_dicts()] == [
        (f"E{a}", f"{2020 + b}", f"s{c}") for a in range(2) for b in range(3) for c in range(2)
    ]
    assert cube["value"].to_list() == [str(n) for n in range(12)]


def test_values_and_statuses_may_be_sparse_or_one_for_all() -> None:
    frame = read(stat([2, 2], {"3": 7, "0": 1}, status={"1": "c"}), kind="jsonstat")
    assert frame["value"].to_list() == ["1", "", "", "7"] and frame["status"].to_list() == ["", "c", "", ""]
    one = read(stat([2, 1], [1, 2], status="p"), kind="jsonstat")
    assert one["status"].to_list() == ["p", "p"]
    none = read(stat([2, 1], [], status=[]), kind="jsonstat")
    assert none["value"].to_list() == none["status"].to_list() == ["", ""]
    assert read(stat([2, 1], [1, 2], status=["a", None]), kind="jsonstat")["status"].to_list() == ["a", ""]
    empty = read(stat([0, 2], []), kind="jsonstat")
    assert empty.is_empty() and empty.columns[:3] == ["code", "code label", "year"]


def test_categories_are_in_the_order_of_their_index() -> None:
    """An index by position may be in any order; a category without a label has its code as the label."""
    dimension = {
        "code": {"category": {"index": {"E9": 1, "E2": 0, "E10": 10}, "label": {"E9": "Nine", "E2": "Two"}}},
        "year": {"category": {"label": {"2020": "Year 2020"}}},
    }
    frame = read(stat([3, 1], [1, 2, 3], dimension=dimension), kind="jsonstat")
    assert frame.drop("status", "_row").rows() == [
        ("E2", "Two", "2020", "Year 2020", "1"), ("E9", "Nine", "2020", "Year 2020", "2"),
        ("E10", "E10", "2020", "Year 2020", "3"),
    ]  # fmt: skip


TWICE = {"code": {"category": {"index": ["E1", "E1"]}}, "year": {"category": {"index": ["2020"]}}}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (stat([2, 1], [1, 2, 3]), r"found 3 values for dimensions of \[2, 1\]"),
        (stat([2, 1], [1]), "found 1 values"),
        (stat([2, 1], [1, 2], size=[1, 2]), "found 2 values"),
        (stat([2, 1], [1, 2], size=[2]), "found 2 values"),
        (stat([2, 1], {"2": 1}), "a value has no valid position"),
        (stat([2, 1], {"-1": 1}), "a value has no valid position"),
        (stat([2, 1], {"first": 1}), "not a JSON-stat dataset"),
        (stat([2, 1], [1, 2], dimension=TWICE), "found a category twice"),
        (stat([2, 1], [1, 2], dimension={}), "not a JSON-stat dataset"),
        ("[]", "not a JSON-stat dataset"),
        ('{"code": 1}', r"not a JSON-stat dataset \(KeyError\('id'\)\)"),
    ],
)
def test_dataset_that_contradicts_itself_is_refused(content: str, complaint: str) -> None:
    with pytest.raises(UnreadableError, match=complaint):
        read(content, kind="jsonstat")


def test_dataset_without_the_declared_heading_is_refused() -> None:
    with pytest.raises(UnreadableError, match="expected also area"):
        read(stat([1], [1]), [("area",)], "jsonstat")
    assert read(stat([1], [1]), [("code label",)], "jsonstat").rows() == [("E0", "E0", "1", "", 1)]
