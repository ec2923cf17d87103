"""Old keys of declarations: each is refused with its new name, and is in the page on upgrading."""

import re
from pathlib import Path

import pytest

from pipelines.core.errors import DeclarationError
from pipelines.declarations.acceptances import Acceptance
from pipelines.declarations.base import Declaration
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.corrections import Correction
from pipelines.declarations.endpoint import ArcGis
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.renamed_keys import RENAMED_KEYS, REPLACED_KEYS
from pipelines.declarations.source import Source
from pipelines.declarations.yaml_lines import field_names, read_yaml, validate_declaration
from pipelines.gaps.costs import Cost, Costs
from pipelines.geography.reorganisation import Scenario

ROOT = Path(__file__).resolve().parent.parent.parent
PLACES: list[tuple[type[Declaration], tuple[str | int, ...], tuple[str, ...]]] = [
    (
        Source,
        (),
        ("adding", "alike", "ask", "combined", "differs", "heading", "holder", "ignore", "lies_in", "not_data"),
    ),
    (Source, (), ("api", "header", "period_in_name", "period_in_preamble", "places", "where")),
    (Source, ("elsewhere", "Wales"), ("holder", "how")),
    (Source, ("markers", "c"), ("low", "high")),
    (Source, ("measures", "m"), ("counted", "reaches", "weighed_by", "where")),
    (Source, ("releases", 0), ("places",)),
    (Source, ("notes", 0), ("places",)),
    (Source, ("breaks", 0), ("places",)),
    (Source, ("returns",), ("by", "roll")),
    (Source, ("shares",), ("from_system", "to_system", "what")),
    (Source, ("weights", "w"), ("good_for",)),
    (Source, ("measure_defaults",), ()),
    (ProblemHeader, (), ("only", "places", "wants")),
    (Acceptance, (), ("places",)),
    (Correction, (), ("do",)),
    (Cost, (), ("holder",)),
    (Costs, (), ("otherwise",)),
    (Scenario, (), ("places",)),
    (Scenario, ("new", 0), ("of",)),
    (Scenario, ("new", 0, "parts", 0), ("system",)),
]
CASES = [(model, where, old) for model, where, keys in PLACES for old in keys]


def declared_at(where: tuple[str | int, ...], text: str) -> str:
    """Write YAML with a text under a path of keys and list items."""
    for part in reversed(where):
        text = f"[{{{text}}}]" if isinstance(part, int) else f"{part}: {text if text[0] == '[' else f'{{{text}}}'}"
    return f"{{{text}}}"


@pytest.mark.parametrize(("model", "where", "old"), CASES)
def test_an_old_key_is_refused_with_its_new_name(
    model: type[Declaration], where: tuple[str | int, ...], old: str
) -> None:
    data, lines = read_yaml("# a comment\n" + declared_at(where, f"{old}: 1"), Path("a.yaml"))
    new = next(name for name in RENAMED_KEYS[old] if name in field_names(model, where))
    with pytest.raises(DeclarationError) as refused:
        validate_declaration(model, data, lines, Path("a.yaml"))
    assert str(refused.value).splitlines() == [
        f"a.yaml:2: {'.'.join(map(str, (*where, old)))}: this key is now {new}; rename it"
    ]


GONE: list[tuple[tuple[str | int, ...], tuple[str, ...]]] = [
    ((), ("best_fit", "delimiter", "encoding", "layout", "link", "period_ends", "private", "records", "released")),
    ((), ("calendar", "lag", "period_pattern", "unallocated")),
    (("measures", "m"), ("at_most", "estimate", "interval", "perturbed", "population")),
]


@pytest.mark.parametrize(("where", "old"), [(where, old) for where, keys in GONE for old in keys])
def test_a_key_that_is_gone_is_refused_with_what_to_write_instead(where: tuple[str | int, ...], old: str) -> None:
    data, lines = read_yaml("# a comment\n" + declared_at(where, f"{old}: 1"), Path("a.yaml"))
    with pytest.raises(DeclarationError) as refused:
        validate_declaration(Source, data, lines, Path("a.yaml"))
    assert str(refused.value).splitlines() == [
        f"a.yaml:2: {'.'.join(map(str, (*where, old)))}: no longer a key; {REPLACED_KEYS[old][1]}"
    ]


def test_every_renamed_key_has_a_case() -> None:
    met = {(old, next(name for name in RENAMED_KEYS[old] if name in field_names(m, where))) for m, where, old in CASES}
    assert {old for _, keys in GONE for old in keys} == set(REPLACED_KEYS)
    assert met == {(old, new) for old, names in RENAMED_KEYS.items() for new in names}


def test_query_of_an_arcgis_service_keeps_its_own_key() -> None:
    data, lines = read_yaml("{layer: https://example.org/0, where: 1=1}", Path("a.yaml"))
    assert validate_declaration(ArcGis, data, lines, Path("a.yaml")).where == "1=1"


def test_page_on_upgrading_lists_every_renamed_key() -> None:
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \| `(\w+)`", page, flags=re.M))
    assert {(old, new) for old, names in RENAMED_KEYS.items() for new in names} <= listed
    assert {old for old in REPLACED_KEYS if not re.search(rf"^\| `{old}` \|", page, flags=re.M)} == set()


def test_nothing_shipped_has_an_old_key() -> None:
    assert not load_catalogue(ROOT).unread_sources
    assert not load_catalogue(ROOT).excluded_problems
