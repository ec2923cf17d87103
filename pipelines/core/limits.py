"""What one input may use, and how a person allows more: files, declarations and questions come from strangers too.

An environment variable raises a limit, for whoever has a larger machine. No declaration can.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.core.errors import CommongroundError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

MEMORY, SECONDS, UNPACKED = "COMMONGROUND_MEMORY_MB", "COMMONGROUND_SECONDS", "COMMONGROUND_UNPACKED_MB"
DEFAULTS = {MEMORY: 400, SECONDS: 8, UNPACKED: 2_000}
"""MB that reading one workbook or answering one question may take; its seconds; MB that one file may unpack to."""
YAML_BYTES, YAML_DEPTH, YAML_NODES = 200_000, 50, 100_000
"""A declaration: its size, how deep it nests, and its keys and values with every alias written out."""
UNPACKED_FREELY, SWELLING = 24_000_000, 100
"""A file may unpack to the bytes of the first, or to so many times its packed size; published files reach 42 times."""
_BYTES_A_CELL, _CELLS_BY_SIZE = 20, 8
LINE = 4_000_000
"""Bytes of one line of text, of those at the top of a file that are looked at one by one."""


def limit(name: str) -> int:
    """Give a limit: the environment variable of its name, or what holds where that is not set."""
    said = os.environ.get(name, "")
    if not said:
        return DEFAULTS[name]
    if not said.isdecimal() or not int(said):
        raise CommongroundError(f"{name}: found {said!r}, expected a whole number above 0; correct it or unset it")
    return int(said)


def unpacked_limit(packed: int) -> int:
    """Give the bytes that a file of some packed size may unpack to: what a person set, else what files need."""
    most = limit(UNPACKED) * 1_000_000
    return most if os.environ.get(UNPACKED) else min(most, max(UNPACKED_FREELY, SWELLING * packed))


def cells_limit(size: int) -> int:
    """Give the cells that a text of some bytes may have: what fits into the memory allowed, more where it is large."""
    return max(limit(MEMORY) * 1_000_000 // _BYTES_A_CELL, size // _CELLS_BY_SIZE)


def raising(name: str) -> str:
    """Say what a limit is, and how a person raises it."""
    unit = "s" if name == SECONDS else "MB"
    return f"the limit is {limit(name):,} {unit}; set {name} to allow more"


@contextmanager
def memory_limited(more: int) -> Iterator[None]:
    """Let this process take `more` bytes beyond what it has: then an allocation fails, and the machine lives on.

    Does nothing on a system that has no such limit, or does not say what a process has.
    """
    now = _data_size()
    if now is None or resource is None:
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    known = [each for each in (now + more, before, most) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _data_size() -> int | None:
    """Give the bytes that this process may write to, as Linux counts them."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmData:")[2].split()[0]) * 1_024
    return None
