"""Damaged files of every format, some of the 10,000 in `benchmarks/fuzz.py`, and random bytes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.mutations import CODES, Sample, make_samples, read_damaged, read_result
from pipelines.readers.read import read_sheet

FILES = 4 * settings.default.max_examples  # type: ignore[union-attr]
SOUND = make_samples()


@pytest.mark.parametrize("kind", sorted(SOUND))
def test_undamaged_file_is_read_completely(kind: str) -> None:
    source, content = SOUND[kind]
    assert read_sheet(content, source, "a.file").frame.height == len(CODES.system)
    assert read_result(source, content) == (False, "")


def test_damaged_file_gives_a_correct_table_or_a_refusal() -> None:
    endings = [read_damaged(seed, SOUND) for seed in range(FILES)]
    assert [item for item in endings if item.fault] == []
    # The damage has an effect, and some damaged files are still readable.
    assert FILES / 10 < sum(item.refused for item in endings) < FILES


@settings(suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(sorted(SOUND)), content=st.binary(max_size=300))
def test_random_bytes_give_a_correct_table_or_a_refusal(kind: str, content: bytes) -> None:
    assert read_result(SOUND[kind].source, content)[1] == ""


CELL = st.text(st.sampled_from('ab1,"\n\r \t\u00a0é'), max_size=5)


@given(cells=st.lists(st.tuples(CELL, CELL), max_size=6))
def test_quoted_text_is_read_unchanged(cells: list[tuple[str, str]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    # The first cell is not blank, because a blank row ends the table.
    lines = [f"x,{quoted(left)},{quoted(right)}" for left, right in cells]
    source = Sample(*SOUND["csv"]).source.model_copy(update={"headings": (("key",), ("left",), ("right",))})
    frame = read_sheet("\n".join(["key,left,right", *lines, "x,y,z"]).encode(), source, "a.csv").frame

    def plain(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\r", "\n").strip()

    assert frame.select("left", "right").rows()[:-1] == [(plain(left), plain(right)) for left, right in cells]
    assert frame["_row"].to_list() == list(range(2, len(cells) + 3))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('code,name,year,stock\nE09000001,"Merton,2023,7\nE09000002,Sutton,2023,0\n', "row 2 has a quotation mark"),
        ('code,name,year,stock\nE09000001,"a,2023,7\nE09000002,"b",2023,0\n', "row 2 has a quotation mark"),
    ],
)
def test_unclosed_quotation_mark_does_not_hide_rows(text: str, complaint: str) -> None:
    refused, fault = read_result(SOUND["csv"].source, text.encode())
    assert (refused, fault) == (True, "")
    with pytest.raises(Exception, match=complaint):
        read_sheet(text.encode(), SOUND["csv"].source, "a.file")


def test_quotation_mark_inside_a_field_is_part_of_the_text() -> None:
    text = b'code,name,year,stock\nE09000001,5" disk,2023,7\nE09000002,the "old" town,2023,0\n'
    frame = read_sheet(text, SOUND["csv"].source, "a.file").frame
    assert frame["name"].to_list() == ['5" disk', 'the "old" town']
