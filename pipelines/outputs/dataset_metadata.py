"""Descriptions of the data sets in the index page: schema.org for search engines, DCAT 3 for catalogues of data."""

import json
from typing import Any

from markupsafe import Markup

from pipelines.outputs.datasets import FILE_KINDS, Dataset, licence_address

_CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#", "xsd": "http://www.w3.org/2001/XMLSchema#",
}  # fmt: skip
_TITLE = "Answers to problems about places"
_MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"


def describe_for_search(datasets: list[Dataset], version: str) -> dict[str, Any]:
    """Return the data sets in the terms of schema.org (DataCatalog, Dataset, DataDownload)."""
    return {"@context": "https://schema.org", "@type": "DataCatalog", "name": _TITLE,
            "creator": {"@type": "Organization", "name": f"Commonground {version}"},
            "dataset": [_schema_dataset(dataset) for dataset in datasets]}  # fmt: skip


def _schema_dataset(dataset: Dataset) -> dict[str, Any]:
    span = f"{dataset.first_day}/{dataset.last_day}" if dataset.first_day else None
    return _drop_empty({
        "@type": "Dataset", "@id": f"#{dataset.name}", "url": f"{dataset.name}.html", "name": dataset.question,
        "description": f"For this decision: {dataset.decision}. Every place, period and measure has a value or a "
        "gap with its reason.",
        "license": _licence_addresses(dataset), "isAccessibleForFree": True, "datePublished": dataset.issued,
        "temporalCoverage": span, "spatialCoverage": dataset.places,
        "distribution": [
            {"@type": "DataDownload", "contentUrl": file.name, "encodingFormat": FILE_KINDS[file.ending].media_type}
            for file in dataset.files
        ],
    })  # fmt: skip


def describe_for_catalogues(datasets: list[Dataset], version: str) -> dict[str, Any]:
    """Return the data sets in the terms of DCAT 3 (Catalog, Dataset, Distribution)."""
    return {"@context": _CONTEXT, "@type": "dcat:Catalog", "@id": "#catalogue", "dct:title": _english(_TITLE),
            "dct:description": _english("Each question with its figures and its gaps, from published data"),
            "dct:creator": {"@type": "foaf:Agent", "foaf:name": f"Commonground {version}"},
            "dcat:dataset": [_dcat_dataset(dataset) for dataset in datasets]}  # fmt: skip


def _dcat_dataset(dataset: Dataset) -> dict[str, Any]:
    span = {
        "@type": "dct:PeriodOfTime",
        "dcat:startDate": _day(dataset.first_day),
        "dcat:endDate": _day(dataset.last_day),
    }
    changed = dataset.changed.isoformat() if dataset.changed else None
    return _drop_empty({
        "@type": "dcat:Dataset", "@id": f"#{dataset.name}", "dct:identifier": dataset.name,
        "dct:title": _english(dataset.question), "dct:description": _english(dataset.decision),
        "dct:issued": _day(dataset.issued), "dct:modified": _day(changed),
        "dct:temporal": span if dataset.first_day else None,
        "dct:spatial": {"@type": "dct:Location", "skos:prefLabel": _english(dataset.places)},
        "dct:license": [{"@id": address} for address in _licence_addresses(dataset)],
        "dct:rights": [{"@type": "dct:RightsStatement", "skos:prefLabel": _english(text)} for text in dataset.licences
                       if not licence_address(text)],
        "dct:source": [{"@id": page} for page in sorted({page for _, _, page in dataset.sources})],
        "dcat:landingPage": {"@id": f"{dataset.name}.html"},
        "dcat:distribution": [
            {"@type": "dcat:Distribution", "dct:title": _english(FILE_KINDS[file.ending].title),
             "dcat:downloadURL": {"@id": file.name}, "dcat:byteSize": file.size,
             "dcat:mediaType": {"@id": _MEDIA_TYPES + FILE_KINDS[file.ending].media_type}}
            for file in dataset.files
        ],
    })  # fmt: skip


def _licence_addresses(dataset: Dataset) -> list[str]:
    return sorted({address for text in dataset.licences if (address := licence_address(text))})


def _english(text: str) -> dict[str, str]:
    return {"@value": text, "@language": "en"}


def _day(day: str | None) -> dict[str, str] | None:
    return {"@value": day, "@type": "xsd:date"} if day else None


def _drop_empty(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value not in (None, [])}


def encode_block(content: dict[str, Any]) -> Markup:
    """Return an object as JSON that is safe inside a script element, which it cannot end."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
