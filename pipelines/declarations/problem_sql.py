"""Parse a problem's SELECT with DuckDB's parser: its tables, and the measures behind each column."""

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

import duckdb

from pipelines.core.errors import DeclarationError

FIGURES = frozenset({"value", "low", "high", "likely_low", "likely_high"})
"""Columns of a measure's table with figures: a column computed from one depends on the measure."""

Node = dict[str, Any]
Scope = dict[str, dict[str, frozenset[str]] | str]
"""Alias -> its measure, or the measures behind each column of a subquery."""


class Table(NamedTuple):
    """A table that a SELECT reads, with its position in the text."""

    schema: str
    name: str
    position: int


class Select(NamedTuple):
    """A problem's SELECT: its tables, and the measures behind each of its columns, in order."""

    sql: str
    tables: tuple[Table, ...]
    inputs: dict[str, tuple[str, ...]]


@lru_cache(maxsize=256)
def parse_select(sql: str, where: str) -> Select:
    """Parse one SELECT; raise DeclarationError for other statements, file access, or constants in place of gaps."""
    try:
        return _parsed(sql, where)
    except RecursionError as error:
        raise DeclarationError(f"{where}: the SELECT nests too deeply; move its parts into a WITH clause") from error


def _parsed(sql: str, where: str) -> Select:
    node = _single_select(sql, where)
    nodes = list(_walk(node))
    for found in nodes:
        _refuse_unsafe(found, sql, where)
    ctes = {entry["key"] for found in nodes for entry in found.get("cte_map", {}).get("map", [])}
    tables = tuple(_table(found, sql, where) for found in nodes if _is_base(found, ctes))
    outputs = _outputs(node, {}, where)
    _refuse_defaults(nodes, sql, where)
    return Select(sql, tables, {name: tuple(sorted(inputs)) for name, inputs in outputs.items()})


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"enable_external_access": "false"})


def _single_select(sql: str, where: str) -> Node:
    answer = _parser().execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0][0]
    parsed = json.loads(answer)
    if parsed["error"]:
        message = parsed["error_message"]
        if parsed.get("error_type") == "not implemented":
            message = "only a SELECT is allowed, without PIVOT"
        line = sql.count("\n", 0, int(parsed.get("position") or 0)) + 1
        raise DeclarationError(f"{where}: line {line} of the SELECT: {message}")
    if len(parsed["statements"]) != 1:
        raise DeclarationError(f"{where}: found {len(parsed['statements'])} statements, expected one SELECT")
    node: Node = parsed["statements"][0]["node"]
    if node["type"] != "SELECT_NODE":
        raise DeclarationError(f"{where}: expected a plain SELECT outermost; move a union into a WITH clause")
    return node


def _walk(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)


def _line(node: Node, sql: str) -> int:
    position = node.get("query_location", 0)
    return sql.count("\n", 0, position) + 1 if position < len(sql) else 1


def _refuse_unsafe(node: Node, sql: str, where: str) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "a table function")
        raise DeclarationError(
            f"{where}: line {_line(node, sql)} of the SELECT: {name}() is not allowed; "
            "a problem reads only the tables of its own geography"
        )


def _is_base(node: Node, ctes: set[str]) -> bool:
    return node.get("type") == "BASE_TABLE" and not (not node["schema_name"] and node["table_name"] in ctes)


def _table(node: Node, sql: str, where: str) -> Table:
    path = ".".join(node["qualified_name"]["path"])
    if node["catalog_name"] or not node["schema_name"]:
        raise DeclarationError(
            f"{where}: line {_line(node, sql)} of the SELECT: found table {path}, "
            "expected <geography>.<measure>, as in lad_2023.residents_16_64"
        )
    return Table(node["schema_name"], node["table_name"], node["query_location"])


def _outputs(node: Node, outer: Scope, where: str) -> dict[str, frozenset[str]]:
    """Return the measures behind each output column of a SELECT."""
    if node["type"] != "SELECT_NODE":
        return _outputs_of_set(node, outer, where)
    scope = dict(outer)
    for entry in node["cte_map"]["map"]:
        scope[entry["key"]] = _outputs(entry["value"]["query_node"], scope, where)
    local = _aliases(node["from_table"], scope, where)
    return dict(_output(item, local, where) for item in node["select_list"])


def _outputs_of_set(node: Node, outer: Scope, where: str) -> dict[str, frozenset[str]]:
    """Return the measures behind each column of a union, joined by position."""
    sides = [_outputs(child, outer, where) for child in node.get("children", []) or [node["left"], node["right"]]]
    columns = zip(*(side.values() for side in sides), strict=False)
    return dict(zip(sides[0], (frozenset().union(*column) for column in columns), strict=False))


def _aliases(table: Node, scope: Scope, where: str) -> Scope:
    if table["type"] == "JOIN":
        return {**_aliases(table["left"], scope, where), **_aliases(table["right"], scope, where)}
    if table["type"] == "SUBQUERY":
        return {table["alias"]: _outputs(table["subquery"]["node"], scope, where)}
    if table["type"] == "BASE_TABLE":
        name = table["table_name"]
        known = scope.get(name) if not table["schema_name"] else None
        return {table["alias"] or name: known if known is not None else name.removesuffix("_history")}
    return {}


def _output(item: Node, scope: Scope, where: str) -> tuple[str, frozenset[str]]:
    name = item["alias"] or (item["column_names"][-1] if item.get("class") == "COLUMN_REF" else "")
    if item.get("class") == "STAR":
        raise DeclarationError(f"{where}: found * in the SELECT, expected named columns, one per line")
    if not name:
        raise DeclarationError(f"{where}: found a computed column without a name; add one, as in ... as name")
    inputs = (_inputs(ref["column_names"], scope) for ref in _walk(item) if ref.get("class") == "COLUMN_REF")
    return name, frozenset().union(*inputs)


def _inputs(column: list[str], scope: Scope) -> frozenset[str]:
    tables = [scope[column[-2]]] if len(column) > 1 and column[-2] in scope else list(scope.values())
    found: frozenset[str] = frozenset()
    for table in tables:
        if isinstance(table, dict):
            found |= table.get(column[-1], frozenset())
        elif column[-1] in FIGURES:
            found |= {table}
    return found


def _refuse_defaults(nodes: list[Node], sql: str, where: str) -> None:
    """Raise DeclarationError for coalesce(figure, constant), which would hide a gap."""
    for node in nodes:
        if node.get("type") != "OPERATOR_COALESCE":
            continue
        constants = [c for c in node["children"] if c.get("class") == "CONSTANT"]
        figures = [
            ref
            for ref in _walk(node["children"])
            if ref.get("class") == "COLUMN_REF" and ref["column_names"][-1] in FIGURES
        ]
        if figures and any(c["literal"]["kind"] != "NULL_LITERAL" for c in constants):
            raise DeclarationError(
                f"{where}: line {_line(node, sql)} of the SELECT: coalesce() of a figure with a constant "
                "would hide a gap; leave the figure null, with its reason"
            )
