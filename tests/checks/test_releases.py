"""What a publisher said of a whole release, and what the declaration asks for in vain."""

from datetime import date
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from checks.releases import find_recalled_release, find_unmatched_texts
from tests.checks.releases_read import findings_of, read_of

RECALL = {"reason": "wrong", "when": date(2024, 6, 1), "link": "https://example.org/recall"}


RECALLED, ANOTHER = "abc" + "0" * 61, "abd" + "0" * 61
SAID = "f.csv, recalled by its publisher on 2024-06-01: wrong (https://example.org/recall)"


@pytest.mark.parametrize(("sha256", "expected"), [(RECALLED, [{"rows": 3, "evidence": SAID}]), (ANOTHER, [])])
def test_only_a_recalled_release_is_a_finding(sha256: str, expected: list[dict[str, Any]]) -> None:
    read = read_of([{}, {"place_code": "E02"}, {"fault": "unreadable"}], withdrawn={RECALLED: RECALL})
    read = read._replace(snapshot=read.snapshot._replace(sha256=sha256))
    due = findings_of("recalled_release", "recalled", expected, release=sha256)
    assert_frame_equal(find_recalled_release(read), due)


def test_each_text_that_no_row_has_is_a_finding() -> None:
    actual = find_unmatched_texts(read_of([{}], vain=("no 'x' under type", "no 'y' under type")))
    assert actual["evidence"].to_list() == ["f.csv: no 'x' under type", "f.csv: no 'y' under type"]
    assert actual.select("check", "reason", "set_aside").unique().rows() == [
        ("rows_asked_in_vain", "not_returned", False)
    ]
    assert actual["remedy"].str.starts_with("Correct the text of the filter").to_list() == [True, True]
    assert find_unmatched_texts(read_of([{}])).is_empty()
