"""The catalogue: all declarations of a project, read and checked against each other."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pipelines.core.errors import (
    DeclarationError,
    MissingInputError,
    UnknownNameError,
    UnsafeDeclarationError,
    file_location,
    suggest_names,
)
from pipelines.declarations.acceptances import ACCEPTANCES_SUFFIX as ACCEPTED
from pipelines.declarations.acceptances import Acceptance, read_acceptances, refuse_unknown_problem
from pipelines.declarations.base import NAME_PATTERN
from pipelines.declarations.contents import hash_declarations
from pipelines.declarations.corrections import CORRECTIONS_SUFFIX, Correction, read_corrections
from pipelines.declarations.defaults import SharedDefaults, apply_defaults, read_shared_defaults
from pipelines.declarations.measure import Measure
from pipelines.declarations.parsed_texts import stored_parses
from pipelines.declarations.partnership import Partnership, read_partnerships, refuse_wrong_groups
from pipelines.declarations.problem_file import SPINE_TABLES, read_problem
from pipelines.declarations.problem_file import Problem as Problem
from pipelines.declarations.source import Source
from pipelines.declarations.unfinished import UnreadSource, find_unfinished, refuse_unknown_measure
from pipelines.declarations.yaml_lines import LineNumbers, read_yaml, validate_declaration


class Catalogue(NamedTuple):
    """All declarations of a project."""

    root: Path
    sources: dict[str, Source]
    measures: dict[str, Measure]
    measure_source: dict[str, str]
    problems: dict[str, Problem]
    corrections: dict[str, tuple[Correction, ...]]
    acceptances: dict[str, tuple[Acceptance, ...]]
    declaration_hashes: dict[str, str]
    """For each source, the hash of its whole declaration when it was read."""
    comparable_measures: dict[str, tuple[str, ...]]
    """For each source, the measures that its figures are compared with, in order of name."""
    unread_sources: dict[str, UnreadSource]
    """Sources with an excluded declaration, by name."""
    excluded_problems: dict[str, str]
    """Problems excluded because their own files are wrong or need an excluded source, each with the reason."""
    partnerships: Mapping[str, Partnership] = MappingProxyType({})
    """Partnerships of places that problems may answer for, by name."""
    contents: str = ""
    """Hash of all files of the declarations, when they were read."""

    @property
    def sources_dir(self) -> Path:
        """Directory of the source declarations."""
        return self.root / "sources"

    def observation_sources(self) -> dict[str, Source]:
        """Return the open sources of observations that outputs may show, by name."""
        return {
            name: source
            for name, source in self.sources.items()
            if source.provides == "observation" and source.access == "open" and source.is_public
        }

    def open_sources(self) -> dict[str, Source]:
        """Return the sources that are published and can be stored, by name."""
        return {name: source for name, source in self.sources.items() if source.is_available}

    def refreshable_sources(self) -> dict[str, Source]:
        """Return the open sources with an address, which refresh can fetch, by name."""
        return {name: source for name, source in self.open_sources().items() if source.is_refreshable}

    def apportionment_sources(self) -> dict[str, Source]:
        """Return the sources of small areas and of shares, which apportionment uses, by name."""
        return {name: source for name, source in self.open_sources().items() if source.provides in ("areas", "shares")}

    def sources_providing(self, table: str) -> dict[str, Source]:
        """Return the sources that provide a conformed table, by name."""
        return {name: source for name, source in self.sources.items() if source.provides == table}

    def weight_group(self, measure: str) -> str:
        """Return the population group that weights a measure: its own, its denominator's, or all ages."""
        declaration = self.measures[measure]
        below = self.measures[declaration.denominator].apportion_by if declaration.denominator else None
        return declaration.apportion_by or below or "all_ages"

    def find_problem(self, name: str) -> Problem:
        """Return a problem by name; raise UnknownNameError with similar names for an unknown problem."""
        if name in self.excluded_problems:
            raise DeclarationError(self.excluded_problems[name])
        if name not in self.problems:
            raise UnknownNameError(f"unknown problem {name!r}; {suggest_names(name, self.problems)}")
        return self.problems[name]

    def find_source(self, name: str) -> Source:
        """Return a source by name; raise UnknownNameError with similar names for an unknown source."""
        if name in self.unread_sources:
            raise DeclarationError(self.unread_sources[name].describe_refusal())
        if name not in self.sources:
            raise UnknownNameError(f"unknown source {name!r}; {suggest_names(name, self.sources)}")
        return self.sources[name]

    def list_refusals(self) -> list[str]:
        """Return one sentence for each source with an excluded declaration."""
        return [source.describe_refusal() for source in self.unread_sources.values()]

    def refuse_excluded_problems(self) -> None:
        """Raise DeclarationError with the reason of each excluded problem, one a line."""
        if self.excluded_problems:
            raise DeclarationError("\n".join(self.excluded_problems.values()))

    def problem_sources(self, problem: Problem) -> tuple[str, ...]:
        """Return the names of the sources of a problem's measures, in order."""
        return tuple(sorted({self.measure_source[measure] for measure in problem.measures}))


def load_catalogue(root: Path, home: Path | None = None) -> Catalogue:
    """Read and check every declaration of a project. A store may have the parsed texts of unchanged files."""
    contents = hash_declarations(root)
    with stored_parses(home):
        return _read_catalogue(root, contents)


def _read_catalogue(root: Path, contents: str) -> Catalogue:
    if not (root / "sources").is_dir() or not (root / "pipelines" / "problems").is_dir():
        raise DeclarationError(
            f"{root}: found no sources/ and pipelines/problems/, expected a Commonground project; "
            "run the command in its directory, or set COMMONGROUND_PROJECT to that directory"
        )
    shared_defaults = read_shared_defaults(root / "sources")
    texts = {path: _read_text(path) for path in _declaration_paths(root / "sources")}
    declarations, unread = _read_sources(texts, shared_defaults)
    measures, owners = _index_measures(
        {name: (declaration[0], path) for name, (declaration, path) in declarations.items()}
    )
    groups = {
        group
        for (source, _), _ in declarations.values()
        for weights in source.weights.values()
        for group in weights.groups
    }
    for (source, lines), path in declarations.values():
        _check_weight_groups(source, lines, path, groups)
    sources = {name: source for name, ((source, _), _) in declarations.items()}
    measure_sources = {measure: sources[name] for measure, name in owners.items()}
    partnerships = read_partnerships(root)
    problems, left_out = _read_problems(
        root / "pipelines" / "problems", partnerships, measures, measure_sources, unread
    )
    return Catalogue(
        root,
        sources,
        measures,
        owners,
        {name: problem for name, (problem, _) in problems.items()},
        _load_corrections(root / "sources", sources),
        {name: accepted for name, (_, accepted) in problems.items() if accepted},
        {
            name: _hash_declaration(root / "sources", name, declaration[0])
            for name, (declaration, _) in declarations.items()
        },
        _index_comparable_measures(sources, measures),
        unread,
        left_out,
        partnerships,
        contents,
    )


SourceDeclaration = tuple[tuple[Source, LineNumbers], Path]
"""A source with the line numbers of its keys, and its file."""


def _read_sources(
    texts: dict[Path, str], shared_defaults: SharedDefaults
) -> tuple[dict[str, SourceDeclaration], dict[str, UnreadSource]]:
    """Read all sources; exclude those that are unfinished or unsafe, or that depend on an excluded source."""
    declarations: dict[str, SourceDeclaration] = {}
    unread: dict[str, UnreadSource] = {}
    for path, text in texts.items():
        try:
            if skipped := find_unfinished(text, path):
                unread[path.stem] = skipped
            else:
                declarations[path.stem] = _parse_source(text, path, shared_defaults), path
        except UnsafeDeclarationError as error:
            unread[path.stem] = UnreadSource(path, refusal=str(error))
    while lost := _find_missing_inputs(declarations, unread):
        for name, refusal in lost.items():
            (source, _), path = declarations.pop(name)
            unread[name] = UnreadSource(path, measures=tuple(source.measures), refusal=refusal)
    return declarations, unread


def _find_missing_inputs(declarations: dict[str, SourceDeclaration], unread: dict[str, UnreadSource]) -> dict[str, str]:
    """Return the sources with a measure that refers to an excluded source, each with the reason."""
    measures, _ = _index_measures({name: (declaration[0], path) for name, (declaration, path) in declarations.items()})
    lost = {}
    for name, ((source, lines), path) in declarations.items():
        try:
            _check_references(name, source, lines, path, measures, unread)
        except MissingInputError as error:
            lost[name] = str(error)
    return lost


def _read_problems(
    folder: Path,
    partnerships: Mapping[str, Partnership],
    measures: dict[str, Measure],
    measure_sources: dict[str, Source],
    unread: dict[str, UnreadSource],
) -> tuple[dict[str, tuple[Problem, tuple[Acceptance, ...]]], dict[str, str]]:
    """Read all problems, each with its accepted gaps; return the excluded ones too, by name with the reason.

    A fault in the files of one problem excludes that problem alone.
    """
    problems, left_out = {}, {}
    for path in sorted(folder.glob("*.sql")):
        try:
            problem = read_problem(path, _read_text(path), measures, measure_sources, unread)
            refuse_wrong_groups(problem.header, path, partnerships)
            problems[problem.name] = problem, _load_acceptances(problem)
        except DeclarationError as error:
            left_out[path.stem] = str(error)
    for path in sorted(folder.glob(f"*{ACCEPTED}")):
        refuse_unknown_problem(path, {*problems, *left_out})
    return problems, left_out


def _declaration_paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(CORRECTIONS_SUFFIX))


def _load_corrections(folder: Path, sources: dict[str, Source]) -> dict[str, tuple[Correction, ...]]:
    paths = sorted(folder.glob(f"*{CORRECTIONS_SUFFIX}"))
    return {
        path.name.removesuffix(CORRECTIONS_SUFFIX): read_corrections(_read_text(path), path, sources) for path in paths
    }


def _load_acceptances(problem: Problem) -> tuple[Acceptance, ...]:
    path = problem.path.with_suffix(ACCEPTED)
    return read_acceptances(_read_text(path), path, problem.measures) if path.is_file() else ()


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"{path}: found a byte that is not UTF-8 at position {error.start}; save the file as UTF-8"
        ) from error


_PARSED: dict[Path, tuple[str, SharedDefaults, tuple[Source, LineNumbers]]] = {}
"""For each file, its text and the defaults at the last read, and the source: an unchanged text is checked once."""


def _parse_source(text: str, path: Path, shared_defaults: SharedDefaults) -> tuple[Source, LineNumbers]:
    last = _PARSED.get(path)
    if last is None or last[:2] != (text, shared_defaults):
        last = _PARSED[path] = text, shared_defaults, _parse_changed_source(text, path, shared_defaults)
    return last[2]


def _parse_changed_source(text: str, path: Path, shared_defaults: SharedDefaults) -> tuple[Source, LineNumbers]:
    if not NAME_PATTERN.fullmatch(path.stem):
        raise DeclarationError(
            f"{path}: found {path.stem!r}, expected a name like ons_claimant_rate: lower case letters, digits and _"
        )
    data, lines = read_yaml(text, path)
    return validate_declaration(Source, apply_defaults(data, lines, path, shared_defaults), lines, path), lines


def _index_measures(sources: dict[str, tuple[Source, Path]]) -> tuple[dict[str, Measure], dict[str, str]]:
    measures: dict[str, Measure] = {}
    owners: dict[str, str] = {}
    for name, (source, path) in sources.items():
        for measure, declaration in source.measures.items():
            if measure in measures:
                raise DeclarationError(
                    f"{path}: measure {measure} is already declared by {owners[measure]}; "
                    "measure names must be unique: rename one of them"
                )
            if measure in SPINE_TABLES or measure.endswith("_history"):
                raise DeclarationError(
                    f"{path}: measure {measure}: this name is reserved for another table; rename the measure"
                )
            measures[measure], owners[measure] = declaration, name
    return measures, owners


def _check_references(
    name: str,
    source: Source,
    lines: LineNumbers,
    path: Path,
    measures: dict[str, Measure],
    unread: dict[str, UnreadSource],
) -> None:
    for measure, declaration in source.measures.items():
        for part in ("numerator", "denominator", "same_as", "expected_population"):
            reference = getattr(declaration, part)
            if reference and reference not in measures:
                line = lines.get(("measures", measure, part))
                where = f"{file_location(path, line)}: {measure}: {part}: unknown measure {reference!r}"
                refuse_unknown_measure(where, reference, measures, unread)
    for release in source.releases:
        if Path(release.file).is_absolute() or ".." in Path(release.file).parts:
            raise DeclarationError(f"{path}: releases of {name}: found {release.file}, expected a path under sources/")


def _check_weight_groups(source: Source, lines: LineNumbers, path: Path, groups: set[str]) -> None:
    for measure, declaration in source.measures.items():
        if declaration.apportion_by and declaration.apportion_by not in groups:
            line = lines.get(("measures", measure, "apportion_by"))
            raise DeclarationError(
                f"{file_location(path, line)}: {measure}: no source of areas has weights for the group "
                f"{declaration.apportion_by!r}; "
                f"{suggest_names(declaration.apportion_by, groups)}"
            )


def _hash_declaration(folder: Path, name: str, source: Source) -> str:
    """Return the hash of a source's declaration with its defaults, tidy(), table of names and corrections."""
    files = [folder / f"{name}{suffix}" for suffix in (".py", ".names.csv", CORRECTIONS_SUFFIX)]
    content = [source.model_dump_json().encode(), *(path.read_bytes() if path.is_file() else b"" for path in files)]
    return hashlib.sha256(b"\x00".join(content)).hexdigest()


def _index_comparable_measures(sources: dict[str, Source], measures: dict[str, Measure]) -> dict[str, tuple[str, ...]]:
    """Return for each source the measures that its figures are compared with, in order of name."""
    same: dict[str, set[str]] = {}
    for other, its in measures.items():
        same.setdefault(its.same_as or "", set()).add(other)
    return {name: _list_comparable_measures(source, same) for name, source in sources.items()}


def _list_comparable_measures(source: Source, same: dict[str, set[str]]) -> tuple[str, ...]:
    names = {other for measure in source.measures for other in same.get(measure, ())}
    for measure in source.measures.values():
        names |= {measure.same_as or "", measure.expected_population or ""}
        names |= {measure.numerator, measure.denominator or ""} if measure.numerator else set()
    return tuple(sorted(names - {""}))
