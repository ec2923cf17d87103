"""Locations of the project and its store on this machine."""

import os
from pathlib import Path

PROJECT = "COMMONGROUND_PROJECT"
STORE = "COMMONGROUND_STORE"


def root() -> Path:
    """Return the project directory: COMMONGROUND_PROJECT where set, else the directory of this program."""
    told = os.environ.get(PROJECT)
    return Path(told).resolve() if told else Path(__file__).resolve().parents[2]


def store_of() -> Path:
    """Return the store directory: COMMONGROUND_STORE where set, else data/ in the project."""
    told = os.environ.get(STORE)
    return Path(told).resolve() if told else root() / "data"
