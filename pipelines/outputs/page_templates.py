"""Rendering of pages from Jinja templates."""

import re
from datetime import date
from functools import cache, lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.core.periods import format_period

_CODE = re.compile(r"`([^`]+)`")
_DAY = re.compile(r"(?<![\w/.:-])(\d{4})-(\d{2})-(\d{2})(?![\w/-]|\.\w)")
"""A day in a sentence, and no part of an address or of the name of a file."""


def render_page(template: str, **values: object) -> str:
    """Render a template of `outputs/templates`. Values are escaped, and a missing value raises an error."""
    return page_environment().get_template(template).render(values)


@cache
def page_environment() -> Environment:
    """Return the Jinja environment of all pages, with the filter `prose`."""
    loader = PackageLoader("pipelines.outputs")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["prose"] = format_prose
    return made


@lru_cache(maxsize=20_000)
def format_prose(text: str) -> Markup:
    """Return a text for a page: words between backticks as code, and days in words (1 July 2025)."""
    parts = _CODE.split(text)
    marked = (f"<code>{escape(part)}</code>" if n % 2 else escape(_DAY.sub(_write_day, part))
              for n, part in enumerate(parts))  # fmt: skip
    return Markup("").join(map(Markup, marked))


def _write_day(match: re.Match[str]) -> str:
    try:
        day = date(*map(int, match.groups()))
    except ValueError:
        return match[0]
    return format_period(day, day)
