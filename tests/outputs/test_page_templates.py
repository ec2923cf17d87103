"""Texts of pages: code between backticks, and days in words."""

import pytest

from pipelines.outputs.page_templates import format_prose


@pytest.mark.parametrize(("text", "expected"), [
    ("run `commonground add x FILE`; then", "run <code>commonground add x FILE</code>; then"),
    ("due on 2025-07-01; newest", "due on 1 July 2025; newest"),
    ("`a --released 2025-07-01`", "<code>a --released 2025-07-01</code>"),
    ("https://example.org/2025-07-01/x", "https://example.org/2025-07-01/x"),
    ("stock_2025-07-01.csv", "stock_2025-07-01.csv"),
    ("2025-13-01 is no day", "2025-13-01 is no day"),
    ("one ` alone <b>", "one ` alone &lt;b&gt;"),
])  # fmt: skip
def test_prose_has_code_and_days_in_words(text: str, expected: str) -> None:
    assert str(format_prose(text)) == expected
