"""The project's prose, unit by unit: docstrings, comments, messages, pages, declarations and SQL headers.

python -m tests.prose --seed 1     # prints 100 sentences to read one by one
"""

import argparse
import ast
import io
import random
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
CODE = ("pipelines", "checks", "tests", "benchmarks", "sources")
_FENCE = re.compile(r"^```.*?^```", re.M | re.S)
_MARKUP = re.compile(r"<style.*?</style>|<script.*?</script>|\{[%#].*?[%#]\}|<[^>]+>", re.S)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE_SPAN = re.compile(r"`[^`]*`")
_NAME = re.compile(r"\b\w+(?:[_./]\w+)+\b")
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z0-9`\"'(])")


LEAST_LETTERS = 30
"""A drawn sentence has more letters than this: cells of tables of figures are not read aloud."""


class Prose(NamedTuple):
    """A piece of text that a person reads: `kind` is docstring, comment, message, test name, page, template, ...."""

    path: str
    line: int
    kind: str
    text: str


@cache
def prose() -> tuple[Prose, ...]:
    """List all prose of the project by file and line, but docs/upgrading.md, which names old words."""
    return (
        *(
            unit
            for folder in CODE
            for path in sorted((ROOT / folder).rglob("*.py"))
            for unit in read_module(path).prose
        ),
        *(unit for path in pages() for unit in page_prose(path)),
        *(unit for path in sorted((ROOT / "sources").rglob("*.yaml")) for unit in declaration_prose(path)),
        *(unit for path in sorted((ROOT / "pipelines/problems").glob("*.sql")) for unit in problem_prose(path)),
        *(unit for path in sorted((ROOT / "pipelines/outputs/templates").iterdir()) for unit in template_prose(path)),
    )


def module_files() -> list[Path]:
    """List the modules of the program, its tests, its measurements and its sources."""
    return [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def pages() -> list[Path]:
    """List the Markdown pages that are written or made here."""
    named = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "GLOSSARY.md")]
    actual = [*named, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks/README.md"]
    return [path for path in actual if path.name != "upgrading.md"]


class Named(NamedTuple):
    """A function, class, parameter or variable that a module defines; `kind` is def, class, parameter or variable."""

    line: int
    name: str
    kind: str
    is_top: bool


class Module(NamedTuple):
    """What a module says and names."""

    prose: tuple[Prose, ...]
    names: tuple[Named, ...]


@cache
def read_module(path: Path) -> Module:
    """Read the docstrings, comments and messages of a module, the names of its tests, and all names it defines."""
    text, name = path.read_text(), str(path.relative_to(ROOT))
    tree = ast.parse(text)
    nodes, top = list(_walk(tree)), set(map(id, tree.body))
    return Module(
        (*_texts(nodes, name), *_comments(text, name)),
        tuple(Named(*named, id(node) in top) for node in nodes if (named := _name_of(node))),
    )


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that only state how a name is used: a third of the time of ast.walk."""
    nodes = [tree]
    for node in nodes:
        yield node
        for field in node._fields:
            part = getattr(node, field, None) if field != "ctx" else None
            if isinstance(part, list):
                nodes += [item for item in part if isinstance(item, ast.AST)]
            elif isinstance(part, ast.AST):
                nodes.append(part)


def _name_of(node: ast.AST) -> tuple[int, str, str] | None:
    """Return line, name and kind of what a node defines, if anything."""
    if isinstance(node, ast.Name):
        return (node.lineno, node.id, "variable") if isinstance(node.ctx, ast.Store) else None
    if isinstance(node, ast.arg):
        return node.lineno, node.arg, "parameter"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.lineno, node.name, "def"
    return (node.lineno, node.name, "class") if isinstance(node, ast.ClassDef) else None


def _texts(nodes: list[ast.AST], name: str) -> Iterator[Prose]:
    is_program = name.startswith(("pipelines", "checks"))
    bare = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    parts = {id(value) for node in nodes if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            if id(node) in bare:
                yield Prose(name, node.lineno, "docstring", node.value)
            elif is_program and node.value.count(" ") > 1:
                yield Prose(name, node.lineno, "message", node.value)
        elif isinstance(node, ast.JoinedStr) and is_program:
            pieces = [str(value.value) if isinstance(value, ast.Constant) else "X" for value in node.values]
            if "".join(pieces).count(" ") > 1:
                yield Prose(name, node.lineno, "message", "".join(pieces))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield Prose(name, node.lineno, "test name", node.name.removeprefix("test_").replace("_", " "))


def _comments(text: str, name: str) -> Iterator[Prose]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(?:fmt:|noqa|type:|!)", token.string):
            yield Prose(name, token.start[0], "comment", token.string.lstrip("# "))


def page_prose(path: Path) -> Iterator[Prose]:
    """Yield the paragraphs, list items and table cells of a Markdown page, without its code."""
    text = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), path.read_text())
    name, line = str(path.relative_to(ROOT)), 1
    for block in re.split(r"(\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.)\s))", text):
        if re.search(r"\w", block):
            yield Prose(name, line + block[: len(block) - len(block.lstrip())].count("\n"), "page", block.strip())
        line += block.count("\n")


def declaration_prose(path: Path) -> Iterator[Prose]:
    """Yield the comments of a YAML file, and its values of two words and more."""
    name = str(path.relative_to(ROOT))
    for number, row in enumerate(path.read_text().splitlines(), 1):
        if actual := re.search(r"(?:^|\s)#\s*(.+)", row):
            yield Prose(name, number, "comment", actual[1])
    for node in _scalars(yaml.compose(path.read_text(), yaml.CSafeLoader)):
        yield Prose(name, node.start_mark.line + 1, "declaration", node.value)


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in WRITTEN_KEYS or not isinstance(value, yaml.ScalarNode):
                yield from _scalars(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if not isinstance(item, yaml.ScalarNode):
                yield from _scalars(item)
    elif isinstance(node, yaml.ScalarNode) and " " in node.value:
        yield node


WRITTEN_KEYS = frozenset({"title", "note", "text", "why", "how", "ask", "unit", "blocking_reasons", "reason"})
"""Keys of a declaration with a text written here; other values are the publisher's headings and labels."""


def problem_prose(path: Path) -> Iterator[Prose]:
    """Yield the header of a problem, line by line, and the comments of its SELECT."""
    name, text = str(path.relative_to(ROOT)), path.read_text()
    header = text[text.index("/*") + 2 : text.index("*/")]
    for node in _header_texts(yaml.compose(header, yaml.CSafeLoader)):
        yield Prose(name, node.start_mark.line + 1, "header", node.value)
    for number, row in enumerate(text.splitlines(), 1):
        if actual := re.search(r"(?:--|(?:^|\s)#)\s*(.+)", row):
            yield Prose(name, number, "comment", actual[1])


def _header_texts(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _header_texts(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _header_texts(item)
    elif isinstance(node, yaml.ScalarNode) and node.value.count(" ") > 1:
        yield node


def template_prose(path: Path) -> Iterator[Prose]:
    """Yield the words of a template of a page, without its markup and its stylesheet."""
    if path.suffix != ".html":
        return
    name = str(path.relative_to(ROOT))
    text = _MARKUP.sub(lambda tag: "\n" * tag[0].count("\n") + "\x00", path.read_text())
    text = re.sub(r"\{\{.*?\}\}", lambda value: "\n" * value[0].count("\n") + "X", text, flags=re.S)
    line = 1
    for block in text.split("\x00"):
        if re.search(r"[a-z]{2}", block):
            yield Prose(name, line + block[: len(block) - len(block.lstrip())].count("\n"), "template", block.strip())
        line += block.count("\n")


def words_of(text: str) -> str:
    """Return a text without its code: spans in backticks, link targets, and names with a dot, slash or underscore."""
    return _NAME.sub("X", _CODE_SPAN.sub("X", _LINK.sub(r"\1", text)))


def sentences(unit: Prose) -> list[str]:
    """Split a text into sentences of three words or more; a table cell and a heading are sentences too."""
    text = words_of(unit.text)
    pieces = [
        piece for row in re.split(r"\n\s*\n|\n\s*[-*] |\|", text) for piece in _SENTENCE.split(" ".join(row.split()))
    ]
    return [piece for piece in pieces if len(piece.split()) > 2]


def draw_sentences(seed: int, count: int) -> list[tuple[Prose, str]]:
    """Draw sentences of docstrings, pages, templates, declarations and SQL headers by a seed, each with its place."""
    return random.Random(seed).sample(_sentences_to_read(), count)


@cache
def _sentences_to_read() -> tuple[tuple[Prose, str], ...]:
    kinds = {"docstring", "page", "template", "message", "declaration", "header"}
    return tuple(
        (unit, sentence)
        for unit in prose()
        if unit.kind in kinds
        for sentence in sentences(unit)
        if sum(map(str.isalpha, sentence)) > LEAST_LETTERS
    )


def main() -> None:
    """Print a sample of the project's sentences, one a line, with file, line and kind."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=100)
    chosen = parser.parse_args()
    for unit, sentence in draw_sentences(chosen.seed, chosen.count):
        sys.stdout.write(f"{unit.path}:{unit.line} ({unit.kind}): {sentence}\n")


if __name__ == "__main__":
    main()
