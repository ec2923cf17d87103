"""Whether outputs match the tables of the store: keys and paths, without the code that writes outputs.

A build with nothing to do loads this module and no other of this room that writes.
"""

from pathlib import Path

from pipelines.core.attempts import last_attempts
from pipelines.core.manifest import read_manifest
from pipelines.core.snapshots import read_log
from pipelines.core.store import output_path, read_table, state_path, table_key, table_version
from pipelines.declarations.fingerprints import (
    OPENING_TABLE,
    TableKeys,
    compute_table_keys,
    hash_texts,
    population_measures,
    program_key,
    public_input_sources,
)
from pipelines.declarations.project import Project
from pipelines.gaps import current_answer_key, describe_unanswered, ledger_path, list_current_problems
from pipelines.observations import has_current_tables
from pipelines.outputs.last_changed import read_file_changes
from pipelines.outputs.warehouse_path import newest_warehouse

INDEX = "index.html"
SEARCH = "search.js"
"""File with the search and its names; a page without the file has its links only."""
TABLE_SCRIPT = "table.js"
ANSWER_KINDS = {"cells": "cell", "verdicts": "verdict", "unallocated_residuals": "loss",
                "boundary_discontinuities": "discontinuity", "partnership_cells": "partnership_cell"}  # fmt: skip
"""Tables of the analyst's file that stack a table of each problem, with the kind of that table."""
DECLARED_TABLES = ("measures", "reasons", "obs_status")
PLACE_TABLES = ("places", "area_hierarchy", "code_changes", "neighbours", "border_practices", "boundaries")
LEDGER_TABLES = ("gap_ledger", "builds")
SOURCE_TABLES = ("published_totals", "reconciliation", "provider_returns", "completeness", "revisions",
                 "revision_summary", "plausibility_flags", "findings")  # fmt: skip
"""Tables of the analyst's file by what they are made from."""
TABLES_FOLDER = "tables"
"""Folder of the partitioned tables in out/, and kind of the groups of their files in the manifest."""
FILE_ENDINGS = ("html", "json", "cells.parquet", "view.parquet")
"""File name endings of a report."""


def report_record_path(home: Path, name: str) -> Path:
    """Return the path of the table that records the files of a problem's report (last_changed.FILE_CHANGE)."""
    return state_path(home, "report", name)


def report_files(project: Project, name: str) -> list[Path]:
    """Return the file paths of the report of a problem, HTML first."""
    recorded = read_file_changes(report_record_path(project.home, name))["file"].to_list()
    return [output_path(project.home, file) for file in recorded or [f"{name}.{ending}" for ending in FILE_ENDINGS]]


def report_key(project: Project, name: str) -> str:
    """Return the key of an up-to-date report of a problem."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    tables = (state_path(project.home, "verdict", name), ledger_path(project.home, name))
    reviewed_texts = [
        path.read_text(encoding="utf-8") for path in sorted(_problems_folder(project).glob(f"{name}.*.yaml"))
    ]
    return hash_texts(
        program_key("outputs"),
        current_answer_key(project.home, name, current) or "",
        current.boundaries,
        *current.apportioning.values(),
        *(table_key(path) or "" for path in tables),
        *reviewed_texts,
        *_acceptances_in_force(project, name),
    )


def _acceptances_in_force(project: Project, name: str) -> list[str]:
    """Return the part of a report's key that changes on the day on which an acceptance begins or ends."""
    acceptances = project.catalogue.acceptances.get(name, ())
    return [f"{project.as_of >= acceptance.when} {project.as_of <= acceptance.until}" for acceptance in acceptances]


def _problems_folder(project: Project) -> Path:
    """Return the folder of the problems, with their accepted gaps and costs."""
    return project.catalogue.root / "pipelines" / "problems"


def report_is_fresh(project: Project, name: str) -> bool:
    """Return whether the report of a problem exists and matches the tables in the store."""
    key_matches = table_key(report_record_path(project.home, name)) == report_key(project, name)
    return key_matches and all(path.is_file() for path in report_files(project, name))


def place_page_path(home: Path, code: str) -> Path:
    """Return the file path of a place page. Every operating system allows the characters of a code in a file name."""
    return output_path(home, place_page_name(code))


def place_page_name(code: str) -> str:
    """Return the name of a place page in the manifest of outputs."""
    return f"places/{code}.html"


def pages_path(project: Project) -> Path:
    """Return the path of the table that records the place pages (site.PAGE_RECORD)."""
    return state_path(project.home, "pages", "commonground")


def page_parts_path(project: Project) -> Path:
    """Return the path of the table with the keys of the parts of place pages (place_parts.PAGE_PART)."""
    return state_path(project.home, "page_part", "commonground")


def overview_path(project: Project) -> Path:
    """Return the path of the table with a row for each problem, from which the index page is written."""
    return state_path(project.home, "overview", "commonground")


def index_record_path(project: Project) -> Path:
    """Return the path of the table that records the index page."""
    return state_path(project.home, "index", "commonground")


def pages_key(project: Project) -> str:
    """Return the key of up-to-date place pages: declarations, places, and contents of cells, verdicts and ledgers."""
    catalogue, home = project.catalogue, project.home
    current = compute_table_keys(catalogue, home, project.as_of)
    names = list_current_problems(project, current)
    return hash_texts(page_content_key(project), *(f"{name} {table_key(ledger_path(home, name))}" for name in names))


def page_content_key(project: Project) -> str:
    """Return the key of what place pages show, of ledgers the stored opening days alone.

    Another build in a ledger leaves this key, where no gap opened or closed.
    """
    catalogue, home = project.catalogue, project.home
    current = compute_table_keys(catalogue, home, project.as_of)
    names = list_current_problems(project, current)
    groups = [item.model_dump_json() for item in catalogue.partnerships.values()]
    tables = [(name, table_version(state_path(home, kind, name))) for name in names for kind in PAGE_TABLES]
    return hash_texts(
        program_key("outputs"), current.places, current.boundaries,
        *current.apportioning.values(), *declaration_keys(project, names), *groups,
        *(f"{name} {version}" for name, version in tables),
        *(current.observation[name] for name in public_input_sources(catalogue, names)),
    )  # fmt: skip


PAGE_TABLES = ("cell", "verdict", "history", "discontinuity", "partnership_cell", "partnership_verdict", OPENING_TABLE)
"""State tables of a problem that the place pages show."""


def declaration_keys(project: Project, problems: list[str]) -> list[str]:
    """Return the declarations of all sources without their releases, and the headers of some problems, for a key."""
    catalogue = project.catalogue
    sources = [f"{name} {source.model_dump_json(exclude={'releases'})}" for name, source in catalogue.sources.items()]
    return [*sources, *(f"{name} {catalogue.problems[name].header.model_dump_json()}" for name in problems)]


def pages_are_fresh(project: Project) -> bool:
    """Return whether all place pages exist and match the tables in the store; `publish_index` writes the index."""
    done = pages_path(project)
    if not table_key(done) == table_key(overview_path(project)) == pages_key(project):
        return False
    return all_pages_exist(project)


def all_pages_exist(project: Project) -> bool:
    """Return whether all recorded place pages exist."""
    pages = output_path(project.home, "places")
    names = {path.name for path in pages.iterdir()} if pages.is_dir() else set()
    return all(f"{code}.html" in names for code in read_table(pages_path(project))["place_code"])


def index_key(project: Project) -> str:
    """Return the key of an up-to-date index page: place pages, reports, problems without an answer, and the day."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    names = [*read_table(overview_path(project))["name"], *describe_unanswered(project, current)]
    files = (str(read_file_changes(report_record_path(project.home, name)).rows()) for name in names)
    unanswered = _list_unanswered(project, current)
    return hash_texts(table_key(pages_path(project)) or "", project.as_of.isoformat(), *files, *unanswered)


def index_is_fresh(project: Project) -> bool:
    """Return whether the index page and the search exist and match the place pages, the reports and the day."""
    record = index_record_path(project)
    if table_key(record) != index_key(project):
        return False
    return all(output_path(project.home, name).is_file() for name in read_table(record)["file"])


def warehouse_record_path(project: Project) -> Path:
    """Return the path of the table that records the analyst's file."""
    return state_path(project.home, "warehouse", "commonground")


def warehouse_is_fresh(project: Project) -> bool:
    """Return whether the analyst's file exists and matches the tables in the store."""
    built_key = table_key(warehouse_record_path(project))
    return built_key == warehouse_key(project) and newest_warehouse(output_path(project.home, "")).is_file()


def warehouse_key(project: Project) -> str:
    """Return the key of an up-to-date analyst's file."""
    return hash_texts(*(f"{name} {key}" for name, key in sorted(warehouse_keys(project).items())))


def warehouse_keys(project: Project) -> dict[str, str]:
    """Return the key of each part of an up-to-date analyst's file.

    A part is a table, a view, the observations of a source, or the rows of one problem or source in a table that stacks
    these, named by `part_name`. FORM has the key of what gives all parts their columns.
    """
    catalogue = project.catalogue
    current = compute_table_keys(catalogue, project.home, project.as_of)
    names = list_current_problems(project, current)
    sources_read = [name for name in catalogue.observation_sources() if has_current_tables(project.home, name, current)]
    inputs = {
        FORM: [program_key("outputs")],
        **_whole_table_inputs(project, current, names, sources_read),
        **_problem_inputs(project, names),
        **_source_inputs(project, current, sources_read),
    }
    return {name: hash_texts(*parts) for name, parts in inputs.items()}


FORM = "form"
"""Part of the analyst's file with the key of the code that writes it."""


def part_name(table: str, name: str) -> str:
    """Return the name of the part with the rows of one problem or source in a table of the analyst's file."""
    return f"{table} {name}"


def _whole_table_inputs(
    project: Project, current: TableKeys, names: list[str], sources_read: list[str]
) -> dict[str, list[str]]:
    """Return what the tables of the analyst's file that are in one part are made from."""
    catalogue, home = project.catalogue, project.home
    declared = hash_texts(*declaration_keys(project, names))
    observed = [f"{name} {current.observation[name]}" for name in sources_read]
    attempts = [f"{name} {attempt.at} {attempt.outcome}" for name, attempt in last_attempts(read_log(home)).items()]
    places = [declared, current.places, current.boundaries, *current.apportioning.values()]
    return {
        **{table: [declared] for table in DECLARED_TABLES},
        "problems": [*declaration_keys(project, sorted(catalogue.problems)), *_list_unanswered(project, current)],
        "sources": [*observed, *attempts, *(f"{n} {key}" for n, key in sorted(catalogue.declaration_hashes.items()))],
        **dict.fromkeys(PLACE_TABLES, places),
        "releases": [declared, *observed, *(_read_version(home, "cell", name) for name in names)],
        "partnerships": [item.model_dump_json() for item in catalogue.partnerships.values()],
    }


def _list_unanswered(project: Project, current: TableKeys) -> list[str]:
    """Return the problems without a current answer, each with the reason, for a key."""
    return [f"{name} {reason}" for name, reason in describe_unanswered(project, current).items()]


def _problem_inputs(project: Project, names: list[str]) -> dict[str, list[str]]:
    """Return what the views of problems and their rows in the tables that stack them are made from."""
    catalogue, home = project.catalogue, project.home
    declared, reviewed = hash_texts(*declaration_keys(project, names)), _read_reviewed_texts(project)
    inputs: dict[str, list[str]] = {}
    for name in names:
        # A column's description names its measures: a SELECT may take equal figures from another one.
        described = [declared, str(sorted(catalogue.problems[name].select.inputs.items()))]
        inputs[f"problem.{name}"] = [*described, _read_version(home, "view", name)]
        if catalogue.problems[name].header.groups:
            inputs[partnership_view(name)] = [*described, _read_version(home, "partnership_view", name)]
        for table, kind in ANSWER_KINDS.items():
            inputs[part_name(table, name)] = [_read_version(home, kind, name)]
        inputs[part_name("ranks", name)] = [declared, _read_version(home, "cell", name)]
        ledger = [table_key(ledger_path(home, name)) or "", *reviewed.get(name, ())]
        for table in LEDGER_TABLES:
            inputs[part_name(table, name)] = [declared, *ledger, *_acceptances_in_force(project, name)]
    return inputs


def _source_inputs(project: Project, current: TableKeys, sources_read: list[str]) -> dict[str, list[str]]:
    """Return what the observations of sources and their rows in the tables that stack them are made from.

    The figures of a source are compared with those of others, and a return with the residents of its place.
    """
    catalogue = project.catalogue
    places = [current.places, current.boundaries, *current.apportioning.values()]
    shared = hash_texts(*declaration_keys(project, []), *places)
    residents = population_measures(catalogue)
    inputs: dict[str, list[str]] = {}
    for name in sources_read:
        measures = {*catalogue.comparable_measures[name], *residents}
        others = sorted({catalogue.measure_source[measure] for measure in measures})
        keys = [current.observation[name], *(current.observation.get(other, "") for other in others)]
        inputs[part_name("observations", name)] = keys[:1]
        inputs |= {part_name(table, name): [shared, *keys] for table in SOURCE_TABLES}
    return inputs


def _read_reviewed_texts(project: Project) -> dict[str, list[str]]:
    """Return the texts of the accepted gaps and costs of each problem that has some."""
    texts: dict[str, list[str]] = {}
    for path in sorted(_problems_folder(project).glob("*.*.yaml")):
        texts.setdefault(path.name.partition(".")[0], []).append(path.read_text(encoding="utf-8"))
    return texts


def partnership_view(name: str) -> str:
    """Return the name of the view of a problem's partnerships in the analyst's file."""
    return f"problem.{name}_partnerships"


def _read_version(home: Path, kind: str, name: str) -> str:
    """Return the version of a table of a problem."""
    return str(table_version(state_path(home, kind, name)))


def has_partitioned_tables(home: Path) -> bool:
    """Return whether an earlier build wrote partitioned tables: later builds then keep them current."""
    return any(group.startswith(f"{TABLES_FOLDER} ") for group in read_manifest(home))
