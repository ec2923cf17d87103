"""Read YAML declarations with line numbers, so that every error names the file and the line."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from pipelines.core.errors import DeclarationError, UnsafeDeclarationError, file_location, suggest_names
from pipelines.core.limits import YAML_BYTES, YAML_DEPTH, YAML_NODES
from pipelines.core.visible import has_invisible
from pipelines.declarations.parsed_texts import parse_once
from pipelines.declarations.renamed_keys import instead_of

T = TypeVar("T", bound=BaseModel)
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C where available: it is ten times faster."""
_LONG_NUMBER = re.compile(r"[-+\w:.]{400,}")
"""A number, in any base, long enough that parsing it takes minutes."""
LineNumbers = dict[tuple[str | int, ...], int]


def read_yaml(text: str, path: Path, first_line: int = 1) -> tuple[Any, LineNumbers]:
    """Parse YAML to plain data and the line number of each key and item."""
    return parse_once(
        f"yaml {first_line}",
        text,
        lambda: _parse_yaml(text, path, first_line),
        lambda parsed: (parsed[0], [[list(where), line] for where, line in parsed[1].items()]),
        lambda plain: (plain[0], {tuple(where): line for where, line in plain[1]}),
    )


def _parse_yaml(text: str, path: Path, first_line: int) -> tuple[Any, LineNumbers]:
    try:
        _refuse_harmful(text, path, first_line)
        loader = YAML_LOADER(text)
        node = loader.get_single_node()
        lines: LineNumbers = {(): first_line}
        if node is None:
            return None, lines
        lines.update(_list_lines(node, (), path, first_line))
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = first_line + mark.line if mark else None
        raise DeclarationError(f"{file_location(path, line)}: not YAML: {error.problem}; correct the line") from error
    except yaml.reader.ReaderError as error:
        line = first_line + text.count("\n", 0, error.position or 0)
        raise DeclarationError(
            f"{file_location(path, line)}: not YAML: {error.reason}; remove the character"
        ) from error
    except (ValueError, OverflowError) as error:
        raise DeclarationError(f"{file_location(path)}: not YAML: {error}; quote the value") from error


def _refuse_harmful(text: str, path: Path, first: int) -> None:
    """Raise UnsafeDeclarationError, before loading, for YAML that is too large or deep, or has invisible characters.

    Aliases count with their expanded size.
    """
    if len(text) > YAML_BYTES:
        raise UnsafeDeclarationError(
            f"{file_location(path)}: found {len(text):,} characters, expected at most {YAML_BYTES:,}; split it"
        )
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=YAML_LOADER):
        where, anchor, size = (
            file_location(path, first + getattr(event.start_mark, "line", 0)),
            getattr(event, "anchor", None),
            0,
        )
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == name for name, _ in open_):
                raise UnsafeDeclarationError(f"{where}: *{anchor} is inside &{anchor} itself; write the value in full")
            size = sizes.get(anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            if _LONG_NUMBER.fullmatch(event.value):
                raise UnsafeDeclarationError(
                    f"{where}: found a number of {len(event.value):,} digits; write a shorter one"
                )
            if has_invisible(event.value):
                raise UnsafeDeclarationError(f"{where}: found {event.value[:60]!r}; remove the invisible characters")
            size = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
        if anchor and not isinstance(event, yaml.CollectionStartEvent | yaml.AliasEvent):
            sizes[anchor] = size
        open_[-1] = (open_[-1][0], open_[-1][1] + size)
        if len(open_) > YAML_DEPTH:
            raise UnsafeDeclarationError(f"{where}: nests deeper than {YAML_DEPTH} levels; use fewer levels")
        if open_[-1][1] > YAML_NODES:
            raise UnsafeDeclarationError(f"{where}: over {YAML_NODES:,} values once aliases are expanded; use fewer")


def _list_lines(
    node: yaml.Node, where: tuple[str | int, ...], path: Path, first: int
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            line = first + key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                raise DeclarationError(
                    f"{file_location(path, line)}: found a key that is a list or a mapping; expected a name"
                )
            if key.value in first_lines:
                raise DeclarationError(
                    f"{file_location(path, line)}: {key.value} is declared twice, first on line "
                    f"{first_lines[key.value]}; keep one"
                )
            first_lines[key.value] = line
            yield (*where, key.value), line
            yield from _list_lines(value, (*where, key.value), path, first)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*where, index), first + item.start_mark.line
            yield from _list_lines(item, (*where, index), path, first)


def validate_declaration(model: type[T], data: Any, lines: LineNumbers, path: Path) -> T:
    """Validate a declaration against its model; raise DeclarationError with file, line, value and choices."""
    try:
        return model.model_validate(data if data is not None else {})
    except ValidationError as error:
        problems = error.errors()
        old = [problem for problem in problems if _instead(model, problem)]
        complaints = [_format_complaint(model, problem, lines, path) for problem in old or problems]
        raise DeclarationError("\n".join(dict.fromkeys(complaints))) from error


def _instead(model: type[BaseModel], problem: Any) -> str | None:
    """Return the replacement of an old key, else null. Errors that its absence causes are not reported."""
    if problem["type"] != "extra_forbidden":
        return None
    *where, key = problem["loc"]
    return instead_of(str(key), field_names(model, tuple(where)))


def _format_complaint(model: type[BaseModel], problem: Any, lines: LineNumbers, path: Path) -> str:
    where = _locate(problem["loc"], lines)
    key = ".".join(str(part) for part in where) or "the file"
    if instead := _instead(model, problem):
        message = instead
    elif problem["type"] == "extra_forbidden":
        # YAML reads the text after a comma within braces as a key, even where a person meant one text.
        hint = "; within { }, put a text with a comma in quotes" if " " in str(where[-1]) else ""
        message = f"unknown key; {suggest_names(str(where[-1]), field_names(model, where[:-1]))}{hint}"
    elif problem["type"] == "missing":
        message = f"{problem['loc'][-1]} is missing; {field_meaning(model, where, problem['loc'][-1])}"
    else:
        value = f", found {problem['input']!r}" if not isinstance(problem["input"], dict) else ""
        message = problem["msg"].removeprefix("Value error, ") + value
    return f"{file_location(path, lines[where])}: {key}: {message}"


def _locate(parts: Iterable[str | int], lines: LineNumbers) -> tuple[str | int, ...]:
    """Return the part of a position that a file has; pydantic adds the name of a form of a key that has several."""
    where: tuple[str | int, ...] = ()
    for part in parts:
        where = (*where, part) if (*where, part) in lines else where
    return where


def field_names(model: type[BaseModel], where: tuple[str | int, ...]) -> list[str]:
    """Return the keys allowed at a position in a declaration."""
    nested = _nested_model(model, where)
    return sorted(field.alias or name for name, field in nested.model_fields.items()) if nested else []


def field_meaning(model: type[BaseModel], where: tuple[str | int, ...], key: str | int) -> str:
    """Return the description of a key of a declaration; blank where unknown."""
    nested = _nested_model(model, where)
    fields = {item.alias or name: item for name, item in nested.model_fields.items()} if nested else {}
    field = fields.get(str(key))
    return (field.description or "") if field else ""


def _nested_model(model: type[BaseModel], where: tuple[str | int, ...]) -> type[BaseModel] | None:
    annotation: Any = model
    for part in where:
        annotation = _nested_annotation(_unwrap_type(annotation), part)
    nested = _unwrap_type(annotation)
    return nested if isinstance(nested, type) and issubclass(nested, BaseModel) else None


def _nested_annotation(annotation: Any, part: str | int) -> Any:
    """Return the type under a key or an item: a field of a model, or the element type of a dict or tuple."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, tuple):
        return arguments[1 if origin is dict else 0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        return fields[str(part)].annotation if str(part) in fields else None
    return None


def _unwrap_type(annotation: Any) -> Any:
    """Return the type inside an optional or annotated type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _unwrap_type(arguments[0])
    if origin in (Union, UnionType):
        return _unwrap_type(next(argument for argument in arguments if argument is not type(None)))
    return annotation
