"""The project speaks the field's English: no dialect, short sentences, names that say what they are.

The rule and the terms are in GLOSSARY.md and CONTRIBUTING.md. A word of the list that is right in its place (an
archive's own name, a publisher's own words) is named in EXCEPTIONS, with the text around it.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

import pytest

from tests.prose import ROOT, Prose, draw_sentences, module_files, prose, read_module, sentences, words_of

DENIED = (
    "told", "held", "holder", "holders", "stands", "stood", "stand in", "stands in", "stand for", "stands for",
    "stand-in", "leads to", "led to", "lead to", "of it", "whose", "nought", "noughts", "shared out", "share out",
    "put together", "puts together", "made of", "met with", "to be minded", "so many", "one that", "ones that",
    "what is", "that of", "those of it", "as it is", "in hand", "the like", "nobody",
)  # fmt: skip
"""Words of the project's former dialect. The glossary has the terms to use."""
EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Path and words around a denied word, with the reason why it stays; at most MOST_EXCEPTIONS."""
MOST_EXCEPTIONS = 40
MOST_WORDS = 20
PARTICIPLES = frozenset(
    ["drawn", "found", "given", "held", "kept", "known", "led", "left", "made", "met", "put", "said", "seen", "shown"]
) | {"stood", "taken", "told"}
MOST_PARTICIPLES = 0.04
MOST_ONE_WORD = 0.35
MOST_MODULES = 2
FORMER_NAMES = frozenset({"told", "found", "each", "held"})
"""Names that say nothing of what they name: none is a function, a parameter or a variable, in tests neither."""
_DENIED = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, DENIED), key=len, reverse=True)) + r")\b", re.I)


@pytest.fixture(scope="module")
def texts() -> tuple[Prose, ...]:
    return prose()


def denied_in(unit: Prose) -> list[str]:
    """List the denied words of a text, each with the words around it."""
    text = " ".join(words_of(unit.text).split())
    return [text[max(actual.start() - 40, 0) : actual.end() + 25] for actual in _DENIED.finditer(text)]


def is_excepted(unit: Prose, around: str) -> bool:
    return any(path == unit.path and words in around for path, words in EXCEPTIONS)


def test_no_text_has_a_word_of_the_former_dialect(texts: tuple[Prose, ...]) -> None:
    actual = [
        f"{unit.path}:{unit.line} ({unit.kind}): ...{around}..."
        for unit in texts
        for around in denied_in(unit)
        if not is_excepted(unit, around)
    ]
    assert len(texts) > 5000
    assert not actual, f"{len(actual)} denied words:\n" + "\n".join(actual[:60])


def test_exceptions_are_few_and_all_in_use(texts: tuple[Prose, ...]) -> None:
    used = {
        (path, words) for unit in texts for around in denied_in(unit) for path, words in EXCEPTIONS
        if path == unit.path and words in around
    }  # fmt: skip
    assert len(EXCEPTIONS) <= MOST_EXCEPTIONS
    assert set(EXCEPTIONS) == used


def test_denied_words_are_found_in_every_kind_of_text() -> None:
    around = denied_in(Prose("a.py", 1, "docstring", "It says what is held here."))
    assert around == ["It says what is held here."] * 2
    assert not denied_in(Prose("a.py", 1, "docstring", "Uses `held` and pipelines.held_file; withheld stays."))


def test_sentences_are_short_on_average(texts: tuple[Prose, ...]) -> None:
    by_kind: dict[str, list[int]] = defaultdict(list)
    for unit in texts:
        by_kind[unit.kind] += [len(sentence.split()) for sentence in sentences(unit)]
    means = {kind: mean(lengths) for kind, lengths in by_kind.items() if len(lengths) > 20}
    assert {"docstring", "comment", "message", "page", "template"} <= set(means)
    assert max(means.values()) <= MOST_WORDS, means


def is_participle(word: str) -> bool:
    return word in PARTICIPLES or word.endswith("ed")


def program_files() -> list[Path]:
    return [path for room in ("pipelines", "checks") for path in sorted((ROOT / room).rglob("*.py"))]


def definitions() -> list[str]:
    """List the names of the functions and classes of the program."""
    return [
        item.name
        for path in program_files()
        for item in read_module(path).names
        if item.kind in ("def", "class") and not item.name.startswith("__")
    ]


def test_no_public_name_is_in_three_modules() -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    for path in program_files():
        for item in read_module(path).names:
            if item.is_top and item.kind in ("def", "class") and not item.name.startswith("_"):
                modules[item.name].add(str(path.relative_to(ROOT)))
    shared = {name: sorted(paths) for name, paths in modules.items() if len(paths) > MOST_MODULES}
    assert modules and not shared


def test_functions_are_verbs_with_objects_or_qualified_nouns() -> None:
    parts = [name.strip("_").split("_") for name in definitions() if not name.strip("_")[0].isupper()]
    one_word = [words for words in parts if len(words) == 1]
    participles = ["_".join(words) for words in parts if any(map(is_participle, (words[0], words[-1])))]
    assert len(parts) > 1000
    assert len(one_word) / len(parts) <= MOST_ONE_WORD
    assert len(participles) / len(parts) <= MOST_PARTICIPLES, Counter(participles).most_common(20)


def test_nothing_defined_has_a_name_of_the_former_dialect() -> None:
    names = [
        (f"{path.relative_to(ROOT)}:{item.line}", item.name)
        for path in module_files()
        for item in read_module(path).names
    ]
    actual = [f"{where} {name}" for where, name in names if name in FORMER_NAMES or name.startswith("test_the_")]
    assert len(names) > 20000
    assert not actual, actual[:40]


def test_a_drawn_sample_of_sentences_depends_on_its_seed_alone() -> None:
    first, again, other = (draw_sentences(seed, 20) for seed in (1, 1, 2))
    assert first == again != other and len(first) == 20
