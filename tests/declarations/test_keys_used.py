"""Keys of a source: how many there are, how long a declaration is, and who uses each key."""

import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from pipelines.declarations.corrections import CORRECTIONS_SUFFIX
from pipelines.declarations.defaults import SharedDeclaration
from pipelines.declarations.endpoint import Api
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_OF_A_SOURCE, MOST_OF_A_MEASURE, MOST_LINES = 50, 15, 12
MOST_NESTED = 194
"""Keys of a source and of all mappings within it, those of a measure among them."""
FILES = [path for path in sorted((ROOT / "sources").glob("*.yaml")) if not path.name.endswith(CORRECTIONS_SUFFIX)]
UNUSED = re.compile(r"`(\w+\.\w+)`(?=[^|\n]*\|)")
RECORD = ROOT / "docs" / "decisions" / "0019-keys-of-a-source.md"
Key = tuple[str, str]
"""The model that has a key, and the key."""


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models within a type."""
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple, dict):
        for item in get_args(annotation):
            yield from models_in(item)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def keys_of(model: type[BaseModel]) -> set[Key]:
    """Return the keys of a model and of all models within."""
    actual = {(model.__name__, field.alias or name) for name, field in model.model_fields.items()}
    inner = {item for field in model.model_fields.values() for item in models_in(field.annotation)}
    return actual.union(*(keys_of(item) for item in inner if item is not model))


def used_by(model: type[BaseModel], data: Any) -> set[Key]:
    """Return the keys that a mapping uses, as keys of a model and of the models within."""
    actual: set[Key] = set()
    for name, field in model.model_fields.items():
        key = field.alias or name
        if isinstance(data, dict) and key in data:
            actual.add((model.__name__, key))
            actual |= used_within(field.annotation, data[key])
    return actual


def used_within(annotation: Any, data: Any) -> set[Key]:
    """Return the keys that a value uses, however deep its type has a model."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, tuple):
        values = data if origin is tuple and isinstance(data, list | tuple) else [data]
        return set().union(*(used_within(arguments[0], item) for item in values))
    if origin is dict:
        return set().union(
            *(used_within(arguments[1], item) for item in (data.values() if isinstance(data, dict) else ()))
        )
    if origin in (Union, UnionType):
        return set().union(*(used_within(item, data) for item in arguments))
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return used_by(annotation, data) if is_model and isinstance(data, dict) else set()


def shipped() -> set[Key]:
    """Return the keys that a bundled declaration uses, or a publisher or family for it."""
    used: set[Key] = set()
    for path in FILES:
        used |= used_by(Source, yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in (ROOT / "sources" / "shared").glob("*.yaml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")).values():
            keys = used_by(SharedDeclaration, entry)
            used |= {("Source" if model == SharedDeclaration.__name__ else model, key) for model, key in keys}
            used |= used_within(Api, entry.get("fetch", {}))
    return used


def test_source_has_at_most_50_keys_and_measure_15() -> None:
    assert len(Source.model_fields) <= MOST_OF_A_SOURCE
    assert len(Measure.model_fields) <= MOST_OF_A_MEASURE
    assert len(keys_of(Source)) <= MOST_NESTED


def test_every_key_is_used_by_something_bundled_or_is_in_the_decision_record() -> None:
    unused = {f"{model}.{key}" for model, key in keys_of(Source) - shipped()}
    assert unused == set(UNUSED.findall(RECORD.read_text(encoding="utf-8")))


def test_median_declaration_has_at_most_12_lines() -> None:
    assert len(FILES) > 100
    # All lines count: comments, requests and their evidence too.
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    assert statistics.median(len(text.splitlines()) for text in texts) <= MOST_LINES
