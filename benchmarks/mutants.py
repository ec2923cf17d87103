"""Share of small faults in the program that the tests notice: faults drawn by a seed, one at a time.

    .venv/bin/python -m benchmarks.mutants --seed 1                 # all modules that make numbers, and checks/
    .venv/bin/python -m benchmarks.mutants --seed 2 --module pipelines/gaps/grid.py --each 20 --show

Each mutant changes one operator, constant, comparison or method of one module in a copy of the program. The tests
that TESTS lists for the module run on it, and stop at the first failure. A mutant without a failing test is
unnoticed. Tests that `make test` leaves out do not run, because many of them build the whole edition. mutmut and
cosmic-ray run every mutant of a whole program, take hours, and draw no sample by a seed.
"""

import argparse
import ast
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import pytest
from hypothesis import Phase, settings

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
SECONDS = 240
"""A mutant counts as noticed if its tests use more processor time than this, because it causes an endless loop."""
FLOORS = {"numbers": 0.85, "checks": 0.80, "engine": 0.90}
GROUPS = {"checks/": "checks", "pipelines/apportionment/": "engine"}
"""Groups of modules by the start of their paths; every other module makes numbers."""
_ENGINE_TESTS = {
    "absences": ("absences",), "counts": ("counts",), "engine": ("engine", "part_bounds_rules", "place"),
    "engine_sums": ("engine_sums",), "error_model": ("error_model_rules",), "gap_reasons": ("gap_reasons", "place"),
    "losses": ("losses_rules",), "mapped_figure": ("matrix", "placed_cells"), "matrix": ("matrix", "place"),
    "part_bounds": ("part_bounds_rules", "place"), "part_sums": ("part_bounds_rules", "engine", "place"),
    "place": ("engine", "provenance", "place"), "population": ("population",),
    "placed_cells": ("placed_cells", "place"), "provenance": ("provenance", "place"),
    "rates": ("rates", "engine"), "vectors": ("vectors", "place", "counts"),
}  # fmt: skip
"""Tests of each module of the engine, the quickest first."""
TESTS: dict[str, tuple[str, ...]] = {
    **{f"checks/{name}.py": () for name in (
        "contract", "floor", "medians", "periods", "places", "plausible", "providers", "published_together", "releases",
        "repeats", "rows", "rules", "series", "shares", "units", "unrecovered",
    )},
    **{f"checks/{name}.py": (f"tests/checks/test_{name}_rules.py",) for name in ("agreement", "flags")},
    "checks/expected.py": ("tests/checks/test_plausible.py", "tests/checks/test_expected.py"),
    # What these do on arrays is compared with the same rules on every figure.
    "checks/confirmation.py": ("tests/checks/test_confirmation_rules.py", "tests/checks/test_figures_in_full.py"),
    "checks/figures.py": ("tests/checks/test_figures.py", "tests/checks/test_figures_in_full.py"),
    **{f"pipelines/{name}.py": () for name in (
        "core/periods", "core/slices", "readers/values", "readers/reshape", "readers/rows",
        "observations/bounds", "observations/caveats", "observations/conform", "observations/current",
        "observations/disclosure",
        "observations/plain_files", "observations/published_limits", "observations/reconciliation",
        "observations/reference_period", "observations/returns", "observations/revisions", "observations/scan",
        "observations/totals", "observations/values",
        "geography/contiguity", "geography/hierarchy", "geography/overlay", "geography/register",
        "gaps/carried_places", "gaps/cells", "gaps/discontinuities", "gaps/former_codes", "gaps/grid", "gaps/history",
        "gaps/need_scope", "gaps/optimise",
        "gaps/over_time", "gaps/proxies", "gaps/ranks", "gaps/reference_periods", "gaps/refine", "gaps/requests",
        "gaps/sightings", "gaps/validity", "gaps/verdicts",
    )},
    "pipelines/gaps/answer.py": ("tests/gaps/test_cell_blocks.py", "tests/gaps/test_answer.py"),
    "pipelines/gaps/cell_blocks.py": ("tests/gaps/test_cell_blocks.py",),
    "pipelines/gaps/view.py": ("tests/gaps/test_view.py", "tests/gaps/test_answer.py"),
    "pipelines/gaps/over_time.py": ("tests/gaps/test_over_time.py", "tests/gaps/test_over_time_rules.py"),
    "pipelines/observations/intake.py": (
        "tests/observations/test_intake_rules.py", "tests/app/test_copied_files.py",
        "tests/observations/test_local_contract.py",
    ),
    "pipelines/observations/release_reading.py": (
        "tests/observations/test_release_reading.py", "tests/observations/test_release_parts.py",
    ),
    "pipelines/readers/values.py": ("tests/readers/test_values.py", "tests/observations/test_conform.py"),
    "pipelines/readers/reshape.py": ("tests/readers/test_reshape_rules.py",),
    "pipelines/geography/contiguity.py": ("tests/geography/test_contiguity_rules.py",),
    "pipelines/geography/hierarchy.py": ("tests/geography/test_hierarchy_rules.py",),
    **{f"pipelines/{name}.py": () for name in (
        "core/digits", "core/distinct", "core/table_cache", "gaps/costs", "geography/nearest_neighbours",
        "gaps/partnerships", "gaps/scenario", "geography/reach", "geography/reorganisation",
        "observations/column_figures", "observations/providers", "outputs/answer_trend", "outputs/larger_places",
        "outputs/place_figures", "outputs/superseded", "readers/csv",
    )},
    "pipelines/core/ordering.py": ("tests/core/test_ordering.py",),
    "pipelines/core/export.py": ("tests/core/test_export.py",),
    **{f"pipelines/readers/{name}.py": (f"tests/readers/test_{name}.py",) for name in (
        "header", "json", "parquet", "tidy", "workbook",
    )},
    **{f"pipelines/geography/{name}.py": (f"tests/geography/test_{test}.py",) for name, test in (
        ("border_practices", "border_practices_rules"), ("postcode_districts", "postcode_districts"),
        ("systems", "systems_rules"),
    )},
    **{f"pipelines/gaps/{name}.py": () for name in ("ledger_drafts", "plan", "remedies", "returns_load")},
    "pipelines/gaps/ledger_load.py": ("tests/gaps/test_ledger_load.py", "tests/gaps/test_ledger_days.py"),
    **{f"pipelines/observations/{name}.py": ("tests/observations/test_access_rules.py",) for name in (
        "access", "newest_period",
    )},
    "pipelines/gaps/ledger.py": (
        "tests/gaps/test_ledger_days.py", "tests/gaps/test_ledger.py", "tests/app/test_ledger_repair.py",
    ),
    "pipelines/gaps/placing.py": ("tests/apportionment/test_weighted.py", "tests/gaps/test_cells.py"),
    "pipelines/geography/crosswalk.py": (
        "tests/geography/test_crosswalk_rules.py", "tests/apportionment/test_weighted_rules.py",
    ),
    "pipelines/geography/lineage.py": (
        "tests/geography/test_lineage_rules.py", "tests/geography/test_overlay.py",
        "tests/geography/test_gazetteer.py", "tests/geography/test_lineage.py",
    ),
    "pipelines/geography/small_areas.py": (
        "tests/geography/test_hierarchy_rules.py", "tests/geography/test_overlay.py",
        "tests/geography/test_small_areas.py",
    ),
    "pipelines/geography/catchments.py": ("tests/geography/test_small_areas.py",),
    "pipelines/observations/ingest.py": (
        "tests/observations/test_ingest_rules.py", "tests/observations/test_release_parts.py",
    ),
    "pipelines/observations/source_tables.py": (
        "tests/observations/test_source_tables_rules.py", "tests/observations/test_release_reading.py",
    ),
    "pipelines/observations/comparison.py": (
        "tests/observations/test_comparison.py", "tests/checks/test_agreement.py",
    ),
    "pipelines/outputs/answer_ranking.py": ("tests/outputs/test_answer.py",),
    "pipelines/outputs/place_context.py": ("tests/outputs/test_place_context.py", "tests/outputs/test_place_keys.py"),
    "pipelines/outputs/report_summary.py": ("tests/outputs/test_report.py",),
    "pipelines/outputs/value_scale.py": ("tests/outputs/test_value_scale.py",),
    "pipelines/outputs/answer.py": ("tests/outputs/test_answer_rules.py", "tests/outputs/test_answer.py"),
    "pipelines/outputs/answer_sentence.py": (
        "tests/outputs/test_answer_sentence.py", "tests/outputs/test_answer.py",
    ),
    "pipelines/outputs/report_tables.py": ("tests/outputs/test_report_tables.py", "tests/outputs/test_report.py"),
    "pipelines/outputs/value_map.py": ("tests/outputs/test_value_map.py", "tests/outputs/test_answer.py"),
    "pipelines/outputs/trend_chart.py": (
        "tests/outputs/test_trend_chart_rules.py", "tests/outputs/test_trend_chart.py",
    ),
    "pipelines/outputs/warehouse_observations.py": (
        "tests/outputs/test_warehouse_observations_rules.py", "tests/outputs/test_warehouse_observations.py",
    ),
    **{f"pipelines/outputs/{name}.py": () for name in (
        "charts", "place_brief", "rank_chart", "report_brief", "report_changes", "small_multiples", "trend_marks",
    )},
    **{f"pipelines/apportionment/{name}.py": tuple(f"tests/apportionment/test_{test}.py" for test in tests)
       for name, tests in _ENGINE_TESTS.items()},
}  # fmt: skip
"""Modules that make numbers, each with its tests; by default those with the module's name."""
ROOMS_OF_FIGURES = (
    "checks",
    *(f"pipelines/{room}" for room in ("readers", "geography", "observations", "apportionment", "gaps", "outputs")),
)
"""Rooms in which every module is in TESTS or in WITHOUT_FIGURES. Of other rooms TESTS has some modules."""
_WITHOUT_FIGURES = {
    # They load, store or describe, and run what others declare.
    "checks": "expectations finding registry runners",
    # They open files, or inspect a file that no source declares.
    "pipelines/readers": "archive read sniff workbook_child workbook_process",
    # They load tables, find names and lay out outlines.
    "pipelines/geography":
        "access contiguity_load description load names nicknames outlines release stored_places",
    # They draft a declaration, or judge stored files again.
    "pipelines/observations": "column_role contract_verdicts draft draft_measures local_contract profile",
    # They read stored cells, find current tables, and choose between ways with equal results.
    "pipelines/gaps": "access built_cells current engine_choice refusals",
    # They lay out and write tables that others made, and find current files.
    "pipelines/outputs":
        "boundary_files brief contract_page crosswalk_file csvw data_dictionary data_package dataset_metadata datasets "
        "declared_tables freshness index_inputs last_changed letters load map open_files page_templates page_words "
        "partitioned_tables partners place_inputs place_keys place_pages place_parts place_render publish "
        "renamed_columns_page report report_model roads_page search site source_status spreadsheet view_columns "
        "warehouse warehouse_path warehouse_tables workbook",
}  # fmt: skip
WITHOUT_FIGURES = frozenset(f"{room}/{name}.py" for room, names in _WITHOUT_FIGURES.items() for name in names.split())
"""Modules that neither calculate, choose nor format a figure."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "hypothesis", "numpy", "polars", "duckdb", "pydantic", "rich", "typer"])
"""Processes that start with the libraries loaded, and without the program."""
_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Mod: ast.Mult,
}  # fmt: skip
_METHODS = {
    "min": "max", "max": "min", "sum": "max", "mean": "max", "median": "max", "first": "last", "last": "first",
    "any": "all", "all": "any", "is_null": "is_not_null", "is_not_null": "is_null", "head": "tail", "tail": "head",
    "min_horizontal": "max_horizontal", "max_horizontal": "min_horizontal", "starts_with": "ends_with",
}  # fmt: skip
_WORDS = {"left": "inner", "inner": "left", "semi": "anti", "anti": "semi", "full": "left"}
"""Kinds of join."""


class Mutant(NamedTuple):
    """One small fault: the module, the line, the change, and the whole text with the fault."""

    module: str
    line: int
    change: str
    text: str


def list_changes(module: str) -> list[tuple[int, int]]:
    """Return every mutant of a module in the order of its text: the number of an expression, and of its change."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    return [
        (number, choice)
        for number, node in enumerate(_mutable_expressions(tree))
        for choice in range(len(list(_possible_changes(node))))
    ]


def build_mutant(module: str, number: int, choice: int) -> Mutant:
    """Build one mutant of a module (list_changes)."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    node = list(_mutable_expressions(tree))[number]
    before = ast.unparse(node)
    list(_possible_changes(node))[choice]()
    return Mutant(module, node.lineno, f"{before} -> {ast.unparse(node)}", ast.unparse(tree))


def _mutable_expressions(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the expressions that can be changed, without docstrings, imports, types and sizes of caches."""
    silent = {id(part) for node in _silent_expressions(tree) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and id(node) not in silent and any(True for _ in _possible_changes(node)):
            yield node


def _silent_expressions(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield expressions without an effect on any result: annotations of types, and the size of a cache of results."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) or (isinstance(node, ast.arg) and node.annotation):
            yield node.annotation
        elif isinstance(node, ast.FunctionDef):
            yield from [node.returns] if node.returns else []
            yield from (item for item in node.decorator_list if ast.unparse(item).startswith("keep_results("))


def _possible_changes(node: ast.expr) -> Iterator["Change"]:
    """Yield the possible changes of one expression, each applied when it is called."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARED:
        yield Change(node, "ops", [_COMPARED[type(node.ops[0])]()])
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATED and not _is_text_operation(node):
        yield Change(node, "op", _OPERATED[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        yield Change(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not):
        # A double negation removes the negation.
        yield Change(node, "operand", ast.UnaryOp(op=type(node.op)(), operand=node.operand))
    if isinstance(node, ast.Attribute) and node.attr in _METHODS:
        yield Change(node, "attr", _METHODS[node.attr])
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield Change(node, "value", node.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield Change(node, "value", not node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _WORDS:
        yield Change(node, "value", _WORDS[node.value])


def _is_text_operation(node: ast.BinOp) -> bool:
    return any(isinstance(part, ast.JoinedStr | ast.List | ast.Tuple) for part in (node.left, node.right)) or any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) for part in (node.left, node.right)
    )


class Change(NamedTuple):
    """One change of an expression: the attribute and its new value."""

    node: ast.expr
    name: str
    value: object

    def __call__(self) -> None:
        """Apply the change in place."""
        setattr(self.node, self.name, self.value)


def module_tests(module: str) -> list[str]:
    """Return the tests of a module: those in TESTS, or else those with its name in the folder of its room.

    A separate file of rules, such as `test_bounds_rules.py`, takes precedence because it is fast.
    """
    path = Path(module)
    room = Path("tests") / (path.parent.name if module.startswith("pipelines/") else "checks")
    own = next(
        (name for name in (f"test_{path.stem}_rules.py", f"test_{path.stem}.py") if (ROOT / room / name).exists()), ""
    )
    return [
        str(path_of_test)
        for path_of_test in map(Path, TESTS.get(module) or (room / own,))
        if (ROOT / path_of_test).is_file()
    ]


def copy_program(folder: Path) -> Path:
    """Copy the files that the tests need; link data that mutants do not change."""
    for name in ("pipelines", "checks", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("sources", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md", "workspace.yaml", ".ci"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def is_noticed(mutant: Mutant, program: Path, options: list[str]) -> bool:
    """Run the tests of a module on a mutant in a copy of the program; return whether any fails."""
    path = program / mutant.module
    sound = path.read_text(encoding="utf-8")
    try:
        _write_new(path, mutant.text)
        return _exit_code(program, module_tests(mutant.module), options) != 0
    finally:
        _write_new(path, sound)


def _write_new(path: Path, text: str) -> None:
    """Write a module with a time that no earlier version has, so that no stored bytecode of another is read."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (moment := next(_MOMENTS), moment))


_MOMENTS = count(1_000_000_000)


def find_options(tests: tuple[str, ...], program: Path) -> list[str]:
    """Return the options with which some tests pass on the sound program; stop where they fail.

    Plain tests need no shared fixtures, and start without the modules that these import.
    """
    for options in (["--noconftest"], []):
        if _exit_code(program, list(tests), options) == 0:
            return options
    raise ValueError(f"tests fail without a mutant: {', '.join(tests)}")


def _exit_code(program: Path, tests: list[str], options: list[str]) -> int | None:
    run = _FORKS.Process(target=_run_tests, args=(program, tests, options))
    run.start()
    run.join()
    return run.exitcode


def _run_tests(program: Path, tests: list[str], options: list[str]) -> None:
    """Run tests of a copy of the program in a process with the libraries loaded; exit as pytest does."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    os.chdir(program)
    sys.path.insert(0, str(program))
    sys.dont_write_bytecode = False
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nothing, number)
    # One failing example is enough: it is not made smaller.
    once = settings(max_examples=30, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
    settings.register_profile("once", once)
    every = ["-x", "-q", "-m", "not wide", "-p", "no:cacheprovider", "--hypothesis-profile=once", *options, *tests]
    sys.exit(int(pytest.main(every, plugins=[_InOrder(tests)])))


class _InOrder:
    """A plugin of pytest that runs files in the order of TESTS: those that notice most, and cost least, first."""

    def __init__(self, tests: list[str]) -> None:
        self.names = [Path(test).name for test in tests]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.names.index(item.path.name))


def draw_mutants(modules: list[str], per_module: int, seed: int) -> list[Mutant]:
    """Draw some mutants of every module by a seed."""
    rng = random.Random(seed)
    drawn = []
    for module in modules:
        every = list_changes(module)
        drawn += [build_mutant(module, *change) for change in rng.sample(every, min(per_module, len(every)))]
    return drawn


def try_all(mutants: list[Mutant], workers: int, shows: bool = False) -> list[bool]:
    """Test mutants, each in one of as many copies of the program as there are workers; print the unnoticed if asked."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            copies.put(copy_program(Path(folder) / str(number)))

        def in_a_copy(work: Callable[[Path], T]) -> T:
            program = copies.get()
            try:
                return work(program)
            finally:
                copies.put(program)

        every = list(dict.fromkeys(tuple(module_tests(mutant.module)) for mutant in mutants))
        options = dict(zip(every, pool.map(lambda tests: in_a_copy(partial(find_options, tests)), every), strict=True))

        def try_mutant(mutant: Mutant) -> bool:
            noticed = in_a_copy(
                lambda program: is_noticed(mutant, program, options[tuple(module_tests(mutant.module))])
            )
            if shows and not noticed:
                sys.stdout.write(f"unnoticed  {mutant.module}:{mutant.line}  {mutant.change}\n")
                sys.stdout.flush()
            return noticed

        return list(pool.map(try_mutant, mutants))


def module_group(module: str) -> str:
    """Return the group of a module, which has a floor of its own."""
    return next((group for start, group in GROUPS.items() if module.startswith(start)), "numbers")


def score_modules(mutants: list[Mutant], noticed: list[bool]) -> dict[str, tuple[int, int]]:
    """Count by module the noticed mutants and all mutants."""
    counts: dict[str, tuple[int, int]] = {}
    for mutant, seen in zip(mutants, noticed, strict=True):
        before = counts.get(mutant.module, (0, 0))
        counts[mutant.module] = (before[0] + seen, before[1] + 1)
    return counts


def run_mutants() -> None:
    """Draw and test mutants, and print the share noticed by module; exit with 1 where a floor is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--each", type=int, default=6, help="mutants of each module")
    parser.add_argument("--module", action="append", help="only these modules")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1)))
    parser.add_argument("--show", action="store_true", help="print each mutant that went unnoticed")
    options = parser.parse_args()
    modules = options.module or sorted(TESTS)
    untested = [module for module in modules if not module_tests(module)]
    if untested:
        sys.exit(f"no tests of that name: {', '.join(untested)}; expected tests/<room>/test_<module>.py")
    mutants = draw_mutants(modules, options.each, options.seed)
    noticed = try_all(mutants, options.workers, options.show)
    counts = score_modules(mutants, noticed)
    for module, (seen, tried) in counts.items():
        sys.stdout.write(f"{seen:4} of {tried:4}  {module}\n")
    missed = False
    for group, floor in FLOORS.items():
        mine = [count for module, count in counts.items() if module_group(module) == group]
        if mine:
            share = sum(seen for seen, _ in mine) / sum(tried for _, tried in mine)
            missed |= share < floor
            sys.stdout.write(f"{group}: {share:.0%} of {sum(tried for _, tried in mine)} noticed, floor {floor:.0%}\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    run_mutants()
