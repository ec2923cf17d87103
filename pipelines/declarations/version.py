"""Which version of the program made an output."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pipelines.declarations.fingerprints import code_key


@cache
def project_version() -> str:
    """Give the version of the program, with the start of the hash of its own code."""
    try:
        return f"{version('commonground')} ({code_key('outputs')[:8]})"
    except PackageNotFoundError:
        return f"unreleased ({code_key('outputs')[:8]})"
