"""Locations of the project and its store on this machine."""

import os
from pathlib import Path

PROJECT_VARIABLE = "COMMONGROUND_PROJECT"
STORE_VARIABLE = "COMMONGROUND_STORE"


def project_directory() -> Path:
    """Return the project directory: COMMONGROUND_PROJECT where set, else the directory of this program."""
    setting = os.environ.get(PROJECT_VARIABLE)
    return Path(setting).resolve() if setting else Path(__file__).resolve().parents[2]


def store_directory() -> Path:
    """Return the store directory: COMMONGROUND_STORE where set, else data/ in the project."""
    setting = os.environ.get(STORE_VARIABLE)
    return Path(setting).resolve() if setting else project_directory() / "data"
