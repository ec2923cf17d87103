"""Read YAML declarations with line numbers, so that every error names the file and the line."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from pipelines.core.errors import DeclarationError, HarmfulError, at, near
from pipelines.core.limits import YAML_BYTES, YAML_DEPTH, YAML_NODES
from pipelines.core.visible import has_unseen
from pipelines.declarations.renamed_keys import new_name

T = TypeVar("T", bound=BaseModel)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C where available: it is ten times faster."""
_NUMBER = re.compile(r"[-+\w:.]{400,}")
"""A number, in any base, long enough that parsing it takes minutes."""
Lines = dict[tuple[str | int, ...], int]


def read_yaml(text: str, path: Path, first_line: int = 1) -> tuple[Any, Lines]:
    """Parse YAML to plain data and the line number of each key and item."""
    try:
        _refuse_harmful(text, path, first_line)
        loader = LOADER(text)
        node = loader.get_single_node()
        lines: Lines = {(): first_line}
        if node is None:
            return None, lines
        lines.update(_lines(node, (), path, first_line))
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = first_line + mark.line if mark else None
        raise DeclarationError(f"{at(path, line)}: not YAML: {error.problem}; correct the line") from error
    except yaml.reader.ReaderError as error:
        line = first_line + text.count("\n", 0, error.position or 0)
        raise DeclarationError(f"{at(path, line)}: not YAML: {error.reason}; remove the character") from error
    except (ValueError, OverflowError) as error:
        raise DeclarationError(f"{at(path)}: not YAML: {error}; quote the value") from error


def _refuse_harmful(text: str, path: Path, first: int) -> None:
    """Raise HarmfulError, before loading, for YAML that is too large or deep, or that has invisible characters.

    Aliases count with their expanded size.
    """
    if len(text) > YAML_BYTES:
        raise HarmfulError(f"{at(path)}: found {len(text):,} characters, expected at most {YAML_BYTES:,}; split it")
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=LOADER):
        where, anchor, size = at(path, first + getattr(event.start_mark, "line", 0)), getattr(event, "anchor", None), 0
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == name for name, _ in open_):
                raise HarmfulError(f"{where}: *{anchor} is inside &{anchor} itself; write the value in full")
            size = sizes.get(anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            if _NUMBER.fullmatch(event.value):
                raise HarmfulError(f"{where}: found a number of {len(event.value):,} digits; write a shorter one")
            if has_unseen(event.value):
                raise HarmfulError(f"{where}: found {event.value[:60]!r}; remove the invisible characters")
            size = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
        if anchor and not isinstance(event, yaml.CollectionStartEvent | yaml.AliasEvent):
            sizes[anchor] = size
        open_[-1] = (open_[-1][0], open_[-1][1] + size)
        if len(open_) > YAML_DEPTH:
            raise HarmfulError(f"{where}: nests deeper than {YAML_DEPTH} levels; use fewer levels")
        if open_[-1][1] > YAML_NODES:
            raise HarmfulError(f"{where}: over {YAML_NODES:,} values once aliases are expanded; use fewer")


def _lines(
    node: yaml.Node, where: tuple[str | int, ...], path: Path, first: int
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = first + key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                raise DeclarationError(f"{at(path, line)}: found a key that is a list or a mapping; expected a name")
            if key.value in seen:
                raise DeclarationError(
                    f"{at(path, line)}: {key.value} is declared twice, first on line {seen[key.value]}; keep one"
                )
            seen[key.value] = line
            yield (*where, key.value), line
            yield from _lines(value, (*where, key.value), path, first)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*where, index), first + item.start_mark.line
            yield from _lines(item, (*where, index), path, first)


def validate(model: type[T], data: Any, lines: Lines, path: Path) -> T:
    """Validate a declaration against its model; raise DeclarationError with file, line, value and choices."""
    try:
        return model.model_validate(data if data is not None else {})
    except ValidationError as error:
        problems = error.errors()
        renamed = [problem for problem in problems if _renamed(model, problem)]
        complaints = [_complaint(model, problem, lines, path) for problem in renamed or problems]
        raise DeclarationError("\n".join(dict.fromkeys(complaints))) from error


def _renamed(model: type[BaseModel], problem: Any) -> str | None:
    """Return the new name of an unknown key, if it is an old key: what its absence causes is not reported beside it."""
    if problem["type"] != "extra_forbidden":
        return None
    *where, key = problem["loc"]
    return new_name(str(key), fields_at(model, tuple(where)))


def _complaint(model: type[BaseModel], problem: Any, lines: Lines, path: Path) -> str:
    where: tuple[str | int, ...] = tuple(problem["loc"])
    while where not in lines:
        where = where[:-1]
    key = ".".join(str(part) for part in where) or "the file"
    if new := _renamed(model, problem):
        what = f"this key is now {new}; rename it"
    elif problem["type"] == "extra_forbidden":
        # YAML reads the text after a comma within braces as a key, even where a person meant one text.
        unquoted = "; within { }, put a text with a comma in quotes" if " " in str(where[-1]) else ""
        what = f"unknown key; {near(str(where[-1]), fields_at(model, where[:-1]))}{unquoted}"
    elif problem["type"] == "missing":
        what = f"{problem['loc'][-1]} is missing; {fields_meaning(model, where, problem['loc'][-1])}"
    else:
        found = f", found {problem['input']!r}" if not isinstance(problem["input"], dict) else ""
        what = problem["msg"].removeprefix("Value error, ") + found
    return f"{at(path, lines[where])}: {key}: {what}"


def fields_at(model: type[BaseModel], where: tuple[str | int, ...]) -> list[str]:
    """Return the keys allowed at a position in a declaration."""
    found = _model_at(model, where)
    return sorted(field.alias or name for name, field in found.model_fields.items()) if found else []


def fields_meaning(model: type[BaseModel], where: tuple[str | int, ...], key: str | int) -> str:
    """Return the description of a key of a declaration; blank where unknown."""
    found = _model_at(model, where)
    known = {each.alias or name: each for name, each in found.model_fields.items()} if found else {}
    field = known.get(str(key))
    return (field.description or "") if field else ""


def _model_at(model: type[BaseModel], where: tuple[str | int, ...]) -> type[BaseModel] | None:
    annotation: Any = model
    for part in where:
        annotation = _step(_bare(annotation), part)
    found = _bare(annotation)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _step(annotation: Any, part: str | int) -> Any:
    """Return the type under a key or an item: a field of a model, or the element type of a dict or tuple."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, tuple):
        return arguments[1 if origin is dict else 0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        known = {field.alias or name: field for name, field in annotation.model_fields.items()}
        return known[str(part)].annotation if str(part) in known else None
    return None


def _bare(annotation: Any) -> Any:
    """Return the type inside an optional or annotated type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bare(arguments[0])
    if origin in (Union, UnionType):
        return _bare(next(each for each in arguments if each is not type(None)))
    return annotation
