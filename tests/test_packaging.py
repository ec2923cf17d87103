"""Lock files: pinned, hashed and complete, without network addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-ui.lock", "requirements-dev.lock")
EXTRAS = {"requirements.lock": ["build"], "requirements-ui.lock": ["build", "ui"]}
"""Extras in each lock; the lock of development has the extra `dev` too."""
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return {
        canonicalize_name(package): version for package, version in PINNED.findall((ROOT / ".ci" / name).read_text())
    }


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_file_is_pinned_and_hashed(name: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / ".ci" / name).read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    assert [line[:60] for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_file_satisfies_the_declared_dependencies(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = list(project["dependencies"])
    for extra in EXTRAS.get(name, ["build", "ui", "dev", "s3", "spark"]):
        declared += project["optional-dependencies"][extra]
    stored = pins(name)
    for line in declared:
        wanted = Requirement(line)
        assert wanted.specifier.contains(stored[canonicalize_name(wanted.name)]), line


@pytest.mark.parametrize("larger", LOCKS[1:])
def test_larger_lock_has_the_same_versions_as_the_user_lock(larger: str) -> None:
    run, more = pins(LOCKS[0]), pins(larger)
    assert {name: version for name, version in run.items() if more.get(name) != version} == {}


def test_build_needs_no_web_server() -> None:
    assert not {"dagster-webserver", "uvicorn", "starlette"} & set(pins(LOCKS[0]))
    assert {"dagster-webserver", "uvicorn", "starlette"} <= set(pins(LOCKS[1]))


def test_no_file_names_a_package_index() -> None:
    hosts = re.compile(rb"https?://[\w.]*(?:pypi|pythonhosted|npmjs|anaconda|debian)\.|--(?:extra-)?index-url", re.I)
    kept = [
        p for p in ROOT.rglob("*") if p.is_file() and not {".git", ".venv", "data"} & set(p.relative_to(ROOT).parts)
    ]
    assert [
        str(p) for p in kept if p.name not in ("Makefile", "test_packaging.py") and hosts.search(p.read_bytes())
    ] == []
