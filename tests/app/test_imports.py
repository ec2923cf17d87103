"""Imports of the command line at start."""

import subprocess
import sys

DEAR = {"dagster", "scipy", "pandas", "great_expectations", "httpx", "pyarrow"}
"""Libraries that take long to load, and that most commands do not need."""


def test_command_line_imports_no_large_library() -> None:
    program = f"import pipelines.app.cli, sys; print(sorted({DEAR!r} & set(sys.modules)), 'typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]
