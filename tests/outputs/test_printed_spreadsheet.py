"""The spreadsheet as LibreOffice prints it: across the page, one page wide, with headings on every page."""

import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from pipelines.outputs.report_model import Report
from pipelines.outputs.spreadsheet import build_spreadsheet
from tests.breadth import wide
from tests.report_sample import sample

SOFFICE, PDFTOTEXT = shutil.which("soffice"), shutil.which("pdftotext")
pytestmark = [
    wide,
    pytest.mark.skipif(
        SOFFICE is None or PDFTOTEXT is None, reason="no LibreOffice (soffice) or no poppler-utils (pdftotext) here"
    ),
]
QUESTION = "Where do people on low pay live, who could reach them, and which of the figures are old?"


def of_many_places(number: int) -> Report:
    """Build the sample with many places and a question of two lines."""
    report = sample("month")
    copies = [
        report.cells.filter(pl.col("place_code") == "E06000001").with_columns(
            pl.lit(f"E07{place:06}").alias("place_code"), pl.lit(f"Place {place}").alias("place_name")
        )
        for place in range(number)
    ]
    header = report.header.model_copy(update={"question": QUESTION, "decision": "Which offices open. " * 12})
    return report._replace(cells=pl.concat(copies), header=header)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The text of each printed page, with the size of the page in its first line."""
    folder = tmp_path_factory.mktemp("printed")
    (folder / "sheet.xlsx").write_bytes(build_spreadsheet(of_many_places(60)))
    convert = [
        str(SOFFICE),
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        "--headless",
        "--convert-to",
        "pdf",
    ]
    subprocess.run([*convert, "--outdir", str(folder), str(folder / "sheet.xlsx")], check=True, capture_output=True)
    return split_pages(folder / "sheet.pdf")


def split_pages(pdf: Path) -> list[str]:
    boxes = subprocess.run([str(PDFTOTEXT), "-bbox", str(pdf), "-"], check=True, capture_output=True, text=True).stdout
    sizes = re.findall(r'<page width="([\d.]+)" height="([\d.]+)"', boxes)
    text = subprocess.run([str(PDFTOTEXT), "-layout", str(pdf), "-"], check=True, capture_output=True, text=True).stdout
    return [f"{w} {h}\n{page}" for (w, h), page in zip(sizes, text.split("\f"), strict=False)]


def test_every_page_is_across(printed: list[str]) -> None:
    sizes = [tuple(map(float, page.split("\n")[0].split())) for page in printed]
    assert sizes and all(width > height for width, height in sizes)


def test_every_page_of_figures_repeats_the_headings_in_one_page_width(printed: list[str]) -> None:
    figures = [page for page in printed if re.search(r"^\s*Figures\b.*Page \d+ of", page, re.MULTILINE)]
    assert 1 < len(figures) <= 8
    assert all("Place code" in page and "vacancies" in page for page in figures)
    assert sum(page.count("E07") for page in figures) == 60 * 3


def test_cover_shows_every_paragraph_on_lines_of_its_own(printed: list[str]) -> None:
    lines = [line.strip() for line in printed[0].split("\n")[1:] if line.strip()]
    words = " ".join(lines)
    assert QUESTION in words and words.count("Which offices open.") == 12
    for heading in ("Introductory information", "About these data", "Contact"):
        assert heading in lines


def test_sheets_take_few_pages(printed: list[str]) -> None:
    assert len(printed) <= 24
