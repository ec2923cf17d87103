"""The notebook and the examples in R run on the outputs of a build, and the pages name files that exist."""

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.store import output_path

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTEBOOK = DOCS / "notebook" / "jobs_recovery.ipynb"
RSCRIPT = shutil.which("Rscript")


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_notebook_runs_from_top_to_bottom(built_small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONGROUND_STORE", str(built_small / "store"))
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, source in enumerate(code_cells()):
            exec(compile(source, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    assert names["compared"]["place_name"][0] == "Birmingham" and "361 places have a boundary" in printed.getvalue()


def test_notebook_is_stored_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")


@pytest.mark.skipif(RSCRIPT is None, reason="no R on this machine")
def test_every_example_in_r_runs(built_small: Path, tmp_path: Path) -> None:
    examples = re.findall(r"```r\n(.*?)```", (DOCS / "r.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 5
    shutil.copytree(output_path(built_small / "store", ""), tmp_path / "out", ignore=shutil.ignore_patterns("places"))
    installed = [text for text in examples if has_packages(re.findall(r"library\((\w+)\)", text))]
    done = subprocess.run(
        [str(RSCRIPT), "-e", "\n".join(installed)], cwd=tmp_path / "out", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "known" in done.stdout and len(installed) >= 2


def has_packages(names: list[str]) -> bool:
    checks = "".join(f"stopifnot(requireNamespace('{name}', quietly = TRUE));" for name in names) or "1"
    return subprocess.run([str(RSCRIPT), "-e", checks], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("page", ["r.md", "excel.md", "power-bi.md"])
def test_files_that_the_pages_name_are_written(built_small: Path, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:jobs_recovery|boundaries/\w+)\.[\w.]+|datapackage\.json|commonground\.duckdb)`", text)
    )
    assert named
    assert [name for name in sorted(named) if not output_path(built_small / "store", name).is_file()] == []


@pytest.mark.parametrize("sheet", ["Cover", "Notes", "Answers", "Figures", "Gaps", "Reasons", "Sources"])
def test_every_sheet_of_the_spreadsheet_is_explained(sheet: str) -> None:
    assert f"| {sheet} |" in (DOCS / "excel.md").read_text(encoding="utf-8")
