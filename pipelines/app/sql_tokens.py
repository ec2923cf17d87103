"""Words and signs of a query, with their positions, and the statements that they form."""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    """A word or sign of a query: its kind (word, quoted, literal, sign) and its position in bytes."""

    kind: str
    start: int
    end: int
    text: str

    @property
    def name(self) -> str:
        """Name that the token denotes, in lower case; DuckDB ignores the case of names."""
        bare = self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text
        return bare.lower()


_TOKEN = re.compile(
    rb"(?P<skip>\s+|--[^\n]*|/\*.*?\*/)"
    rb"|(?P<literal>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\d[\w.]*)"
    rb'|(?P<quoted>"(?:[^"]|"")*")|(?P<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*)|(?P<sign>.)',
    re.DOTALL,
)
NAMES = frozenset({"word", "quoted"})
"""Kinds of tokens that can be the name of a table or column."""


def split_tokens(source: bytes) -> list[Token]:
    """Split a query into words and signs, without spaces and comments."""
    tokens = []
    for match in _TOKEN.finditer(source):
        kind = next(name for name in ("skip", "literal", "quoted", "word", "sign") if match[name] is not None)
        if kind != "skip":
            tokens.append(Token(kind, match.start(), match.end(), match[0].decode(errors="replace")))
    return tokens


def split_statements(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each statement; a semicolon ends one."""
    statement: list[Token] = []
    for token in tokens:
        if token.kind == "sign" and token.text == ";":
            yield statement
            statement = []
        else:
            statement.append(token)
    yield statement


def find_query_end(tokens: list[Token], at: int) -> int:
    """Find where a query ends: at the bracket that closes the one around it, or with the statement."""
    depth = 0
    for number in range(at, len(tokens)):
        sign = tokens[number].text if tokens[number].kind == "sign" else ""
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return number
    return len(tokens)


def line_number(source: bytes, position: int) -> int:
    """Return the line of a position, from 1."""
    return source.count(b"\n", 0, position) + 1
