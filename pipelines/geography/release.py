"""Validation of one release of a source of geography data, before it is stored."""

from pipelines.core.snapshots import Snapshot
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.catchments import read_shares_release
from pipelines.geography.load import read_register_release
from pipelines.geography.small_areas import read_areas_release

_READERS = {"areas": read_areas_release, "shares": read_shares_release}


def validate_geography_release(project: Project, content: bytes, snapshot: Snapshot) -> None:
    """Raise UnreadableError where a release of areas, shares, places or code changes is invalid.

    Releases of other sources are not checked.
    """
    provides = project.catalogue.find_source(snapshot.source).provides
    if reader := _READERS.get(provides):
        reader(content, project.catalogue, snapshot.source, snapshot, load_places(project).register)
    elif provides in ("place", "change"):
        read_register_release(content, project.catalogue, snapshot.source, snapshot)
