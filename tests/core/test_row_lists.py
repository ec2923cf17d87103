"""Rows printed as lists: the same characters as from Rich's own table."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.core.export import _add_rows_as_lists
from pipelines.core.row_lists import RowLists, can_list

NOTE = "first 60 of 361 rows; --format csv gives all"
WORDS = st.text(st.sampled_from("ab c-é中\t\n[]:/"), max_size=120) | st.sampled_from(["", "·", "Siop y Groes " * 9])


def printed(item: RenderableType, width: int, is_terminal: bool) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=is_terminal, legacy_windows=False)
    console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def by_rich(names: list[str], rows: list[list[Text]], width: int) -> Table:
    return _add_rows_as_lists(Table(caption=NOTE, caption_justify="left", show_lines=False, width=width), names, rows)


@given(
    st.lists(
        st.sampled_from(["place_name", "x", "evidence", "a_long_name_of_a_column"]), min_size=1, max_size=4
    ).flatmap(
        lambda names: st.tuples(st.just(names), st.lists(st.tuples(*(WORDS for _ in names)), min_size=1, max_size=4))
    ),
    st.integers(40, 100),
    st.booleans(),
)
def test_lists_are_those_of_rich(table: tuple[list[str], list[tuple[str, ...]]], width: int, is_terminal: bool) -> None:
    names, rows = table[0], [[Text(value) for value in row] for row in table[1]]
    assert can_list(names, rows, width)
    own = printed(RowLists(names, rows, width, NOTE), width, is_terminal)
    assert own == printed(by_rich(names, rows, width), width, is_terminal)


@pytest.mark.parametrize(
    ("names", "rows", "width"),
    [([], [], 80), (["a"], [], 80), (["[bold]a"], [["b"]], 80), (["a:b"], [["b"]], 80), (["é"], [["b"]], 80),
     (["long" * 16], [["b"]], 80)],
)  # fmt: skip
def test_other_tables_are_left_to_rich(names: list[str], rows: list[list[str]], width: int) -> None:
    assert not can_list(names, [[Text(value) for value in row] for row in rows], width)
