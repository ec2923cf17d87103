"""Repository: licence, decision records, hosted CI, hooks and a complete wheel."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands_of(job: str) -> list[str]:
    steps = yaml.safe_load(page(".github/workflows/ci.yml"))["jobs"][job]["steps"]
    return [step["run"] for step in steps if "run" in step]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from a copy, as `pip` does, with the locked build backend."""
    copy = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE.md"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("pipelines", "checks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", program], cwd=copy, check=True, capture_output=True)
    (built,) = copy.glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_has_licences_and_type_markers(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"pipelines/py.typed", "checks/py.typed"} <= names
    kept = f"commonground-{PROJECT['version']}.dist-info/licenses"
    assert {f"{kept}/LICENSE", f"{kept}/NOTICE.md"} <= names
    assert "License-Expression: MIT" in wheel.read(f"{kept.partition('/')[0]}/METADATA").decode()


def test_wheel_has_every_file_that_the_packages_read(wheel: zipfile.ZipFile) -> None:
    ours = [path for name in ("pipelines", "checks") for path in (ROOT / name).rglob("*") if path.is_file()]
    read = {
        path.relative_to(ROOT).as_posix() for path in ours if path.suffix in (".py", ".sql", ".html", ".css", ".csv")
    }
    assert len(read) > 100
    assert read - set(wheel.namelist()) == set()


def test_code_is_under_mit_and_data_under_the_open_government_licence() -> None:
    assert page("LICENSE").startswith("MIT License") and "The Commonground contributors" in page("LICENSE")
    assert "Open Government Licence v3.0" in page("NOTICE.md")
    assert "(LICENSE)" in page("README.md") and "(NOTICE.md)" in page("README.md")


def test_hosted_ci_runs_the_commands_in_the_readme() -> None:
    assert commands_of("unix") == ["make run", "make test", "make test-wide"]
    block = re.search(r"On Windows.*?```\n(.*?)```", page("README.md"), re.DOTALL)
    assert block
    first, *rest = block[1].splitlines()
    assert first.endswith("-m venv .venv") and len(rest) == 4
    assert commands_of("windows") == ["python -m venv .venv", *rest]


def test_hosted_ci_has_three_systems_and_two_python_versions() -> None:
    jobs = yaml.safe_load(page(".github/workflows/ci.yml"))["jobs"]
    unix, windows = (jobs[name]["strategy"]["matrix"] for name in ("unix", "windows"))
    assert unix == {"os": ["ubuntu-latest", "macos-latest"], "python": ["3.11", "3.13"]}
    assert windows == {"python": unix["python"]} and jobs["windows"]["runs-on"] == "windows-latest"


def test_hooks_download_nothing() -> None:
    repositories = yaml.safe_load(page(".pre-commit-config.yaml"))["repos"]
    assert [item["repo"] for item in repositories] == ["local"]
    assert {hook["language"] for hook in repositories[0]["hooks"]} == {"system"}


def test_changelog_begins_with_the_unreleased_section() -> None:
    headings = re.findall(r"^(##+) (.+)$", page("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == ("##", "Unreleased")
    assert {"Added", "Changed", "Fixed", "Security"} <= {text for level, text in headings if level == "###"}
    assert ("##", PROJECT["version"]) in headings


def test_decisions_have_consecutive_numbers_and_one_index_entry_each() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert len(records) >= 12
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    titles = [
        path.read_text(encoding="utf-8").partition("\n")[0].removeprefix(f"# {path.name[:4]}. ") for path in records
    ]
    assert re.findall(r"^\| \[(.+)\]\((.+)\) \|", page("docs/decisions/README.md"), re.MULTILINE) == [
        (title, path.name) for title, path in zip(titles, records, strict=True)
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_decision_is_one_page_with_all_sections(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    assert re.search(r"^Status: (accepted|proposed|replaced by \d{4}), \w+ \d{4}$", parts[0], re.MULTILINE)
    assert parts[1::2] == ["Context", "Decision", "What was tried or measured", "Consequences"]
    assert all(len(part.split()) > 10 for part in parts[2::2])
    assert len(text.splitlines()) <= 60
