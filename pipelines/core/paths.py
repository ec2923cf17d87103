"""Locations of the project and its store on this machine."""

import os
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.object_store import is_bucket_address

PROJECT_VARIABLE = "COMMONGROUND_PROJECT"
STORE_VARIABLE = "COMMONGROUND_STORE"
CACHE_VARIABLE = "COMMONGROUND_CACHE"


def project_directory() -> Path:
    """Return the project directory: COMMONGROUND_PROJECT where set, else the directory of this program."""
    setting = os.environ.get(PROJECT_VARIABLE)
    return Path(setting).resolve() if setting else Path(__file__).resolve().parents[2]


def store_setting() -> str:
    """Return the setting of the store, a directory or the address of a bucket; blank where there is none."""
    return os.environ.get(STORE_VARIABLE, "")


def store_directory() -> Path:
    """Return the store directory: COMMONGROUND_STORE where set, else data/ in the project.

    Raises CommongroundError for a store in a bucket, which only commands open.
    """
    setting = store_setting()
    if is_bucket_address(setting):
        raise CommongroundError(
            f"{STORE_VARIABLE}: found {setting}, expected a directory: Dagster and Python need one; run "
            "`commonground build` from a scheduler for a store in a bucket"
        )
    return Path(setting).resolve() if setting else project_directory() / "data"


def cache_directory() -> Path:
    """Return the directory for copies of published files: COMMONGROUND_CACHE where set, else the user's cache."""
    setting = os.environ.get(CACHE_VARIABLE)
    if setting:
        return Path(setting).resolve()
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "commonground"
