"""The catalogue: all declarations of a project, read and checked against each other."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import DeclarationError, HarmfulError, NotReadError, UnknownNameError, at, near
from pipelines.declarations.acceptances import SUFFIX as ACCEPTED
from pipelines.declarations.acceptances import Accepted, read_accepted
from pipelines.declarations.base import NAME
from pipelines.declarations.corrections import SUFFIX, Correction, read_corrections
from pipelines.declarations.defaults import Said, filled, read_said
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import Header
from pipelines.declarations.problem_sql import Select, parse_select
from pipelines.declarations.source import Source
from pipelines.declarations.unfinished import Unfinished, refuse_unknown, unfinished_of
from pipelines.declarations.yaml_lines import Lines, read_yaml, validate

SPINES = ("place", "place_period")
VERDICT_COLUMNS = ("verdict", "because")
"""Columns added at the end of every problem view."""


class Problem(NamedTuple):
    """A problem: its header, its SELECT, and its file."""

    name: str
    header: Header
    select: Select
    path: Path
    body: str

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures in `needs`, then those in `wants`."""
        return (*self.header.needs, *self.header.unknowns)


class Catalogue(NamedTuple):
    """All declarations of a project."""

    root: Path
    sources: dict[str, Source]
    measures: dict[str, Measure]
    measure_source: dict[str, str]
    problems: dict[str, Problem]
    corrections: dict[str, tuple[Correction, ...]]
    accepted: dict[str, tuple[Accepted, ...]]
    said: dict[str, str]
    """For each source, the hash of its whole declaration when it was read."""
    compared: dict[str, tuple[str, ...]]
    """For each source, the measures that its figures are compared with, in order of name."""
    unfinished: dict[str, Unfinished]
    """Sources with an excluded declaration, by name."""
    left_out: dict[str, str]
    """Problems excluded because a source that they need is excluded, each with the reason."""

    @property
    def sources_dir(self) -> Path:
        """Directory of the source declarations."""
        return self.root / "sources"

    def observing(self) -> dict[str, Source]:
        """Return the open sources of observations that outputs may show, by name."""
        return {
            name: source
            for name, source in self.sources.items()
            if source.provides == "observation" and source.access == "open" and source.shown
        }

    def held(self) -> dict[str, Source]:
        """Return the sources that are published and can be stored, by name."""
        return {name: source for name, source in self.sources.items() if source.access == "open"}

    def fetched(self) -> dict[str, Source]:
        """Return the open sources with an address, which refresh can fetch, by name."""
        return {name: source for name, source in self.held().items() if source.fetched}

    def apportioning(self) -> dict[str, Source]:
        """Return the sources of small areas and of shares, which apportionment uses, by name."""
        return {name: source for name, source in self.held().items() if source.provides in ("areas", "shares")}

    def providing(self, table: str) -> dict[str, Source]:
        """Return the sources that provide a conformed table, by name."""
        return {name: source for name, source in self.sources.items() if source.provides == table}

    def weighed_by(self, measure: str) -> str:
        """Return the population group that weights a measure: its own, its denominator's, or all ages."""
        declared = self.measures[measure]
        below = self.measures[declared.denominator].apportion_by if declared.denominator else None
        return declared.apportion_by or below or "all_ages"

    def problem(self, name: str) -> Problem:
        """Return a problem by name; raise UnknownNameError with similar names for an unknown problem."""
        if name in self.left_out:
            raise DeclarationError(self.left_out[name])
        if name not in self.problems:
            raise UnknownNameError(f"unknown problem {name!r}; {near(name, self.problems)}")
        return self.problems[name]

    def source(self, name: str) -> Source:
        """Return a source by name; raise UnknownNameError with similar names for an unknown source."""
        if name in self.unfinished:
            raise DeclarationError(self.unfinished[name].sentence())
        if name not in self.sources:
            raise UnknownNameError(f"unknown source {name!r}; {near(name, self.sources)}")
        return self.sources[name]

    def sources_of(self, problem: Problem) -> tuple[str, ...]:
        """Return the names of the sources of a problem's measures, in order."""
        return tuple(sorted({self.measure_source[measure] for measure in problem.measures}))


def load(root: Path) -> Catalogue:
    """Read and check every declaration of a project."""
    if not (root / "sources").is_dir() or not (root / "pipelines" / "problems").is_dir():
        raise DeclarationError(
            f"{root}: found no sources/ and pipelines/problems/, expected a Commonground project; "
            "run the command in its directory, or set COMMONGROUND_PROJECT to that directory"
        )
    said = read_said(root / "sources")
    texts = {path: _read_text(path) for path in _declarations(root / "sources")}
    read, unfinished = _sources(texts, said)
    measures, owners = _measures({name: (declared[0], path) for name, (declared, path) in read.items()})
    groups = {group for (source, _), _ in read.values() for each in source.weights.values() for group in each.groups}
    for (source, lines), path in read.values():
        _check_groups(source, lines, path, groups)
    problems, left_out = _problems(sorted((root / "pipelines/problems").glob("*.sql")), measures, unfinished)
    return Catalogue(
        root,
        {name: declared[0] for name, (declared, _) in read.items()},
        measures,
        owners,
        {problem.name: problem for problem in problems},
        _corrections(root / "sources", {name: declared[0] for name, (declared, _) in read.items()}),
        _accepted(root / "pipelines" / "problems", problems),
        {name: _declaration_key(root / "sources", name, declared[0]) for name, (declared, _) in read.items()},
        {name: _compared(declared[0], measures) for name, (declared, _) in read.items()},
        unfinished,
        left_out,
    )


Declared = tuple[tuple[Source, Lines], Path]
"""A source with the line numbers of its keys, and its file."""


def _sources(texts: dict[Path, str], said: Said) -> tuple[dict[str, Declared], dict[str, Unfinished]]:
    """Read all sources; exclude those that are unfinished or unsafe, or that depend on an excluded source."""
    read: dict[str, Declared] = {}
    unfinished: dict[str, Unfinished] = {}
    for path, text in texts.items():
        try:
            if found := _unfinished(text, path):
                unfinished[path.stem] = found
            else:
                read[path.stem] = _source(text, path, said), path
        except HarmfulError as error:
            unfinished[path.stem] = Unfinished(path, refusal=str(error))
    while lost := _without_parts(read, unfinished):
        for name, refusal in lost.items():
            (source, _), path = read.pop(name)
            unfinished[name] = Unfinished(path, measures=tuple(source.measures), refusal=refusal)
    return read, unfinished


def _without_parts(read: dict[str, Declared], unfinished: dict[str, Unfinished]) -> dict[str, str]:
    """Return the sources with a measure that refers to an excluded source, each with the reason."""
    measures, _ = _measures({name: (declared[0], path) for name, (declared, path) in read.items()})
    lost = {}
    for name, ((source, lines), path) in read.items():
        try:
            _check_parts(name, source, lines, path, measures, unfinished)
        except NotReadError as error:
            lost[name] = str(error)
    return lost


def _problems(
    paths: list[Path], measures: dict[str, Measure], unfinished: dict[str, Unfinished]
) -> tuple[list[Problem], dict[str, str]]:
    """Read all problems; return the excluded ones too, by name with the reason."""
    problems, left_out = [], {}
    for path in paths:
        try:
            problems.append(_read_problem(path, measures, unfinished))
        except (HarmfulError, NotReadError) as error:
            left_out[path.stem] = str(error)
    return problems, left_out


def _declarations(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(SUFFIX))


def _corrections(folder: Path, sources: dict[str, Source]) -> dict[str, tuple[Correction, ...]]:
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    return {path.name.removesuffix(SUFFIX): read_corrections(_read_text(path), path, sources) for path in paths}


def _accepted(folder: Path, problems: list[Problem]) -> dict[str, tuple[Accepted, ...]]:
    asked = {problem.name: problem.measures for problem in problems}
    paths = sorted(folder.glob(f"*{ACCEPTED}"))
    return {path.name.removesuffix(ACCEPTED): read_accepted(_read_text(path), path, asked) for path in paths}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"{path}: found a byte that is not UTF-8 at position {error.start}; save the file as UTF-8"
        ) from error


@lru_cache(maxsize=1024)  # every step of a build loads the catalogue; each text is checked once
def _source(text: str, path: Path, said: Said) -> tuple[Source, Lines]:
    if not NAME.fullmatch(path.stem):
        raise DeclarationError(
            f"{path}: found {path.stem!r}, expected a name like ons_claimant_rate: lower case letters, digits and _"
        )
    data, lines = read_yaml(text, path)
    return validate(Source, filled(data, lines, path, said), lines, path), lines


@lru_cache(maxsize=1024)
def _unfinished(text: str, path: Path) -> Unfinished | None:
    return unfinished_of(text, path)


def _measures(read: dict[str, tuple[Source, Path]]) -> tuple[dict[str, Measure], dict[str, str]]:
    measures: dict[str, Measure] = {}
    owners: dict[str, str] = {}
    for name, (source, path) in read.items():
        for measure, declared in source.measures.items():
            if measure in measures:
                raise DeclarationError(
                    f"{path}: measure {measure} is already declared by {owners[measure]}; "
                    "measure names must be unique: rename one of them"
                )
            if measure in SPINES or measure.endswith("_history"):
                raise DeclarationError(
                    f"{path}: measure {measure}: this name is reserved for another table; rename the measure"
                )
            measures[measure], owners[measure] = declared, name
    return measures, owners


def _check_parts(
    name: str,
    source: Source,
    lines: Lines,
    path: Path,
    measures: dict[str, Measure],
    unfinished: dict[str, Unfinished],
) -> None:
    for measure, declared in source.measures.items():
        for part in ("numerator", "denominator", "same_as", "expected_population"):
            wanted = getattr(declared, part)
            if wanted and wanted not in measures:
                line = lines.get(("measures", measure, part))
                where = f"{at(path, line)}: {measure}: {part}: unknown measure {wanted!r}"
                refuse_unknown(where, wanted, measures, unfinished)
    for release in source.releases:
        if Path(release.file).is_absolute() or ".." in Path(release.file).parts:
            raise DeclarationError(f"{path}: releases of {name}: found {release.file}, expected a path under sources/")


def _check_groups(source: Source, lines: Lines, path: Path, groups: set[str]) -> None:
    for measure, declared in source.measures.items():
        if declared.apportion_by and declared.apportion_by not in groups:
            line = lines.get(("measures", measure, "apportion_by"))
            raise DeclarationError(
                f"{at(path, line)}: {measure}: no source of areas has weights for the group {declared.apportion_by!r}; "
                f"{near(declared.apportion_by, groups)}"
            )


def _read_problem(path: Path, measures: dict[str, Measure], unfinished: dict[str, Unfinished]) -> Problem:
    text = _read_text(path)
    start, end = text.find("/*"), text.find("*/")
    if start == -1 or text[:start].strip() or end == -1:
        raise DeclarationError(f"{path}: found no header; expected the file to start with /* question: ... */")
    data, lines = read_yaml(text[start + 2 : end], path, first_line=1 + text.count("\n", 0, start))
    header = validate(Header, data, lines, path)
    select = parse_select(text[end + 2 :].strip().rstrip(";"), str(path))
    problem = Problem(path.stem, header, select, path, text)
    _check_asked(problem, lines, measures, unfinished)
    _check_tables(problem, text, text.index(select.sql, end), measures)
    return problem


def _check_asked(
    problem: Problem, lines: Lines, measures: dict[str, Measure], unfinished: dict[str, Unfinished]
) -> None:
    if not NAME.fullmatch(problem.name):
        raise DeclarationError(
            f"{problem.path}: found problem name {problem.name!r}, expected lower case letters, digits and _"
        )
    for key, asked in (("needs", problem.header.needs), ("unknowns", problem.header.unknowns)):
        for place, measure in enumerate(asked):
            if measure not in measures:
                line = lines.get((key, measure)) or lines.get((key, place))
                where = f"{at(problem.path, line)}: {key}: unknown measure {measure!r}"
                refuse_unknown(where, measure, measures, unfinished)
    for name, need in problem.header.needs.items():
        if need.proxy:
            _check_stand_in(name, need.proxy, at(problem.path, lines.get(("needs", name, "proxy"))), measures)


def _check_stand_in(name: str, proxy: str, where: str, measures: dict[str, Measure]) -> None:
    """Raise DeclarationError for a proxy of another kind or unit, which would be misread as the measure itself."""
    wanted, given = (f"{measures[each].kind} in {measures[each].unit}" for each in (name, proxy))
    if wanted != given:
        raise DeclarationError(
            f"{where}: found proxy {proxy}, a {given}, expected a {wanted} like {name}; "
            "show it as a separate measure, and set essential: false for the other"
        )


def _check_tables(problem: Problem, text: str, offset: int, measures: dict[str, Measure]) -> None:
    spine = "place" if problem.header.grain == "latest" else "place_period"
    for table in problem.select.tables:
        where = at(problem.path, 1 + text.count("\n", 0, offset + table.position))
        if table.schema != problem.header.geography:
            raise DeclarationError(
                f"{where}: found {table.schema}.{table.name}, expected a table of {problem.header.geography}"
            )
        if table.name in SPINES and table.name != spine:
            raise DeclarationError(
                f"{where}: found spine {table.name}, expected {spine} for grain {problem.header.grain}"
            )
        measure = table.name.removesuffix("_history")
        if table.name not in SPINES and measure not in measures:
            raise DeclarationError(f"{where}: unknown measure {measure!r}; {near(measure, measures)}")
        if table.name not in SPINES and measure not in problem.measures:
            raise DeclarationError(f"{where}: {measure} is read but not asked for; add it to needs or unknowns")
    read = {table.name.removesuffix("_history") for table in problem.select.tables}
    unread = [measure for measure in problem.measures if measure not in read]
    if unread:
        raise DeclarationError(
            f"{problem.path}: {unread[0]} is requested but the SELECT does not read it; add it or remove the request"
        )
    taken = [name for name in VERDICT_COLUMNS if name in problem.select.inputs]
    if taken:
        raise DeclarationError(f"{problem.path}: column {taken[0]} is reserved in every view; rename your column")
    if spine not in read:
        raise DeclarationError(
            f"{problem.path}: the SELECT does not read {problem.header.geography}.{spine}; start from that table"
        )


def _declaration_key(folder: Path, name: str, source: Source) -> str:
    """Return the hash of a source's declaration with its defaults, tidy(), table of names and corrections."""
    found = [folder / f"{name}{suffix}" for suffix in (".py", ".names.csv", SUFFIX)]
    content = [source.model_dump_json().encode(), *(path.read_bytes() if path.is_file() else b"" for path in found)]
    return hashlib.sha256(b"\x00".join(content)).hexdigest()


def _compared(source: Source, measures: dict[str, Measure]) -> tuple[str, ...]:
    """List the measures that a source's figures are compared with, in order of name."""
    told = {other for other, its in measures.items() if its.same_as in source.measures}
    for each in source.measures.values():
        told |= {each.same_as or "", each.expected_population or ""}
        told |= {each.numerator, each.denominator or ""} if each.numerator else set()
    return tuple(sorted(told - {""}))
