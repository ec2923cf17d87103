"""One clock: no other module asks for the current time."""

import ast
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.core.clock import clock_at, current_date, current_time

ROOT = Path(__file__).resolve().parents[2]
CLOCK_CALLS = {"now", "today", "utcnow", "localtime", "gmtime", "time"}
"""Calls of `datetime`, `date` and `time` that ask for the current time."""


def clock_calls(path: Path) -> list[str]:
    """Return the calls in a file that ask a library for the current time."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}: {call.attr}"
        for call in calls
        if isinstance(call, ast.Attribute) and call.attr in CLOCK_CALLS
        if ast.unparse(call.value).rpartition(".")[2] in ("datetime", "date", "time")
    ]


def test_only_the_clock_asks_for_the_time() -> None:
    files = [path for room in ("pipelines", "checks") for path in sorted((ROOT / room).rglob("*.py"))]
    clock = ROOT / "pipelines" / "core" / "clock.py"
    assert [call for path in files if path != clock for call in clock_calls(path)] == []
    assert len(clock_calls(clock)) == 1 and len(files) > 100


def test_clock_stops_within_a_block() -> None:
    moment = datetime(2030, 1, 2, 3, tzinfo=UTC)
    with clock_at(moment):
        assert (current_time(), current_date()) == (moment, date(2030, 1, 2))
    assert current_time() != moment
