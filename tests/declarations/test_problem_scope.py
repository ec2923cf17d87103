"""Problems that no place can answer, and unknowns that somebody publishes, are refused at load."""

from pathlib import Path

import pytest

from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.problem_scope import refuse_impossible_problem, refuse_open_unknowns

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(ROOT)
SOURCES = {measure: CATALOGUE.sources[name] for measure, name in CATALOGUE.measure_source.items()}


def header(**said: object) -> ProblemHeader:
    plain = {"question": "q", "decision": "d", "owner": "o", "geography": "lad_2023", "grain": "latest"}
    return ProblemHeader.model_validate({**plain, **said})


def test_essential_need_without_a_publisher_is_refused() -> None:
    with pytest.raises(DeclarationError, match="no publisher reports vacancies"):
        refuse_impossible_problem(header(needs={"vacancies": {}}), ROOT, SOURCES)


def test_needs_of_two_nations_are_refused_without_their_nations() -> None:
    needs: dict[str, dict[str, object]] = {"small_areas_wales": {}, "small_areas_scotland": {}}
    with pytest.raises(DeclarationError, match="small_areas_wales is not published for England"):
        refuse_impossible_problem(header(needs=needs), ROOT, SOURCES)
    needs = {"small_areas_wales": {"nations": ["Wales"]}, "small_areas_scotland": {"nations": ["Scotland"]}}
    refuse_impossible_problem(header(needs=needs), ROOT, SOURCES)


def test_published_measure_is_no_unknown() -> None:
    unknown = header(needs={"claimant_rate": {}}, unknowns=["residents_16_64"])
    with pytest.raises(DeclarationError, match="residents_16_64 is published"):
        refuse_open_unknowns(unknown, {}, ROOT, SOURCES)
