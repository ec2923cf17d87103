"""Rewriting queries from the old names of tables and columns to the new ones (`commonground upgrade-sql`).

DuckDB's own parser finds the tables and columns of each SELECT, and their positions. Only these words change: comments,
strings, layout and letter case of everything else stay as they are.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from pipelines.app.sql_tokens import NAMES, Token, find_query_end, line_number, split_statements, split_tokens
from pipelines.core.errors import CommongroundError
from pipelines.core.renames import COLUMNS, REASONS, TABLES, VIEW, new_names
from pipelines.core.store import write_atomically

Node = dict[str, Any]


class Upgrade(NamedTuple):
    """A query under the new names, and one line for each word that a person should look at."""

    text: str
    notes: tuple[str, ...]


class Relation(NamedTuple):
    """A table or subquery in FROM: its alias, its renamed columns (old name, new name), and its new name if renamed."""

    alias: str
    columns: Mapping[str, str]
    new_alias: str = ""


Scope = list[list[Relation]]
"""Relations of a SELECT and of the SELECTs around it, innermost first."""
Tables = dict[str, Mapping[str, str]]
"""Renamed columns of each common table expression."""

_BEGINS = frozenset({"select", "with", "from"})
_GEOGRAPHY = re.compile(r"[a-z_]+_\d{4}")
"""Schema of the tables that a problem's SELECT reads, such as lad_2023."""


def upgrade_query(text: str) -> Upgrade:
    """Rewrite every SELECT of a text to the new names; note what could not be rewritten."""
    source = text.encode()
    tokens = split_tokens(source)
    edits: dict[int, tuple[Token, str]] = {}
    own: set[str] = set()
    notes: list[str] = []
    for statement in split_statements(tokens):
        notes += _upgrade_statement(source, statement, edits, own)
    notes += [*_note_leftovers(source, tokens, edits, own), *_note_old_reasons(source, tokens)]
    pieces, end = [], 0
    for token, new in (edits[start] for start in sorted(edits)):
        pieces += [source[end : token.start], (f'"{new}"' if token.kind == "quoted" else new).encode()]
        end = token.end
    return Upgrade(b"".join([*pieces, source[end:]]).decode(), tuple(dict.fromkeys(notes)))


def upgrade_file(path: Path, in_place: bool) -> Upgrade:
    """Rewrite the query in a file; write the file anew if that is asked for."""
    try:
        upgrade = upgrade_query(path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommongroundError(f"{path}: can't be read as UTF-8 text ({error}); name a file with a query") from error
    if in_place:
        write_atomically(path, upgrade.text.encode())
    return upgrade


def _upgrade_statement(
    source: bytes, tokens: list[Token], edits: dict[int, tuple[Token, str]], own: set[str]
) -> Iterator[str]:
    """Rewrite the queries of a statement: itself, or those within CREATE, INSERT, COPY or EXPLAIN.

    Adds the edits, and the column names that the query itself gives in alias lists.
    """
    at = 0
    while at < len(tokens):
        if tokens[at].kind != "word" or tokens[at].name not in _BEGINS:
            at += 1
            continue
        end = find_query_end(tokens, at)
        parsed = _parse_sql(source[tokens[at].start : tokens[end - 1].end].decode(errors="replace"))
        if parsed["error"]:
            message = f"not rewritten, DuckDB can't parse it as a SELECT: {parsed['error_message']}"
            yield f"line {line_number(source, tokens[at].start)}: {message}"
            return
        rewriter = _QueryRewriter(source, tokens[at:end])
        for statement in parsed["statements"]:
            rewriter.rewrite_query(statement["node"], {}, [])
        edits.update(rewriter.edits)
        own |= rewriter.own
        yield from rewriter.notes
        at = end


@cache
def _open_parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"enable_external_access": "false"})


def _parse_sql(sql: str) -> Node:
    answer = _open_parser().execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0][0]
    parsed: Node = json.loads(answer)
    return parsed


def _note_leftovers(
    source: bytes, tokens: list[Token], edits: dict[int, tuple[Token, str]], own: set[str]
) -> Iterator[str]:
    """Note each old name that stays although the query does not define it."""
    own = own | {after.name for before, after in pairwise(tokens) if before.name == "as"}
    own |= {before.name for before, after in pairwise(tokens) if after.name == "as"}
    for token in tokens:
        if token.kind in NAMES and token.start not in edits and token.name not in own and new_names(token.name):
            if token.name in COLUMNS or token.name in TABLES.values():
                continue
            advice = f"{token.text} was left; if it is an old name, write {' or '.join(new_names(token.name))}"
            yield f"line {line_number(source, token.start)}: {advice}"


def _note_old_reasons(source: bytes, tokens: list[Token]) -> Iterator[str]:
    """Note each gap reason that is gone, with those that replace it."""
    for token in tokens:
        if token.kind == "literal" and (reasons := REASONS.get(token.text.strip("'"))):
            advice = f"{token.text} is no longer a gap reason; write {' or '.join(reasons)}"
            yield f"line {line_number(source, token.start)}: {advice}"


class _QueryRewriter:
    """One query on its way to the new names: collects the edits and the notes."""

    def __init__(self, source: bytes, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.first = tokens[0].start
        self.number = {token.start - self.first: n for n, token in enumerate(tokens)}
        self.edits: dict[int, tuple[Token, str]] = {}
        self.notes: list[str] = []
        self.own: set[str] = set()

    def rewrite_query(self, node: Node, tables: Tables, outer: Scope) -> Mapping[str, str]:
        """Rewrite a query; return its renamed output columns."""
        tables = dict(tables)
        for entry in node.get("cte_map", {}).get("map", []):
            made = self.rewrite_query(entry["value"]["query_node"], tables, outer)
            tables[entry["key"].lower()] = {} if self._record_alias_list(entry["value"].get("aliases")) else made
        if node["type"] == "SELECT_NODE":
            return self._rewrite_select(node, tables, outer)
        return self._rewrite_set_operation(node, tables, outer)

    def _rewrite_set_operation(self, node: Node, tables: Tables, outer: Scope) -> Mapping[str, str]:
        """Rewrite the sides of a union; its columns have the names of the first side."""
        sides = node.get("children") or [node[side] for side in ("left", "right") if isinstance(node.get(side), dict)]
        if not sides:
            return {}
        first = self.rewrite_query(sides[0], tables, outer)
        if node["type"] == "RECURSIVE_CTE_NODE":
            tables = {**tables, str(node.get("cte_name", "")).lower(): first}
        others = [self.rewrite_query(side, tables, outer) for side in sides[1:]]
        if "BY_NAME" in str(node.get("setop_type")) and any(other != first for other in others):
            self._add_note(node, "UNION BY NAME of renamed columns: check that both sides have the same names")
        self._rewrite_expressions(node.get("modifiers", []), tables, [[Relation("", first)], *outer])
        return first

    def _rewrite_select(self, node: Node, tables: Tables, outer: Scope) -> Mapping[str, str]:
        relations: list[Relation] = []
        self._rewrite_from(node["from_table"], tables, [relations, *outer], relations)
        scope = [relations, *outer]
        aliases = {item["alias"].lower() for item in node["select_list"] if item.get("alias")}
        for key, part in node.items():
            if key not in ("from_table", "cte_map", "modifiers"):
                self._rewrite_expressions(part, tables, scope)
        for modifier in node.get("modifiers", []):
            self._rewrite_expressions(modifier, tables, scope, aliases)
        return dict(pair for item in node["select_list"] for pair in self._output_columns(item, scope))

    def _output_columns(self, item: Node, scope: Scope) -> Iterator[tuple[str, str]]:
        if item.get("class") == "STAR":
            kept = {name.lower() for name in item.get("exclude_list", [])}
            for relation in scope[0]:
                if item.get("relation_name", "").lower() in ("", relation.alias):
                    yield from ((old, new) for old, new in relation.columns.items() if old not in kept)
        elif item.get("class") == "COLUMN_REF" and not item["alias"]:
            old = item["column_names"][-1].lower()
            new = self._new_column([part.lower() for part in item["column_names"]], scope).get(
                len(item["column_names"]) - 1
            )
            if new:
                yield old, new

    def _rewrite_from(self, table: Node, tables: Tables, scope: Scope, relations: list[Relation]) -> None:
        """Rewrite the tables of FROM, and add what they are to the relations."""
        kind, alias = table.get("type"), str(table.get("alias", "")).lower()
        if kind == "JOIN":
            left: list[Relation] = []
            right: list[Relation] = []
            self._rewrite_from(table["left"], tables, [left, *scope[1:]], left)
            relations += left
            self._rewrite_from(table["right"], tables, [right, left, *scope[1:]], right)
            relations += right
            self._rewrite_using(table, left, right)
            self._rewrite_expressions(table.get("condition"), tables, [[*left, *right], *scope[1:]])
        elif kind == "SUBQUERY":
            made = self.rewrite_query(table["subquery"]["node"], tables, scope)
            relations.append(Relation(alias, {} if self._record_alias_list(table.get("column_name_alias")) else made))
        elif kind == "BASE_TABLE":
            relations.append(self._rewrite_table(table, tables, alias))
        elif kind == "TABLE_FUNCTION":
            name = str(table["function"].get("function_name", "")).lower()
            self._rewrite_expressions(table["function"], tables, scope)
            is_ours = name == "as_known_at" and not self._record_alias_list(table.get("column_name_alias"))
            relations.append(Relation(alias or name, COLUMNS["observations"] if is_ours else {}))
        elif kind != "EMPTY":
            self._record_alias_list(table.get("column_name_alias"))
            self._rewrite_expressions(table, tables, scope)

    def _record_alias_list(self, names: list[str] | None) -> bool:
        """Note the column names that a query gives in an alias list; return whether there are any."""
        self.own |= {name.lower() for name in names or ()}
        return bool(names)

    def _rewrite_table(self, table: Node, tables: Tables, alias: str) -> Relation:
        path = [part.lower() for part in table["qualified_name"]["path"]]
        name, schema = path[-1], path[-2] if len(path) > 1 else ""
        if not schema and name in tables:
            return Relation(alias or name, tables[name])
        if schema == VIEW:
            return Relation(alias or name, COLUMNS[VIEW])
        if _GEOGRAPHY.fullmatch(schema):
            return Relation(alias or name, COLUMNS["cells"])
        new = TABLES.get(name, name)
        if new != name:
            words = self._name_tokens(table)
            if len(words) >= len(path):
                self._add_edit(words[len(path) - 1], new)
        columns = {} if self._record_alias_list(table.get("column_name_alias")) else COLUMNS.get(new, {})
        return Relation(alias or name, columns, new if new != name and not alias else "")

    def _rewrite_using(self, join: Node, left: list[Relation], right: list[Relation]) -> None:
        """Rewrite the columns of USING where both sides have the new name; else note them."""
        names = [name.lower() for name in join.get("using_columns", [])]
        for name in names:
            sides = [
                {relation.columns[name] for relation in side if name in relation.columns} for side in (left, right)
            ]
            word = next((token for token in self._words_in_brackets(join, "using") if token.name == name), None)
            if sides[0] and sides[0] == sides[1] and word:
                self._add_edit(word, sides[0].pop())
            elif sides[0] or sides[1]:
                new = sorted(sides[0] | sides[1])[0]
                self._add_note(join, f"USING ({name}) was left: one side has {new} now; write ON instead")

    def _rewrite_expressions(self, part: Any, tables: Tables, scope: Scope, aliases: Iterable[str] = ()) -> None:
        """Rewrite the columns in any part of the tree; names in `aliases` are those of the SELECT itself."""
        if isinstance(part, list):
            for item in part:
                self._rewrite_expressions(item, tables, scope, aliases)
        elif isinstance(part, dict):
            if part.get("class") == "SUBQUERY":
                self.rewrite_query(part["subquery"]["node"], tables, scope)
                self._rewrite_expressions(part.get("child"), tables, scope, aliases)
                return
            if part.get("class") == "COLUMN_REF":
                self._rewrite_column(part, scope, aliases)
            if part.get("class") == "STAR":
                self._rewrite_star(part, scope)
            for item in part.values():
                self._rewrite_expressions(item, tables, scope, aliases)

    def _rewrite_column(self, ref: Node, scope: Scope, aliases: Iterable[str]) -> None:
        parts = [part.lower() for part in ref["column_names"]]
        if len(parts) == 1 and parts[0] in aliases:
            return
        words = self._name_tokens(ref)
        for number, new in self._new_column(parts, scope).items():
            if number < len(words) and words[number].name == parts[number]:
                self._add_edit(words[number], new)

    def _new_column(self, parts: list[str], scope: Scope) -> dict[int, str]:
        """Return the new names of the parts of a column reference, by the number of the part."""
        for relations in scope:
            for before in range(len(parts) - 1):
                alias = parts[before]
                relation = next(
                    (candidate for candidate in relations if candidate.alias and candidate.alias == alias), None
                )
                if relation:
                    names = {before: relation.new_alias, before + 1: relation.columns.get(parts[before + 1], "")}
                    return {number: new for number, new in names.items() if new}
            named = next((candidate.columns[parts[0]] for candidate in relations if parts[0] in candidate.columns), "")
            if named:
                return {0: named}
        renamed = (candidate for candidate in scope[0] if candidate.alias == parts[0] and candidate.new_alias)
        whole = next((candidate.new_alias for candidate in renamed), "")
        return {0: whole} if whole and len(parts) == 1 else {}

    def _rewrite_star(self, star: Node, scope: Scope) -> None:
        """Rewrite the names in EXCLUDE, REPLACE and RENAME of a star."""
        columns = {old: new for relation in scope[0] for old, new in relation.columns.items()}
        if star.get("columns"):
            self._add_note(star, "COLUMNS(...) was left: its pattern may name old columns")
        targets = [name.lower() for name in star.get("exclude_list", [])]
        targets += [str(item["key"]).lower() for item in star.get("replace_list", [])]
        for clause in ("exclude", "replace", "rename"):
            words = self._words_in_brackets(star, clause)
            for before, word in zip([None, *words], words, strict=False):
                is_target = clause != "replace" or (before is not None and before.name == "as")
                if is_target and word.name in columns and (word.name in targets or clause == "rename"):
                    self._add_edit(word, columns[word.name])

    def _name_tokens(self, node: Node) -> list[Token]:
        """Return the words of a name with dots, which begins where a node says."""
        at = self.number.get(node.get("query_location", -1), -1)
        words: list[Token] = []
        while 0 <= at < len(self.tokens) and self.tokens[at].kind in NAMES:
            words.append(self.tokens[at])
            if at + 1 >= len(self.tokens) or self.tokens[at + 1].text != ".":
                break
            at += 2
        return words

    def _words_in_brackets(self, node: Node, keyword: str) -> list[Token]:
        """Return the words in the brackets (or the one word) after a keyword that follows a node at its own depth."""
        at, depth = self.number.get(node.get("query_location", -1), len(self.tokens)), 0
        for number in range(at, len(self.tokens) - 1):
            token = self.tokens[number]
            if depth == 0 and token.kind == "word" and token.name == keyword:
                if self.tokens[number + 1].text != "(":
                    return [self.tokens[number + 1]]
                end = find_query_end(self.tokens, number + 2)
                return [token for token in self.tokens[number + 2 : end] if token.kind in NAMES]
            depth += (token.text == "(") - (token.text == ")") if token.kind == "sign" else 0
            if depth < 0 or (depth == 0 and keyword != "using" and token.text == "," and number > at):
                break
        return []

    def _add_edit(self, token: Token, new: str) -> None:
        self.edits[token.start] = (token, new)

    def _add_note(self, node: Node, text: str) -> None:
        at = self.first + min(int(node.get("query_location", 0)), self.tokens[-1].start - self.first)
        self.notes.append(f"line {line_number(self.source, at)}: {text}")
