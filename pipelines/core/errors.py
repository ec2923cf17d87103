"""Errors shown to users. Each message states the location, the value found, the value expected and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from pipelines.core.visible import escape_invisible


class CommongroundError(Exception):
    """An error that the user can correct; shown without a traceback."""

    exit_code = 1

    def __init__(self, text: str) -> None:
        """Store the message, with control characters from files or responses escaped to protect the terminal."""
        super().__init__(escape_invisible(text))


class DeclarationError(CommongroundError):
    """A source or problem file contains an invalid declaration."""

    exit_code = 3


class UnsafeDeclarationError(DeclarationError):
    """A declaration that could exhaust the machine: the catalogue excludes it and reads the others."""


class MissingInputError(DeclarationError):
    """A declaration that depends on an excluded declaration, and is therefore excluded too."""


class UnreadableError(CommongroundError):
    """A data file has the wrong shape and is not used."""

    exit_code = 4


class UnknownNameError(CommongroundError):
    """A name that is not declared in this project."""

    exit_code = 2


class BuildDateError(CommongroundError):
    """A date for which no build is possible."""

    exit_code = 2


class CrosswalkError(CommongroundError):
    """A crosswalk that does not conserve totals, or a figure for a place that the crosswalk lacks."""

    exit_code = 4


class FetchError(CommongroundError):
    """A publisher's server did not return the expected file."""

    exit_code = 5


class EngineError(CommongroundError):
    """An engine beside this machine cannot be used: it is not there, has another version, or went away."""

    exit_code = 7


def suggest_names(name: str, choices: Iterable[str], most: int = 5) -> str:
    """Suggest the known names closest to an unknown name, or list the first known names in order."""
    options = sorted(set(choices))
    folded = {choice.casefold(): choice for choice in options}
    close = [folded[c] for c in get_close_matches(name.casefold(), folded, n=most, cutoff=0.55)]
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if not options:
        return "there are none"
    first_options = ", ".join(options[:12])
    return f"choices: {first_options}" + (f" and {len(options) - 12} more" if len(options) > 12 else "")


def file_location(path: Path, line: int | None = None) -> str:
    """Format a file path, with the line number where known, in the form that editors use."""
    return f"{path}:{line}" if line else str(path)
