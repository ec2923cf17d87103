"""The few errors a user meets, each saying where, what was found, what was expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from pipelines.core.visible import visible


class CommongroundError(Exception):
    """Something the user can put right; shown without a traceback."""

    exit_code = 1

    def __init__(self, text: str) -> None:
        """Say what is wrong; what it quotes of a file or an answer may do no harm to a terminal."""
        super().__init__(visible(text))


class DeclarationError(CommongroundError):
    """A source or problem file says something that cannot be."""

    exit_code = 3


class HarmfulError(DeclarationError):
    """A declaration that would take the machine: it is left out, and the others are read."""


class NotReadError(DeclarationError):
    """A declaration that needs another one which is not read: it is left out with it."""


class UnreadableError(CommongroundError):
    """A file of data has the wrong shape and is not used."""

    exit_code = 4


class UnknownNameError(CommongroundError):
    """A name that stands for nothing here."""

    exit_code = 2


class DayError(CommongroundError):
    """A day as of which nothing can be built."""

    exit_code = 2


class CrosswalkError(CommongroundError):
    """A crosswalk that would make or lose something, or a figure for a place that it does not have."""

    exit_code = 4


class FetchError(CommongroundError):
    """A publisher did not give what it should have."""

    exit_code = 5


def near(name: str, choices: Iterable[str], most: int = 5) -> str:
    """Say which known names are like this one, or list some of them, sorted."""
    known = sorted(set(choices))
    folded = {choice.casefold(): choice for choice in known}
    close = [folded[c] for c in get_close_matches(name.casefold(), folded, n=most, cutoff=0.55)]
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if not known:
        return "there are none"
    shown = ", ".join(known[:12])
    return f"choices: {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")


def at(path: Path, line: int | None = None) -> str:
    """Name a file, and a line of it where known, as editors print them."""
    return f"{path}:{line}" if line else str(path)
