"""Parse a problem's SELECT with DuckDB's parser: its tables, and the measures behind each column."""

import atexit
import json
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelines.core.errors import DeclarationError
from pipelines.declarations.parsed_texts import parse_once

if TYPE_CHECKING:
    import duckdb

FIGURE_COLUMNS = frozenset({"value", "lower_bound", "upper_bound", "interval_lower", "interval_upper"})
"""Columns of a measure's table with figures: a column computed from one depends on the measure."""

SyntaxNode = dict[str, Any]
AliasScope = dict[str, dict[str, frozenset[str]] | str]
"""Alias -> its measure, or the measures behind each column of a subquery."""


class TableReference(NamedTuple):
    """A table that a SELECT reads, with its position in the text."""

    schema: str
    name: str
    position: int


class ParsedSelect(NamedTuple):
    """A problem's SELECT: its tables, and the measures behind each of its columns, in order.

    `names` are the names of columns in it, in lower case; null where it may read columns that it does not name.
    """

    sql: str
    tables: tuple[TableReference, ...]
    inputs: dict[str, tuple[str, ...]]
    names: frozenset[str] | None = None


def parse_select(sql: str, where: str) -> ParsedSelect:
    """Parse one SELECT; raise DeclarationError for other statements, file access, or constants in place of gaps."""
    return parse_once(
        "select",
        sql,
        lambda: _parse_select(sql, where),
        lambda parsed: (
            parsed.tables,
            list(parsed.inputs.items()),
            None if parsed.names is None else sorted(parsed.names),
        ),
        lambda plain: ParsedSelect(
            sql,
            tuple(TableReference(*table) for table in plain[0]),
            {name: tuple(inputs) for name, inputs in plain[1]},
            None if plain[2] is None else frozenset(plain[2]),
        ),
    )


@cache
def _parse_select(sql: str, where: str) -> ParsedSelect:
    try:
        return _parse_tables_and_inputs(sql, where)
    except RecursionError as error:
        raise DeclarationError(f"{where}: the SELECT nests too deeply; move its parts into a WITH clause") from error


def _parse_tables_and_inputs(sql: str, where: str) -> ParsedSelect:
    node = _parse_single_select(sql, where)
    nodes = list(_walk_nodes(node))
    for item in nodes:
        _refuse_unsafe(item, sql, where)
    ctes = {entry["key"] for item in nodes for entry in item.get("cte_map", {}).get("map", [])}
    tables = tuple(_table_reference(item, sql, where) for item in nodes if _is_base_table(item, ctes))
    outputs = _output_measures(node, {}, where)
    _refuse_constant_defaults(nodes, sql, where)
    inputs = {name: tuple(sorted(measures)) for name, measures in outputs.items()}
    return ParsedSelect(sql, tables, inputs, _list_names(nodes))


@cache
def _parser_connection() -> "duckdb.DuckDBPyConnection":
    import duckdb

    # DuckDB prints pages of warnings about a connection that outlives a process with threads.
    atexit.register(_close_parser)
    return duckdb.connect(":memory:", config={"enable_external_access": "false"})


def _close_parser() -> None:
    _parser_connection().close()
    _parser_connection.cache_clear()


def _parse_single_select(sql: str, where: str) -> SyntaxNode:
    answer = _parser_connection().execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0][0]
    tree = json.loads(answer)
    if tree["error"]:
        message = tree["error_message"]
        if tree.get("error_type") == "not implemented":
            message = "only a SELECT is allowed, without PIVOT"
        line = sql.count("\n", 0, int(tree.get("position") or 0)) + 1
        raise DeclarationError(f"{where}: line {line} of the SELECT: {message}")
    if len(tree["statements"]) != 1:
        raise DeclarationError(f"{where}: found {len(tree['statements'])} statements, expected one SELECT")
    node: SyntaxNode = tree["statements"][0]["node"]
    if node["type"] != "SELECT_NODE":
        raise DeclarationError(f"{where}: expected a plain SELECT outermost; move a union into a WITH clause")
    return node


def _walk_nodes(node: Any) -> Iterator[SyntaxNode]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _walk_nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk_nodes(child)


def _line_number(node: SyntaxNode, sql: str) -> int:
    position = node.get("query_location", 0)
    return sql.count("\n", 0, position) + 1 if position < len(sql) else 1


def _refuse_unsafe(node: SyntaxNode, sql: str, where: str) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "a table function")
        raise DeclarationError(
            f"{where}: line {_line_number(node, sql)} of the SELECT: {name}() is not allowed; "
            "a problem reads only the tables of its own geography"
        )


def _list_names(nodes: list[SyntaxNode]) -> frozenset[str] | None:
    """Return the names of columns in a SELECT; null where it reads others: by a star, by position, or a whole row."""
    tables = [node for node in nodes if node.get("type") in ("BASE_TABLE", "SUBQUERY")]
    rows = {table.get(key, "").lower() for table in tables for key in ("alias", "table_name")}
    names = set[str]()
    for node in nodes:
        if node.get("class") == "STAR" or node.get("ref_type") == "NATURAL" or node.get("column_name_alias"):
            return None
        own = [name.lower() for name in (node.get("column_names") or node.get("using_columns") or [])]
        if node.get("class") == "COLUMN_REF" and own[-1] in rows:
            return None
        names.update(own)
    schemas = {table.get("schema_name", "").lower() for table in tables}
    return frozenset(names - rows - schemas)


def _is_base_table(node: SyntaxNode, ctes: set[str]) -> bool:
    return node.get("type") == "BASE_TABLE" and not (not node["schema_name"] and node["table_name"] in ctes)


def _table_reference(node: SyntaxNode, sql: str, where: str) -> TableReference:
    path = ".".join(node["qualified_name"]["path"])
    if node["catalog_name"] or not node["schema_name"]:
        raise DeclarationError(
            f"{where}: line {_line_number(node, sql)} of the SELECT: found table {path}, "
            "expected <geography>.<measure>, as in lad_2023.residents_16_64"
        )
    return TableReference(node["schema_name"], node["table_name"], node["query_location"])


def _output_measures(node: SyntaxNode, outer: AliasScope, where: str) -> dict[str, frozenset[str]]:
    """Return the measures behind each output column of a SELECT."""
    if node["type"] != "SELECT_NODE":
        return _union_measures(node, outer, where)
    scope = dict(outer)
    for entry in node["cte_map"]["map"]:
        scope[entry["key"]] = _output_measures(entry["value"]["query_node"], scope, where)
    local = _alias_scope(node["from_table"], scope, where)
    return dict(_column_measures(item, local, where) for item in node["select_list"])


def _union_measures(node: SyntaxNode, outer: AliasScope, where: str) -> dict[str, frozenset[str]]:
    """Return the measures behind each column of a union, joined by position."""
    sides = [
        _output_measures(child, outer, where) for child in node.get("children", []) or [node["left"], node["right"]]
    ]
    columns = zip(*(side.values() for side in sides), strict=False)
    return dict(zip(sides[0], (frozenset().union(*column) for column in columns), strict=False))


def _alias_scope(table: SyntaxNode, scope: AliasScope, where: str) -> AliasScope:
    if table["type"] == "JOIN":
        return {**_alias_scope(table["left"], scope, where), **_alias_scope(table["right"], scope, where)}
    if table["type"] == "SUBQUERY":
        return {table["alias"]: _output_measures(table["subquery"]["node"], scope, where)}
    if table["type"] == "BASE_TABLE":
        name = table["table_name"]
        columns = scope.get(name) if not table["schema_name"] else None
        return {table["alias"] or name: columns if columns is not None else name.removesuffix("_history")}
    return {}


def _column_measures(item: SyntaxNode, scope: AliasScope, where: str) -> tuple[str, frozenset[str]]:
    name = item["alias"] or (item["column_names"][-1] if item.get("class") == "COLUMN_REF" else "")
    if item.get("class") == "STAR":
        raise DeclarationError(f"{where}: found * in the SELECT, expected named columns, one per line")
    if not name:
        raise DeclarationError(f"{where}: found a computed column without a name; add one, as in ... as name")
    inputs = (
        _reference_measures(ref["column_names"], scope) for ref in _walk_nodes(item) if ref.get("class") == "COLUMN_REF"
    )
    return name, frozenset().union(*inputs)


def _reference_measures(column: list[str], scope: AliasScope) -> frozenset[str]:
    tables = [scope[column[-2]]] if len(column) > 1 and column[-2] in scope else list(scope.values())
    measures: frozenset[str] = frozenset()
    for table in tables:
        if isinstance(table, dict):
            measures |= table.get(column[-1], frozenset())
        elif column[-1] in FIGURE_COLUMNS:
            measures |= {table}
    return measures


def _refuse_constant_defaults(nodes: list[SyntaxNode], sql: str, where: str) -> None:
    """Raise DeclarationError for coalesce(figure, constant), which would hide a gap."""
    for node in nodes:
        if node.get("type") != "OPERATOR_COALESCE":
            continue
        constants = [c for c in node["children"] if c.get("class") == "CONSTANT"]
        figures = [
            ref
            for ref in _walk_nodes(node["children"])
            if ref.get("class") == "COLUMN_REF" and ref["column_names"][-1] in FIGURE_COLUMNS
        ]
        if figures and any(c["literal"]["kind"] != "NULL_LITERAL" for c in constants):
            raise DeclarationError(
                f"{where}: line {_line_number(node, sql)} of the SELECT: coalesce() of a figure with a constant "
                "would hide a gap; leave the figure null, with its reason"
            )
