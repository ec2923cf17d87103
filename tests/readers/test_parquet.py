"""Parquet as text: nulls are blank, numbers keep their digits, and columns of few texts are read once each."""

import io
from typing import Any

import polars as pl
import pyarrow
import pytest
from pyarrow import parquet as arrow

from pipelines.core.errors import UnreadableError
from pipelines.readers import parquet
from pipelines.readers.parquet import BYTES_OF_AN_ENTRY, FEW_TEXTS, read_parquet

CODE = [("code", "area")]


def write(frame: pl.DataFrame, **said: Any) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content, **said)
    return content.getvalue()


def read(frame: pl.DataFrame, *, encode: bool = False, required: Any = CODE, **said: Any) -> pl.DataFrame:
    sheet = read_parquet(write(frame, **said), required, "a.parquet", encode=encode)
    assert sheet.file == "a.parquet" and not sheet.skipped_rows
    return sheet.frame


def test_rows_are_text_and_numbered_from_one() -> None:
    frame = pl.DataFrame({
        "code": [" E1 ", None, "E\x1b3"], "n": [1, None, -3], "f": [0.1, 1e16, None], "b": [True, None, False],
    })  # fmt: skip
    assert read(frame).rows() == [
        ("E1", "1", "0.1", "true", 1), ("", "", "1e+16", "", 2), ("E\\x1b3", "-3", "", "false", 3)
    ]  # fmt: skip
    assert read(frame).schema == pl.Schema([*dict.fromkeys(frame.columns, pl.String).items(), ("_row", pl.Int64)])
    none = read(frame.clear())
    assert none.is_empty() and none.columns == [*frame.columns, "_row"]


@pytest.mark.parametrize("cells", [[[1, 2], [3]], [{"x": 1.5}, None]])
def test_column_with_several_values_in_a_cell_is_named(cells: list[Any]) -> None:
    with pytest.raises(
        UnreadableError, match=r"^a\.parquet: found column 'box' with several values in a cell \((List|Str)"
    ):
        read(pl.DataFrame({"code": ["E1", "E2"], "box": cells}))


def test_file_without_the_headings_is_refused() -> None:
    assert read(pl.DataFrame({"area": ["E1"]}))["area"].to_list() == ["E1"]
    with pytest.raises(UnreadableError, match="found columns place; expected also code or area"):
        read(pl.DataFrame({"place": ["E1"]}))


def test_column_with_the_name_of_the_row_number_is_not_read() -> None:
    frame = pl.DataFrame({"code": ["E1", "E2"], "_row": [77, 78]})
    assert read(frame).rows() == [("E1", 1), ("E2", 2)]
    with pytest.raises(UnreadableError, match="found columns code; expected also _row"):
        read(frame, required=[("code",), ("_row",)])


def test_declared_heading_in_two_spellings_is_refused() -> None:
    with pytest.raises(UnreadableError, match="found heading 'code' twice, in columns 1 and 3"):
        read(pl.DataFrame({"code": ["E1"], "n": [1], " code": ["E2"]}))
    assert read(pl.DataFrame({"code": ["E1"], "n": [1], "n ": [2]})).rows() == [("E1", "1", "2", 1)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"code\nE1\n"])
def test_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError, match="not a Parquet file, or damaged"):
        read_parquet(content, CODE, "a.parquet")


def test_rows_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parquet.PARQUET_ROWS_LIMIT == 10_000_000
    monkeypatch.setattr(parquet, "PARQUET_ROWS_LIMIT", 3)
    assert read(pl.DataFrame({"code": ["E1"] * 3})).height == 3
    with pytest.raises(UnreadableError, match="found over 3 rows, which is the limit"):
        read(pl.DataFrame({"code": ["E1"] * 4}))


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["E1", "E2"])])
def test_column_has_few_texts_from_eight_rows_for_each(dtype: Any) -> None:
    """The texts are categories only where asked for; they are the same texts either way."""
    for rows, is_few in ((FEW_TEXTS * 2 - 1, False), (FEW_TEXTS * 2, True), (FEW_TEXTS * 2 + 1, True)):
        texts = [f"E{n % 2 + 1}" for n in range(rows)]
        frame = pl.DataFrame({"code": pl.Series(texts, dtype=dtype), "n": [1] * rows})
        encoded, plain = read(frame, encode=True), read(frame)
        assert (encoded["code"].dtype == pl.Categorical) == is_few and plain["code"].dtype == pl.String
        assert encoded["code"].to_list() == plain["code"].to_list() == texts
        assert encoded["n"].dtype == pl.String, "a number is no text"
    assert FEW_TEXTS == 8
    assert read_parquet(write(frame), CODE, "a.parquet").frame["code"].dtype == pl.String, "by default as text"


def dictionary_columns(table: pyarrow.Table, **said: Any) -> list[str]:
    content = io.BytesIO()
    arrow.write_table(table, content, **said)
    return parquet._list_dictionary_columns(arrow.ParquetFile(io.BytesIO(content.getvalue())).metadata)


def test_only_columns_of_texts_in_fewer_bytes_than_an_entry_are_read_as_a_dictionary() -> None:
    rows = 1_000
    table = pyarrow.table({
        "code": [f"place {n % 3}" for n in range(rows)], "own": [f"a text of row {n}" for n in range(rows)],
        "n": [1] * rows, "parts": [["a"]] * rows, "within": [{"code": "a"}] * rows,
    })  # fmt: skip
    assert dictionary_columns(table) == ["code"]
    assert dictionary_columns(table, use_dictionary=False) == []
    assert dictionary_columns(table, row_group_size=400) == ["code"]
    assert BYTES_OF_AN_ENTRY == 4


def test_column_that_the_file_has_as_a_dictionary_is_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    opened = arrow.ParquetFile
    monkeypatch.setattr(arrow, "ParquetFile", lambda *given, **more: asked.append(more) or opened(*given, **more))
    frame = pl.DataFrame({"code": ["E1", "E2", None] * 1_000, "own": [f"text {n}" for n in range(3_000)]})
    assert read(frame).select("code", "own").equals(frame.fill_null(""))
    assert asked == [{}, {"read_dictionary": ["code"]}]


def test_bytes_of_a_column_are_the_sum_over_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pyarrow.table({"code": [f"place {n % 3}" for n in range(1_000)]})
    content = io.BytesIO()
    arrow.write_table(table, content, row_group_size=250)
    metadata = arrow.ParquetFile(io.BytesIO(content.getvalue())).metadata
    sizes = [metadata.row_group(n).column(0).total_uncompressed_size for n in range(4)]
    for bytes_of_an_entry, asked in ((sum(sizes) / 1_000, []), ((sum(sizes) + 1) / 1_000, ["code"])):
        monkeypatch.setattr(parquet, "BYTES_OF_AN_ENTRY", bytes_of_an_entry)
        assert parquet._list_dictionary_columns(metadata) == asked
