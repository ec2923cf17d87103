"""Validators of other projects accept the outputs. Each test skips where its validator is not installed."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.store import output_path
from tests.breadth import cases

SHAPES = Path(__file__).parent / "catalogue_shapes.ttl"


@pytest.fixture(scope="module")
def outputs(built_small: Path) -> Path:
    return output_path(built_small / "store", "")


def json_blocks(outputs: Path) -> list[dict[str, Any]]:
    page = (outputs / "index.html").read_text(encoding="utf-8")
    blocks = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(block) for block in blocks]


@pytest.mark.parametrize("name", cases(["jobs_south_london"], wide=["jobs_recovery"]))
def test_csvw_accepts_the_description_of_the_csv_file(outputs: Path, name: str) -> None:
    csvw = pytest.importorskip("csvw", reason="csvw is not installed")
    metadata = csvw.CSVW(str(outputs / f"{name}.csv-metadata.json"), validate=True)
    assert metadata.is_valid, metadata.warnings
    partners = csvw.CSVW(str(outputs / f"{name}.partnerships.csv-metadata.json"), validate=True)
    assert partners.is_valid, partners.warnings
    assert len(metadata.tables) == 1 and metadata.common_props["dc:issued"]


def test_csvw_refuses_a_cell_of_another_type(outputs: Path, tmp_path: Path) -> None:
    csvw = pytest.importorskip("csvw", reason="csvw is not installed")
    for name in ("jobs_recovery.csv", "jobs_recovery.csv-metadata.json"):
        shutil.copy(outputs / name, tmp_path / name)
    path = tmp_path / "jobs_recovery.csv"
    head, row, *rest = path.read_text(encoding="utf-8").split("\n")
    broken = re.sub(r",\d{4}-\d\d-\d\d,", ",soon,", row, count=1)
    assert broken != row
    path.write_text("\n".join([head, broken, *rest]), encoding="utf-8")
    assert not csvw.CSVW(str(tmp_path / "jobs_recovery.csv-metadata.json"), validate=True).is_valid


def test_frictionless_accepts_the_data_package(outputs: Path) -> None:
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")
    package = frictionless.Package(str(outputs / "datapackage.json"))
    tables = [resource for resource in package.resources if resource.format == "csv"]
    assert len(tables) == 8
    for resource in tables:
        report = resource.validate(frictionless.Checklist(checks=[]))
        assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:5]


def test_package_names_every_data_file_with_its_bytes(outputs: Path) -> None:
    package = json.loads((outputs / "datapackage.json").read_text(encoding="utf-8"))
    sizes = {item["path"]: item["bytes"] for item in package["resources"]}
    assert sizes == {name: (outputs / name).stat().st_size for name in sizes}
    written = {path.name for path in outputs.iterdir() if path.is_file() and path.name.startswith("jobs_")}
    assert written - set(sizes) == {
        f"jobs_{name}.{ending}"
        for name in ("recovery", "south_london")
        for ending in ("html", "csv-metadata.json", "partnerships.csv-metadata.json")
    }


def test_shapes_accept_the_catalogue_of_the_index(outputs: Path) -> None:
    pyshacl, rdflib = (pytest.importorskip(name, reason="pyshacl is not installed") for name in ("pyshacl", "rdflib"))
    catalogue = json_blocks(outputs)[1]
    assert shacl_conforms(pyshacl, rdflib, catalogue) == (True, "")
    del catalogue["dcat:dataset"][0]["dct:title"]
    assert not shacl_conforms(pyshacl, rdflib, catalogue)[0]


def shacl_conforms(pyshacl: Any, rdflib: Any, catalogue: dict[str, Any]) -> tuple[bool, str]:
    graph = rdflib.Graph().parse(
        data=json.dumps(catalogue), format="json-ld", publicID="https://example.org/index.html"
    )
    conforms, _, text = pyshacl.validate(graph, shacl_graph=str(SHAPES), inference="none")
    return bool(conforms), "" if conforms else str(text)


def test_description_for_search_engines_names_every_file(outputs: Path) -> None:
    described = json_blocks(outputs)[0]
    assert described["@context"] == "https://schema.org" and described["@type"] == "DataCatalog"
    for dataset in described["dataset"]:
        assert {"name", "description", "url", "license", "temporalCoverage"} <= set(dataset)
        assert all((outputs / item["contentUrl"]).is_file() for item in dataset["distribution"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d", dataset["temporalCoverage"])
