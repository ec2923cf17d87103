"""File of a problem: its header and its SELECT, checked against the measures and sources of the project."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import DeclarationError, file_location, suggest_names
from pipelines.declarations.base import NAME_PATTERN
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.problem_scope import refuse_impossible_problem, refuse_open_unknowns
from pipelines.declarations.problem_sql import ParsedSelect, parse_select
from pipelines.declarations.problem_time import refuse_wrong_time_keys
from pipelines.declarations.source import Source
from pipelines.declarations.unfinished import UnreadSource, refuse_unknown_measure
from pipelines.declarations.yaml_lines import LineNumbers, read_yaml, validate_declaration

SPINE_TABLES = ("place", "place_period")
VERDICT_COLUMNS = ("verdict", "blocking_reasons")
"""Columns added at the end of every problem view."""


class Problem(NamedTuple):
    """A problem: its header, its SELECT, its file, and the text of the header."""

    name: str
    header: ProblemHeader
    select: ParsedSelect
    path: Path
    header_text: str

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures of `needs`, then those in `unknowns`."""
        return (*self.header.measure_needs, *self.header.unknowns)


def read_problem(
    path: Path,
    text: str,
    measures: Mapping[str, Measure],
    measure_sources: Mapping[str, Source],
    unread: Mapping[str, UnreadSource],
) -> Problem:
    """Read a problem from the text of its file; raise DeclarationError where it can't be answered as declared.

    `measure_sources` has the source of each measure. Raises MissingInputError for a measure of an excluded source.
    """
    start, end = text.find("/*"), text.find("*/")
    if start == -1 or text[:start].strip() or end == -1:
        raise DeclarationError(f"{path}: found no header; expected the file to start with /* question: ... */")
    data, lines = read_yaml(text[start + 2 : end], path, first_line=1 + text.count("\n", 0, start))
    header = validate_declaration(ProblemHeader, data, lines, path)
    select = parse_select(text[end + 2 :].strip().rstrip(";"), str(path))
    problem = Problem(path.stem, header, _expand_alternatives(select, header), path, text[start:end])
    _check_measures(problem, lines, measures, unread)
    _check_tables(problem, text, text.index(select.sql, end), measures)
    _check_answer(problem, lines)
    refuse_wrong_time_keys(header, lines, path, measures)
    refuse_open_unknowns(header, lines, path, measure_sources)
    refuse_impossible_problem(header, path, measure_sources)
    return problem


def _expand_alternatives(select: ParsedSelect, header: ProblemHeader) -> ParsedSelect:
    """Replace the name of a need by its measures in the inputs of each column."""
    alternatives = header.alternatives
    inputs = {
        column: tuple(sorted({measure for name in names for measure in alternatives.get(name, (name,))}))
        for column, names in select.inputs.items()
    }
    return select._replace(inputs=inputs)


def _check_measures(
    problem: Problem, lines: LineNumbers, measures: Mapping[str, Measure], unread: Mapping[str, UnreadSource]
) -> None:
    if not NAME_PATTERN.fullmatch(problem.name):
        raise DeclarationError(
            f"{problem.path}: found problem name {problem.name!r}, expected lower case letters, digits and _"
        )
    for key, names in _list_requests(problem.header):
        for place, measure in enumerate(names):
            if measure not in measures:
                line = lines.get((*key, measure)) or lines.get((*key, place))
                where = f"{file_location(problem.path, line)}: {'.'.join(key)}: unknown measure {measure!r}"
                refuse_unknown_measure(where, measure, measures, unread)
    for name in problem.header.alternatives:
        if name in measures or name in SPINE_TABLES:
            line = lines.get(("needs", name))
            raise DeclarationError(
                f"{file_location(problem.path, line)}: needs: {name} has one_of and is another table's name; rename"
            )
    for name, need in problem.header.needs.items():
        if need.proxy:
            _check_proxy(name, need.proxy, file_location(problem.path, lines.get(("needs", name, "proxy"))), measures)


def _check_answer(problem: Problem, lines: LineNumbers) -> None:
    """Raise DeclarationError for an answer that is no figure of the SELECT, or that no publisher reports."""
    answer, inputs = problem.header.answer, problem.select.inputs
    if answer is None:
        return
    where = file_location(problem.path, lines.get(("answer", "column")) or lines.get(("answer",)))
    known = {name for name, measures in inputs.items() if measures}
    if answer.column not in known:
        raise DeclarationError(
            f"{where}: answer: found column {answer.column!r}, expected a column of the SELECT "
            f"with a figure; {suggest_names(answer.column, known)}"
        )


def _list_requests(header: ProblemHeader) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the keys of a header that name measures, each with its names."""
    single = tuple(name for name, need in header.needs.items() if not need.one_of)
    several = [(("needs", name, "one_of"), measures) for name, measures in header.alternatives.items()]
    return [(("needs",), single), *several, (("unknowns",), header.unknowns)]


def _check_proxy(name: str, proxy: str, where: str, measures: Mapping[str, Measure]) -> None:
    """Raise DeclarationError for a proxy of another kind or unit, which would be misread as the measure itself."""
    expected, actual = (f"{measures[measure].kind} in {measures[measure].unit}" for measure in (name, proxy))
    if expected != actual:
        raise DeclarationError(
            f"{where}: found proxy {proxy}, a {actual}, expected a {expected} like {name}; "
            "show it as a separate measure, and set essential: false for the other"
        )


def _check_tables(problem: Problem, text: str, offset: int, measures: Mapping[str, Measure]) -> None:
    spine = "place" if problem.header.grain == "latest" else "place_period"
    alternatives = problem.header.alternatives
    for table in problem.select.tables:
        where = file_location(problem.path, 1 + text.count("\n", 0, offset + table.position))
        if table.schema != problem.header.geography:
            raise DeclarationError(
                f"{where}: found {table.schema}.{table.name}, expected a table of {problem.header.geography}"
            )
        if table.name in SPINE_TABLES and table.name != spine:
            raise DeclarationError(
                f"{where}: found spine {table.name}, expected {spine} for grain {problem.header.grain}"
            )
        measure = table.name.removesuffix("_history")
        if table.name in alternatives:
            continue
        if table.name not in SPINE_TABLES and measure not in measures:
            raise DeclarationError(f"{where}: unknown measure {measure!r}; {suggest_names(measure, measures)}")
        if table.name not in SPINE_TABLES and measure not in problem.measures:
            raise DeclarationError(f"{where}: {measure} is read but not asked for; add it to needs or unknowns")
    tables = {table.name.removesuffix("_history") for table in problem.select.tables}
    shown_measures = tables | {measure for name in tables for measure in alternatives.get(name, ())}
    unread = [measure for measure in problem.measures if measure not in shown_measures]
    if unread:
        raise DeclarationError(
            f"{problem.path}: {unread[0]} is requested but the SELECT does not read it; add it or remove the request"
        )
    reserved = [name for name in VERDICT_COLUMNS if name in problem.select.inputs]
    if reserved:
        raise DeclarationError(f"{problem.path}: column {reserved[0]} is reserved in every view; rename your column")
    if spine not in shown_measures:
        raise DeclarationError(
            f"{problem.path}: the SELECT does not read {problem.header.geography}.{spine}; start from that table"
        )
