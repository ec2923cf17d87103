"""A new problem from its question: the measures that match each need, and files that load before any data."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from pipelines.app.stored_places import load_place_system, load_register
from pipelines.core.errors import DeclarationError, UnknownNameError, suggest_names
from pipelines.core.periods import format_period, parse_period
from pipelines.declarations.base import GEOGRAPHY_NAME_PATTERN, NAME_PATTERN, NATIONS
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.measure_search import STATE_WORDS, MeasureMatch, find_measures, index_measures
from pipelines.declarations.problem_draft import (
    DraftNeed,
    DraftPlaces,
    DraftTime,
    ProblemDraft,
    name_from_words,
    write_problem,
    write_unknowns,
)
from pipelines.declarations.project import Project
from pipelines.geography import fold_name
from pipelines.observations import newest_stored_period, write_new_declaration

DISTRICTS = "lad_2023"
"""Geography of places that are given by name."""
_GRAINS: tuple[Literal["month", "quarter", "year"], ...] = ("month", "quarter", "year")
_TO = " to "


class Answers(NamedTuple):
    """What a person said: question, decision, owner, day of the decision, places, period and needs in plain words."""

    question: str
    decision: str
    owner: str
    by: str
    places: tuple[str, ...]
    period: str
    needs: tuple[str, ...]


class NeedReport(NamedTuple):
    """What was found for a need: its words, the sentence about it, and other measures that match."""

    words: str
    sentence: str
    others: tuple[str, ...]


class NewProblem(NamedTuple):
    """A new problem: its name, the files written, and what was found for each need."""

    name: str
    files: list[Path]
    needs: list[NeedReport]


def begin_problem(project: Project, answers: Answers, name: str | None) -> NewProblem:
    """Write the file of a new problem, and the declaration of the measures that no declared source has.

    Raises DeclarationError for an existing name or an invalid answer, and UnknownNameError for an unknown place.
    """
    catalogue = project.catalogue
    name = name or name_from_words(answers.question)
    if not NAME_PATTERN.fullmatch(name):
        raise DeclarationError(f"{name!r}: expected lower case letters, digits and _, with a letter first; give --name")
    places = choose_places(project, answers.places)
    needs, unknowns, reports = _search_needs(project, answers.needs, places)
    draft = ProblemDraft(answers.question, answers.decision, answers.owner, validate_day(answers.by), places,
                         choose_time(answers.period), tuple(needs), tuple(unknowns))  # fmt: skip
    new = [need for need in unknowns if need.measure not in catalogue.measures]
    files = {catalogue.root / "pipelines" / "problems" / f"{name}.sql": write_problem(draft)}
    if new:
        files[catalogue.sources_dir / f"{name}_unknowns.yaml"] = write_unknowns(answers.question, new)
    _write_files(catalogue, files)
    return NewProblem(name, list(files), reports)


def _write_files(catalogue: Catalogue, files: dict[Path, str]) -> None:
    """Write new declarations. Remove them and raise DeclarationError if they or other files are invalid with them."""
    written: list[Path] = []
    try:
        for path, text in files.items():
            write_new_declaration(path, text)
            written.append(path)
        again = load_catalogue(catalogue.root)
        for name in sorted(again.excluded_problems.keys() - catalogue.excluded_problems.keys()):
            again.find_problem(name)
    except DeclarationError:
        for path in written:
            path.unlink()
        raise


def validate_day(text: str) -> str:
    """Return a day as in 2027-01-31, or a blank text; raise DeclarationError for another text."""
    if text:
        try:
            date.fromisoformat(text)
        except ValueError as error:
            raise DeclarationError(f"by: found {text!r}, expected a day such as 2027-01-31") from error
    return text


def choose_time(period: str) -> DraftTime:
    """Return the grain and periods of a text: latest, or a first and a last month, quarter or year."""
    text = period.strip()
    if text.lower() in ("", "latest"):
        return DraftTime("latest")
    start, _, end = (part.strip() for part in text.partition(_TO))
    grain = next((grain for grain in _GRAINS if parse_period(start, grain)), None)
    if grain is None or not end or not parse_period(end, grain):
        raise DeclarationError(
            f"period: found {period!r}, expected latest, or two months, quarters or years as in 2022-01 to 2023-12"
        )
    return DraftTime(grain, start, end)


def choose_places(project: Project, texts: Sequence[str]) -> DraftPlaces:
    """Return the places that some texts name: a geography, nations, partnerships, regions, or districts.

    Raises UnknownNameError for a text that is none of these.
    """
    if len(texts) == 1 and GEOGRAPHY_NAME_PATTERN.fullmatch(texts[0]):
        return DraftPlaces(texts[0]) if load_place_system(project, texts[0]).height else DraftPlaces(DISTRICTS)
    nations = {fold_name(nation): nation for nation in NATIONS}
    if all(fold_name(text) in nations for text in texts):
        return DraftPlaces(DISTRICTS, tuple(nations[fold_name(text)] for text in texts))
    load_register(project)
    codes, groups = list[str](), list[str]()
    districts = load_place_system(project, DISTRICTS)
    for text in texts:
        group = _find_partnership(project.catalogue, text)
        groups += [group] if group else []
        codes += project.catalogue.partnerships[group].members if group else _find_districts(districts, text)
    return DraftPlaces(DISTRICTS, (), tuple(dict.fromkeys(codes)), tuple(dict.fromkeys(groups)))


def _find_partnership(catalogue: Catalogue, text: str) -> str | None:
    own = {name: item for name, item in catalogue.partnerships.items() if item.geography == DISTRICTS}
    words = fold_name(text)
    return next((name for name, item in own.items() if words in (fold_name(name), fold_name(item.title))), None)


def _find_districts(districts: pl.DataFrame, text: str) -> list[str]:
    """Return the districts with a code or name, or all districts of a region."""
    rows = districts.select("place_code", "place_name", "region", "region_code").rows()
    named = [code for code, name, _, _ in rows if text == code or fold_name(text) == fold_name(name)]
    own = named or [code for code, _, region, region_code in rows
                    if text == region_code or fold_name(text) == fold_name(region or "")]  # fmt: skip
    if not own:
        names = [name for _, name, region, _ in rows for name in (name, region) if name]
        raise UnknownNameError(
            f"unknown place {text!r}: expected a geography such as {DISTRICTS}, a nation, a region, a partnership, "
            f"or a district; {suggest_names(text, names)}"
        )
    return own


def _search_needs(
    project: Project, texts: Sequence[str], places: DraftPlaces
) -> tuple[list[DraftNeed], list[DraftNeed], list[NeedReport]]:
    """Search the measures for each need; return needs, unknowns and what was found."""
    catalogue = project.catalogue
    stored = {name for name in catalogue.observation_sources() if newest_stored_period(project.home, name)}
    stored |= {name for name, source in catalogue.observation_sources().items() if source.releases}
    index = index_measures(catalogue, stored)
    needs, unknowns, reports = list[DraftNeed](), list[DraftNeed](), list[NeedReport]()
    used: set[str] = set()
    for text in texts:
        matches = [match for match in find_measures(text, index) if match.measure not in used]
        best = matches[0] if matches else None
        note = _describe_match(project, best) if best else describe_nothing(catalogue)
        measure = best.measure if best else _new_measure_name(text, {*catalogue.measures, *used})
        used.add(measure)
        if best and best.state in ("loaded", "not_loaded"):
            needs.append(DraftNeed(text, measure, _limit_nations(catalogue, measure, places), note))
        else:
            unknowns.append(DraftNeed(text, measure, (), note))
        reports.append(NeedReport(text, note, tuple(match.measure for match in matches[1:])))
    return needs, unknowns, reports


def _new_measure_name(text: str, taken: set[str]) -> str:
    name = name_from_words(text)
    return next(option for option in (name, *(f"{name}_{n}" for n in range(2, 99))) if option not in taken)


def describe_nothing(catalogue: Catalogue) -> str:
    """State that no measure matches, and among how many publishers and measures."""
    publishers = {source.publisher for source in catalogue.sources.values()}
    return f"not found among the {len(publishers):,} publishers and {len(catalogue.measures):,} measures known here"


def _describe_match(project: Project, match: MeasureMatch) -> str:
    """Describe a matched measure: name, title, publisher, and the state of its figures."""
    catalogue = project.catalogue
    name = catalogue.measure_source[match.measure]
    newest = newest_stored_period(project.home, name)
    until = f", with figures to {format_period(newest, newest)}" if newest and match.state == "loaded" else ""
    title, publisher = catalogue.measures[match.measure].title, catalogue.sources[name].publisher
    return f"{match.measure} ({title}; {publisher}), {STATE_WORDS[match.state]}{until}"


def _limit_nations(catalogue: Catalogue, measure: str, places: DraftPlaces) -> tuple[str, ...]:
    """Return the nations that a need is limited to: those of its source, where the places are in more."""
    coverage = catalogue.sources[catalogue.measure_source[measure]].coverage
    asked = places.nations or NATIONS
    return () if places.place_codes or set(asked) <= set(coverage) else tuple(n for n in asked if n in coverage)
