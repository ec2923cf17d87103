"""Who could close a gap, and how: by its reason, its nation, and the declaration of its source."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipelines.core.reasons import REASONS
from pipelines.declarations.source import Source
from pipelines.gaps.remedies import describe_loading, find_remedy, tabulate_remedies
from tests.gaps.plain import catalogue_of, measure_of, source_of

SCOTLAND = {"Scotland": {"data_owner": "The Scottish Government", "request": "Ask Edinburgh."}}
ADD = "run `commonground add s FILE --released DAY`"
DOWNLOAD = f"Download a file from https://example.org, then {ADD}."


def remedy(reason: str, nation: str = "England", **said: Any) -> tuple[str, str]:
    return find_remedy(reason, nation, "s", source_of("m", **said))


@pytest.mark.parametrize("access", ["open", "not_open"])
def test_nation_with_its_own_series_is_asked_for_it(access: str) -> None:
    said = {"elsewhere": SCOTLAND, "access": access}
    own = ("The Scottish Government", "Ask Edinburgh.")
    assert remedy("nation_not_covered", "Scotland", **said) == own
    reason = REASONS["nation_not_covered"]
    for nation in ("Wales", "England", ""):
        assert remedy("nation_not_covered", nation, **said) == (reason.data_owner, reason.remedy)
    assert remedy("suppressed", "Scotland", **said) != own


@pytest.mark.parametrize("reason", ["not_loaded", "fetch_failed"])
def test_file_that_is_not_loaded_is_for_the_administrator(reason: str) -> None:
    owner = "your Commonground administrator"
    assert remedy(reason) == (owner, DOWNLOAD)
    assert remedy(reason, url="https://example.org/a.csv") == (owner, "Run `commonground refresh s`.")
    assert remedy(reason, access="not_open", request="Ask for it.") == (
        owner, f"Ask for it. Then {ADD}, which names the lines to declare."
    )  # fmt: skip


def test_place_outside_the_source_is_asked_for_as_declared() -> None:
    for reason in ("not_returned", "outside_source"):
        assert remedy(reason, request="Ask for all.") == ("A publisher", "Ask for all.")
        assert remedy(reason, request="Ask for all.", data_owner="An owner") == ("An owner", "Ask for all.")
        assert remedy(reason) == (
            REASONS[reason].data_owner.replace("the publisher", "A publisher"), REASONS[reason].remedy
        )  # fmt: skip
    # Another reason has its own remedy, though the source has a request.
    assert remedy("suppressed", request="Ask for all.")[1] == REASONS["suppressed"].remedy


def test_source_that_is_not_open_is_asked_for() -> None:
    for reason in ("not_collected", "not_open", "suppressed"):
        assert remedy(reason, access="not_open") == ("A publisher", "Ask for it.")
        assert remedy(reason, access="not_open", data_owner="An owner") == ("An owner", "Ask for it.")
    undeclared = source_of("m").model_copy(update={"access": "not_open"})
    assert find_remedy("suppressed", "England", "s", undeclared) == ("A publisher", REASONS["suppressed"].remedy)


def test_private_source_needs_permission_or_what_it_declares() -> None:
    ask = "Ask for permission to publish it, then declare access: open; or ask for publishable figures."
    assert remedy("not_open", access="private") == ("A publisher", ask)
    assert remedy("not_open", access="private", request="Ask us.", data_owner="We") == ("We", "Ask us.")
    assert remedy("suppressed", access="private") == remedy("suppressed")


def test_stale_source_is_refreshed_as_its_address_allows() -> None:
    rest = REASONS["late"].remedy.removeprefix("Refresh the source")
    assert rest and rest != REASONS["late"].remedy
    assert remedy("late") == ("A publisher, or your Commonground administrator", DOWNLOAD[:-1] + rest)
    assert remedy("late", url="https://example.org/a.csv")[1] == "Run `commonground refresh s`" + rest


def test_publisher_is_named_in_place_of_the_word() -> None:
    reason = REASONS["low_reach"]
    assert reason.data_owner == "the publisher of the other part"
    assert remedy("low_reach") == ("A publisher of the other part", reason.remedy)
    assert remedy("low_reach", data_owner="An owner") == ("An owner of the other part", reason.remedy)
    assert remedy("needs_parts")[0] == "A publisher" and remedy("membership_not_loaded")[0] == (
        "your Commonground administrator"
    )


def test_service_with_a_key_needs_it_first() -> None:
    keyed = cast(Source, SimpleNamespace(is_refreshable=True, key_variable="A_KEY"))
    assert describe_loading("s", keyed) == (
        "Set A_KEY to your API key for the service, then run `commonground refresh s`."
    )
    missing = source_of("m").model_copy(update={"access": "not_open"})
    assert describe_loading("s", missing) == f"Download the file. Then {ADD}, which names the lines to declare."


def test_kinds_of_gaps_are_tabulated_each_with_its_source() -> None:
    measures = {"a": measure_of(), "b": measure_of()}
    catalogue = catalogue_of(
        one=source_of(measures={"a": measures["a"]}, data_owner="One"), two=source_of(measures={"b": measures["b"]})
    )
    kinds = [("b", "needs_parts", "Wales"), ("a", "needs_parts", "England"), ("a", "not_loaded", "England")]
    table = tabulate_remedies(iter(kinds), catalogue)
    assert table.columns == ["measure", "reason", "nation", "data_owner", "remedy"]
    assert [row[:4] for row in table.rows()] == [
        (*kinds[0], "A publisher"), (*kinds[1], "One"), (*kinds[2], "your Commonground administrator")
    ]  # fmt: skip
    assert table["remedy"][2] == DOWNLOAD.replace("add s", "add one")
    assert tabulate_remedies([], catalogue).is_empty()
