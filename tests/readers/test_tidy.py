"""The tidy() of a source: its frame in place of the file's, with blanks for nulls, and its faults named."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.readers.header import Sheet
from pipelines.readers.tidy import tidy_sheet

SHEET = Sheet(pl.DataFrame({"code": ["E1", "E2"], "_row": [2, 3]}), "a.csv", ("Title",), 4, ("no row",), (3,))


def test_file_without_tidy_is_as_it_was_read(tmp_path: Path) -> None:
    assert tidy_sheet(SHEET, tmp_path / "none.py") is SHEET


def test_tidy_changes_the_frame_alone_and_its_nulls_are_blank(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import polars as pl\n"
        "def tidy(frame):\n"
        "    twice = pl.when(pl.col('_row') > 2).then(pl.col('code') + pl.col('code'))\n"
        "    return frame.with_columns(twice.alias('again'), pl.lit(None, pl.Int64).alias('n')).reverse()\n",
        encoding="utf-8",
    )
    made = tidy_sheet(SHEET, path)
    assert made.frame.rows() == [("E2", 3, "E2E2", None), ("E1", 2, "", None)]
    assert made._replace(frame=SHEET.frame) == SHEET


@pytest.mark.parametrize("line", ["frame.select('none')", "{}['none']", "int('x')"])
def test_tidy_that_fails_names_the_file_and_itself(line: str, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(f"def tidy(frame):\n    return {line}\n", encoding="utf-8")
    with pytest.raises(UnreadableError, match=r"a\.csv: a\.py could not reshape it .*may have changed the layout"):
        tidy_sheet(SHEET, path)


def test_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("def tidy(frame): ...\n", encoding="utf-8")
    with pytest.raises(UnreadableError, match="can't be loaded as Python"):
        tidy_sheet(SHEET, path)
