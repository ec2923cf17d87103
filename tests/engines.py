"""SQL of docs/scale.md, and a Spark Connect server for tests: Sail, which needs no Java."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
_BLOCK = re.compile(r"<!-- sql: (\w+) -->\n```sql\n(.*?)```", re.S)
SQL_BLOCKS = dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))
"""Queries of the page by name."""
SparkConnect = Any


@contextmanager
def spark_connect() -> Iterator[SparkConnect]:
    """Start Sail on the loopback address and yield a session; skip the test where Sail or the client is missing."""
    with sail_address() as address:
        from pyspark.sql import SparkSession

        session = SparkSession.builder.remote(address).create()
        try:
            yield session
        finally:
            session.stop()


@contextmanager
def sail_address() -> Iterator[str]:
    """Start Sail on the loopback address and yield its address; skip the test where Sail or the client is missing."""
    sail = pytest.importorskip("pysail.spark", reason="pysail, a Spark Connect server without Java, is not installed")
    pytest.importorskip("pyspark.sql", reason="the extra [spark] is not installed")
    server = sail.SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        yield f"sc://127.0.0.1:{server.listening_address[1]}"
    finally:
        server.stop()
