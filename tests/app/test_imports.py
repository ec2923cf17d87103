"""What the command line loads before it knows what is asked for."""

import subprocess
import sys

DEAR = {"dagster", "scipy", "pandas", "great_expectations", "httpx", "pyarrow"}
"""Libraries that take long to load, and that most commands do not need."""


def test_the_command_line_loads_no_dear_library() -> None:
    program = f"import pipelines.app.cli, sys; print(sorted({DEAR!r} & set(sys.modules)), 'typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]
