"""The page that explains a local contract to whoever fills it in."""

from pipelines.declarations.source import Source
from pipelines.observations import describe_columns
from pipelines.outputs.page_templates import render_page


def render_contract(name: str, source: Source, rows: list[list[str]]) -> str:
    """Write the page for the person who fills the file in: what goes where, and how it is sent back."""
    columns = describe_columns(source)
    return render_page("contract.html", name=name, source=source, columns=columns, headings=rows[0], rows=rows[1:])
