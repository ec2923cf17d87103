"""Parsed texts of declarations, stored beside the figures: each text is parsed once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.declarations.parsed_texts import parse_once, stored_parses

Read = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read texts in one block, and return those that were parsed anew."""

    def read_texts(*texts: str) -> list[str]:
        parsed: list[str] = []

        def parse(text: str) -> str:
            parsed.append(text)
            return text.upper()

        with stored_parses(tmp_path):
            for text in texts:
                value = parse_once("kind", text, lambda text=text: parse(text), str, str)  # type: ignore[misc]
                assert value == text.upper()
        return parsed

    return read_texts


def test_text_is_parsed_once(read: Read) -> None:
    assert read("a", "b") == ["a", "b"]
    assert read("b", "a") == []


def test_block_that_uses_fewer_texts_loses_none(read: Read, tmp_path: Path) -> None:
    read("a", "b")
    before = (tmp_path / "parsed.txt").read_bytes()
    assert read("a") == [] and (tmp_path / "parsed.txt").read_bytes() == before
    assert read("a", "b") == []


def test_new_text_takes_the_place_of_a_changed_one(read: Read, tmp_path: Path) -> None:
    read("a", "b")
    assert read("a", "c") == ["c"]
    assert len((tmp_path / "parsed.txt").read_text().splitlines()) == 2


def test_line_that_cannot_be_used_is_parsed_again(read: Read, tmp_path: Path) -> None:
    read("a")
    path = tmp_path / "parsed.txt"
    path.write_text(path.read_text().replace('"A"', "{"))
    assert read("a") == ["a"]
