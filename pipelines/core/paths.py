"""Where the project and its store are on this machine."""

import os
from pathlib import Path

PROJECT = "COMMONGROUND_PROJECT"
STORE = "COMMONGROUND_STORE"


def root() -> Path:
    """Give the directory of the project: COMMONGROUND_PROJECT where set, else the one this program is in."""
    told = os.environ.get(PROJECT)
    return Path(told).resolve() if told else Path(__file__).resolve().parents[2]


def store_of() -> Path:
    """Give the directory of the store: COMMONGROUND_STORE where set, else data/ in the project."""
    told = os.environ.get(STORE)
    return Path(told).resolve() if told else root() / "data"
