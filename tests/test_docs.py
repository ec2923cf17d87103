"""The docs match the code: a missing command, key, reason or table fails."""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

from pipelines.app.cli import BUILT_WITH_FAULTS, app
from pipelines.core import errors
from pipelines.core.limits import DEFAULT_LIMITS
from pipelines.core.reasons import REASONS
from pipelines.outputs.data_dictionary import REFERENCE_PAGES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(REFERENCE_PAGES))
def test_reference_pages_match_the_models(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == REFERENCE_PAGES[name]()


def test_every_reason_is_documented() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in page for code in REASONS)


def test_every_command_is_in_the_readme() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    public = [name for name, command in commands.items() if not command.hidden]
    missing = [name for name in public if f"commonground {name}" not in README]
    assert missing == []


def test_every_exit_code_is_in_the_readme() -> None:
    result = {int(code) for code in re.findall(r"(?:^|; |: )(\d+) [a-z]", README.split("Exit codes")[1][:600])}
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    used = {item.exit_code for item in classes} | {0, BUILT_WITH_FAULTS, 130}  # type: ignore[attr-defined]
    assert used == result


def test_every_adjustable_limit_is_in_the_readme() -> None:
    result = README.split("Limits: ")[1].partition("##")[0]
    assert {name for name in DEFAULT_LIMITS if name not in result} == set()
    assert {f"{most:,}" for most in DEFAULT_LIMITS.values() if f" {most:,} " not in result} == set()


def test_links_between_pages_have_existing_targets() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, to) for page in pages for to in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))]
    assert len(links) > 20
    assert [f"{page.name}: {to}" for page, to in links if not (page.parent / to).exists()] == []


def test_files_named_in_pages_exist() -> None:
    named = re.compile(r"`((?:pipelines|checks|tests|benchmarks|sources|docs)/[\w./-]+\.[a-z]+)`")
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"]
    paths = [(page, path) for page in pages for path in named.findall(page.read_text(encoding="utf-8"))]
    assert len(paths) > 20
    assert [f"{page.name}: {path}" for page, path in paths if not (ROOT / path).exists()] == []


def test_readme_names_both_makefile_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nrun:" in makefile and "\ntest:" in makefile
    assert "make run " in README and "make test " in README


NAMES_OF_OTHERS = frozenset({"MY_MAP", "EAGER_IMPORT", "TYPE_CHECKING"})
"""Names in pages that are a reader's own, or of Python and of a library."""
CODE = [
    path
    for folder in ("pipelines", "checks", "tests", "benchmarks", "sources")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".pyi", ".yaml", ".sql", ".html"}
]


def known_words() -> set[str]:
    """List the words of the code, the declarations and the files that configure them, and the names of their files."""
    files = [*CODE, *(ROOT / name for name in ("Makefile", "pyproject.toml", ".importlinter"))]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    return words | {path.stem for path in CODE} | NAMES_OF_OTHERS


def test_names_in_pages_exist_in_the_code() -> None:
    """A name with an underscore in a code span is a name of the program, a column, a key or a file."""
    history = {"CHANGELOG.md", "upgrading.md", "renamed-columns.md"}
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"]
    texts = {page: re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S) for page in pages}
    spans = [
        (page, name)
        for page, text in texts.items()
        if page.name not in history
        for span in re.findall(r"`([^`\n</>]+)`", text)
        for name in re.findall(r"\b[A-Za-z]\w*_\w+\b", span)
    ]
    known = known_words()
    assert len(spans) > 300
    assert [f"{page.name}: {name}" for page, name in spans if name not in known] == []


def test_names_in_docstrings_exist_in_their_module() -> None:
    """`module.NAME` in a docstring is a name of that module, and a code span of one word is a word of the code."""
    modules: dict[str, list[Path]] = {}
    for path in CODE:
        if path.suffix == ".py" and path.parts[len(ROOT.parts)] in {"pipelines", "checks"}:
            modules.setdefault(path.stem, []).append(path)
    endings = {
        "csv",
        "duckdb",
        "gz",
        "html",
        "json",
        "jsonl",
        "md",
        "parquet",
        "py",
        "sql",
        "toml",
        "xlsx",
        "yaml",
        "zip",
    }
    words = {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in CODE}
    known, named, missing = known_words(), 0, []
    for path in (path for path in CODE if path.suffix == ".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
                continue
            text = str(node.value.value)
            for stem, name in re.findall(r"\b([a-z_]+)\.([A-Za-z_]\w+)\b", text):
                if stem in modules and name not in endings:
                    named += 1
                    places = modules[stem]
                    if not any(name in words[module] or (module.parent / f"{name}.py").exists() for module in places):
                        missing.append(f"{path.relative_to(ROOT)}:{node.lineno}: {stem}.{name}")
            missing += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
                for name in re.findall(r"`([A-Za-z_]\w*)`", text)
                if name not in known
            ]
    assert named > 50
    assert missing == []
