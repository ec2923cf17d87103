"""Collection of reference cycles in a command: rarer than Python's own setting.

Python's setting walks all recent objects at each 700 new ones. A build makes tens of millions that have no cycles, so
the walks take a tenth of its processor time.
"""

import atexit
import gc
from collections.abc import Callable
from functools import cache
from typing import Any

THRESHOLDS = (100_000, 20, 20)


def collect_seldom() -> None:
    """Collect cycles at each 100,000 new objects, in this process."""
    gc.set_threshold(*THRESHOLDS)


def collect_and_freeze() -> None:
    """Collect cycles now, and leave what remains, such as modules and declarations, out of later collections.

    Free memory is given back: after a large source it is 80 MB, which all later steps would keep. As Python ends, what
    was left out is collected too: DuckDB reports objects that are left then.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    if give_back := _find_trim():
        give_back(0)


@cache
def _find_trim() -> Callable[[int], Any] | None:
    """Return the function of the C library of Linux that gives free memory back; null on other systems."""
    import ctypes

    try:
        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim
