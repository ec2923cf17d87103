"""Words in place of identifiers, and links to places, in the texts of pages."""

import pytest

from pipelines.declarations.catalogue import load_catalogue
from pipelines.outputs.page_words import find_words, link_names, unique_names, write_words
from pipelines.outputs.report import render_html
from tests.report_sample import HARM, sample
from tests.small import ROOT

CATALOGUE = load_catalogue(ROOT)
FIND = find_words(CATALOGUE.sources, CATALOGUE.measures, {"E09000024": "Merton"})


@pytest.mark.parametrize(("text", "expected"), [
    ("ons_vacancies is declared", f"“{CATALOGUE.sources['ons_vacancies'].title}” is declared"),
    ("4 cells: E09000024, E09000999", "4 cells: Merton, E09000999"),
    ("has none (needs_parts)", "has none (cannot be recomputed for the merged area)"),
    ("proxy claimant_rate; no_such_name", f"proxy “{CATALOGUE.measures['claimant_rate'].title}”; no_such_name"),
    ("run `commonground refresh ons_vacancies`", "run `commonground refresh ons_vacancies`"),
    ("27208.2 and 257408, not 2,500.5 nor 1234", "27,208.2 and 257,408, not 2,500.5 nor 1234"),
    ("drop of 28.907828239887362", "drop of 28.9078"),
    ("sha 12345abc, E14001172, 2020/12345", "sha 12345abc, E14001172, 2020/12345"),
    ("in sources/ons_vacancies.yaml and ons_vacancies.csv", "in sources/ons_vacancies.yaml and ons_vacancies.csv"),
])  # fmt: skip
def test_identifiers_are_replaced_by_words(text: str, expected: str) -> None:
    assert write_words(text, FIND) == expected


def test_names_link_to_the_only_place_that_has_them() -> None:
    codes = unique_names({"E1": "Merton", "E2": "Newport", "W1": "Newport"})
    assert codes == {"Merton": "E1"}
    linked = str(link_names(["Merton", "Newport", HARM], codes))
    assert linked.startswith('<a href="places/E1.html">Merton</a>; Newport; ') and HARM not in linked


def test_page_links_the_places_that_it_names() -> None:
    page = render_html(sample())
    missing = page.split('id="missing"')[1]
    assert '<a href="places/E06000002.html">' in missing
