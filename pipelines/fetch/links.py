"""Links on a page, and the selection of the newest one by a declared rule."""

import re
from datetime import date
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from pipelines.core.errors import FetchError, suggest_names
from pipelines.core.periods import parse_period
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.endpoint import LinkSelection

_PERIOD_KINDS: tuple[PeriodKind, ...] = ("day", "month", "quarter", "year")
_COMPACT = re.compile(r"(\d{4})(0[1-9]|1[0-2])")
_DAY_NAMED = re.compile(r"(\d{1,2})(?:st|nd|rd|th)? ([A-Za-z]+) (\d{4})")


class PageLink(NamedTuple):
    """A link: its address, its text and its label."""

    url: str
    text: str
    label: str = ""


class _LinkParser(HTMLParser):
    """Collects the links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.base, self.links, self.within = page, list[PageLink](), False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "base" and href:
            self.base = urljoin(self.base, href)
        if tag == "a":
            self.within = href is not None
            if href is not None:
                self.links.append(PageLink(urldefrag(urljoin(self.base, href.strip())).url, ""))

    def handle_endtag(self, tag: str) -> None:
        self.within = self.within and tag != "a"

    def handle_data(self, data: str) -> None:
        if self.within:
            last = self.links[-1]
            self.links[-1] = last._replace(text=" ".join(f"{last.text} {data}".split()))


def parse_links(content: bytes, page: str) -> list[PageLink]:
    """Return the links of a page in order, with absolute addresses."""
    parser = _LinkParser(page)
    try:
        parser.feed(content.decode("utf-8", errors="replace"))
    except ValueError as error:
        raise FetchError(f"{page}: found a link with an invalid address ({error}); check the page") from error
    return [link for link in parser.links if link.url.startswith(("http://", "https://"))]


def pick_newest(links: list[PageLink], rule: LinkSelection, page: str) -> PageLink:
    """Return the newest link that matches the pattern, by the declared rule.

    Raises FetchError where no link matches, where a period can't be read, and where two different files are equally
    new.
    """
    matches = [(link, match) for link in links if (match := _match_link(link, rule.pattern))]
    if not matches:
        names = [link.url.rsplit("/", 1)[-1] for link in links]
        offer = f"{len(links)} links; {suggest_names(rule.pattern, names)}" if links else "no links"
        raise FetchError(f"{page}: no link matches {rule.pattern!r}, found {offer}; correct the pattern or the page")
    labelled = [link._replace(label=(match.groupdict().get("period") or link.text)[:120]) for link, match in matches]
    if rule.newest in ("first", "last"):
        return labelled[0 if rule.newest == "first" else -1]
    keys = [_sort_key(match["period"] or "", rule, link, page) for link, match in matches]
    best = [link for link, key in zip(labelled, keys, strict=True) if key == max(keys)]
    if len({link.url for link in best}) > 1:
        addresses = " and ".join(sorted({link.url for link in best})[:3])
        raise FetchError(f"{page}: {addresses} are equally new by {rule.pattern!r}; make the pattern narrower")
    return best[0]


def _match_link(link: PageLink, pattern: str) -> re.Match[str] | None:
    return re.search(pattern, link.url) or re.search(pattern, link.text)


def _sort_key(text: str, rule: LinkSelection, link: PageLink, page: str) -> str:
    if rule.newest == "text":
        return text
    end = period_end_day(text)
    if end is None:
        raise FetchError(f"{page}: {link.url}: found {text!r}, expected a period; use newest: text, first or last")
    return end.isoformat()


def period_end_day(text: str) -> date | None:
    """Return the last day of a period written as in file names, or None where the text is no period."""
    plain = " ".join(re.split(r"[-_ ]+", unquote(text).strip()))
    compact, day_match = _COMPACT.fullmatch(plain), _DAY_NAMED.fullmatch(plain)
    candidates = [plain, text.strip()] if not plain.isdecimal() or len(plain) == 4 else []
    candidates += [f"{compact[1]}-{compact[2]}"] if compact else []
    if day_match and (month := parse_period(f"{day_match[2]} {day_match[3]}", "month")):
        candidates.append(f"{month.start.isoformat()[:8]}{int(day_match[1]):02}")
    spans = [parse_period(candidate, kind) for candidate in candidates for kind in _PERIOD_KINDS]
    return next((period.end for period in spans if period), None)
