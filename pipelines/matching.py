"""Texts that a declaration names: as they stand, or with * for anything."""

import re
from collections.abc import Iterable


def like(pattern: str) -> re.Pattern[str]:
    """Compile a declared text, in which * stands for anything, to match a whole text."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def matching(texts: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Give the texts that match one of the declared ones, in their order."""
    compiled = [like(pattern) for pattern in patterns]
    return [text for text in texts if any(each.fullmatch(text) for each in compiled)]


def plain(heading: str) -> str:
    """Write a heading on one line, with single spaces: as printed, it may be broken over several."""
    return " ".join(heading.split())
