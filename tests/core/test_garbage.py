"""Collection of cycles on request."""

import ctypes
import gc
import sys
import weakref

import pytest

from pipelines.core import garbage
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


def test_free_memory_is_given_back_where_the_system_has_a_call_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(garbage, "_find_trim", lambda: calls.append)
    try:
        collect_and_freeze()
    finally:
        gc.unfreeze()
    assert calls == [0]


def test_system_without_the_call_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    find = garbage._find_trim.__wrapped__
    assert sys.platform != "linux" or find() is not None
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert find() is None
