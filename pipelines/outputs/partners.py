"""Partners of a decision, and the bodies with needed figures that are no partners."""

import re
from typing import NamedTuple

import polars as pl

from pipelines.core.periods import format_period
from pipelines.declarations.problem import Partner, ProblemHeader
from pipelines.outputs.report_model import Report

_NEXT_PROVIDER = re.compile(r", (?=[A-Z0-9]{3,9} )")
"""Comma before a further provider, which begins with a code; a name may have a comma of its own."""

_IN_BRACKETS = re.compile(r" \([^)]*\)$")


class AbsentBody(NamedTuple):
    """A body that is no partner: why it matters, and the titles of its measures."""

    body: str
    why: str
    measures: tuple[str, ...]


class SilentProviders(NamedTuple):
    """Providers that are no partners and returned no figure for the newest period of some measures."""

    providers: tuple[str, ...]
    returned_by: str
    period: str
    measures: tuple[str, ...]


class PartnerList(NamedTuple):
    """The partners of a decision, the bodies with needed figures that are no partners, and the silent providers."""

    partners: tuple[Partner, ...]
    absent: tuple[AbsentBody, ...]
    silent: tuple[SilentProviders, ...]


def list_partners(report: Report) -> PartnerList | None:
    """Return the partners of a problem and who is not among them; None where the header declares no partner."""
    partners = report.header.partners
    if not partners:
        return None
    present = _collect_present(report.header)
    return PartnerList(partners, _list_absent_bodies(report, present), _list_silent_providers(report, present))


class _Present(NamedTuple):
    """The declared bodies of the partners, and the texts of all roles, in lower case."""

    bodies: frozenset[str]
    roles: str

    def has(self, body: str) -> bool:
        """Return whether a partner represents a body: it is declared, or the owner or a role names it.

        Of `Ministry of Justice (a service)` the ministry alone may be named.
        """
        names = {body.casefold(), _IN_BRACKETS.sub("", body).casefold()}
        return any(name in self.bodies or name in self.roles for name in names)


def _collect_present(header: ProblemHeader) -> _Present:
    bodies = frozenset(body.casefold() for partner in header.partners for body in partner.bodies)
    return _Present(bodies, "; ".join([header.owner, *(partner.role for partner in header.partners)]).casefold())


def _list_absent_bodies(report: Report, present: _Present) -> tuple[AbsentBody, ...]:
    """List the publishers of essential needs, then the data owners of unknowns, that no partner represents."""
    needs = report.header.measure_needs
    essential = [name for name in report.measures if name in needs and needs[name].essential]
    sources = {name: report.sources[source] for name, source in report.measure_sources.items()}
    publishers = [(sources[name].publisher, name) for name in essential]
    owners = [(sources[name].data_owner or sources[name].publisher, name) for name in report.header.unknowns]
    return (
        *_group_by_body(report, present, publishers, "publishes what the answer needs"),
        *_group_by_body(report, present, owners, "could report what no publisher reports"),
    )


def _group_by_body(report: Report, present: _Present, pairs: list[tuple[str, str]], why: str) -> list[AbsentBody]:
    titles: dict[str, list[str]] = {}
    each_body = ((body, measure) for text, measure in pairs for body in text.split("; "))
    for body, measure in each_body:
        if not present.has(body):
            titles.setdefault(body, []).append(report.measures[measure].title)
    return [AbsentBody(body, why, tuple(dict.fromkeys(names))) for body, names in titles.items()]


def _list_silent_providers(report: Report, present: _Present) -> tuple[SilentProviders, ...]:
    """List the providers without a return for the newest period; measures with the same providers share a row."""
    newest = report.completeness.filter(pl.col("period_end") == pl.col("period_end").max().over("measure"))
    titles: dict[tuple[tuple[str, ...], str, str], list[str]] = {}
    for row in newest.drop_nulls("missing").sort("measure").iter_rows(named=True):
        named = [item.partition(" ")[2] or item for item in _NEXT_PROVIDER.split(row["missing"])]
        providers = tuple(name for name in named if not present.has(name))
        if providers:
            key = (providers, row["returned_by"], format_period(row["period_start"], row["period_end"]))
            titles.setdefault(key, []).append(report.measures[row["measure"]].title)
    return tuple(SilentProviders(*key, tuple(names)) for key, names in titles.items())
