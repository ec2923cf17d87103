"""Version of the program that writes an output."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pipelines.declarations.fingerprints import program_key


@cache
def project_version() -> str:
    """Return the version of the program with the first characters of its code's hash."""
    try:
        return f"{version('commonground')} ({program_key('outputs')[:8]})"
    except PackageNotFoundError:
        return f"unreleased ({program_key('outputs')[:8]})"
