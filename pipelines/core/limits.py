"""Resource limits for files, declarations and queries, because some come from untrusted authors.

An environment variable raises a limit on a larger machine. A declaration cannot raise a limit.
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
DEFAULT_LIMITS = {MEMORY: 400, SECONDS: 8, UNPACKED: 2_000}
"""Memory in MB to read one workbook or run one query; seconds for the same; MB that one file may unpack to."""
YAML_BYTES, YAML_DEPTH, YAML_NODES = 200_000, 50, 100_000
"""Limits of a declaration: bytes, nesting depth, and keys and values once aliases are expanded."""
MIN_UNPACKED_BYTES, MAX_EXPANSION_RATIO = 24_000_000, 100
"""A file may unpack to the first number of bytes, or to the second number times its packed size.

The largest ratio of a published file is 42."""
_BYTES_PER_CELL, _MIN_BYTES_PER_CELL = 20, 6
"""Bytes of memory for a cell, and the fewest bytes of text for a cell of a large file. A month, a code, an item and a
figure of four digits take 7.4 bytes each."""
MAX_LINE_BYTES = 4_000_000
"""Maximum bytes of a line at the top of a file, where lines are inspected one at a time."""


def read_limit(name: str) -> int:
    """Return a limit from the environment variable of its name, or the default."""
    setting = os.environ.get(name, "")
    if not setting:
        return DEFAULT_LIMITS[name]
    if not setting.isdecimal() or not int(setting):
        raise CommongroundError(f"{name}: found {setting!r}, expected a whole number above 0; correct it or unset it")
    return int(setting)


def unpacked_bytes_limit(packed_size: int) -> int:
    """Return the bytes that a file may unpack to: the user's limit, else the default for its packed size."""
    most = read_limit(UNPACKED) * 1_000_000
    return most if os.environ.get(UNPACKED) else min(most, max(MIN_UNPACKED_BYTES, MAX_EXPANSION_RATIO * packed_size))


def cells_limit(size: int) -> int:
    """Return the cells that a text of `size` bytes may have: as many as fit in memory, and more for a large text."""
    return max(read_limit(MEMORY) * 1_000_000 // _BYTES_PER_CELL, size // _MIN_BYTES_PER_CELL)


def limit_advice(name: str) -> str:
    """State a limit and the environment variable that raises it."""
    unit = "s" if name == SECONDS else "MB"
    return f"the limit is {read_limit(name):,} {unit}; set {name} to allow more"


@contextmanager
def limit_memory(more: int) -> Iterator[None]:
    """Limit this process to `more` bytes beyond its current memory, so that an allocation fails before the system does.

    Has no effect on a system without such a limit, or without a count of a process's memory.
    """
    now = _data_size()
    if now is None or resource is None:
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    finite_limits = [value for value in (now + more, before, most) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(finite_limits), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _data_size() -> int | None:
    """Return the bytes of this process's data segment (VmData on Linux); null where not known."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmData:")[2].split()[0]) * 1_024
    return None
