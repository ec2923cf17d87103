"""Page that explains a local contract to the person who completes it."""

from pipelines.declarations.file_format import describe_period_kind
from pipelines.declarations.source import Source
from pipelines.observations import describe_columns
from pipelines.outputs.page_templates import render_page


def render_contract(name: str, source: Source, rows: list[list[str]]) -> str:
    """Render the instructions for completing and returning a local file."""
    columns = describe_columns(source)
    return render_page(
        "contract.html",
        name=name,
        source=source,
        period_kind=describe_period_kind(source),
        columns=columns,
        headings=rows[0],
        rows=rows[1:],
    )
