"""The page `docs/renamed-columns.md`: the tables and columns that a version renamed."""

from collections.abc import Mapping

from pipelines.core.renames import COLUMNS, CROSSWALK, TABLES, VIEW


def write_renamed_columns_page(made: str) -> str:
    """Write the page of the renamed tables and columns; `made` is the comment that names the command."""
    introduction = "The new names since version 0.1.0. [Upgrading](upgrading.md) says how to change a query."
    parts = ["# Renamed tables and columns", made, introduction, "## Tables", _list_names(TABLES), "## Columns"]
    parts.append("The columns of each table, by the table's new name. A table that is not listed keeps its columns.")
    titles = {VIEW: "Tables of the schema `problem`", CROSSWALK: "A crosswalk, as a file or a frame"}
    for table, columns in COLUMNS.items():
        parts.append(f"### {titles.get(table, f'`{table}`')}\n\n{_list_names(columns)}")
    return "\n\n".join(parts) + "\n"


def _list_names(names: Mapping[str, str]) -> str:
    rows = [f"| `{old}` | `{new}` |" for old, new in names.items()]
    return "\n".join(["| old name | new name |", "|---|---|", *rows])
