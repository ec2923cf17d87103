"""Pages from templates: one set of rules for all of them."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **values: object) -> str:
    """Fill in a template of `outputs/templates`; values are escaped, and a missing one is an error."""
    return page_environment().get_template(template).render(values)


@cache
def page_environment() -> Environment:
    """Give the rules by which templates become pages."""
    loader = PackageLoader("pipelines.outputs")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
