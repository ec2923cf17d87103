"""Parsed texts of declarations, stored so that a command parses only the texts that have changed.

    parsed.txt      in the store: one line for each text, with its hash and its plain data as JSON

Only the parser is skipped: the plain data pass the same validation as a text. The hash includes the code and the
versions of the parsers. A line that cannot be used is ignored, and its text is parsed again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pipelines.core.store import LAYOUT_VERSION, layout_path, write_atomically

T = TypeVar("T")
_DATE = "\x00date"
"""Key that marks a date in JSON; no declaration has it, because invisible characters are refused."""
_PARSER_FILES = ("parsed_texts.py", "problem_sql.py", "yaml_lines.py")
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)


class _ParsedTexts:
    """Stored lines by hash, and those that a read of the catalogue uses."""

    def __init__(self, stored: dict[str, str]) -> None:
        self.stored = stored
        self.used: dict[str, str] = {}


_CURRENT: ContextVar[_ParsedTexts | None] = ContextVar("parsed_texts", default=None)


@contextmanager
def stored_parses(home: Path | None) -> Iterator[None]:
    """Use the parsed texts of a store within the block, and store those used where some are new; none where null.

    A block that uses fewer texts writes nothing: a process that has parsed a text before does not ask for it again.
    """
    if home is None or not home.is_dir():
        yield
        return
    path = home / "parsed.txt"
    texts = _ParsedTexts(_read_lines(path))
    token = _CURRENT.set(texts)
    try:
        yield
    finally:
        _CURRENT.reset(token)
    if texts.used.keys() - texts.stored.keys() and _has_own_layout(home):
        content = "".join(f"{key} {data}\n" for key, data in texts.used.items())
        with suppress(OSError):  # the store of another user
            write_atomically(path, content.encode())


def _has_own_layout(home: Path) -> bool:
    """Return whether a store is new or has this program's layout; no other store is written to."""
    path = layout_path(home)
    with suppress(OSError, ValueError):
        return not path.is_file() or bool(json.loads(path.read_bytes()) == {"layout": LAYOUT_VERSION})
    return False


def _read_lines(path: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        rows = (line.partition(" ") for line in path.read_text(encoding="utf-8").split("\n") if line)
        return {key: data for key, _, data in rows}
    return {}


def parse_once(kind: str, text: str, parse: Callable[[], T], dump: Callable[[T], Any], load: Callable[[Any], T]) -> T:
    """Return the stored parse of a text, or parse it.

    `dump` converts a parse to plain data: lists, mappings with text keys, texts, numbers, dates and null. `load`
    converts them back.
    """
    texts = _CURRENT.get()
    if texts is None:
        return parse()
    key = hashlib.sha256(f"{_parser_version()}\x00{kind}\x00{text}".encode()).hexdigest()
    stored = texts.stored.get(key)
    if stored is not None:
        with suppress(*_UNREADABLE):
            value = load(json.loads(stored, object_hook=_load_date))
            texts.used[key] = stored
            return value
    value = parse()
    with suppress(TypeError):
        texts.used[key] = json.dumps(_plain(dump(value)), separators=(",", ":"))
    return value


@cache
def _parser_version() -> str:
    folder = Path(__file__).resolve().parent
    code = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _PARSER_FILES)
    return " ".join((*code, version("pyyaml"), version("duckdb")))


def _plain(value: Any) -> Any:
    """Return a value as JSON can state it; raise TypeError for any other."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if type(value) is date:
        return {_DATE: value.isoformat()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(f"{type(value)} is not stored")


def _load_date(entry: dict[str, Any]) -> Any:
    return date.fromisoformat(entry[_DATE]) if _DATE in entry else entry
