"""Hash of everything that a project declares, computed without reading the declarations as YAML or SQL."""

import hashlib
from pathlib import Path

_PATTERNS = ("sources/*.*", "sources/shared/*.yaml", "pipelines/problems/*.*", "pipelines/partnerships.yaml")
_PROGRAM = Path(__file__).resolve().parent


def hash_declarations(root: Path) -> str:
    """Return one hash of the files of all declarations, and of the code that reads them."""
    declared = [path for pattern in _PATTERNS for path in sorted(root.glob(pattern))]
    digest = hashlib.sha256()
    for path in (*declared, *sorted(_PROGRAM.glob("*.py"))):
        if path.is_file():
            digest.update(f"{path.name}\x00".encode() + hashlib.sha256(path.read_bytes()).digest())
    digest.update("\x00".join(sorted(path.name for path in (root / "sources" / "starter").glob("*"))).encode())
    return digest.hexdigest()
