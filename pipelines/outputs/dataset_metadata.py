"""Descriptions of the data sets in the index page: Schema.org for search engines, DCAT 3 for catalogues of data."""

import json
from typing import Any

from markupsafe import Markup

from pipelines.outputs.datasets import FILE_KINDS, Dataset, licence_address

_CONTEXT = {
    "@language": "en",
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#", "xsd": "http://www.w3.org/2001/XMLSchema#",
    "media": "https://www.iana.org/assignments/media-types/",
    **{term: {"@type": "@id"} for term in ("dct:license", "dct:source", "dcat:landingPage", "dcat:downloadURL",
                                           "dcat:mediaType")},
    **{term: {"@type": "xsd:date"} for term in ("dct:issued", "dct:modified", "dcat:startDate", "dcat:endDate")},
    **{term: {"@type": "xsd:string"} for term in ("dct:identifier", "foaf:name")},
}  # fmt: skip
"""Prefixes and types of the terms: a text without a type is English."""
_TITLE = "Answers to problems about places"


def describe_for_search(datasets: list[Dataset], version: str) -> dict[str, Any]:
    """Return the data sets in the terms of Schema.org (DataCatalog, Dataset, DataDownload)."""
    return {"@context": "https://schema.org", "@type": "DataCatalog", "name": _TITLE,
            "creator": {"@type": "Organization", "name": f"Commonground {version}"},
            "dataset": [_schema_dataset(dataset) for dataset in datasets]}  # fmt: skip


def _schema_dataset(dataset: Dataset) -> dict[str, Any]:
    span = f"{dataset.first_day}/{dataset.last_day}" if dataset.first_day else None
    return _drop_empty({
        "@type": "Dataset", "@id": f"#{dataset.name}", "url": f"{dataset.name}.html", "name": dataset.question,
        "description": f"For this decision: {dataset.decision.rstrip('.')}. Every place, period and measure has a "
        "value or a gap with its reason.",
        "license": _licence_addresses(dataset), "isAccessibleForFree": True, "datePublished": dataset.issued,
        "temporalCoverage": span, "spatialCoverage": dataset.places,
        "distribution": [
            {"@type": "DataDownload", "contentUrl": file.name, "encodingFormat": FILE_KINDS[file.ending].media_type}
            for file in dataset.files
        ],
    })  # fmt: skip


def describe_for_catalogues(datasets: list[Dataset], version: str) -> dict[str, Any]:
    """Return the data sets in the terms of DCAT 3 (Catalog, Dataset, Distribution)."""
    return {"@context": _CONTEXT, "@type": "dcat:Catalog", "@id": "#catalogue", "dct:title": _TITLE,
            "dct:description": "Each question with its figures and its gaps, from published data",
            "dct:creator": {"@type": "foaf:Agent", "foaf:name": f"Commonground {version}"},
            "dcat:dataset": [_dcat_dataset(dataset) for dataset in datasets]}  # fmt: skip


def _dcat_dataset(dataset: Dataset) -> dict[str, Any]:
    span = {"@type": "dct:PeriodOfTime", "dcat:startDate": dataset.first_day, "dcat:endDate": dataset.last_day}
    return _drop_empty({
        "@type": "dcat:Dataset", "@id": f"#{dataset.name}", "dct:identifier": dataset.name,
        "dct:title": dataset.question, "dct:description": dataset.decision, "dct:issued": dataset.issued,
        "dct:modified": dataset.changed.isoformat() if dataset.changed else None,
        "dct:temporal": span if dataset.first_day else None,
        "dct:spatial": {"@type": "dct:Location", "skos:prefLabel": dataset.places},
        "dct:license": _licence_addresses(dataset),
        "dct:rights": [{"@type": "dct:RightsStatement", "skos:prefLabel": text} for text in dataset.licences
                       if not licence_address(text)],
        "dct:source": sorted({page for _, _, page in dataset.sources}),
        "dcat:landingPage": f"{dataset.name}.html",
        "dcat:distribution": [
            {"@type": "dcat:Distribution", "dct:title": FILE_KINDS[file.ending].title, "dcat:downloadURL": file.name,
             "dcat:byteSize": file.size, "dcat:mediaType": f"media:{FILE_KINDS[file.ending].media_type}"}
            for file in dataset.files
        ],
    })  # fmt: skip


def _licence_addresses(dataset: Dataset) -> list[str]:
    return sorted({address for text in dataset.licences if (address := licence_address(text))})


def _drop_empty(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value not in (None, [])}


def encode_block(content: dict[str, Any]) -> Markup:
    """Return an object as JSON that is safe inside a script element, which it cannot end."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
