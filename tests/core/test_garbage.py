"""Collection of cycles on request."""

import gc
import weakref

from pipelines.core.garbage import collect_and_freeze


class _Node:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_cycles_are_collected_and_what_remains_is_left_out_of_later_collections() -> None:
    node, kept = _Node(), _Node()
    gone, remaining = weakref.ref(node), weakref.ref(kept)
    del node
    try:
        collect_and_freeze()
        assert gone() is None and gc.get_freeze_count() > 0
        del kept
        gc.collect()
        assert remaining() is not None
    finally:
        gc.unfreeze()
    gc.collect()
    assert remaining() is None
