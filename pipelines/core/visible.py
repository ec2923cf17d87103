"""Escape invisible characters, which can control a terminal and mislead a reader.

These are control characters, except tab and line ends, and the marks that change the direction of writing.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

INVISIBLE_CHARACTERS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
"""The invisible characters, in the form of a regular expression's character class."""
_INVISIBLE = re.compile(f"[{INVISIBLE_CHARACTERS}]|\r(?!\n)")
_INVISIBLE_UTF8 = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)  # fmt: skip
_INVISIBLE_ASCII = bytes([*range(9), 11, 12, *range(14, 32), 127])


def escape_invisible(text: str) -> str:
    r"""Escape invisible characters as Python does, such as \x1b; other text is unchanged."""
    return text if text.isprintable() else _INVISIBLE.sub(lambda match: _escape_character(match[0]), text)


def has_invisible(text: str) -> bool:
    """Return whether a text has invisible characters."""
    return not text.isprintable() and _INVISIBLE.search(text) is not None


def escape_invisible_bytes(content: bytes) -> bytes:
    """Escape the invisible characters of UTF-8 bytes, except line ends; bytes without any are returned as given."""
    plain = len(content.translate(None, _INVISIBLE_ASCII)) == len(content)
    if plain and (content.isascii() or not _INVISIBLE_UTF8.search(content)):
        return content
    return _INVISIBLE_UTF8.sub(lambda match: _escape_character(match[0].decode("utf-8")).encode(), content)


def escape_invisible_frame(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Escape the invisible characters in the text columns and the column names of a frame."""
    import polars as pl

    text = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    flags = (
        frame.select(pl.col(name).str.contains(f"[{INVISIBLE_CHARACTERS}]|\r").any() for name in text)
        if text
        else frame
    )
    odd = [name for name in text if flags[name][0]]
    columns = {
        name: pl.Series(name, [value and escape_invisible(value) for value in frame[name]], pl.String) for name in odd
    }
    return frame.with_columns(**columns).rename({name: escape_invisible(name) for name in frame.columns})


def _escape_character(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
