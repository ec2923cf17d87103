"""Partnerships of places, declared in `pipelines/partnerships.yaml`: their members, and where membership comes from."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipelines.core.errors import DeclarationError, suggest_names
from pipelines.declarations.base import NAME_PATTERN, Declaration, GeographyName, ListAsTuple
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.yaml_lines import read_yaml, validate_declaration

PARTNERSHIP_KIND = "partnership"
"""Kind of place of a partnership."""
_CODE_PREFIX = "partnership-"


class Partnership(Declaration):
    """A partnership: several places of one geography that decide together."""

    title: str = Field(description="Name of the partnership")
    kind: str = Field(description="Kind of partnership, in plain words, such as integrated care partnership")
    geography: GeographyName = Field(description="Geography of the members")
    members: Annotated[tuple[str, ...], ListAsTuple] = Field(
        description="Codes of the members. A place may be a member of several partnerships"
    )
    membership: str = Field(
        description="Reference for the members: a web address, or `inferred:` and why they are inferred"
    )


def partnership_code(name: str) -> str:
    """Return the code of a partnership as a place, from its name in the file."""
    return _CODE_PREFIX + name.replace("_", "-")


def is_partnership_code(code: str) -> bool:
    """Return whether a code is of a partnership."""
    return code.startswith(_CODE_PREFIX)


def partnerships_path(root: Path) -> Path:
    """Return the path of the file of partnerships of a project."""
    return root / "pipelines" / "partnerships.yaml"


def read_partnerships(root: Path) -> dict[str, Partnership]:
    """Read the partnerships of a project by name; without the file there are none."""
    path = partnerships_path(root)
    if not path.is_file():
        return {}
    data, lines = read_yaml(path.read_text(encoding="utf-8"), path)
    read: dict[str, Partnership] = {}
    for name, content in (data or {}).items():
        if not NAME_PATTERN.fullmatch(str(name)):
            raise DeclarationError(f"{path}: found {name!r}, expected a name of lower case letters, digits and _")
        own_lines = {key[1:]: line for key, line in lines.items() if key[:1] == (name,)}
        read[name] = validate_declaration(Partnership, content, own_lines, path)
        _refuse_wrong_members(name, read[name], path)
    return read


def _refuse_wrong_members(name: str, partnership: Partnership, path: Path) -> None:
    if len(partnership.members) < 2 or len(set(partnership.members)) < len(partnership.members):
        raise DeclarationError(f"{path}: {name}: members: expected at least two codes, each once")


def refuse_wrong_groups(header: ProblemHeader, path: Path, partnerships: Mapping[str, Partnership]) -> None:
    """Raise DeclarationError for a group that is unknown, of another geography, or with a member that is not asked."""
    for name in header.groups:
        if name not in partnerships:
            raise DeclarationError(
                f"{path}: groups: unknown partnership {name!r}; {suggest_names(name, partnerships)}; "
                "pipelines/partnerships.yaml declares them"
            )
        partnership = partnerships[name]
        if partnership.geography != header.geography:
            raise DeclarationError(
                f"{path}: groups: {name} has members of {partnership.geography}, expected {header.geography}"
            )
        outside = [code for code in partnership.members if header.place_codes and code not in header.place_codes]
        if outside:
            raise DeclarationError(f"{path}: groups: {name}: its member {outside[0]} is not in place_codes")


def select_partnerships(names: Iterable[str], partnerships: Mapping[str, Partnership]) -> dict[str, Partnership]:
    """Return some partnerships by the code of their place."""
    return {partnership_code(name): partnerships[name] for name in names}
