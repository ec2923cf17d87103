"""Collection of reference cycles in a command: rarer than Python's own setting.

Python's setting walks all recent objects at each 700 new ones. A build makes tens of millions that have no cycles, so
the walks take a tenth of its processor time.
"""

import atexit
import gc

THRESHOLDS = (100_000, 20, 20)


def collect_seldom() -> None:
    """Collect cycles at each 100,000 new objects, in this process."""
    gc.set_threshold(*THRESHOLDS)


def collect_and_freeze() -> None:
    """Collect cycles now, and leave what remains, such as modules and declarations, out of later collections.

    As Python ends, what was left out is collected too: DuckDB reports objects that are left then.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
