"""Partners of a decision: who takes part, and which bodies with needed figures do not."""

from datetime import date

import polars as pl

from pipelines.core.schema import table_from_records
from pipelines.declarations.problem import Partner
from pipelines.observations.returns import COMPLETENESS
from pipelines.outputs.partners import AbsentBody, list_partners
from pipelines.outputs.report import render_html
from pipelines.outputs.report_model import Report
from tests.report_sample import HARM, sample

PUBLISHES = "publishes what the answer needs"


def with_partners(*partners: Partner, owner: str = "Minister") -> Report:
    report = sample()
    return report._replace(header=report.header.model_copy(update={"partners": partners, "owner": owner}))


def silent(missing: str) -> pl.DataFrame:
    """Return the completeness of one period with some providers that did not return."""
    row = {"source": "sample_source", "measure": "households", "returned_by": "councils", "scope": "period",
           "period_start": date(2025, 1, 1), "period_end": date(2025, 12, 31), "missing": missing}  # fmt: skip
    return table_from_records([row], COMPLETENESS)


def test_publisher_of_a_need_who_is_no_partner_is_named() -> None:
    listed = list_partners(with_partners(Partner(role="Head of housing", brings="beds")))
    assert listed is not None
    titles = ("Claimant rate", "Households")
    assert listed.absent[0] == AbsentBody("A publisher", PUBLISHES, titles)


def test_declared_body_is_a_partner() -> None:
    listed = list_partners(with_partners(Partner(role="Head", brings="figures", bodies=("a Publisher",))))
    assert listed is not None and not listed.absent


def test_body_in_the_title_of_the_owner_is_a_partner() -> None:
    partner = Partner(role="Head", brings="beds")
    listed = list_partners(with_partners(partner, owner="Director, A publisher"))
    assert listed is not None and not listed.absent


def test_silent_provider_with_a_comma_in_its_name_is_one() -> None:
    report = with_partners(Partner(role="Head", brings="beds", bodies=("Leeds",)))
    missing = "E06000023 Bristol, City of, E08000035 Leeds and 2 more"
    listed = list_partners(report._replace(completeness=silent(missing)))
    assert listed is not None
    assert listed.silent[0].providers == ("Bristol, City of", "Leeds and 2 more")


def test_problem_without_partners_has_no_section() -> None:
    assert list_partners(sample()) is None
    assert 'id="partners"' not in render_html(sample())


def test_roles_are_escaped_on_the_page() -> None:
    html = render_html(with_partners(Partner(role=HARM, brings=HARM)))
    assert 'id="partners"' in html and HARM not in html


def test_ministry_of_the_owner_represents_its_services() -> None:
    report = with_partners(Partner(role="Head", brings="beds"), owner="Director, A publisher")
    named = {name: source.model_copy(update={"publisher": "A publisher (returns); Other"})
             for name, source in report.sources.items()}  # fmt: skip
    listed = list_partners(report._replace(sources=named))
    assert listed is not None
    assert [row.body for row in listed.absent] == ["Other"] * 2
