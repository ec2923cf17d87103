"""Rendering of pages from Jinja templates."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **values: object) -> str:
    """Render a template of `outputs/templates`. Values are escaped, and a missing value raises an error."""
    return page_environment().get_template(template).render(values)


@cache
def page_environment() -> Environment:
    """Return the Jinja environment of all pages."""
    loader = PackageLoader("pipelines.outputs")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
