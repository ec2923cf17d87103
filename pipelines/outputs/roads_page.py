"""The page `docs/roads.md`: how each open source is fetched, and the evidence for its address."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.endpoint import ArcGis, Ckan, GovUk, JsonHop, Link, Nomis, PagedRows, StatXplore
from pipelines.declarations.source import Source

_INTRODUCTION = """\
`recorded` means that an answer to the request is among the tests. `documented` means that the publisher, or a program
in use, describes the request. `inferred` means neither. Recorded and documented roads are scheduled. An inferred road
is scheduled in a store in which `commonground refresh --check` has succeeded for it."""


def write_roads_page(root: Path, made: str) -> str:
    """Write the page of the roads that a project declares; `made` is the comment that names the command."""
    sources = {name: source for name, source in load_catalogue(root).sources.items() if source.road}
    roads = {name: source for name, source in sources.items() if source.is_refreshable}
    others = {name: source for name, source in sources.items() if not source.is_refreshable}
    parts = ["# Roads", made, _INTRODUCTION, _count_evidence(roads), "## Sources with an address"]
    parts.append(
        _table(
            ["source", "road", "evidence", "citation", "inferred", "licence"],
            [_road_row(name, source) for name, source in roads.items()],
        )
    )
    parts.append("## Sources without an address")
    rows = [[f"`{name}`", source.road.unknown or ""] for name, source in others.items() if source.road]
    parts.append(_table(["source", "reason"], rows))
    return "\n\n".join(parts) + "\n"


def _count_evidence(roads: dict[str, Source]) -> str:
    counts = Counter(
        ("copied" if source.road.copied else str(source.road.evidence)) for source in roads.values() if source.road
    )
    order = {
        "recorded": "recorded",
        "documented": "documented",
        "inferred": "inferred",
        "copied": "copies of a publisher's data on GitHub, counted apart",
    }
    return "\n".join(f"- {counts[key]} {text}" for key, text in order.items())


def _road_row(name: str, source: Source) -> list[str]:
    road = source.road
    if not road:
        return [f"`{name}`", describe_road(source), "", "", "", source.licence]
    evidence = f"{road.evidence}, a copy" if road.copied else str(road.evidence)
    citation = "; ".join(road.citation)
    return [f"`{name}`", describe_road(source), evidence, citation, road.inferred or "", source.licence]


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *sorted(rows)]
    return "\n".join("|" + "|".join(_escape_cell(cell) for cell in line) + "|" for line in lines)


def _escape_cell(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain if plain == "---" else f" {plain} "


def describe_road(source: Source) -> str:
    """Describe a source's road: its service and the requests, in a cell of a table."""
    if source.url:
        return f"`GET {source.url}`"
    if not source.fetch:
        return ""
    service = next(iter(source.fetch.model_fields_set))
    return _DESCRIBERS[service](getattr(source.fetch, service))


def _describe_link(link: Link) -> str:
    steps = "".join(f", then the link `{pattern}`" for pattern in link.through)
    return f"`GET {link.page}`{steps}, {_describe_choice(link)}"


def _describe_choice(rule: Link | Ckan | GovUk) -> str:
    which = "every link" if rule.take == "every" else f"the link that is {rule.newest}"
    since = f" since {rule.since}, at most {rule.at_most} a run" if rule.since else ""
    return f"{which} that matches `{rule.pattern}`{since}"


def _describe_nomis(api: Nomis) -> str:
    query = {name: ",".join(values) for name, values in api.query.items()}
    query |= {"select": ",".join((*api.select, "RECORD_COUNT"))} if api.select else {}
    base = f"{api.service}/api/v01/dataset/{api.dataset}"
    return f"`GET {base}.def.sdmx.json`, then pages of `GET {base}.data.csv?{urlencode(query, safe=',')}`"


def _describe_stat_xplore(api: StatXplore) -> str:
    levels = "".join(f"`GET {api.service}/webapi/rest/v1/schema/{name}`, then " for name in api.valuesets.values())
    fields = " by ".join(f"`{name}`" for name in api.dimensions)
    return f"{levels}`POST {api.service}/webapi/rest/v1/table`, key in `APIKey`: {', '.join(api.measures)} by {fields}"


def _describe_arcgis(api: ArcGis) -> str:
    return f"`GET {api.layer}?f=json`, then pages of `GET {api.layer}/query`"


def _describe_ckan(api: Ckan) -> str:
    lists = " and ".join(f"`GET {api.portal}/api/3/action/package_show?id={name}`" for name in api.package)
    return f"{lists}, {_describe_choice(api)}"


def _describe_govuk(api: GovUk) -> str:
    steps = "".join(f", then the document `{pattern}`" for pattern in api.through)
    return f"`GET {api.service}/api/content{api.path}`{steps}, {_describe_choice(api)}"


def _describe_hop(hop: JsonHop) -> str:
    steps = "".join(f", then the address at `{path}`" for path in hop.follow)
    file = f"`GET {hop.file}`" if "://" in hop.file else f"the address at `{hop.file}`"
    return f"`GET {hop.start}`{steps}, then {file}"


def _describe_paged(api: PagedRows) -> str:
    return f"pages of `GET {api.address}`, for {', '.join(api.places) or 'all places'}"


_DESCRIBERS: dict[str, Callable[[Any], str]] = {
    "link": _describe_link,
    "nomis": _describe_nomis,
    "stat_xplore": _describe_stat_xplore,
    "arcgis": _describe_arcgis,
    "ckan": _describe_ckan,
    "govuk": _describe_govuk,
    "json_hop": _describe_hop,
    "paged": _describe_paged,
}
