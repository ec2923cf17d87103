"""Scope of a problem: which nations could be answered by its declaration, and which measures no publisher reports."""

from collections.abc import Mapping
from pathlib import Path

from pipelines.core.errors import DeclarationError, file_location
from pipelines.declarations.base import NATIONS, Nation
from pipelines.declarations.problem import Need, ProblemHeader
from pipelines.declarations.source import Source
from pipelines.declarations.yaml_lines import LineNumbers

_NATION_LETTERS: dict[str, Nation] = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland"}
_CODE_LENGTH = 9
_OPEN = ("open", "not_held")


def is_published(source: Source) -> bool:
    """Return whether anybody can get a source's figures, whether or not this store has a file."""
    return source.access in _OPEN


def _can_be_answered(source: Source) -> bool:
    """Return whether a store can have figures: a source that turns private later leaves its problems loadable."""
    return is_published(source) or source.access == "private"


def refuse_open_unknowns(
    header: ProblemHeader, lines: LineNumbers, path: Path, measure_sources: Mapping[str, Source]
) -> None:
    """Raise DeclarationError for an unknown that a publisher releases: it is a need, essential or not."""
    for place, measure in enumerate(header.unknowns):
        if is_published(measure_sources[measure]):
            raise DeclarationError(
                f"{file_location(path, lines.get(('unknowns', place)))}: unknowns: {measure} is published by "
                f"{measure_sources[measure].publisher}; list it under needs, with essential: false if the question "
                "can be answered without it"
            )


def refuse_impossible_problem(header: ProblemHeader, path: Path, measure_sources: Mapping[str, Source]) -> None:
    """Raise DeclarationError where the essential needs leave no nation in which the question can be answered."""
    if not header.needs and not header.unknowns:
        raise DeclarationError(f"{path}: needs: found none and no unknowns, expected at least one measure")
    if not header.needs:
        return  # a question that begins with its unknowns: no place can be answered, and the page states why
    nations = _nations_asked(header)
    closed = {name: _closed_nations(name, need, nations, measure_sources) for name, need in header.needs.items()}
    if all(any(nation in closed[name] for name in closed) for nation in nations):
        texts = [
            f"{name} is not published for {', '.join(closed[name])}" if len(closed[name]) < len(nations)
            else f"no publisher reports {name}"
            for name in closed if closed[name]
        ]  # fmt: skip
        raise DeclarationError(
            f"{path}: no place can be answered as declared: {'; '.join(texts)}. List what no publisher reports under "
            "unknowns, and give a need of one nation its nations"
        )


def _nations_asked(header: ProblemHeader) -> tuple[Nation, ...]:
    """Return the nations of a problem's places: those declared, or those of its codes if all are of nine characters."""
    letters = [code[0] if len(code) == _CODE_LENGTH else "" for code in header.place_codes]
    known = letters and all(letter in _NATION_LETTERS for letter in letters)
    nations = {_NATION_LETTERS[letter] for letter in letters} if known else set(NATIONS)
    return tuple(nation for nation in NATIONS if nation in nations and nation in (header.nations or NATIONS))


def _closed_nations(
    name: str, need: Need, nations: tuple[Nation, ...], measure_sources: Mapping[str, Source]
) -> list[Nation]:
    """List the nations in which an essential need applies and no published source could meet it."""
    if not need.essential:
        return []
    sources = [measure_sources[measure] for measure in need.one_of or (name,)]
    covered = {nation for source in sources if _can_be_answered(source) for nation in source.coverage}
    return [nation for nation in nations if nation in (need.nations or NATIONS) and nation not in covered]
