"""Installation with uv where it is on the machine, and with pip where it is not or fails; the same hashes."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """#!/bin/sh
echo "{name} $@" >> "{log}"
case "{name} $*" in
*" -m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"uv venv "*) for folder; do :; done; mkdir -p "$folder/bin" && cp "{python}" "$folder/bin/python" ;;
esac
exit {code}
"""
"""A program that logs its arguments, and makes an environment with a Python that logs too."""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="make and sh are for POSIX systems")


def write_program(folder: Path, name: str, code: int = 0) -> Path:
    path = folder / name
    text = PROGRAM.format(name=name, log=folder / "log", python=folder / "python", code=code)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def run_install(folder: Path, *words: str, uv: str) -> list[str]:
    """Run .ci/install with a logging Python; return the commands that it ran."""
    python = write_program(folder, "python")
    more = {"PYTHON": str(python), "UV": str(folder / uv)}
    command = ["sh", str(ROOT / ".ci" / "install"), str(folder / "venv"), *words]
    subprocess.run(command, env={**os.environ, **more}, check=True, cwd=folder)
    return (folder / "log").read_text(encoding="utf-8").splitlines()


def test_uv_installs_the_lock_with_hashes_where_it_is_there(tmp_path: Path) -> None:
    write_program(tmp_path, "uv")
    venv, install = run_install(tmp_path, "a.lock", "b.lock", uv="uv")
    assert venv.startswith("uv venv ") and venv.endswith("venv")
    assert install.startswith("uv pip install ") and install.endswith(" --no-deps --require-hashes -r a.lock -r b.lock")


def test_pip_installs_the_lock_with_hashes_where_uv_is_not_there(tmp_path: Path) -> None:
    *before, install = run_install(tmp_path, "a.lock", uv="no-uv")
    assert f"python -m venv {tmp_path / 'venv'}" in before
    assert install.startswith("python -m pip install ") and install.endswith(" --no-deps --require-hashes -r a.lock")


def test_pip_does_the_work_where_uv_fails(tmp_path: Path) -> None:
    write_program(tmp_path, "uv", code=1)
    commands = run_install(tmp_path, "a.lock", uv="uv")
    assert commands[0].startswith("uv venv ")
    assert commands[-1].startswith("python -m pip install ") and "--require-hashes" in commands[-1]


def test_second_install_keeps_the_environment(tmp_path: Path) -> None:
    write_program(tmp_path, "uv")
    run_install(tmp_path, "a.lock", uv="uv")
    commands = run_install(tmp_path, "b.lock", uv="uv")
    assert sum(line.startswith("uv venv ") for line in commands) == 1
    assert commands[-1].endswith("-r b.lock")


def test_project_is_installed_without_packages_outside_the_lock(tmp_path: Path) -> None:
    write_program(tmp_path, "uv")
    assert run_install(tmp_path, ".", uv="uv")[-1].endswith(" --no-deps --no-build-isolation -e .")


def test_check_installs_nothing(tmp_path: Path) -> None:
    *_, check, complete = run_install(tmp_path, "--check", "a.lock", uv="no-uv")
    assert "--dry-run --require-hashes -r a.lock" in check
    assert complete == "python -m pip check"


def test_make_installs_every_lock_by_the_same_script() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert text.count("pip install") == 0
    for lock in ("requirements.lock", "requirements-ui.lock", "requirements-dev.lock"):
        assert f"$(INSTALL) .ci/{lock}" in text
