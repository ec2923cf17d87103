"""Links on a page, and the selection of the newest one, or of every one since a day, by a declared rule."""

import re
from datetime import date
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin

from pipelines.core.errors import FetchError, suggest_names
from pipelines.declarations.endpoint import PERIOD_GROUPS, LinkSelection
from pipelines.fetch.file_periods import period_end_day


class PageLink(NamedTuple):
    """A link: its address, its text, its label, and where the list states it, the day of its file's last change."""

    url: str
    text: str
    label: str = ""
    modified: date | None = None


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
    matches = _match_links(links, rule, page)
    labelled = [link for link, _ in matches]
    if rule.newest in ("first", "last"):
        return labelled[0 if rule.newest == "first" else -1]
    keys = [_sort_key(match, rule, link, page) for link, match in matches]
    best = [link for link, key in zip(labelled, keys, strict=True) if key == max(keys)]
    if len({link.url for link in best}) > 1:
        addresses = " and ".join(sorted({link.url for link in best})[:3])
        raise FetchError(f"{page}: {addresses} are equally new by {rule.pattern!r}; make the pattern narrower")
    return best[0]


def list_matches(links: list[PageLink], rule: LinkSelection, page: str) -> list[PageLink]:
    """Return every link that matches the pattern with a period that ends on or after `since`, oldest first.

    Files of one period remain in the order of the page; an address is listed once. Raises FetchError where no link
    matches, and where a period can't be read.
    """
    matches = _match_links(links, rule, page)
    ends = {link: _read_end_day(match, link, page) for link, match in reversed(matches)}
    since = rule.since or date.min
    recent = {link.url: link for link in reversed(ends) if ends[link] >= since}
    return sorted(recent.values(), key=lambda link: ends[link])


def _match_links(links: list[PageLink], rule: LinkSelection, page: str) -> list[tuple[PageLink, re.Match[str]]]:
    """Return the links that match the pattern, with the period or the text of each as its label."""
    matches = [(link, match) for link in links if (match := _match_link(link, rule.pattern))]
    if not matches:
        names = [link.url.rsplit("/", 1)[-1] for link in links]
        offer = f"{len(links)} links; {suggest_names(rule.pattern, names)}" if links else "no links"
        raise FetchError(f"{page}: no link matches {rule.pattern!r}, found {offer}; correct the pattern or the page")
    return [(link._replace(label=(_period_text(match)[1] or link.text)[:120]), match) for link, match in matches]


def _match_link(link: PageLink, pattern: str) -> re.Match[str] | None:
    return re.search(pattern, link.url) or re.search(pattern, link.text)


def _period_text(match: re.Match[str]) -> tuple[str, str]:
    """Return the group of the pattern that has the period, and its text."""
    groups = ((name, match.groupdict().get(name) or "") for name in PERIOD_GROUPS)
    return next(((name, text) for name, text in groups if text), ("period", ""))


def _sort_key(match: re.Match[str], rule: LinkSelection, link: PageLink, page: str) -> str:
    return _period_text(match)[1] if rule.newest == "text" else _read_end_day(match, link, page).isoformat()


def _read_end_day(match: re.Match[str], link: PageLink, page: str) -> date:
    name, text = _period_text(match)
    end = period_end_day(text, day_first=name == "ddmmyy")
    if end is None:
        raise FetchError(f"{page}: {link.url}: found {text!r}, expected a period; use newest: text, first or last")
    return end
